"""The autoregressive mixture, alone and below a MAF: closed form, gradients, norm, samples."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from anode.density.batched_loss import mean_losses
from anode.density.build import build_density
from anode.density.fused.flow import FusedMaskedAutoregressiveFlow, MixtureFlow, MixtureFlowConfig
from anode.density.mixture import (
    CHUNK,
    SCALE_FLOOR,
    AutoregressiveMixture,
    MixtureConfig,
    MixtureLogProb,
)
from anode.errors import ConfigError
from anode.seeding import torch_stream
from helpers.settings import flow_config

# (features, context, hidden units, components)
SIZES = [(1, 1, 5, 1), (3, 2, 16, 4), (4, 1, 64, 8), (20, 3, 40, 2)]


def shaken(size: tuple[int, ...], dtype: torch.dtype = torch.float64) -> AutoregressiveMixture:
    """A mixture away from its initial weights."""
    n_features, n_context, hidden, components = size
    config = MixtureConfig("made_mog", "fused", hidden, components)
    density = build_density(config, n_features, n_context, seed=1)
    with torch.no_grad():
        noise = torch.randn(density.flat.shape, generator=torch_stream(1, "shake"))
        density.flat += 0.3 * noise * density.mask
    return density.to(dtype)


def on_mixture(depth: int = 2) -> MixtureFlow:
    maf = flow_config(backend="fused", n_transforms=depth, batch_norm=True)
    settings = {**vars(maf), "name": "maf_mog", "base_features": 12, "n_components": 3}
    return build_density(MixtureFlowConfig(**settings), 3, 1, seed=2).double()


def events(size: tuple[int, ...], rows: int, dtype: torch.dtype = torch.float64):
    generator = torch_stream(2, "events")
    x = torch.randn(rows, size[0], generator=generator, dtype=dtype)
    return x, torch.randn(rows, size[1], generator=generator, dtype=dtype)


def written_out(density: AutoregressiveMixture, x: Tensor, context: Tensor) -> Tensor:
    """log p in the words of the docstring, by autograd's own operations."""
    w, components = density.unpack(density.flat), density.config.n_components
    one = torch.ones_like(x[:, :1])
    h1 = F.relu(F.linear(torch.cat([x, context, one], 1), w.first))
    h2 = F.relu(F.linear(torch.cat([h1, one], 1), w.middle))
    outputs = F.linear(h2, w.last) + F.linear(torch.cat([x, context, one], 1), w.direct)
    q, mean, raw = outputs.view(len(x), 3, density.n_features, components).unbind(1)
    scale = F.softplus(raw) + SCALE_FLOOR
    gaussian = torch.distributions.Normal(mean, scale).log_prob(x[:, :, None])
    return torch.logsumexp(F.log_softmax(q, -1) + gaussian, -1).sum(1)


@pytest.mark.parametrize("size", SIZES)
def test_log_prob_and_gradients_are_those_of_the_formula(size):
    density = shaken(size)
    x, context = (values.requires_grad_() for values in events(size, 30))
    weights = torch.rand(30, generator=torch_stream(3), dtype=torch.float64)
    expected, actual = written_out(density, x, context), density.log_prob(x, context)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    inputs = [density.flat, x, context]
    theirs = torch.autograd.grad((weights * expected).sum(), inputs)
    ours = torch.autograd.grad((weights * actual).sum(), inputs)
    torch.testing.assert_close(ours[0], theirs[0] * density.mask, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ours[1:], theirs[1:], rtol=1e-9, atol=1e-10)


def test_gradients_are_derivatives():
    size = (3, 2, 7, 3)
    density = shaken(size)
    x, context = (values.requires_grad_() for values in events(size, 4))

    def log_prob(flat: Tensor, x: Tensor, context: Tensor) -> Tensor:
        return MixtureLogProb.apply(flat * density.mask, x, context, density)

    assert torch.autograd.gradcheck(log_prob, (density.flat, x, context))


@pytest.mark.parametrize("size", SIZES)
def test_float32_agrees_with_float64_to_rounding(size):
    exact, single = shaken(size), shaken(size, torch.float32)
    x, context = events(size, 300)
    single_log_p = single.log_prob(x.float(), context.float())
    torch.testing.assert_close(
        single_log_p.double(), exact.log_prob(x, context), rtol=1e-4, atol=1e-4
    )
    expected = torch.autograd.grad(exact.loss(x, context).mean(), exact.flat)[0]
    actual = torch.autograd.grad(single.loss(x.float(), context.float()).mean(), single.flat)[0]
    torch.testing.assert_close(actual.double(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_feature_sees_those_before_it_and_the_context(size):
    density = shaken(size)
    n_features = size[0]
    x, context = (values.requires_grad_() for values in events(size, 20))
    w = density.unpack(density.flat.detach())

    def outputs(x: Tensor, context: Tensor) -> Tensor:
        one = torch.ones_like(x[:, :1])
        h1 = F.relu(F.linear(torch.cat([x, context, one], 1), w.first))
        h2 = F.relu(F.linear(torch.cat([h1, one], 1), w.middle))
        outputs = F.linear(h2, w.last) + F.linear(torch.cat([x, context, one], 1), w.direct)
        shaped = outputs.view(len(x), 3, n_features, -1)
        return shaped.abs().sum((0, 1, 3))  # (D,), each event on its own

    by_x, by_context = torch.autograd.functional.jacobian(outputs, (x, context))
    seen = by_x.abs().sum(1) > 0
    assert torch.equal(seen, torch.ones(n_features, n_features).tril(-1).bool())
    assert (by_context.abs().sum((1, 2)) > 0).all()


def test_training_leaves_masked_weights_at_zero():
    density = shaken((4, 1, 64, 8), torch.float32)
    optimiser = torch.optim.Adam(density.parameters(), lr=1e-2, weight_decay=1e-3)
    before = density.loss(*events((4, 1), 500, torch.float32)).mean().item()
    for _ in range(5):
        optimiser.zero_grad()
        density.loss(*events((4, 1), 500, torch.float32)).mean().backward()
        optimiser.step()
    assert density.loss(*events((4, 1), 500, torch.float32)).mean().item() < before
    assert (density.mask == 0).any()
    assert not density.flat[density.mask == 0].any()


@pytest.mark.parametrize("make", [lambda: shaken((2, 1, 16, 4)), None])
def test_density_integrates_to_one(make):
    # A grid fine in the middle and wide in the tails: its rule errs by less than 1e-3.
    density = make() if make else two_features_on_mixture()
    axis = torch.linspace(-7, 7, 1201, dtype=torch.float64).sinh() / 2
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        p = density.log_prob(grid, torch.full_like(grid[:, :1], 0.7)).exp().view(1201, 1201)
    assert torch.trapezoid(torch.trapezoid(p, axis), axis).item() == pytest.approx(1.0, abs=1e-3)


def two_features_on_mixture() -> MixtureFlow:
    maf = flow_config(backend="fused")
    settings = {**vars(maf), "name": "maf_mog", "base_features": 12, "n_components": 3}
    return build_density(MixtureFlowConfig(**settings), 2, 1, seed=2).double().eval()


def test_samples_follow_the_density():
    # Uniform if x follows p: the distribution function of each feature given those before it.
    density = shaken((3, 1, 16, 4))
    context = torch.linspace(-1, 1, 20_000, dtype=torch.float64)[:, None]
    x = density.sample(context, torch_stream(4))
    w = density.unpack(density.flat.detach())
    one = torch.ones_like(context)
    h1 = F.relu(F.linear(torch.cat([x, context, one], 1), w.first))
    h2 = F.relu(F.linear(torch.cat([h1, one], 1), w.middle))
    outputs = F.linear(h2, w.last) + F.linear(torch.cat([x, context, one], 1), w.direct)
    q, mean, raw = outputs.view(-1, 3, 3, 4).unbind(1)
    below = torch.distributions.Normal(mean, F.softplus(raw) + SCALE_FLOOR).cdf(x[:, :, None])
    u = (q.softmax(-1) * below).sum(-1).numpy()
    for feature in u.T:
        assert stats.kstest(feature, "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(u.T) - np.eye(3)).max() < 4 / math.sqrt(20_000)


def test_chunks_do_not_matter():
    density = shaken((3, 2, 16, 4))
    x, context = events((3, 2), CHUNK + 3)
    at_once = density.log_prob(x, context).detach()
    with torch.no_grad():
        torch.testing.assert_close(density.log_prob(x, context), at_once)
        assert density.log_prob(x[:0], context[:0]).shape == (0,)
        assert density.sample(context[:0], torch_stream(0)).shape == (0, 3)


def test_too_few_hidden_units_are_refused():
    with pytest.raises(ConfigError, match="at least the number of features, 8, got 4"):
        AutoregressiveMixture(8, 1, MixtureConfig("made_mog", "fused", 4, 2))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("depth", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_maf_upon_a_mixture_has_the_change_of_variables_and_right_gradients(depth, training):
    density = on_mixture(depth)
    size = (3, 1)
    x, context = events(size, 40)
    density.train()
    density.log_prob(x, context)  # moves the running averages
    density.train(training)
    plain = FusedMaskedAutoregressiveFlow(3, 1, density.config).double().train(training)
    plain.load_state_dict(density.state_dict(), strict=False)
    reference = density.packing.reference().double().train(training)
    reference.load_state_dict(plain.to_nflows_state())
    z, log_abs_det = reference.transform(x, context)
    z = z.flip(1) if depth % 2 else z  # ours leaves the last reversal out
    expected = density.base.log_prob(z, context) + log_abs_det
    torch.testing.assert_close(density.log_prob(x, context), expected)
    assert not torch.allclose(expected, plain.log_prob(x, context))

    def total(flat: Tensor, base: Tensor) -> Tensor:
        from torch.func import functional_call

        weights = {"flat": flat * density.mask, "base.flat": base * density.base.mask}
        averages = {n: b.clone() for n, b in density.named_buffers()}
        return functional_call(density, {**weights, **averages}, (x[:5], context[:5]))

    density.forward = density.log_prob
    assert torch.autograd.gradcheck(total, (density.flat, density.base.flat))


def test_a_maf_upon_a_mixture_samples_its_own_density():
    density = on_mixture(3).eval()
    density.running_mean.zero_()
    context = torch.zeros(20_000, 1, dtype=torch.float64)
    drawn = density.sample(context, torch_stream(5))
    assert drawn.shape == (20_000, 3)
    # The latent of the draws is the base's: mapped back, each follows the mixture.
    reference = density.packing.reference().double().eval()
    plain = FusedMaskedAutoregressiveFlow(3, 1, density.config).double()
    plain.load_state_dict(density.state_dict(), strict=False)
    reference.load_state_dict(plain.to_nflows_state())
    with torch.no_grad():
        z = reference.transform(drawn, context)[0].flip(1)
    expected = density.base.sample(context, torch_stream(5))
    torch.testing.assert_close(z, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_at_once_are_those_of_each_density(dtype):
    size, rows = (3, 2, 48, 4), (20, 17, 19)
    together = [shaken(size, dtype) for _ in rows]
    for number, density in enumerate(together):
        density.flat.data.mul_(1 + 0.1 * number)
    alone = [copy.deepcopy(density) for density in together]
    batches = [events(size, n, dtype) for n in rows]
    features, context = zip(*batches, strict=True)
    losses = mean_losses(together, features, context)
    losses.sum().backward()
    for number, (x, m) in enumerate(batches):
        expected = alone[number].loss(x, m).mean()
        expected.backward()
        torch.testing.assert_close(losses[number], expected)
        torch.testing.assert_close(together[number].flat.grad, alone[number].flat.grad)


def test_other_densities_have_no_losses_at_once():
    flows = [build_density(flow_config(), 3, 1, seed) for seed in (1, 2)]
    x, m = events((3, 1), 5, torch.float32)
    with pytest.raises(ConfigError, match="must be made_mog, got MaskedAutoregressiveFlow"):
        mean_losses(flows, [x, x], [m, m])


def test_an_event_infinitely_far_away_has_no_density():
    density = shaken((1, 1, 5, 3), torch.float32)
    x, m = torch.tensor([[1e20], [0.5]]), torch.zeros(2, 1)
    with torch.no_grad():
        log_p = density.log_prob(x, m)
    assert log_p[0] == -math.inf
    assert math.isfinite(log_p[1])
