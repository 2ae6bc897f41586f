"""What is a training recipe, and how fast do weights move at which step of it?"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from anode.errors import ConfigError

CONSTANT_MOMENTUM = 0.9  # Adam's usual beta_1, where no cycle moves it
PEAK_AT = 0.3  # of all steps
SLOWEST_START = 25.0  # the peak rate over the first one
CALM, LIVELY = 0.95, 0.85  # momentum at the ends of a cycle, and at its peak


class Pace(NamedTuple):
    """Learning rate and momentum beta_1 of a step."""

    rate: float
    momentum: float


def one_cycle(step: int, n_steps: int, *, peak: float, final: float) -> Pace:
    """The pace of step 0, ..., ``n_steps`` - 1 of one cycle (Smith 1708.07120).

    Along half cosines the rate rises from ``peak`` / 25 to ``peak`` in the first 30% of steps and
    falls to ``final`` in the rest, while the momentum goes from 0.95 to 0.85 and back, as torch's
    ``OneCycleLR`` does it.
    """
    turn, last = PEAK_AT * n_steps - 1, n_steps - 1
    if step <= turn:
        done = step / turn
        return Pace(
            _half_cosine(peak / SLOWEST_START, peak, done), _half_cosine(CALM, LIVELY, done)
        )
    done = (step - turn) / (last - turn)
    return Pace(_half_cosine(peak, final, done), _half_cosine(LIVELY, CALM, done))


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class TrainerConfig:
    """A training recipe.

    Attributes:
        epochs: passes over the training events.
        batch_size: events a step; batches are made equal, so the last is never a stub.
        learning_rate: Adam's, or the peak of the one-cycle schedule.
        schedule: "one_cycle" (Smith 1708.07120) or "constant".
        final_learning_rate: where a one-cycle schedule ends, as a fraction of its peak.
        weight_decay: L2 penalty in Adam's gradient.
        gradient_clip: largest norm of the gradient; null for none.
        patience: stop after this many epochs without a better validation loss; null for never.
        keep: how many last epochs, and how many best ones, stay on disk.
        at_once: how many densities take their steps together, where several of the same settings
            have as many batches. It pays for small ones; the last digits depend on it.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    final_learning_rate: float
    weight_decay: float
    gradient_clip: float | None
    patience: int | None
    keep: int
    at_once: int = 1

    def __post_init__(self) -> None:
        rates = ("learning_rate", "final_learning_rate")
        for key in ("epochs", "batch_size", "keep", "at_once", *rates):
            if not getattr(self, key) > 0:
                raise ConfigError(f"trainer.{key} must be above 0, got {getattr(self, key)}")
        if self.weight_decay < 0:
            raise ConfigError(
                f"trainer.weight_decay must not be negative, got {self.weight_decay}"
            )
        if self.schedule not in ("one_cycle", "constant"):
            raise ConfigError(
                f"trainer.schedule must be 'one_cycle' or 'constant', got {self.schedule!r}"
            )
        if self.at_once > 1 and self.patience is not None:
            raise ConfigError(
                "densities fitted at once end together: trainer.patience must be null where "
                f"trainer.at_once is above 1, got {self.patience} and {self.at_once}"
            )

    def n_batches(self, n_events: int) -> int:
        """Steps of an epoch."""
        return max(1, round(n_events / self.batch_size))

    def pace(self, step: int, n_steps: int) -> Pace:
        """Learning rate and momentum of step 0, ..., ``n_steps`` - 1."""
        if self.schedule == "constant":
            return Pace(self.learning_rate, CONSTANT_MOMENTUM)
        final = self.final_learning_rate * self.learning_rate
        return one_cycle(step, n_steps, peak=self.learning_rate, final=final)
