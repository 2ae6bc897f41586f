"""Densities that are evaluated together have the bits that each has alone."""

import dataclasses

import numpy as np
import pytest
import torch

from anode.density.build import build_density
from anode.density.ensemble import Ensemble
from anode.density.fused.stack import can_stack
from anode.density.maf import FlowConfig
from anode.density.mixture import MixtureConfig
from anode.density.physical import PhysicalDensity
from anode.density.physical_stack import (
    Asked,
    PhysicalStack,
    small_blocks_agree,
    trial_events,
)
from anode.regions.preprocessing import ContextScaling, Preprocessing

FLOW = FlowConfig("maf", "fused", 2, 16, 1, True, False, False)
WITHOUT_NORM = dataclasses.replace(FLOW, batch_norm=False)


def density(config, n_members: int, seed: int) -> PhysicalDensity:
    """An ensemble with weights and averages as unlike as those of fits."""
    draw = torch.Generator().manual_seed(seed)
    members = [build_density(config, 3, 1, seed=seed + k) for k in range(n_members)]
    for member in members:
        for parameter in member.parameters():
            parameter.data.mul_(0.5 + 2 * torch.rand(parameter.shape, generator=draw))
        for name, buffer in member.named_buffers():
            if name.startswith("running"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=draw))
    x = np.random.default_rng(seed).normal(seed, 1 + seed, (200, 3))
    scaling = ContextScaling.fit(np.linspace(3000, 4000 + seed, 50))
    return PhysicalDensity(Ensemble(members), Preprocessing.fit(x), scaling).eval()


def few(asked: Asked, n: int) -> Asked:
    return Asked(asked.features[:n], asked.mass[:n])


@pytest.mark.parametrize("config", [FLOW, WITHOUT_NORM], ids=["batch_norm", "plain"])
@pytest.mark.parametrize("sizes", [(1, 1), (33, 33), (300, 0), (5, 200), (0, 0), (2049, 2048)])
def test_a_stack_has_the_bits_of_its_densities(config, sizes):
    densities = [density(config, 3, seed=1), density(config, 2, seed=2)]
    stack = PhysicalStack.of(densities)
    if stack is None:
        pytest.skip("torch rounds batches of products otherwise on this processor")
    many = [trial_events(each) for each in densities]
    many = [Asked(np.tile(e.features, (2, 1)), np.tile(e.mass, 2)) for e in many]
    asked = [few(each, n) for each, n in zip(many, sizes, strict=True)]
    for alone, events, got in zip(densities, asked, stack.evaluate(asked), strict=True):
        assert np.array_equal(got, alone.evaluate(*events))


def test_a_stack_that_rounds_otherwise_is_not_used():
    densities = [density(FLOW, 3, seed=1)]
    stack = PhysicalStack(densities)
    with torch.no_grad():
        stack._flows._constant[1] += 1e-4
    assert not stack.agrees()


def test_only_flows_of_one_layout_are_stacked():
    wider = dataclasses.replace(FLOW, hidden_features=24)
    mixture = MixtureConfig("made_mog", "fused", 16, 2)
    assert PhysicalStack.of([density(mixture, 2, seed=1)]) is None
    assert PhysicalStack.of([density(FLOW, 2, seed=1), density(wider, 2, seed=1)]) is None
    assert not can_stack([])


def test_whether_small_blocks_agree_is_tried():
    each = density(MixtureConfig("made_mog", "fused", 16, 2), 2, seed=1)
    found = small_blocks_agree(each)
    events = trial_events(each)
    assert found == np.array_equal(each.evaluate(*events, block=32), each.evaluate(*events))
