"""Time until a density has the likelihood that the published recipe reaches.

The published recipe is fitted once, by the fused backend, which is nflows' model weight for
weight; its best held-out loss is the target. Other recipes are fitted with more and more epochs,
each time with a complete learning-rate cycle, until one reaches it; the time is that of this fit
alone, validation and checkpoints included. The time of nflows with the published recipe is
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


class FitRecipe(NamedTuple):
    """Settings of a density and of its training."""

    density: DensityConfig
    trainer: TrainerConfig


class Reached(NamedTuple):
    """A fit that has reached the target.

    Attributes:
        epochs: number of epochs.
        seconds: wall-clock time [s].
        loss: lowest held-out mean of -log p.
        extrapolated: True if ``seconds`` is scaled from a fit with fewer epochs.
    """

    epochs: int
    seconds: float
    loss: float
    extrapolated: bool = False


def compare(
    events: EventTable, published: FitRecipe, quick: Mapping[str, FitRecipe], *, device: str
) -> dict[str, Reached]:
    """Fits of all recipes to one sample, by name, without those that never reach the target.

    Args:
        events: background events; a fifth of them, by event id, is held out.
        published: recipe that sets the target, timed with nflows too.
        quick: recipes fitted with more and more epochs until they reach it; an affine MAF is then
            fitted with nflows for as many epochs, with the same result up to rounding.
        device: "cpu" or "cuda".
    """
    train, held_out = _samples(events)

    def run(recipe: FitRecipe, epochs: int) -> Reached:
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
    fits = {
        "nflows, published recipe": target._replace(seconds=seconds, extrapolated=True),
        "anode maf, published recipe": target,
    }
    for name, recipe in quick.items():
        reached = _first_to_reach(target.loss, functools.partial(run, recipe))
        if reached is None:
            continue
        fits[f"anode {name}, one-cycle"] = reached
        if isinstance(recipe.density, FlowConfig):
            fits[f"nflows {name}, one-cycle"] = run(_with_nflows(recipe), reached.epochs)
    return fits


def share_outside_steps(events: EventTable, recipe: FitRecipe) -> float:
    """Fraction of a fit's time outside forward, backward and step (clipping included): shuffling,
    validation, writing."""
    train, held_out = _samples(events)
    density = build_density(recipe.density, train.features.shape[1], 1, seed=1)
    spent: list[float] = []
    functions: list[tuple[Any, str]] = [
        (type(density), "loss"),
        (torch.Tensor, "backward"),
        (Adam, "step"),
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for owner, name in functions:
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


def _with_nflows(recipe: FitRecipe) -> FitRecipe:
    return recipe._replace(density=dataclasses.replace(recipe.density, backend="nflows"))


def _samples(events: EventTable) -> tuple[Sample, Sample]:
    held_out = uniform_of(events.identity, 1, "benchmark") < SHARE_HELD_OUT
    train = events[np.logical_not(held_out)]
    preprocessing = Preprocessing.fit(train.features, train.names)
    scaling = ContextScaling.fit(train.mass)

    def sample(part: EventTable) -> Sample:
        features, _ = preprocessing(torch.as_tensor(part.features))
        return Sample(features, scaling(torch.as_tensor(part.mass)))

    return sample(train), sample(events[held_out])
