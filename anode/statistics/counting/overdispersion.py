"""Over-dispersion f of counts of cross-fitted events: their spread over that of Poisson counts.

No event is scored by a fit that has seen it, so counts above a cut are unbiased. But each fold has
learned the fluctuations of the others, and what one has too many of, the next ones select: the
counts of folds move together, and their sum spreads by more than a Poisson count does. How much
hangs on the method, its settings and the number of folds, and is measured: many samples of pure
background, the same fits, the same cuts.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from anode.errors import ConfigError
from anode.records import Record


@dataclass(frozen=True)
class OverdispersionConfig:
    """How the over-dispersion of counts is measured.

    Attributes:
        n_experiments: number of samples of background; 0: not measured.
        n_events: mean number of events of a sample.
        path: ``overdispersion.json`` of another search, which is used instead; if there is none
            yet, it is measured and kept there. None: measured for this search.
    """

    n_experiments: int
    n_events: int
    path: str | None

    def __post_init__(self) -> None:
        if self.n_experiments < 0 or self.n_experiments == 1:
            raise ConfigError(
                f"overdispersion.n_experiments must be 0 or at least 2, got {self.n_experiments}"
            )
        if self.n_events < 100:
            raise ConfigError(f"overdispersion.n_events must be at least 100, got {self.n_events}")


NOT_MEASURED = OverdispersionConfig(n_experiments=0, n_events=2000, path=None)
"""Settings of searches of former versions."""


@dataclass(frozen=True)
class Dispersion(Record):
    """Spread of the counts in several score categories over that of Poisson counts.

    Attributes:
        f: factor of each category by which the standard deviation exceeds that of Poisson counts
            of the same mean.
        f_error: standard error of each.
        rate: mean fraction of the events that falls into each category.
    """

    f: tuple[float, ...]
    f_error: tuple[float, ...]
    rate: tuple[float, ...]

    @classmethod
    def of(cls, counts: np.ndarray, *, n_events: float, n_template: int) -> Self:
        r"""From counts of independent samples whose sizes are Poisson numbers.

        With the mean $\bar n$ and variance $s^2$ of the counts of a category over X samples,

        $$ f^2 = \frac{s^2}{\bar n} - \frac{N}{T} \left( 1 - \frac{\bar n}{N} \right), \qquad
           \sigma_f = \frac{s^2}{\bar n f} \frac{1}{\sqrt{2 (X - 1)}} . $$

        The second term is what thresholds add that are order statistics of T template events: the
        true rate p of a category fluctuates by $p (1 - p) / T$. It is no property of the scores,
        and a search, which takes its expectation from data, does not have it.

        Args:
            counts: (X, C) events of each sample in each category.
            n_events: mean number N of events of a sample.
            n_template: number T of template events that fixed the cuts of each sample.

        Example:
            >>> counts = np.random.default_rng(1).poisson(200, size=(10000, 1))
            >>> round(Dispersion.of(counts, n_events=2000, n_template=10**9).f[0], 1)
            1.0
        """
        mean = counts.mean(axis=0)
        rate = mean / n_events
        index = counts.var(axis=0, ddof=1) / np.where(mean > 0, mean, 1)
        error = index * np.sqrt(2 / (len(counts) - 1))  # of the index
        f = np.sqrt(np.maximum(index - n_events / n_template * (1 - rate), 0))
        error = np.where(f > 0, error / (2 * np.where(f > 0, f, 1)), np.sqrt(error))
        # Where no event is seen, nothing is known.
        f, error = np.where(mean > 0, f, 1.0), np.where(mean > 0, error, 1.0)
        return cls(f=tuple(f.tolist()), f_error=tuple(error.tolist()), rate=tuple(rate.tolist()))


@dataclass(frozen=True)
class Overdispersion(Record):
    """Over-dispersion of a method's counts, measured on background; ``overdispersion.json``.

    Categories and cuts have the order of ``efficiencies``, e.g. (0.1, 0.01, 0.001): category i
    holds events that pass cut i and not the next one, the last all that pass the tightest.

    Attributes:
        method: name of the method.
        efficiencies: nominal background efficiencies of the cuts, descending.
        f, f_error: standard deviation of the number of events of each category over that of a
            Poisson count, and its error.
        f_inclusive, f_inclusive_error: the same of all events that pass each cut.
        rate: mean fraction of the events in each category; without bias the difference of
            nominal efficiencies.
        correlation: correlation of the counts of each pair of categories.
        n_experiments: number of samples.
        n_events: mean number of events of a sample.
        n_template: number of events that fixed the cuts of each sample.
        low, high: window in which events were drawn [GeV].
        key: hash of all that f depends on, but for the data.
    """

    method: str
    efficiencies: tuple[float, ...]
    f: tuple[float, ...]
    f_error: tuple[float, ...]
    f_inclusive: tuple[float, ...]
    f_inclusive_error: tuple[float, ...]
    rate: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    n_experiments: int
    n_events: int
    n_template: int
    low: float
    high: float
    key: str

    @classmethod
    def of(
        cls,
        counts: np.ndarray,
        *,
        method: str,
        efficiencies: tuple[float, ...],
        n_events: int,
        n_template: int,
        window: tuple[float, float],
        key: str,
    ) -> Self:
        """From the counts of many samples.

        Args:
            counts: (X, E) events of each sample in each category.
            method: name of the method.
            efficiencies: nominal background efficiencies of the cuts, descending.
            n_events: mean number of events of a sample.
            n_template: number of events that fixed the cuts of each sample.
            window: bounds of the window in which events were drawn [GeV].
            key: hash of the settings.
        """
        exclusive, inclusive = (
            Dispersion.of(each, n_events=n_events, n_template=n_template)
            for each in (counts, np.cumsum(counts[:, ::-1], axis=1)[:, ::-1])
        )
        return cls(
            method=method,
            efficiencies=efficiencies,
            f=exclusive.f,
            f_error=exclusive.f_error,
            f_inclusive=inclusive.f,
            f_inclusive_error=inclusive.f_error,
            rate=exclusive.rate,
            correlation=_correlation(counts),
            n_experiments=len(counts),
            n_events=n_events,
            n_template=n_template,
            low=window[0],
            high=window[1],
            key=key,
        )


def _correlation(counts: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Of the columns (X, C); 0 beside the diagonal where a count never changes."""
    from_mean = counts - counts.mean(axis=0)
    spread = np.sqrt(np.sum(from_mean**2, axis=0))
    matrix = np.eye(counts.shape[1])
    varies = spread > 0
    scaled = from_mean[:, varies] / spread[varies]
    matrix[np.ix_(varies, varies)] = scaled.T @ scaled
    return tuple(tuple(row) for row in np.clip(matrix, -1, 1).tolist())
