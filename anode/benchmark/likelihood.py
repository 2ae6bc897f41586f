"""How long until a density knows the data as well as the published recipe makes it?

The published recipe is fitted once, by the fused backend, which is nflows' model weight for
weight; its best held-out loss is the target. Other recipes are fitted with ever more epochs, each
with its own complete learning-rate cycle, until one gets there; what counts is the time of that
fit alone, validation and checkpoints included. The time of nflows with the published recipe is
that of two of its epochs, times fifty.
"""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch

from anode.density.base import DensityConfig
from anode.density.build import build_density
from anode.density.maf import FlowConfig
from anode.density.mog import MixtureConfig
from anode.events.table import EventTable
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.regions.splits import uniform_of
from anode.training.checkpoints import FitResult
from anode.training.loop import Sample, TrainerConfig, fit

EPOCHS = (1, 2, 3, 5, 8, 12, 20)
PUBLISHED_EPOCHS, TIMED_EPOCHS = 100, 2
SHARE_HELD_OUT = 0.2


class Reached(NamedTuple):
    """A fit: its epochs, seconds, and lowest held-out negative log-likelihood.

    ``extrapolated`` seconds are those of fewer epochs, times what is missing.
    """

    epochs: int
    seconds: float
    loss: float
    extrapolated: bool = False


def maf_config(backend: str, n_transforms: int, hidden: int) -> FlowConfig:
    """An affine MAF with batch norm."""
    return FlowConfig("maf", backend, n_transforms, hidden, 1, True, False, False)


PUBLISHED = TrainerConfig(
    epochs=PUBLISHED_EPOCHS,
    batch_size=256,
    learning_rate=1e-4,
    schedule="constant",
    final_learning_rate=1.0,
    weight_decay=1e-6,
    gradient_clip=None,
    patience=None,
    keep=1,
)
ONE_CYCLE = dataclasses.replace(
    PUBLISHED,
    epochs=1,
    batch_size=512,
    learning_rate=2e-3,
    schedule="one_cycle",
    final_learning_rate=0.01,
    gradient_clip=5.0,
)
MIXTURE = MixtureConfig("made_mog", "fused", 128, 8)


def compare(
    events: EventTable, *, device: str, published_epochs: int = PUBLISHED_EPOCHS
) -> dict[str, Reached]:
    """Fits of all recipes to one sample, by name; a recipe that never gets there is left out.

    Args:
        events: background; a fifth of them, by event id, is held out.
        device: "cpu" or "cuda".
        published_epochs: fewer than 100 for a quick look.
    """
    train, held_out = _samples(events)

    def run(config: DensityConfig, trainer: TrainerConfig) -> FitResult:
        density = build_density(config, train.features.shape[1], 1, seed=1)
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder) / "fit"
            return fit(
                density, train, held_out, config=trainer, seed=1, directory=where, device=device
            )

    paper = dataclasses.replace(PUBLISHED, epochs=published_epochs)
    published = _reached(run(maf_config("fused", 15, 128), paper))
    timed = run(maf_config("nflows", 15, 128), dataclasses.replace(paper, epochs=TIMED_EPOCHS))
    factor = published_epochs / TIMED_EPOCHS
    found = {
        "nflows, published recipe": published._replace(
            seconds=timed.seconds * factor, extrapolated=True
        ),
        "anode maf, published recipe": published,
    }
    for name, config in (("maf", maf_config("fused", 8, 64)), ("made_mog", MIXTURE)):
        reached = _first_to_reach(published.loss, lambda t, c=config: run(c, t))  # type: ignore[misc]
        if reached is None:
            continue
        found[f"anode {name}, one-cycle"] = reached
        if name == "maf":
            cycle = dataclasses.replace(ONE_CYCLE, epochs=reached.epochs)
            found["nflows, one-cycle"] = _reached(run(maf_config("nflows", 8, 64), cycle))
    return found


def share_outside_steps(events: EventTable, config: DensityConfig) -> float:
    """The share of a fit's time that is neither forward, backward nor step (clipping included)."""
    train, held_out = _samples(events)
    density = build_density(config, train.features.shape[1], 1, seed=1)
    spent: list[float] = []
    places: list[tuple[Any, str]] = [
        (type(density), "loss"),
        (torch.Tensor, "backward"),
        (torch.optim.Adam, "step"),
        (torch.nn.utils, "clip_grad_norm_"),
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(_clocked(owner, name, spent))
        started = time.perf_counter()
        trainer = dataclasses.replace(ONE_CYCLE, epochs=3)
        fit(density, train, held_out, config=trainer, seed=1, directory=Path(folder) / "fit")
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


def _first_to_reach(target: float, run: Callable[[TrainerConfig], FitResult]) -> Reached | None:
    for epochs in EPOCHS:
        reached = _reached(run(dataclasses.replace(ONE_CYCLE, epochs=epochs)))
        if reached.loss <= target:
            return reached
    return None


def _reached(result: FitResult) -> Reached:
    return Reached(len(result.validation_loss), result.seconds, min(result.validation_loss))


def _samples(events: EventTable) -> tuple[Sample, Sample]:
    held_out = uniform_of(events.event_id, 1, "benchmark") < SHARE_HELD_OUT
    train = events[np.logical_not(held_out)]
    preprocessing = Preprocessing.fit(train.features, train.names)
    scaling = ContextScaling.fit(train.mass)

    def sample(part: EventTable) -> Sample:
        latent, _ = preprocessing(torch.as_tensor(part.features))
        return Sample(latent, scaling(torch.as_tensor(part.mass)))

    return sample(train), sample(events[held_out])
