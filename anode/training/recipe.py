"""Settings of a training, and its learning rate and momentum at each step."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from anode.errors import ConfigError

CONSTANT_MOMENTUM = 0.9  # Adam's usual beta_1, where no cycle moves it
PEAK_AT = 0.3  # of all steps
PEAK_OVER_START = 25.0  # ratio of the largest learning rate to the first one
MOMENTUM_AT_ENDS, MOMENTUM_AT_PEAK = 0.95, 0.85  # of a cycle


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
            _half_cosine(peak / PEAK_OVER_START, peak, done),
            _half_cosine(MOMENTUM_AT_ENDS, MOMENTUM_AT_PEAK, done),
        )
    done = (step - turn) / (last - turn)
    return Pace(
        _half_cosine(peak, final, done), _half_cosine(MOMENTUM_AT_PEAK, MOMENTUM_AT_ENDS, done)
    )


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class TrainerConfig:
    """Settings of a training.

    Attributes:
        epochs: number of passes over the training events.
        batch_size: events per step, about: the batches of an epoch have equal sizes.
        learning_rate: constant learning rate of Adam, or the peak of the one-cycle schedule.
        schedule: "one_cycle" (Smith 1708.07120) or "constant".
        final_learning_rate: last learning rate of a one-cycle schedule, as a fraction of its peak.
        weight_decay: L2 penalty in Adam's gradient.
        gradient_clip: largest norm of the gradient; null for no limit.
        patience: number of epochs without a better validation loss after which a fit stops; null
            for never.
        keep: number of last epochs, and of best ones, that stay on disk.
        at_once: number of densities fitted in common steps, if several have the same settings and
            numbers of batches. It pays for small densities; the last digits depend on it.

    Raises:
        ConfigError: a number out of range, an unknown schedule, ``patience`` with ``at_once`` > 1.
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
        """Number of steps of an epoch over ``n_events``."""
        return max(1, round(n_events / self.batch_size))

    def pace(self, step: int, n_steps: int) -> Pace:
        """Learning rate and momentum of step 0, ..., ``n_steps`` - 1."""
        if self.schedule == "constant":
            return Pace(self.learning_rate, CONSTANT_MOMENTUM)
        final = self.final_learning_rate * self.learning_rate
        return one_cycle(step, n_steps, peak=self.learning_rate, final=final)
