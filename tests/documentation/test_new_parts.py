"""A new method and a new density: a module, a file of defaults, and a line of a table each."""

import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from anode import Events, Model, fit, make_density
from anode.api import settings as api_settings
from anode.density.build import DENSITIES
from anode.density.build import Entry as DensityEntry
from anode.errors import ConfigError
from anode.methods.build import METHODS
from anode.methods.build import Entry as MethodEntry
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.runs.score_file import read_scores
from documentation.examples.distance import Distance, DistanceConfig
from documentation.examples.linear_gaussian import LinearGaussian, LinearGaussianConfig
from helpers.api_settings import OVERRIDES, QUICK
from helpers.settings import REPOSITORY

EXAMPLES = Path(__file__).parent / "examples"


@pytest.fixture
def configs(tmp_path, monkeypatch) -> Path:
    """The configuration files, with those of the examples among them."""
    folder = tmp_path / "configs"
    shutil.copytree(REPOSITORY / "configs", folder)
    shutil.copy(EXAMPLES / "distance.yaml", folder / "method")
    shutil.copy(EXAMPLES / "linear_gaussian.yaml", folder / "density")
    for name, module in list(sys.modules.items()):
        if name.startswith("anode.") and hasattr(module, "CONFIG_DIR"):
            monkeypatch.setattr(module, "CONFIG_DIR", folder)
    api_settings._composed_once.cache_clear()
    yield folder
    api_settings._composed_once.cache_clear()


@pytest.fixture
def method(configs, monkeypatch) -> None:
    """As a line of ``METHODS`` in ``anode/methods/build.py``."""
    monkeypatch.setitem(METHODS, "distance", MethodEntry(DistanceConfig, Distance))


@pytest.fixture
def density(configs, monkeypatch) -> None:
    """As a line of ``DENSITIES`` in ``anode/density/build.py``."""
    key, entry = ("linear_gaussian", "torch"), DensityEntry(LinearGaussianConfig, LinearGaussian)
    monkeypatch.setitem(DENSITIES, key, entry)


def test_a_new_method_runs_as_a_command(method, tmp_path):
    overrides = [
        "data=toy",
        "data.n_background=3000",
        "data.n_signal=600",
        "injection.n_signal=200",
    ]
    evaluation = ["evaluation.n_bootstrap=5", "evaluation.n_closure=500"]
    config = compose_run(
        ["method=distance", *overrides, *OVERRIDES, *evaluation], tmp_path / "run"
    )
    stages.run(config)
    found = read_scores(tmp_path / "run" / "scores.h5")
    assert np.isfinite(found.score).all()
    assert load_run(tmp_path / "run" / "config.yaml").method == DistanceConfig("distance", 0.001)
    with pytest.raises(ConfigError, match=r"method\.ridge must not be negative"):
        compose_run(["method=distance", "method.ridge=-1"], tmp_path)


def test_a_new_method_works_on_arrays(method):
    events = Events.toy(3000, 200)
    scores = Model(method="distance", **QUICK, ridge=0.0).fit(events).score(events)
    beside = (events.mass < 3400) | (events.mass >= 3600)
    x = events.features
    left = x - x[beside].mean(axis=0)
    expected = np.einsum("ni,ij,nj->n", left, np.linalg.inv(np.cov(x[beside].T)), left)
    np.testing.assert_allclose(scores.score[scores.scored], expected[scores.scored], rtol=1e-9)


def test_a_new_density_is_normalised_and_samples_what_it_says(density):
    gaussian = make_density("linear_gaussian", n_features=2, n_context=1, initial_scale=0.5)
    with torch.no_grad():
        gaussian.below[1, 0] = 0.3
        drawn = gaussian.sample(torch.ones(20_000, 1), torch.Generator().manual_seed(1))
        log_p = gaussian.log_prob(drawn, torch.ones(20_000, 1))
        latent = gaussian.latent(drawn, torch.ones(20_000, 1))
    # The mean of -log p is the entropy.
    entropy = 1 + math.log(2 * math.pi) + 2 * math.log(0.5)
    assert -log_p.mean() == pytest.approx(entropy, abs=0.03)
    np.testing.assert_allclose(np.cov(latent.T), np.eye(2), atol=0.05)
    with pytest.raises(ConfigError, match=r"density\.initial_scale must be above 0"):
        make_density("linear_gaussian", n_features=2, initial_scale=0.0)


def test_a_new_density_is_fitted_saved_and_loaded_by_any_method(density, tmp_path):
    rng = np.random.default_rng(1)
    m = rng.uniform(3000, 4000, 3000)
    x = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 3000) + m[:, None] / 1000
    quick = {"epochs": 30, "batch_size": 300, "learning_rate": 0.05, "ensemble": 1, "logit": False}
    found = fit(make_density("linear_gaussian", n_features=2), x, m, **quick).density
    drawn = found.sample(np.full(5000, 3500.0), seed=1)
    np.testing.assert_allclose(drawn.mean(axis=0), 3.5, atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), [[1, 0.6], [0.6, 1]], atol=0.15)
    events = Events.toy(3000, 200)
    model = Model(method="anode", **{**QUICK, "density": "linear_gaussian"}).fit(events)
    scores = model.score(events)
    assert np.isfinite(scores.score[scores.scored]).all()
