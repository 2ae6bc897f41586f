"""Densities: normalised, invertible, right Jacobians, and every feature sees the context."""

import math

import numpy as np
import pytest
import torch

from anode.density.build import DENSITIES, build_density
from anode.density.ensemble import Ensemble, log_mean_exp
from anode.density.maf import Flow
from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError, DataError, SamplingError
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.seeding import torch_stream
from helpers.settings import flow_config

FLOWS = [name for name, backend in DENSITIES if backend == "nflows"]
VARIANTS = [
    *((name, {}) for name in FLOWS),
    *((name, {"context_affine": True}) for name in FLOWS),
    ("maf", {"batch_norm": True}),
    ("maf", {"spectral_norm": True}),
    ("maf", {"n_transforms": 1, "context_affine": True}),
]


def shaken(name: str, changes: dict, n_features: int = 3, seed: int = 0) -> Flow:
    """A flow away from its initial, nearly trivial, weights, in evaluation mode."""
    flow = build_density(flow_config(name, **changes), n_features, 1, seed)
    generator = torch.Generator().manual_seed(seed)
    size = 0.3 if name == "maf" else 0.1  # splines sharpen quickly
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
        if changes.get("batch_norm"):
            flow.train()
            flow.log_prob(torch.randn(500, n_features, generator=generator), torch.zeros(500, 1))
    return flow.eval()


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_log_prob_is_the_change_of_variables_formula(name, changes):
    # Autograd's Jacobian in float64, where 1e-9 is far above rounding.
    flow = shaken(name, changes).double()
    x, context = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    for row in range(5):
        c = context[row : row + 1]

        def latent(value, c=c):
            return flow.transform(value[None], c)[0][0]

        jacobian = torch.autograd.functional.jacobian(latent, x[row])
        z = latent(x[row])
        _, log_abs_det = torch.linalg.slogdet(jacobian)
        expected = -0.5 * z @ z - 1.5 * math.log(2 * math.pi) + log_abs_det
        assert flow.log_prob(x[row : row + 1], c).item() == pytest.approx(
            expected.item(), abs=1e-9
        )


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_every_feature_depends_on_the_context(name, changes):
    flow = shaken(name, changes)
    low = flow.sample(torch.full((4000, 1), -2.0), torch_stream(1))
    high = flow.sample(torch.full((4000, 1), 2.0), torch_stream(1))
    # The same noise for both: without dependence on the context the draws agree exactly.
    assert ((low - high).abs().mean(dim=0) > 1e-3).all()


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_density_integrates_to_one_in_two_dimensions(name, changes):
    flow = shaken(name, changes, n_features=2)
    # Importance sampling from a wide Student-like mixture; the error is estimated from the sample.
    generator = torch.Generator().manual_seed(3)
    scale = torch.tensor([1.0, 4.0, 16.0, 64.0])
    which = torch.randint(4, (400_000,), generator=generator)
    x = torch.randn(400_000, 2, generator=generator) * scale[which, None]
    squared = x.square().sum(dim=1, keepdim=True)
    log_q = log_mean_exp((-0.5 * squared / scale**2 - 2 * scale.log() - math.log(2 * math.pi)).T)
    with torch.no_grad():
        weights = (flow.log_prob(x, torch.full((len(x), 1), 0.7)) - log_q).double().exp()
    error = weights.std() / math.sqrt(len(weights))
    assert error < 0.03
    assert weights.mean().item() == pytest.approx(1.0, abs=4 * error.item() + 0.005)


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_samples_invert_the_transform(name, changes):
    flow = shaken(name, changes).double()
    context = torch.randn(100, 1, dtype=torch.float64)
    x = flow.sample(context, torch_stream(2))
    z, _ = flow.transform(x, context)
    expected = torch.randn(100, 3, generator=torch_stream(2)).double()
    # The spline's inverse solves a quadratic: 1e-5 where bins are narrow.
    assert torch.allclose(z, expected, atol=1e-5)


def test_spectral_norm_bounds_the_weights_in_use():
    flow = shaken("maf", {"spectral_norm": True})
    flow.train()
    for _ in range(200):  # the power iteration converges over forward passes
        flow.log_prob(torch.randn(8, 3), torch.randn(8, 1))
    flow.eval()
    norms = [
        torch.linalg.matrix_norm(layer.weight, 2).item()
        for layer in flow.modules()
        if isinstance(layer, torch.nn.Linear)
    ]
    assert norms
    assert max(norms) < 1.01


def test_one_transform_without_context_for_its_first_feature_is_refused():
    with pytest.raises(ConfigError, match="context_affine=true"):
        flow_config("maf", n_transforms=1)


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_density(flow_config(), 3, 1, seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_ensemble_is_the_mean_in_p():
    members = [shaken("maf", {}, seed=seed) for seed in range(3)]
    x, context = torch.randn(50, 3), torch.randn(50, 1)
    each = torch.stack([m.log_prob(x, context).double() for m in members])
    expected = each.exp().mean(dim=0).log()
    assert torch.allclose(Ensemble(members).log_prob(x, context).double(), expected, atol=1e-5)


def test_log_mean_exp_is_stable_where_p_underflows():
    values = torch.tensor([[-1e4], [-1e4 - 1]])
    expected = -1e4 + math.log((1 + math.exp(-1)) / 2)
    assert log_mean_exp(values).item() == pytest.approx(expected, abs=1e-3)  # float32 at 1e4


def test_ensemble_samples_come_from_all_members():
    members = [shaken("maf", {}, seed=seed) for seed in range(2)]
    context = torch.zeros(20_000, 1)
    drawn = Ensemble(members).sample(context, torch_stream(4)).mean(dim=0)
    apart = torch.stack([m.sample(context, torch_stream(5)).mean(dim=0) for m in members])
    spread = Ensemble(members).sample(context, torch_stream(6)).std(dim=0) / math.sqrt(20_000)
    assert ((drawn - apart.mean(dim=0)).abs() < 6 * spread).all()


def test_wrong_shapes_are_refused_with_both_shapes():
    flow = build_density(flow_config(), 3, 1, seed=0)
    with pytest.raises(DataError, match=r"\(B, 3\), got \(4, 2\)"):
        flow.log_prob(torch.zeros(4, 2), torch.zeros(4, 1))
    with pytest.raises(DataError, match="as many rows"):
        flow.log_prob(torch.zeros(4, 3), torch.zeros(5, 1))


def test_physical_density_integrates_to_one_over_physical_features():
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.gamma(3.0, 50.0, 5000), rng.beta(2.0, 3.0, 5000)])
    preprocessing = Preprocessing.fit(features, ["mj1", "tau21_1"])
    scaling = ContextScaling.fit(rng.normal(3500.0, 100.0, 5000))
    physical = PhysicalDensity(shaken("maf", {}, n_features=2), preprocessing, scaling)
    low, high = preprocessing.low.numpy(), preprocessing.high.numpy()
    # Midpoints uniform in u = (x - low) / (high - low), fine enough near both edges.
    u = 1 / (1 + np.exp(-np.linspace(-16, 16, 1201)))
    centre, width = (u[1:] + u[:-1]) / 2, np.diff(u)
    grid = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = np.outer(width, width).ravel() * np.prod(high - low)
    log_p = physical.evaluate(low + grid * (high - low), np.full(len(grid), 3550.0))
    # Events near the edge are clipped there; what they hold is below the tolerance.
    assert np.sum(np.exp(log_p) * cell) == pytest.approx(1.0, abs=0.02)


def test_physical_density_does_not_depend_on_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    features = rng.uniform(size=(1000, 3))
    mass = rng.normal(3500.0, 100.0, 1000)
    physical = PhysicalDensity(
        shaken("maf", {"batch_norm": True}),
        Preprocessing.fit(features, ["a", "b", "c"]),
        ContextScaling.fit(mass),
    )
    whole = physical.evaluate(features, mass)
    monkeypatch.setattr("anode.density.physical.CHUNK", 77)
    assert physical.evaluate(features, mass) == pytest.approx(whole, abs=1e-4)


def test_events_that_are_not_finite_are_none(monkeypatch):
    preprocessing = Preprocessing.fit(np.random.default_rng(1).normal(size=(50, 2)), ("a", "b"))
    scaling = ContextScaling.fit(np.linspace(3000, 4000, 50))
    physical = PhysicalDensity(shaken("maf", {}, n_features=2), preprocessing, scaling)

    def overflows(context, generator):
        z = torch.zeros(len(context), 2)
        z[3, 1] = torch.inf
        return z

    monkeypatch.setattr(physical.density, "sample", overflows)
    with pytest.raises(SamplingError, match=r"1 of 10 are not: .* 2 dimensions; fit another"):
        physical.generate(np.full(10, 3500.0), seed=1)
