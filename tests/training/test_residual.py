"""The mixture of known background and fitted signal: closed forms, one common w, resumable."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from anode.density.base import ConditionalDensity
from anode.density.batched_loss import mean_losses
from anode.density.build import build_density
from anode.density.ensemble import EnsembleConfig
from anode.density.residual import (
    LARGEST_STEP,
    SMALLEST_FRACTION,
    Residual,
    learn_fraction,
    likeliest_fraction,
)
from anode.errors import ConfigError
from anode.events.simulation.toy import Toy
from anode.regions.preprocessing import PreprocessingConfig
from anode.training import checkpoints, state
from anode.training.densities import FitJob, fit_densities, load_density
from anode.training.residual import (
    KnownBackground,
    ResidualJob,
    fit_group,
    fit_residuals,
    fitted_fraction,
)
from helpers.interrupted import MIXTURE, Killed, assert_same_weights, killing, table, weights
from helpers.settings import trainer_config


class Normal(ConditionalDensity):
    """A unit normal in two dimensions around (mean, mean), whatever the context."""

    def __init__(self, mean: float) -> None:
        super().__init__(2, 1)
        self.mean = torch.nn.Parameter(torch.tensor(mean, dtype=torch.float64))

    def _log_prob(self, features, context):
        mean = self.mean.expand(2)
        return MultivariateNormal(mean, torch.eye(2, dtype=torch.float64)).log_prob(features)

    def _latent(self, features, context):
        return features - self.mean

    def _sample(self, context, generator):
        return self.mean + torch.randn(len(context), 2, generator=generator)


def residual(fraction: float, *, mean: float = 1.0, learned: bool = True) -> Residual:
    return Residual(Normal(mean), fraction=fraction, learned=learned)


def with_background(features: torch.Tensor) -> torch.Tensor:
    """Context of two columns, the last of which is log p_bg of a unit normal around 0."""
    log_p = Normal(0.0).log_prob(features, features[:, :1]).detach()
    return torch.stack([torch.zeros_like(log_p), log_p], dim=1)


def test_the_mixture_integrates_to_one_and_is_the_formula():
    axis = torch.linspace(-9, 10, 191, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    context = with_background(grid)
    for fraction in (1e-4, 0.05, 0.9):
        log_p = residual(fraction).log_prob(grid, context).detach()
        assert (log_p.exp().sum() * 0.1**2).item() == pytest.approx(1.0, abs=1e-9)
        p_signal = Normal(1.0).log_prob(grid, context[:, :1]).detach().exp()
        naive = torch.log(fraction * p_signal + (1 - fraction) * context[:, 1].exp())
        assert torch.allclose(log_p, naive, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    features = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    context = with_background(features)
    one = residual(0.1)

    def loss(mean):
        return torch.func.functional_call(one, {"signal.mean": mean}, (features, context))

    one.forward = one.loss
    mean = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (mean,))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, math.nan])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ConfigError, match=r"must lie in \(0, 1\)"):
        residual(fraction)


def toy_ratios(n_background: int, n_signal: int, seed: int) -> np.ndarray:
    """log p_sig - log p_bg of a sample, in closed form."""
    events = Toy().sample(n_background, n_signal, np.random.default_rng(seed))
    return Toy().log_signal_ratio(events.features, events.mass)


def test_the_likeliest_fraction_and_its_error_are_right_on_average():
    n, truth, n_toys = 2000, 0.05, 100
    rng = np.random.default_rng(1)
    found = []
    for seed in range(n_toys):
        n_signal = rng.binomial(n, truth)
        found.append(likeliest_fraction(toy_ratios(n - n_signal, n_signal, seed)))
    fraction, error = np.array(found).T
    pull = (fraction - truth) / error
    assert abs(pull.mean()) < 3 / math.sqrt(n_toys)
    assert abs(pull.std(ddof=1) - 1) < 3 / math.sqrt(2 * n_toys)


@pytest.mark.parametrize("n_signal", [60, 400])
def test_the_likeliest_fraction_is_a_maximum_and_its_error_the_curvature(n_signal):
    log_ratio = toy_ratios(2000, n_signal, seed=5)

    def log_likelihood(w):
        return np.logaddexp(np.log(w) + log_ratio, np.log1p(-w)).sum()

    w, error = likeliest_fraction(log_ratio)
    h = 0.02 * w
    below, here, above = (log_likelihood(w + step) for step in (-h, 0, h))
    assert below < here > above
    slope = (above - below) / (2 * h)
    assert abs(slope) * error < 1e-2  # far less than one standard deviation
    curvature = (above - 2 * here + below) / h**2
    assert error == pytest.approx(1 / math.sqrt(-curvature), rel=1e-2)


def test_without_signal_the_fraction_goes_to_the_floor():
    # Background whose likelihood falls from w = 0 on.
    seeds = [s for s in range(20) if np.exp(toy_ratios(2000, 0, s)).mean() < 1]
    assert len(seeds) > 5
    for seed in seeds:
        fraction, error = likeliest_fraction(toy_ratios(2000, 0, seed))
        assert fraction == SMALLEST_FRACTION
        assert math.isfinite(error)


@pytest.mark.parametrize(
    "log_ratio",
    [[1e4, -1e4, 1e4, 0.0], [1e4, 1e4], [-1e4, -1e4], [0.0, 0.0], [1e-9, -1e-9]],
    ids=str,
)
def test_extreme_ratios_give_finite_fractions(log_ratio):
    fraction, error = likeliest_fraction(np.array(log_ratio))
    assert SMALLEST_FRACTION <= fraction < 1
    assert error > 0
    assert not math.isnan(error)


def test_extreme_ratios_give_finite_losses():
    one = residual(0.05)
    low, high = torch.tensor([-1e4, 0.0]), torch.tensor([0.0, -1e4])
    assert torch.isfinite(one.mixed(low, high)).all()
    assert one.mixed(low, high).tolist() == pytest.approx([math.log(0.95), math.log(0.05)])


def sample(n: int, share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Events of the mixture of ``residual(share)``."""
    rng = np.random.default_rng(seed)
    features = torch.tensor(rng.normal(size=(n, 2)) + (rng.uniform(size=n) < share)[:, None])
    return features, with_background(features)


def test_w_moves_by_a_limited_step_and_is_one_for_the_whole_group():
    group = [residual(0.01), residual(0.01)]
    before = group[0].fraction
    for _ in range(40):
        learn_fraction(group, [sample(2000, 0.3, 1), sample(1500, 0.3, 2)])
        after = group[0].fraction
        assert group[1].fraction == after
        assert abs(math.log(after / before)) <= LARGEST_STEP + 1e-9
        before = after
    assert before == pytest.approx(0.3, abs=0.06)
    ratio = np.concatenate(
        [
            r.log_ratio(*s).numpy()
            for r, s in zip(group, [sample(2000, 0.3, 1), sample(1500, 0.3, 2)], strict=True)
        ]
    )
    assert before == pytest.approx(likeliest_fraction(ratio)[0], rel=1e-6)


def residuals(n: int, density, seed: int = 0) -> list[Residual]:
    return [
        Residual(build_density(density, 2, 1, seed=seed + k), fraction=0.07, learned=False)
        for k in range(n)
    ]


def test_losses_of_several_residuals_are_those_of_one_by_one():
    rng = torch.Generator().manual_seed(1)
    features = [torch.randn(n, 2, generator=rng) for n in (50, 37, 41)]
    context = [torch.randn(len(x), 2, generator=rng) for x in features]
    together, apart = residuals(3, MIXTURE), residuals(3, MIXTURE)
    losses = mean_losses(together, features, context)
    losses.backward(torch.ones(3))
    for one, x, c, loss, other in zip(apart, features, context, losses, together, strict=True):
        (alone,) = mean_losses([one], [x], [c])
        alone.backward()
        assert loss.item() == pytest.approx(alone.item(), abs=1e-5)
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        for expected, found in pairs:
            assert torch.allclose(expected.grad, found.grad, atol=1e-5)


# --- fits in folders ------------------------------------------------------------------------

LAST_TWO = EnsembleConfig("last", 2, 1)


@pytest.fixture(scope="module")
def background(tmp_path_factory):
    folder = tmp_path_factory.mktemp("residual") / "background"
    fit_densities(
        [
            FitJob(
                folder,
                train=table(600, 1),
                validation=table(200, 2),
                density=MIXTURE,
                preprocessing=PreprocessingConfig(logit=True, standardise=True),
                trainer=trainer_config(),
                seed=1,
            )
        ]
    )
    return folder


def group(root, background, **changes) -> list[ResidualJob]:
    """Three fits of one fold, of different numbers of events."""
    events = table(700, 3)
    density = load_density([background], LAST_TWO)
    known = KnownBackground(events, density.evaluate(events.features, events.mass))
    jobs = []
    for number in range(3):
        validation = np.arange(len(events)) % (3 + number) == 0
        job = ResidualJob(
            directory=root / f"signal_fit{number}",
            train=known[~validation],
            validation=known[validation],
            background=background,
            density=MIXTURE,
            trainer=trainer_config(epochs=6, keep=3),
            fraction=0.05,
            learned=True,
            seed=1,
        )
        jobs.append(dataclasses.replace(job, **changes))
    return jobs


def fractions(folder) -> list[float]:
    return [fitted_fraction(folder, "last", size) for size in (1, 2, 3)]


def test_fits_of_a_group_keep_one_w_that_moves(tmp_path, background):
    fit_group(group(tmp_path, background))
    each = [fractions(tmp_path / f"signal_fit{k}") for k in range(3)]
    assert each[0] == each[1] == each[2]
    assert len({0.05, *each[0]}) == 4
    fit_group(group(tmp_path / "fixed", background, learned=False))
    assert fractions(tmp_path / "fixed/signal_fit1") == pytest.approx([0.05] * 3)


@pytest.mark.parametrize("moment", ["save_tensors", "write_result"])
@pytest.mark.parametrize("at_call", [5, 11])
def test_a_killed_group_resumes_to_the_same_weights_and_w(
    tmp_path, background, monkeypatch, moment, at_call
):
    monkeypatch.setattr(state, "SAVE_EVERY", 0.0)
    fit_group(group(tmp_path / "whole", background))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, moment, killing(getattr(checkpoints, moment), at_call))
        with pytest.raises(Killed):
            fit_group(group(tmp_path / "killed", background))
    fit_group(group(tmp_path / "killed", background))
    for number in range(3):
        folders = [tmp_path / name / f"signal_fit{number}" for name in ("whole", "killed")]
        assert_same_weights(*map(weights, folders))
        assert fractions(folders[0]) == fractions(folders[1])


def test_a_folder_gives_p_sig_in_physical_units(tmp_path, background):
    jobs = group(tmp_path, background)
    fit_group(jobs)
    known = jobs[0].validation
    one = load_density([jobs[0].directory], EnsembleConfig("last", 1, 1))
    log_p = one.evaluate(known.events.features, known.events.mass)
    w = fitted_fraction(jobs[0].directory, "last", 1)
    mixed = np.logaddexp(math.log(w) + log_p, math.log1p(-w) + known.log_p)
    # The loss is per unit of the fitted space.
    _, log_abs_det = one.preprocessing(torch.as_tensor(known.events.features))
    loss = checkpoints.read_result(jobs[0].directory).validation_loss[-1]
    assert -(mixed - log_abs_det.numpy()).mean() == pytest.approx(loss, abs=1e-5)


def test_groups_do_not_depend_on_the_number_of_processes(tmp_path, background):
    for n_jobs in (1, 2):
        root = tmp_path / str(n_jobs)
        groups = [group(root / fold, background) for fold in ("a", "b")]
        fit_residuals(groups, n_jobs=n_jobs, threads=1)
    for name in ("a/signal_fit0", "b/signal_fit2"):
        assert_same_weights(weights(tmp_path / "1" / name), weights(tmp_path / "2" / name))
