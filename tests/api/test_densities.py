"""Densities by name and their fit to arrays: right, repeatable, and checked."""

import math

import numpy as np
import pytest
import torch

from anode import fit, make_density
from anode.configuration.keys import choices_of
from anode.density.base import ConditionalDensity
from anode.errors import AnodeError, ConfigError, DataError
from anode.pipeline.runs.config import compose_run

NAMES = [choice.name for choice in choices_of("density")]
QUICK = {"epochs": 8, "batch_size": 200, "ensemble": 2, "logit": False, "seed": 1}


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x ~ N(m / 1000, 1/2) in two dimensions, m uniform between 3 and 4 TeV."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(3000, 4000, n)
    return rng.normal(m[:, None] / 1000, 0.5, (n, 2)), m


def test_every_density_of_the_configuration_can_be_made():
    for name in NAMES:
        density = make_density(name, n_features=3, n_context=2, hidden_features=8)
        assert isinstance(density, ConditionalDensity)
        density.eval()
        log_p = density.log_prob(torch.zeros(4, 3), torch.zeros(4, 2))
        assert log_p.shape == (4,)
        assert torch.isfinite(log_p).all()
        draws = density.sample(torch.zeros(5, 2), torch.Generator().manual_seed(1))
        assert draws.shape == (5, 3)


def test_defaults_are_those_of_the_configuration():
    n_transforms = compose_run(["density=maf"], "x").density.n_transforms

    def size(**settings: int) -> int:
        return sum(p.numel() for p in make_density("maf", n_features=4, **settings).parameters())

    assert size() == size(n_transforms=n_transforms) != size(n_transforms=n_transforms + 1)


def test_a_seed_gives_the_same_weights_and_leaves_torchs_own_state():
    state = torch.random.get_rng_state()
    one, same, other = (make_density("made_mog", n_features=2, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = zip(one.parameters(), same.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_a_fit_finds_the_density_in_physical_units():
    density = make_density("made_mog", n_features=2, hidden_features=16, n_components=1)
    found = fit(density, *sample(4000, 1), **{**QUICK, "epochs": 15})
    x, m = sample(1000, 2)
    truth = -0.5 * (((x - m[:, None] / 1000) / 0.5) ** 2).sum(1) - math.log(2 * math.pi * 0.25)
    excess = truth - found.density.log_prob(x, m)
    # Its mean is the Kullback-Leibler divergence.
    assert 0 < excess.mean() < 0.03
    latent = found.density.latent(x, m)
    np.testing.assert_allclose(latent.std(axis=0), 1, atol=0.1)
    drawn = found.density.sample(np.full(4000, 3800.0), seed=3)
    np.testing.assert_allclose(drawn.mean(axis=0), 3.8, atol=0.06)
    assert len(found.train_loss) == len(found.validation_loss) == 15
    assert found.validation_loss[-1] < found.validation_loss[0]


@pytest.mark.parametrize("logit", [True, False])
def test_the_density_is_normalised_whatever_its_preprocessing(logit):
    density = make_density("made_mog", n_features=1, hidden_features=8, n_components=2)
    x, m = sample(1000, 1)
    found = fit(density, x[:, :1], m, **{**QUICK, "logit": logit}).density
    grid = np.linspace(x[:, 0].min() - 2, x[:, 0].max() + 2, 40_001)
    inside = grid if not logit else grid[(grid > x[:, 0].min()) & (grid < x[:, 0].max())]
    p = np.exp(found.log_prob(inside[:, None], np.full(len(inside), 3500.0)))
    assert p.sum() * (inside[1] - inside[0]) == pytest.approx(1, abs=0.02)


def test_a_seed_gives_the_same_fit_and_the_data_are_left_alone():
    x, m = sample(600, 1)
    x.setflags(write=False)
    m.setflags(write=False)

    def loss(seed: int) -> np.ndarray:
        density = make_density("maf", n_features=2, n_transforms=2, hidden_features=8)
        return fit(density, x, m, **{**QUICK, "epochs": 2, "seed": seed}).validation_loss

    assert np.array_equal(loss(1), loss(1))
    assert not np.array_equal(loss(1), loss(2))


def test_the_average_is_over_the_epochs_asked_for():
    x, m = sample(600, 1)
    density = make_density("made_mog", n_features=2, hidden_features=8)
    last = fit(density, x, m, **{**QUICK, "ensemble": 1}).density
    density.eval()
    z, log_det = last._density.preprocessing(torch.as_tensor(x))
    with torch.no_grad():
        own = density.log_prob(z, last._density.context_scaling(torch.as_tensor(m))) + log_det
    np.testing.assert_allclose(last.log_prob(x, m), own, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make_density("mfa", n_features=2), ConfigError, r"did you mean maf\?"),
        (lambda: make_density("maf", n_features=2, hidden=3), ConfigError, r"density\.hidden"),
        (lambda: make_density("coupling_rqs", n_features=1), AnodeError, "coupling"),
    ],
)
def test_wrong_densities_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("x", "m", "options", "error", "message"),
    [
        (np.zeros((5, 3)), np.zeros(5), {}, DataError, r"shape \(5, 2\), a row a mass"),
        (np.zeros((4, 2)), np.zeros(5), {}, DataError, r"shape \(5, 2\), a row a mass"),
        (np.zeros((5, 2)), np.zeros((5, 1)), {}, DataError, r"m must be finite masses of shape"),
        (np.full((5, 2), np.nan), np.ones(5), {}, DataError, "x must be finite"),
        (np.ones((5, 2)), np.arange(5), {}, DataError, "is constant"),
        (
            np.ones((5, 2)),
            np.arange(5),
            {"ensemble": {"size": 2, "seeds": 2}},
            ConfigError,
            "seeds=2",
        ),
        (np.ones((5, 2)), np.arange(5), {"trainer": "papr"}, ConfigError, "did you mean paper"),
    ],
)
def test_wrong_arrays_and_settings_are_refused(x, m, options, error, message):
    density = make_density("made_mog", n_features=2, hidden_features=8)
    with pytest.raises(error, match=message):
        fit(density, x, m, **{**QUICK, **options})


def test_one_mass_is_the_context_of_a_fit():
    density = make_density("made_mog", n_features=2, n_context=2, hidden_features=8)
    with pytest.raises(ConfigError, match="n_context=2"):
        fit(density, *sample(100, 1), **QUICK)
