"""The fused affine MAF is nflows' affine MAF: values, gradients, steps, statistics, samples."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from anode.density.fused.flow import CHUNK, FusedMaskedAutoregressiveFlow, StackLogProb
from anode.density.maf import FlowConfig, MaskedAutoregressiveFlow
from anode.errors import ConfigError
from anode.seeding import torch_stream
from helpers.settings import flow_config

# (features, context, transforms, hidden units)
SIZES = [(1, 1, 2, 8), (4, 1, 3, 50), (4, 2, 2, 64), (20, 3, 3, 40), (134, 2, 2, 140)]


def make(size: tuple[int, ...], seed: int = 0, **changes: object) -> tuple:
    """(nflows' flow, ours) of one seed, float32."""
    n_features, n_context, depth, hidden = size
    config: FlowConfig = flow_config(n_transforms=depth, hidden_features=hidden, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reference = MaskedAutoregressiveFlow(n_features, n_context, config)
        torch.manual_seed(seed)
        return reference, FusedMaskedAutoregressiveFlow(n_features, n_context, config)


def shaken(size: tuple[int, ...], **changes: object) -> tuple:
    """The same, in float64, away from the initial weights and running averages."""
    reference, fused = make(size, **changes)
    reference, fused = reference.double(), fused.double()
    generator = torch_stream(1, "shake")
    with torch.no_grad():
        for name, tensor in reference.state_dict().items():
            if not name.endswith(("mask", "degrees", "_permutation")):
                noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                tensor += 0.1 * noise
    fused.from_nflows_state(reference.state_dict())
    return reference, fused


def events(size: tuple[int, ...], rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch_stream(2, "events")
    x = torch.randn(rows, size[0], generator=generator, dtype=dtype)
    return x, torch.randn(rows, size[1], generator=generator, dtype=dtype)


def by_name(fused: FusedMaskedAutoregressiveFlow, gradient: Tensor) -> dict[str, Tensor]:
    """The gradient of our flat parameter under nflows' names."""
    carrier = copy.deepcopy(fused)
    carrier.flat.data = gradient
    return carrier.to_nflows_state()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_equal_seeds_give_equal_models_in_float32(size, batch_norm):
    reference, fused = make(size, batch_norm=batch_norm)
    x, context = events(size, 200, torch.float32)
    for training in (True, False):
        expected = reference.train(training).log_prob(x, context)
        actual = fused.train(training).log_prob(x, context)
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_log_prob_and_every_gradient_equal_nflows(size, batch_norm, training):
    reference, fused = shaken(size, batch_norm=batch_norm)
    x, context = (values.requires_grad_() for values in events(size, 60, torch.float64))
    weights = torch.rand(60, generator=torch_stream(3, "weights"), dtype=torch.float64)
    names = [name for name, _ in reference.named_parameters()]
    expected = reference.train(training).log_prob(x, context)
    actual = fused.train(training).log_prob(x, context)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)

    inputs = [x, context, *reference.parameters()]
    of_x, of_context, *of_parameters = torch.autograd.grad((weights * expected).sum(), inputs)
    ours = torch.autograd.grad((weights * actual).sum(), [x, context, fused.flat])
    torch.testing.assert_close(ours[0], of_x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours[1], of_context, rtol=1e-9, atol=1e-9)
    named = by_name(fused, ours[2])
    for name, gradient in zip(names, of_parameters, strict=True):
        torch.testing.assert_close(named[name], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_derivatives(batch_norm, training):
    size = (3, 2, 2, 5)
    _, fused = shaken(size, batch_norm=batch_norm)
    fused.train(training)
    x, context = (values.requires_grad_() for values in events(size, 4, torch.float64))

    def log_prob(flat: Tensor, x: Tensor, context: Tensor) -> Tensor:
        return StackLogProb.apply(flat * fused.mask, x, context, fused)[0]

    assert torch.autograd.gradcheck(log_prob, (fused.flat, x, context))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_nflows_state_survives_the_round_trip_bit_for_bit(size, batch_norm):
    # Masked weights, which nflows draws and never uses, come back as zeros.
    reference, fused = shaken(size, batch_norm=batch_norm)
    expected, actual = reference.state_dict(), fused.to_nflows_state()
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        used = expected.get(name.replace("weight", "mask"), torch.ones(()))
        kept = value * used if name.endswith("weight") else value
        torch.testing.assert_close(actual[name], kept, rtol=0, atol=0, msg=name)


def test_state_dict_restores_the_model():
    size = (4, 1, 3, 50)
    _, fused = shaken(size, batch_norm=True)
    _, other = make(size, seed=5, batch_norm=True)
    other.double().load_state_dict(fused.state_dict())
    x, context = events(size, 20, torch.float64)
    with torch.no_grad():
        assert torch.equal(other.eval().log_prob(x, context), fused.eval().log_prob(x, context))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_training_follows_nflows_and_adam(batch_norm):
    # In float64, as Adam's first steps divide every gradient, however small, by itself.
    size = (4, 1, 3, 50)
    reference, fused = shaken(size, batch_norm=batch_norm)
    for flow in (reference.train(), fused.train()):
        optimiser = torch.optim.Adam(flow.parameters(), lr=1e-3, fused=True)
        for rows in (100, 99, 100):
            optimiser.zero_grad(set_to_none=True)
            flow.loss(*events(size, rows, torch.float64)).mean().backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 0.5)
            optimiser.step()
    trained = FusedMaskedAutoregressiveFlow(size[0], size[1], fused.config).double()
    trained.from_nflows_state(reference.state_dict())
    torch.testing.assert_close(fused.flat, trained.flat, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(fused.running_var, trained.running_var, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(fused.running_mean, trained.running_mean, rtol=1e-7, atol=1e-9)
    masked = fused.mask == 0
    assert masked.any()
    assert not fused.flat[masked].any()


def test_one_float32_step_equals_nflows_to_rounding():
    size = (4, 1, 3, 50)
    reference, fused = make(size, batch_norm=True)
    x, context = events(size, 256, torch.float32)
    for flow in (reference.train(), fused.train()):
        optimiser = torch.optim.Adam(flow.parameters(), lr=1e-3, eps=1e-4, fused=True)
        flow.loss(x, context).mean().backward()
        optimiser.step()
    stepped = FusedMaskedAutoregressiveFlow(size[0], size[1], fused.config)
    stepped.from_nflows_state(reference.state_dict())
    torch.testing.assert_close(fused.flat, stepped.flat, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_sampling_inverts_the_flow_and_repeats_nflows(size, batch_norm):
    reference, fused = shaken(size, batch_norm=batch_norm)
    reference.eval()
    fused.eval()
    _, context = events(size, 30, torch.float64)
    expected = reference.sample(context, torch_stream(4, "sample"))
    actual = fused.sample(context, torch_stream(4, "sample"))
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-7)
    with torch.no_grad():
        latent = reference.transform(actual, context)[0]
    drawn = torch.randn(30, size[0], generator=torch_stream(4, "sample"))
    torch.testing.assert_close(latent, drawn.double(), rtol=1e-7, atol=1e-7)


def test_scoring_in_chunks_equals_scoring_at_once():
    size = (4, 1, 3, 50)
    _, fused = shaken(size, batch_norm=True)
    fused.eval()
    x, context = events(size, 2 * CHUNK + 3, torch.float64)
    at_once = fused.log_prob(x, context).detach()
    # Memory made in one mode serves the other.
    for mode in (torch.no_grad, torch.inference_mode, torch.no_grad):
        with mode():
            torch.testing.assert_close(fused.log_prob(x, context), at_once)
            assert fused.log_prob(x[:0], context[:0]).shape == (0,)
            assert fused.sample(context[:0], torch_stream(0, "none")).shape == (0, 4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_two_graphs_at_once_do_not_share_memory(batch_norm):
    size = (4, 1, 3, 50)
    _, fused = shaken(size, batch_norm=batch_norm)
    x, context = events(size, 20, torch.float64)
    alone = [torch.autograd.grad(fused.loss(x + i, context).sum(), fused.flat)[0] for i in (0, 1)]
    losses = [fused.loss(x + i, context).sum() for i in (0, 1)]
    for loss, gradient in zip(losses, alone, strict=True):
        assert torch.equal(torch.autograd.grad(loss, fused.flat)[0], gradient)


def test_parameters_changed_before_backward_are_refused():
    _, fused = shaken((4, 1, 3, 50))
    loss = fused.loss(*events((4, 1), 20, torch.float64)).sum()
    with torch.no_grad():
        fused.flat.mul_(1.3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_batch_of_nan_leaves_no_trace_in_the_memory(batch_norm):
    # 512 events have unused columns, which the next batch of this size must find clean.
    _, fused = shaken((4, 1, 3, 50), batch_norm=batch_norm)
    x, context = events((4, 1), 512, torch.float64)
    before = torch.autograd.grad(fused.loss(x, context).sum(), fused.flat)[0]
    state = copy.deepcopy(fused.state_dict())
    torch.autograd.grad(fused.loss(x * torch.nan, context).sum(), fused.flat)
    fused.load_state_dict(state)
    after = torch.autograd.grad(fused.loss(x, context).sum(), fused.flat)[0]
    assert torch.equal(before, after)


def test_a_training_pass_leaves_a_pending_graph_of_evaluation_alone():
    _, fused = shaken((4, 1, 3, 50), batch_norm=True)
    x, context = events((4, 1), 20, torch.float64)
    expected = torch.autograd.grad(fused.eval().loss(x, context).sum(), fused.flat)[0]
    pending = fused.loss(x, context).sum()
    fused.train().loss(x + 1, context)  # moves the running averages
    assert torch.equal(torch.autograd.grad(pending, fused.flat)[0], expected)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_copy_of_a_trained_flow_computes_the_same(batch_norm):
    _, fused = shaken((4, 1, 3, 50), batch_norm=batch_norm)
    x, context = events((4, 1), 20, torch.float64)
    fused.train().loss(x, context).sum().backward()  # leaves its memory behind
    copies = [copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))]
    expected = fused.loss(x + 1, context)  # other events than those in the memory
    for other in copies:
        assert torch.equal(other.loss(x + 1, context), expected)


def test_no_event_has_no_density():
    _, fused = shaken((4, 1, 3, 50), batch_norm=True)
    assert fused.eval().log_prob(*events((4, 1), 0, torch.float64)).shape == (0,)


def test_a_graph_whose_memory_was_reused_refuses_to_go_backward():
    _, fused = shaken((4, 1, 3, 50))
    x, context = events((4, 1), 20, torch.float64)
    first = fused.loss(x, context).sum()
    first.backward(retain_graph=True)
    first.backward(retain_graph=True)  # nothing came between
    fused.loss(x, context)
    with pytest.raises(RuntimeError, match="memory of this graph"):
        first.backward()


@pytest.mark.parametrize(
    "changes", [{"n_blocks": 2}, {"spectral_norm": True}, {"context_affine": True}]
)
def test_settings_of_nflows_only_are_refused_with_the_remedy(changes):
    with pytest.raises(ConfigError, match="backend=nflows"):
        FusedMaskedAutoregressiveFlow(3, 1, flow_config(**changes))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("batch_norm", [False, True])
def test_gpu_equals_cpu(batch_norm):
    size = (4, 1, 3, 50)
    _, fused = shaken(size, batch_norm=batch_norm)
    x, context = events(size, 100, torch.float64)
    results = []
    for device in ("cpu", "cuda"):
        flow = copy.deepcopy(fused).to(device).train()
        loss = flow.loss(x.to(device), context.to(device)).mean()
        (gradient,) = torch.autograd.grad(loss, flow.flat)
        state = flow.to_nflows_state()
        with torch.inference_mode():
            drawn = flow.eval().sample(context.to(device), torch_stream(5, "gpu"))
        results.append((loss.cpu(), gradient.cpu(), drawn.cpu(), state))
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-8)
