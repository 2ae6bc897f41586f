"""A new method, a new density and a new format, each as the documentation shows it, at work."""

import importlib
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.density import build as densities
from anode.events.formats import FORMATS, Format, open_source
from anode.events.simulation.toy import Toy
from anode.io import read_json
from anode.methods import build as methods
from anode.pipeline.datasets.config import CLASSES
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, from_mapping
from anode.seeding import torch_stream
from helpers.settings import REPOSITORY

EXAMPLES = REPOSITORY / "docs/examples"
TOY = ["data=toy", "data.n_background=8000", "data.n_signal=1500", "injection.n_signal=500"]
QUICK = [
    "regions.signal=[3400,3600]",
    "preprocessing.logit=false",
    "split.folds=2",
    "trainer.epochs=3",
    "ensemble.size=2",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=1000",
    "n_jobs=1",
    "store=null",
    "figures=false",
]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """Loads a module of the examples."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture
def choices(tmp_path: Path):
    """Folder of configurations that has an example's YAML in a group, as an override."""

    def with_choice(group: str, name: str) -> str:
        folder = tmp_path / "configs" / group
        folder.mkdir(parents=True)
        text = (EXAMPLES / f"{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(text)
        return f"hydra.searchpath=[file://{folder.parent}]"

    return with_choice


def configured(run_dir: Path, *overrides: str) -> RunConfig:
    raw = compose("run", [*QUICK, *overrides, "run_dir=replaced"])
    return from_mapping({**resolve(raw), "run_dir": str(run_dir)})


# --- method ---------------------------------------------------------------------------------


@pytest.fixture
def ratio(example, monkeypatch) -> ModuleType:
    module = example("gaussian_ratio")
    entry = methods.Entry(module.GaussianRatioConfig, module.GaussianRatio)
    monkeypatch.setitem(methods.METHODS, "gaussian_ratio", entry)
    return module


def test_the_method_finds_the_toy_signal_as_well_as_anyone_can(ratio, choices, tmp_path):
    path = choices("method", "gaussian_ratio")
    config = configured(tmp_path / "run", *TOY, path, "method=gaussian_ratio")
    stages.run(config)
    auc = read_json(tmp_path / "run/metrics.json")["auc"]
    # Both classes are Gaussian of one covariance, so the best AUC is Phi(d / sqrt 2).
    best = norm.cdf(Toy().separation / math.sqrt(2))
    assert best - 0.03 < auc <= best + 0.01


def test_the_method_scores_no_event_by_a_fit_that_has_seen_it(ratio, choices, tmp_path):
    path = choices("method", "gaussian_ratio")
    config = configured(tmp_path / "run", *TOY, path, "method=gaussian_ratio")
    stages.run(config)
    checkpoints = sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert checkpoints == ["background.h5", "data_fold0.h5", "data_fold1.h5"]


def test_the_gaussian_of_the_method_is_normalised(ratio):
    events = Toy().sample(2000, 0, np.random.default_rng(1))
    gaussian = ratio.Gaussian.fit(events, 0.0)
    mean = gaussian.line[0] + events.mass[0] / 1000 * gaussian.line[1]
    expected = multivariate_normal(mean, gaussian.covariance).logpdf(events.features[0])
    assert gaussian.log_prob(events)[0] == pytest.approx(expected, rel=1e-12)


# --- density --------------------------------------------------------------------------------


@pytest.fixture
def linear(example, monkeypatch) -> ModuleType:
    module = example("linear_gaussian")
    entry = densities.Entry(module.LinearGaussianConfig, module.LinearGaussian)
    monkeypatch.setitem(densities.DENSITIES, ("linear_gaussian", "torch"), entry)
    return module


def built(linear: ModuleType):
    config = linear.LinearGaussianConfig("linear_gaussian", "torch", 1e-3)
    density = densities.build_density(config, n_features=3, n_context=1, seed=0).double()
    with torch.no_grad():
        density.raw += torch.randn(3, 3, generator=torch_stream(1)).double()
    return density


def test_the_density_is_that_of_a_gaussian(linear):
    density, context = built(linear), torch.tensor([[0.3], [-1.0]], dtype=torch.float64)
    x = torch.randn(2, 3, generator=torch_stream(2)).double()
    factor = density._factor().detach().numpy()
    for row in range(2):
        mean = density.mean(context[row]).detach().numpy()
        expected = multivariate_normal(mean, factor @ factor.T).logpdf(x[row].numpy())
        assert density.log_prob(x, context)[row].item() == pytest.approx(expected, rel=1e-9)


def test_the_latent_of_what_is_sampled_is_the_noise(linear):
    density = built(linear)
    context = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    drawn = density.sample(context, torch_stream(3))
    noise = torch.randn(50, 3, generator=torch_stream(3)).double()
    assert torch.allclose(density.latent(drawn, context), noise, atol=1e-9)


def test_a_run_fits_the_density(linear, choices, tmp_path):
    path = choices("density", "linear_gaussian")
    recipe = ["trainer.learning_rate=0.02", "trainer.batch_size=128"]
    config = configured(tmp_path / "run", *TOY, path, "density=linear_gaussian", *recipe)
    stages.run(config)
    losses = read_json(tmp_path / "run/checkpoints/background/fit.json")["validation_loss"]
    assert losses[-1] < losses[0]
    assert read_json(tmp_path / "run/metrics.json")["auc"] > 0.7


# --- format ---------------------------------------------------------------------------------


@pytest.fixture
def json_lines(example, monkeypatch) -> ModuleType:
    module = example("json_lines")
    entry = Format(module.JsonLines.open, module.JsonLinesConfig)
    monkeypatch.setitem(FORMATS, "json_lines", entry)
    monkeypatch.setitem(CLASSES, "json_lines", entry.config)  # made of the table on import
    return module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    events = Toy().sample(6000, 800, np.random.default_rng(2))
    assert events.label is not None
    path = tmp_path / "events.jsonl"
    rows = zip(events.mass, events.features, events.label, strict=True)
    lines = [
        json.dumps({"m_jj": mass, "a": x[0], "b": x[1], "label": int(label)})
        for mass, x, label in rows
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_source_reads_what_was_written_whole_and_in_blocks(json_lines, file):
    config = json_lines.JsonLinesConfig("json_lines", str(file), None, None, None, "m_jj", "label")
    source = open_source(config, seed=1)
    events = Toy().sample(6000, 800, np.random.default_rng(2))
    whole = source.read(["b", "a"])
    assert source.count() == 6800
    assert source.feature_names == ("a", "b")
    assert np.array_equal(whole.mass, events.mass)
    assert np.array_equal(whole.features, events.features[:, [1, 0]])
    blocks = list(source.blocks(["a"], size=1000))
    assert [len(block) for block in blocks] == [1000] * 6 + [800]
    assert np.array_equal(np.concatenate([b.event_id for b in blocks]), whole.event_id)


def test_a_run_takes_the_file(json_lines, file, choices, tmp_path):
    path = choices("data", "json_lines")
    config = configured(
        tmp_path / "run",
        path,
        "data=json_lines",
        f"data.path={file}",
        "features=[a,b]",
        "injection.n_signal=300",
    )
    stages.run(config)
    metrics = read_json(tmp_path / "run/metrics.json")
    assert metrics["n_test_signal"] > 100
    assert metrics["auc"] > 0.5
