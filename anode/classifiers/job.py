"""Samples that a classifier is fitted to: checked, divided and with equal weight per class."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.classifiers.config import ClassifierConfig
from anode.errors import DataError
from anode.regions.splits import uniform_of
from anode.seeding import Name

SMALLEST_SAMPLE = 4  # events of a class: two to train on, two to validate on


@dataclass(frozen=True)
class ClassifierJob:
    """One classifier to fit, of ``positive`` against ``negative`` events.

    Attributes:
        directory: folder of the fit; its name names the fit's random streams.
        positive: (N1, D) physical features, such as the data of the signal region.
        negative: (N0, D) physical features, such as background that was sampled.
        config: settings of the classifier.
        seed: root seed of the run.
        positive_weight: (N1,) relative weights within the class; None for equal ones.
        negative_weight: (N0,) the same of the other class.
        positive_identity: (N1,) uint64 ``EventTable.identity`` of the events, or the collision of
            jets, which decides who is validated on; None for events that occur once and in an
            order of their own.
        negative_identity: (N0,) the same of the other class.
        tracker: "none", "jsonl" or "wandb"; for networks.
        device: "cpu" or "cuda"; for networks.

    Raises:
        DataError: a shape is wrong, there are fewer than 4 events, or a value is not finite.
    """

    directory: Path
    positive: np.ndarray
    negative: np.ndarray
    config: ClassifierConfig
    seed: int
    positive_weight: np.ndarray | None = None
    negative_weight: np.ndarray | None = None
    positive_identity: np.ndarray | None = None
    negative_identity: np.ndarray | None = None
    tracker: str = "none"
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, events, weight in (
            ("positive", self.positive, self.positive_weight),
            ("negative", self.negative, self.negative_weight),
        ):
            where = f"{self.directory.name}: {name}"
            if events.ndim != 2 or len(events) < SMALLEST_SAMPLE:
                raise DataError(
                    f"{where} events must have shape (N >= {SMALLEST_SAMPLE}, D), got "
                    f"{events.shape}"
                )
            check_finite(where, events)
            if weight is not None:
                _check_weight(where, weight, len(events))
        if self.positive.shape[1] != self.negative.shape[1]:
            raise DataError(
                f"{self.directory.name}: both classes must have the same features, got "
                f"{self.positive.shape[1]} positive and {self.negative.shape[1]} negative columns"
            )

    @property
    def n_events(self) -> int:
        """Number of events of both classes."""
        return len(self.positive) + len(self.negative)


class Labelled(NamedTuple):
    """Events of both classes.

    Attributes:
        features: (N, D) physical features.
        label: (N,) class, 1 for positive, 0 for negative.
        weight: (N,) weights of mean 1, with the same sum in both classes.
    """

    features: np.ndarray
    label: np.ndarray
    weight: np.ndarray


def divide(job: ClassifierJob, *names: Name) -> tuple[Labelled, Labelled]:
    """Training and validation events, a random division of each class by the job's stream
    ``names``, with events of equal identity in one part; both classes have the same weight in
    either.

    Raises:
        DataError: all weights of a class in either part are 0.
    """
    stream = (job.directory.name, "validation", *names)
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[], []]
    for label, events, weight, identity in (
        (1, job.positive, job.positive_weight, job.positive_identity),
        (0, job.negative, job.negative_weight, job.negative_identity),
    ):
        n = len(events)
        weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
        n_validation = min(max(2, round(job.config.validation * n)), n - 2)
        identity = np.arange(n) if identity is None else identity
        drawn = uniform_of(identity, job.seed, *stream, label)
        # Equal numbers are copies, or jets of one event: they are not parted.
        last = np.partition(drawn, n_validation - 1)[n_validation - 1]
        chosen = drawn <= last
        for part, rows in zip(parts, (~chosen, chosen), strict=True):
            part.append((events[rows], weight[rows]))
    train, validation = (_balanced(job, *part) for part in parts)
    return train, validation


def log_odds(outputs: np.ndarray) -> np.ndarray:
    r"""Log-odds of the mean probability of K classifiers, without leaving log space:

        log [ sum_k sigmoid(a_k) / sum_k sigmoid(-a_k) ]

    Args:
        outputs: (K, N) log-odds a_k of each classifier.

    Returns:
        (N,) log-odds, finite wherever the outputs are.
    """
    positive = np.logaddexp.reduce(-np.logaddexp(0, -outputs), axis=0)
    negative = np.logaddexp.reduce(-np.logaddexp(0, outputs), axis=0)
    return positive - negative


def check_finite(where: str, events: np.ndarray) -> None:
    """Refuse features (N, D) that are NaN or infinite.

    Args:
        where: name of the sample, for the message.
        events: (N, D) features.

    Raises:
        DataError: a value is not finite; the message names the first row.
    """
    bad = np.flatnonzero(~np.isfinite(events).all(axis=1))
    if bad.size:
        raise DataError(
            f"{where} features must be finite, but {bad.size} events are not, first row "
            f"{bad[0]} ({events[bad[0]]}); remove or repair these events"
        )


def _check_weight(where: str, weight: np.ndarray, n: int) -> None:
    if weight.shape != (n,):
        raise DataError(f"{where} weights must have shape ({n},), got {weight.shape}")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise DataError(f"{where} weights must be finite and not negative; repair them")


def _balanced(
    job: ClassifierJob,
    positive: tuple[np.ndarray, np.ndarray],
    negative: tuple[np.ndarray, np.ndarray],
) -> Labelled:
    n = len(positive[0]) + len(negative[0])
    for name, (_, weight) in (("positive", positive), ("negative", negative)):
        if not weight.sum() > 0:
            raise DataError(
                f"{job.directory.name}: {name} events need weights above 0, all drawn for one "
                "sample are 0; remove events without weight"
            )
    return Labelled(
        np.concatenate([positive[0], negative[0]]).astype(np.float64),
        np.repeat([1.0, 0.0], [len(positive[0]), len(negative[0])]),
        np.concatenate([w * (n / 2 / w.sum()) for _, w in (positive, negative)]),
    )
