"""Summary of the columns of a file of any size, and its repeated rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

QUANTILES = (0.01, 0.16, 0.5, 0.84, 0.99)
"""Levels of the quantiles of every column, beside its smallest and largest value."""


class ColumnSummary(NamedTuple):
    """Values of one column; those that are not finite are counted and left out of the rest.

    Attributes:
        name: name of the column.
        unit: unit "GeV", "TeV", or "" for a pure number or where the file does not say.
        n: number of values.
        n_missing: number of NaN among them.
        n_infinite: number of infinities among them.
        low, high, mean: extremes and mean; None without a finite value, or if the sum is none.
        quantiles: quantiles of the random sample at ``QUANTILES``.
    """

    name: str
    unit: str
    n: int
    n_missing: int
    n_infinite: int
    low: float | None
    high: float | None
    mean: float | None
    quantiles: list[float] | None


class Reservoir:
    """A random sample of rows of fixed size, without replacement, from a stream of any length.

    Every row draws a key in (0, 1); those with the smallest keys stay. The sample depends on the
    generator and the order of the rows, not on their division into blocks.

    Attributes:
        size: number of rows kept.
    """

    def __init__(self, size: int, n_columns: int, rng: np.random.Generator) -> None:
        self.size = size
        self._rng = rng
        self._keys = np.empty(0)
        self._rows = np.empty((0, n_columns))

    def add(self, rows: np.ndarray) -> None:
        """Add rows (N, C)."""
        keys = self._rng.random(len(rows))
        if len(self._keys) == self.size:
            small = keys < self._keys[-1]
            keys, rows = keys[small], rows[small]
        keys = np.concatenate([self._keys, keys])
        order = np.argsort(keys)[: self.size]
        self._keys, self._rows = keys[order], np.concatenate([self._rows, rows])[order]

    @property
    def rows(self) -> np.ndarray:
        """The sample (n, C), n <= ``size``."""
        return self._rows


@dataclass
class ColumnStatistics:
    """Running summary of C columns.

    Attributes:
        names, units: name and unit of each column.
        sample: random sample of the rows, for quantiles.
        n: number of rows so far.
    """

    names: Sequence[str]
    units: Sequence[str]
    sample: Reservoir
    n: int = 0
    _counts: np.ndarray = field(init=False)
    _sums: np.ndarray = field(init=False)
    _low: np.ndarray = field(init=False)
    _high: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        width = len(self.names)
        self._counts = np.zeros((3, width), dtype=np.int64)  # finite, NaN, infinite
        self._sums = np.zeros(width)
        self._low, self._high = np.full(width, np.inf), np.full(width, -np.inf)

    def add(self, rows: np.ndarray) -> None:
        """Add rows (N, C)."""
        finite, missing = np.isfinite(rows), np.isnan(rows)
        self.n += len(rows)
        self._counts += np.stack([finite.sum(0), missing.sum(0), (~finite & ~missing).sum(0)])
        with np.errstate(over="ignore"):
            self._sums += np.where(finite, rows, 0.0).sum(axis=0)
        self._low = np.minimum(self._low, np.where(finite, rows, np.inf).min(0, initial=np.inf))
        self._high = np.maximum(
            self._high, np.where(finite, rows, -np.inf).max(0, initial=-np.inf)
        )
        self.sample.add(rows)

    def summaries(self) -> list[ColumnSummary]:
        """The summary of each column."""
        return [self._summary(column) for column in range(len(self.names))]

    def _summary(self, column: int) -> ColumnSummary:
        n_finite, n_missing, n_infinite = (int(count) for count in self._counts[:, column])
        sampled = self.sample.rows[:, column]
        sampled = sampled[np.isfinite(sampled)]
        has_values = n_finite > 0
        mean = self._sums[column] / max(n_finite, 1)
        return ColumnSummary(
            self.names[column],
            self.units[column],
            self.n,
            n_missing,
            n_infinite,
            float(self._low[column]) if has_values else None,
            float(self._high[column]) if has_values else None,
            float(mean) if has_values and np.isfinite(mean) else None,
            np.quantile(sampled, QUANTILES).tolist() if len(sampled) else None,
        )


def repeated(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the values (N,) that occurred before, rising, and of their first occurrences.

    Example:
        >>> repeated(np.array([7, 5, 7, 7]))
        (array([2, 3]), array([0, 0]))
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    again = np.concatenate([[False], ordered[1:] == ordered[:-1]])[: len(values)]
    first = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(values))))]
    ascending = np.argsort(order[again])
    return order[again][ascending], first[again][ascending]
