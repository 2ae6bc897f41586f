"""The latent space of every density: normal for its own events, and the map's Jacobian is p."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from anode.density.base import ConditionalDensity, DensityConfig
from anode.density.build import build_density
from anode.density.ensemble import Ensemble
from anode.density.fused.flow import MixtureFlowConfig
from anode.density.mixture import SCALE_FLOOR, AutoregressiveMixture, MixtureConfig
from anode.density.physical import PhysicalDensity
from anode.errors import DataError
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.seeding import torch_stream
from helpers.settings import flow_config

FUSED = flow_config(backend="fused", n_transforms=3, batch_norm=True)
MIXTURE = MixtureConfig("made_mog", "fused", 24, 4)
ON_MIXTURE = MixtureFlowConfig(
    **{**vars(FUSED), "name": "maf_mog", "base_features": 12, "n_components": 3}
)
SINGLE = {
    "maf, nflows": flow_config("maf", batch_norm=True),
    "maf, fused": FUSED,
    "maf_rqs": flow_config("maf_rqs"),
    "coupling_rqs": flow_config("coupling_rqs", context_affine=True),
    "made_mog": MIXTURE,
    "maf_mog": ON_MIXTURE,
}
EVERY = [*SINGLE, "ensemble of made_mog"]


def shaken(config: DensityConfig, seed: int = 0) -> ConditionalDensity:
    """A density of three features, away from its initial weights, in evaluation mode."""
    density = build_density(config, 3, 1, seed)
    size = 0.3 if config is MIXTURE else 0.1  # flows sharpen quickly
    generator = torch_stream(seed, "shake")
    with torch.no_grad():
        for parameter in density.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
        for part in density.modules():
            if hasattr(part, "flat"):
                part.flat *= part.mask
        density.log_prob(torch.randn(500, 3, generator=generator), torch.zeros(500, 1))
    return density.eval().double()


def made(name: str) -> ConditionalDensity:
    if name in SINGLE:
        return shaken(SINGLE[name])
    return Ensemble([shaken(MIXTURE, seed) for seed in range(3)])


def drawn(density: ConditionalDensity, rows: int) -> tuple[Tensor, Tensor]:
    """Events of the density at masses (rows, 1) of their own."""
    context = torch.randn(rows, 1, generator=torch_stream(1), dtype=torch.float64)
    return density.sample(context, torch_stream(2)).double(), context


def from_normal(z: Tensor) -> float:
    """Smallest p-value of any column's agreement with a standard normal."""
    return min(stats.kstest(column, "norm").pvalue for column in z.T.numpy())


@pytest.mark.parametrize("name", EVERY)
def test_its_own_events_are_normal_whatever_their_mass(name):
    density = made(name)
    x, context = drawn(density, 20_000)
    z = density.latent(x, context)
    assert z.dtype == torch.float64
    assert from_normal(z) > 0.002
    for half in (context[:, 0] < 0, context[:, 0] >= 0):
        assert from_normal(z[half]) > 0.001
    # Neither z nor its square goes with another's, or with the mass.
    values = torch.cat([z, context, z.square(), context.square()], 1)
    correlation = np.abs(np.corrcoef(values.T.numpy()))
    others = ~np.tile(np.eye(4, dtype=bool), (2, 2))
    assert correlation[others].max() < 5 / math.sqrt(len(z))


@pytest.mark.parametrize("name", EVERY)
def test_log_prob_is_that_of_the_noise_and_the_jacobian(name):
    density = made(name)
    x, context = drawn(density, 40)
    x = x + 0.5 * torch.randn(x.shape, generator=torch_stream(3))
    step = 1e-6
    columns = [
        density.latent(x + move, context) - density.latent(x - move, context)
        for move in step * torch.eye(3, dtype=torch.float64)
    ]
    _, log_abs_det = torch.linalg.slogdet(torch.stack(columns, -1) / (2 * step))
    z = density.latent(x, context)
    expected = stats.norm.logpdf(z).sum(1) + log_abs_det.numpy()
    with torch.no_grad():
        log_p = density.log_prob(x, context).numpy()
    # Differences lose half of the digits.
    assert log_p == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["maf, nflows", "maf, fused", "maf_rqs", "coupling_rqs"])
def test_a_flow_returns_the_noise_its_sample_was_made_of(name):
    density = made(name)
    x, context = drawn(density, 100)
    noise = torch.randn(100, 3, generator=torch_stream(2)).double()
    torch.testing.assert_close(density.latent(x, context), noise, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_the_context_matters_to_every_feature(name):
    density = made(name)
    x, context = drawn(density, 300)
    moved = density.latent(x, context + 1) - density.latent(x, context)
    assert (moved.abs().mean(0) > 1e-3).all()


@pytest.mark.parametrize("name", ["made_mog", "ensemble of made_mog"])
def test_a_feature_is_mapped_upwards_and_sees_those_before_it(name):
    density = made(name)
    line = torch.linspace(-60, 60, 2001, dtype=torch.float64)
    for d in range(3):
        x = torch.full((len(line), 3), 0.3, dtype=torch.float64)
        x[:, d] = line
        z = density.latent(x, torch.full((len(line), 1), 0.5, dtype=torch.float64))
        assert torch.isfinite(z).all()
        assert (z[1:, d] > z[:-1, d]).all()
        torch.testing.assert_close(z[:, :d], z[:1, :d].expand(len(line), d))


@pytest.mark.parametrize("name", EVERY)
def test_events_far_out_stay_finite(name):
    density = made(name)
    x, context = drawn(density, 200)
    density.float()
    far = (50 * x.std(0) * torch.randn(x.shape, generator=torch_stream(4)).sign()).float()
    for size in (1, 100):
        assert torch.isfinite(density.latent(x.float() + size * far, context.float())).all()


@pytest.mark.parametrize("sigma", [0.0, 1e-3, 1.0, 8.0, 34.0, 38.0, 50.0, 1e3, 1e6])
def test_one_gaussian_gives_the_number_of_its_widths(sigma):
    density = build_density(MixtureConfig("made_mog", "fused", 4, 1), 1, 1, 0).double()
    with torch.no_grad():
        # Mean 2 and width 3, from the direct connections alone.
        density.flat.zero_()
        density.unpack(density.flat).direct[:, -1] = torch.tensor(
            [0.0, 2.0, math.log(math.expm1(3.0 - SCALE_FLOOR))]
        )
    z = torch.tensor([[-sigma], [sigma]], dtype=torch.float64)
    context = torch.zeros(2, 1, dtype=torch.float64)
    torch.testing.assert_close(density.latent(2 + 3 * z, context), z, rtol=1e-6, atol=1e-7)


def test_tails_add_up_and_have_no_seam():
    density = made("made_mog")
    assert isinstance(density, AutoregressiveMixture)
    x, context = drawn(density, 1000)
    with torch.no_grad():
        found = density.conditionals(x, context)
        torch.testing.assert_close(found.log_p.sum(1), density.log_prob(x, context))
    torch.testing.assert_close(found.log_cdf.exp() + found.log_sf.exp(), torch.ones_like(x))
    # Where the sum of numbers gives way to that of logarithms nothing jumps.
    line = torch.linspace(-300, 0, 30_001, dtype=torch.float64)
    x = torch.stack([line, torch.zeros_like(line), torch.zeros_like(line)], 1)
    z = density.latent(x, torch.zeros(len(line), 1, dtype=torch.float64))[:, 0]
    slope = z.diff()[z[1:] < -10]
    assert slope.numel() > 1000
    assert slope.diff().abs().max() < 1e-2 * slope.mean()


def test_the_average_of_mixtures_has_a_latent_space_of_its_own():
    ensemble = made("ensemble of made_mog")
    x, context = drawn(ensemble, 20_000)
    for member in ensemble.members:
        assert from_normal(member.latent(x, context)) < 1e-6


def test_an_ensemble_of_one_or_of_equals_is_its_member():
    member = made("made_mog")
    x, context = drawn(member, 500)
    expected = member.latent(x, context)
    for size in (1, 3):
        torch.testing.assert_close(Ensemble([member] * size).latent(x, context), expected)


def test_an_ensemble_of_flows_has_the_latent_space_of_its_last():
    members = [shaken(FUSED, seed) for seed in range(2)]
    x, context = drawn(members[0], 100)
    found = Ensemble(members).latent(x, context)
    assert torch.equal(found, members[1].latent(x, context))


@pytest.mark.parametrize("name", EVERY)
def test_no_event_depends_on_its_neighbours(name):
    density = made(name)
    x, context = drawn(density, 5000)
    whole = density.latent(x, context)
    torch.testing.assert_close(density.latent(x[2990:3010], context[2990:3010]), whole[2990:3010])
    if name != "coupling_rqs":  # there nflows needs an event
        assert density.latent(x[:0], context[:0]).shape == (0, 3)


def test_wrong_shapes_are_refused_with_both_shapes():
    density = made("made_mog")
    with pytest.raises(DataError, match=r"\(B, 3\), got \(4, 2\)"):
        density.latent(torch.zeros(4, 2), torch.zeros(4, 1))
    with pytest.raises(DataError, match="as many rows"):
        density.latent(torch.zeros(4, 3), torch.zeros(5, 1))


@pytest.mark.parametrize("name", EVERY)
def test_physical_events_generated_come_back_as_noise(name, monkeypatch):
    rng = np.random.default_rng(0)
    preprocessing = Preprocessing.fit(rng.gamma(3.0, 50.0, (5000, 3)), logit=False)
    mass = rng.normal(3500.0, 100.0, 4000)
    physical = PhysicalDensity(made(name).float(), preprocessing, ContextScaling.fit(mass))
    features = physical.generate(mass, seed=1)
    z = physical.to_latent(features, mass)
    assert from_normal(torch.from_numpy(z)) > 0.001
    monkeypatch.setattr("anode.density.physical.CHUNK", 999)
    assert physical.to_latent(features, mass) == pytest.approx(z, abs=1e-4)
