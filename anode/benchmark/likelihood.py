"""How long until a density knows the data as well as the published recipe makes it?

The published recipe is fitted once, by the fused backend, which is nflows' model weight for
weight; its best held-out loss is the target. Other recipes are fitted with ever more epochs, each
with its own complete learning-rate cycle, until one gets there; what counts is the time of that
fit alone, validation and checkpoints included. The time of nflows with the published recipe is
extrapolated from two of its epochs.
"""

import contextlib
import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch

from anode.density.base import DensityConfig
from anode.density.build import build_density
from anode.density.maf import FlowConfig
from anode.events.table import EventTable
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.regions.splits import uniform_of
from anode.training.loop import fit
from anode.training.optimiser import Adam
from anode.training.recipe import TrainerConfig
from anode.training.state import Fit, Sample

EPOCHS = (1, 2, 3, 5, 8, 12, 20)
TIMED_EPOCHS = 2
SHARE_HELD_OUT = 0.2


class Recipe(NamedTuple):
    """What is fitted, and how."""

    density: DensityConfig
    trainer: TrainerConfig


class Reached(NamedTuple):
    """A fit: its epochs, seconds, and lowest held-out negative log-likelihood.

    ``extrapolated`` seconds are those of fewer epochs, times what is missing.
    """

    epochs: int
    seconds: float
    loss: float
    extrapolated: bool = False


def compare(
    events: EventTable, published: Recipe, quick: Mapping[str, Recipe], *, device: str
) -> dict[str, Reached]:
    """Fits of all recipes to one sample, by name; a recipe that never gets there is left out.

    Args:
        events: background; a fifth of them, by event id, is held out.
        published: sets the target, and is timed with nflows too.
        quick: fitted with more and more epochs until they reach it; an affine MAF that does is
            fitted as long with nflows too, which ends there but for rounding.
        device: "cpu" or "cuda".
    """
    train, held_out = _samples(events)

    def run(recipe: Recipe, epochs: int) -> Reached:
        density = build_density(recipe.density, train.features.shape[1], 1, seed=1)
        trainer = dataclasses.replace(recipe.trainer, epochs=epochs)
        with tempfile.TemporaryDirectory() as folder:
            one = Fit(density, train, held_out, seed=1, directory=Path(folder) / "fit")
            started = time.perf_counter()
            (result,) = fit([one], config=trainer, device=device)
            seconds = time.perf_counter() - started
        return Reached(epochs, seconds, min(result.validation_loss))

    epochs = published.trainer.epochs
    target = run(published, epochs)
    timed = run(_with_nflows(published), TIMED_EPOCHS)
    seconds = timed.seconds * epochs / TIMED_EPOCHS
    found = {
        "nflows, published recipe": target._replace(seconds=seconds, extrapolated=True),
        "anode maf, published recipe": target,
    }
    for name, recipe in quick.items():
        reached = _first_to_reach(target.loss, functools.partial(run, recipe))
        if reached is None:
            continue
        found[f"anode {name}, one-cycle"] = reached
        if isinstance(recipe.density, FlowConfig):
            found[f"nflows {name}, one-cycle"] = run(_with_nflows(recipe), reached.epochs)
    return found


def share_outside_steps(events: EventTable, recipe: Recipe) -> float:
    """The share of a fit's time that is neither forward, backward nor step (clipping included):
    shuffling, validation, writing."""
    train, held_out = _samples(events)
    density = build_density(recipe.density, train.features.shape[1], 1, seed=1)
    spent: list[float] = []
    places: list[tuple[Any, str]] = [
        (type(density), "loss"),
        (torch.Tensor, "backward"),
        (Adam, "step"),
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(_clocked(owner, name, spent))
        one = Fit(density, train, held_out, seed=1, directory=Path(folder) / "fit")
        started = time.perf_counter()
        fit([one], config=recipe.trainer)
        total = time.perf_counter() - started
    return 1 - sum(spent) / total


@contextlib.contextmanager
def _clocked(owner: Any, name: str, spent: list[float]) -> Iterator[None]:
    """Add the seconds of every training-mode call of ``owner.name`` to ``spent``."""
    original = getattr(owner, name)

    def clocked(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = original(*args, **kwargs)
        if torch.is_grad_enabled() or name == "step":
            spent.append(time.perf_counter() - started)
        return result

    with mock.patch.object(owner, name, clocked):
        yield


def _first_to_reach(target: float, run: Callable[[int], Reached]) -> Reached | None:
    for epochs in EPOCHS:
        reached = run(epochs)
        if reached.loss <= target:
            return reached
    return None


def _with_nflows(recipe: Recipe) -> Recipe:
    return recipe._replace(density=dataclasses.replace(recipe.density, backend="nflows"))


def _samples(events: EventTable) -> tuple[Sample, Sample]:
    held_out = uniform_of(events.event_id, 1, "benchmark") < SHARE_HELD_OUT
    train = events[np.logical_not(held_out)]
    preprocessing = Preprocessing.fit(train.features, train.names)
    scaling = ContextScaling.fit(train.mass)

    def sample(part: EventTable) -> Sample:
        latent, _ = preprocessing(torch.as_tensor(part.features))
        return Sample(latent, scaling(torch.as_tensor(part.mass)))

    return sample(train), sample(events[held_out])
