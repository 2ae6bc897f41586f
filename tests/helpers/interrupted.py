"""Fits that are killed and go on, and small densities."""

import itertools
from types import SimpleNamespace

import numpy as np
import torch

from anode.density.mixture import MixtureConfig
from anode.events.table import EventTable
from anode.training import checkpoints, state

MIXTURE = MixtureConfig("made_mog", "fused", 16, 3)


def weights(directory):
    return {p.name: checkpoints.load_tensors(p) for p in sorted(directory.glob("epoch_*.pt"))}


def assert_same_weights(first, second):
    assert first.keys() == second.keys()
    for name, saved in first.items():
        for key, value in saved.items():
            assert torch.equal(value, second[name][key]), (name, key)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killing(original, at_call):
    """``original`` until its ``at_call``-th call, which kills."""
    calls = []

    def function(*arguments):
        calls.append(1)
        if len(calls) == at_call:
            raise Killed
        return original(*arguments)

    return function


def save_every(monkeypatch, epochs: int) -> None:
    """The state is written after so many epochs, whatever the clock says."""
    ticks = itertools.count()
    monkeypatch.setattr(state, "SAVE_EVERY", epochs)
    monkeypatch.setattr(state, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def table(n: int, seed: int) -> EventTable:
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.gamma(3.0, 50.0, n), rng.uniform(size=n)])
    mass = rng.uniform(3000.0, 4000.0, n)
    ids = np.arange(n) + 10_000 * seed
    return EventTable(ids, mass, features, ("mj1", "tau21_1"), ("GeV", ""))
