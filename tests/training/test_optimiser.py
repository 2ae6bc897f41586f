"""Adam and its pace are those of torch.optim, which stays out of our fits."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from anode.seeding import torch_stream
from anode.training.optimiser import Adam
from anode.training.recipe import Pace, one_cycle
from helpers.settings import REPOSITORY

SHAPES = [(50,), (7, 3)]


def parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch_stream(1, "weights")
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in SHAPES]


def set_gradients(targets: list[nn.Parameter], step: int) -> None:
    generator = torch_stream(2, "gradients", step)
    for target in targets:
        noise = torch.randn(target.shape, generator=generator, dtype=target.dtype)
        target.grad = (step % 3) * noise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("clip", [None, 2.0])
def test_adam_is_that_of_torch(clip, dtype):
    ours, theirs = parameters(dtype), parameters(dtype)
    adam = Adam(ours, weight_decay=1e-2, gradient_clip=clip)
    reference = torch.optim.Adam(theirs, lr=1e-2, weight_decay=1e-2, fused=True)
    for step in range(20):
        for targets in (ours, theirs):
            set_gradients(targets, step)
        adam.step(Pace(1e-2, 0.9))
        if clip is not None:
            nn.utils.clip_grad_norm_(theirs, clip)
        reference.step()
    for own, their in zip(ours, theirs, strict=True):
        # torch clips to clip * norm / (norm + 1e-6).
        torch.testing.assert_close(own, their, rtol=1e-5, atol=1e-6)
        assert own.grad is None


def test_adam_goes_on_where_it_was_saved():
    whole, parts = parameters(), parameters()
    adam, first = (Adam(p, weight_decay=0.0, gradient_clip=1.0) for p in (whole, parts))
    for step in range(6):
        if step == 3:
            second = Adam(parts, weight_decay=0.0, gradient_clip=1.0)
            second.load_state_dict(first.state_dict())
            first = second
        for targets, optimiser in ((whole, adam), (parts, first)):
            set_gradients(targets, step)
            optimiser.step(Pace(1e-2, 0.9))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@given(n_steps=st.integers(4, 200), peak=st.floats(1e-5, 1.0), share=st.floats(1e-4, 1.0))
def test_one_cycle_is_that_of_torch(n_steps, peak, share):
    adam = torch.optim.Adam(parameters(), lr=1.0, fused=True)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        adam, max_lr=peak, total_steps=n_steps, final_div_factor=1 / (25 * share)
    )
    for step in range(n_steps):
        ours = one_cycle(step, n_steps, peak=peak, final=share * peak)
        assert ours.rate == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        assert ours.momentum == pytest.approx(adam.param_groups[0]["betas"][0], rel=1e-9)
        adam.step()
        theirs.step()


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4])
def test_the_shortest_cycles_have_a_pace_within_theirs(n_steps):
    for step in range(n_steps):
        pace = one_cycle(step, n_steps, peak=1.0, final=0.01)
        assert 0.01 <= pace.rate <= 1.0
        assert 0.85 <= pace.momentum <= 0.95


def test_fitting_does_not_import_the_compiler_of_torch(tmp_path):
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from helpers.settings import flow_config, trainer_config\n"
        "from anode.density.build import build_density\n"
        "from anode.training.loop import fit\n"
        "from anode.training.state import Fit, Sample\n"
        "sample = Sample(torch.ones(20, 2), torch.ones(20, 1))\n"
        "density = build_density(flow_config(backend='fused'), 2, 1, 1)\n"
        "one = Fit(density, sample, sample, 1, Path(sys.argv[1]))\n"
        "assert fit([one], config=trainer_config(epochs=1))[0].finished\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY / "tests", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
