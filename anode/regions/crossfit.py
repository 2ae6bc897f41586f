"""Cross-fitting: division of events among fits, so that none scores an event it was fitted on.

Counts of cross-fitted events above a cut are unbiased, but no Poisson counts: each fold has
learned the fluctuations of the others, so that the counts of folds are correlated. For a score
that has learned nothing else, a 10% cut and five folds, the standard deviation is 1.37 times that
of Poisson counts (a test shows it). A search measures the factor for its method and settings
(``statistics.counting.overdispersion``).
"""

from dataclasses import dataclass

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.regions.splits import fold_of, uniform_of


@dataclass(frozen=True)
class SplitConfig:
    """Division of the data sample into events to fit, to validate on and to score.

    Attributes:
        mode: "kfold": every event of the signal region is scored by fits that did not see it;
            "holdout": one fit, and only the ``test`` fraction is scored.
        folds: number K of folds of "kfold".
        validation: fraction of the fitted events that is kept for validation.
        test: fraction of the signal region that is scored in "holdout".
        extra: score of events outside the data sample in "kfold": that of "one_fold", picked by
            their identity as for the data, so that all test events are scored alike; or the
            "average" over folds, which is smoother than the scores of the data.
        sideband_folds: number of folds of the sidebands, each left out of one fit of the whole
            method, so that its events are scored by fits that have not seen them; 1: no folds.
    """

    mode: str
    folds: int
    validation: float
    test: float
    extra: str
    sideband_folds: int = 1  # unknown to former versions

    def __post_init__(self) -> None:
        if self.mode not in ("kfold", "holdout"):
            raise ConfigError(f"split.mode must be 'kfold' or 'holdout', got {self.mode!r}")
        if self.mode == "kfold" and self.folds < 2:
            raise ConfigError(f"split.folds must be at least 2, got {self.folds}")
        if self.extra not in ("one_fold", "average"):
            raise ConfigError(f"split.extra must be 'one_fold' or 'average', got {self.extra!r}")
        if self.sideband_folds < 1:
            raise ConfigError(
                f"split.sideband_folds must be at least 1, got {self.sideband_folds}"
            )
        for key in ("validation", "test"):
            if not 0 < getattr(self, key) < 1:
                raise ConfigError(f"split.{key} must lie in (0, 1), got {getattr(self, key)}")


@dataclass(frozen=True)
class SomeFolds(SplitConfig):
    """Some of the fits of "kfold", where the others would score nothing or see other features.

    Attributes:
        numbers: folds, each of which one of these fits does not see, and scores.
    """

    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class CrossFit:
    """K fits of one quantity, each without one fold ("kfold"), or one fit without the test events
    ("holdout"). An event's fold and parts depend on its identity and the seed alone.
    """

    split: SplitConfig
    seed: int

    @property
    def n_folds(self) -> int:
        """Number of folds by whose fits scores are told apart; 1 where there is one fit, or where
        events outside the data have an average over fits."""
        one_fit = self.split.mode == "holdout" or self.split.extra == "average"
        return 1 if one_fit else self.split.folds

    @property
    def numbers(self) -> tuple[int, ...]:
        """Folds that have a fit of their own; (0,) with "holdout"."""
        if isinstance(self.split, SomeFolds):
            return self.split.numbers
        return (0,) if self.split.mode == "holdout" else tuple(range(self.split.folds))

    def fold(self, events: EventTable) -> np.ndarray:
        """(N,) number of the fit that scores each event, 0 to ``n_folds`` - 1."""
        if self.n_folds == 1:
            return np.zeros(len(events), dtype=np.int64)
        return self._fold(events)

    def names(self, what: str) -> list[str]:
        """Names of the fits of one quantity: ``data_fold0``, ..., or ``data`` alone."""
        if self.split.mode == "holdout":
            return [what]
        return [f"{what}_fold{k}" for k in self.numbers]

    def fitted(self, events: EventTable) -> list[EventTable]:
        """For every fit, the events it may see."""
        return [events[self.may_see(k, events)] for k in self.numbers]

    def may_see(self, k: int, events: EventTable) -> np.ndarray:
        """(N,) True for events that fit number k may see: all but fold k, or but the test."""
        if self.split.mode == "holdout":
            return self._uniform(events, "test") >= self.split.test
        return np.asarray(self._fold(events) != k)

    def is_validation(self, events: EventTable) -> np.ndarray:
        """(N,) True for validation events, among those that a fit sees."""
        return self._uniform(events, "validation") < self.split.validation

    def unseen(self, events: EventTable) -> np.ndarray:
        """(N,) True for events, among those given to the fits, that some fit has not seen."""
        if self.split.mode == "kfold":
            return np.ones(len(events), dtype=bool)
        return self._uniform(events, "test") < self.split.test

    def scored(self, events: EventTable, fitted: np.ndarray) -> list[np.ndarray]:
        """For every fit, the rows it scores.

        Args:
            events: N events.
            fitted: (N,) True for events that were given to the fits.

        Raises:
            DataError: an event was seen by every fit, or there is none for its fold.
        """
        if self.split.mode == "holdout":
            seen = fitted & ~self.unseen(events)
            if seen.any():
                raise DataError(
                    f"{events.source}: events must not be scored by a fit that has seen them, "
                    f"but {seen.sum()} were trained or validated on; ask unseen() first"
                )
            return [np.arange(len(events))]
        fold = self._fold(events)
        in_all = np.logical_not(fitted) & (self.split.extra == "average")
        lost = np.logical_not(in_all) & ~np.isin(fold, self.numbers)
        if lost.any():
            numbers = ", ".join(map(str, self.numbers))
            raise DataError(
                f"{events.source}: the fits without folds {numbers} must score events of these, "
                f"but {lost.sum()} are of others, first event id "
                f"{events.event_id[np.argmax(lost)]}"
            )
        return [np.flatnonzero(in_all | (fold == k)) for k in self.numbers]

    def _fold(self, events: EventTable) -> np.ndarray:
        return fold_of(events.identity, self.split.folds, self.seed)

    def _uniform(self, events: EventTable, name: str) -> np.ndarray:
        """(N,) numbers uniform in [0, 1), functions of the event's identity and the seed alone."""
        return uniform_of(events.identity, self.seed, "split", name)


def combine(n: int, rows: list[np.ndarray], values: list[np.ndarray]) -> np.ndarray:
    """(N,) log of the mean of exp(values), for each event over the fits that scored it.

    Args:
        n: number N of events.
        rows: indices of the events that each fit scored.
        values: values of these events, with the same shapes.
    """
    total = np.full(n, -np.inf)
    count = np.zeros(n)
    for index, each in zip(rows, values, strict=True):
        total[index] = np.logaddexp(total[index], each)
        count[index] += 1
    return total - np.log(count)
