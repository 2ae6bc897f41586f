"""Spikes spread: a continuous variable of a feature in which many events share a value.

A density gives a value that many events share a probability without bound: it spends itself on the
spike, and log p of the spike is noise. Here every such value becomes an interval of its own, in
which its events are uniform; all other values stay as they are. What is fitted and compared is the
density of this variable: a spike of a share s in an interval of width w has the density s / w, and
the ratio of two densities is that of the shares. No event changes sides: an interval holds events
of one value alone.

Two kinds of features have spikes:

    a few in a continuum    an interval beside all other values, below the lowest or above the
                            highest, as wide as makes its mean density that of the continuum
    whole numbers and the   [v, v + gap) for every value v, up to the next one or, beyond a hole,
    like                    by the median gap

An event's place in an interval is a hash of its identity and the seed: it does not depend on its
row, nor on the other events. Uniform dequantisation: Uria, Murray, Larochelle, 1306.0186.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from anode import io
from anode.events.rules import CommonValues, common_values
from anode.events.table import EventTable
from anode.records import Record
from anode.regions.splits import uniform_of

INNER = (0.05, 0.95)
"""Quantiles between which the mean density of a continuum is taken."""


@dataclass(frozen=True)
class Intervals(Record):
    """Where K values of a feature go: value v[k] to [low[k], high[k]).

    Attributes:
        values: (K,) values, ascending.
        low: (K,) lower ends.
        high: (K,) upper ends.
    """

    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Spikes(Record):
    """The intervals of all features that have spikes; ``spikes.json`` of a fit.

    Attributes:
        features: name -> intervals.

    Example:
        >>> x = np.append(np.linspace(1, 2, 800), np.zeros(200))
        >>> events = EventTable(np.arange(1000), np.linspace(3e3, 4e3, 1000), x[:, None], ("tau",),
        ...                     ("",))
        >>> spikes = Spikes.of(events)
        >>> [(round(i.low[0], 2), i.high[0]) for i in spikes.features.values()]
        [(0.75, 1.0)]
        >>> spread = spikes.spread(events, seed=1).column("tau")
        >>> len(np.unique(spread)), bool((spread[:800] == x[:800]).all())
        (1000, True)
    """

    features: dict[str, Intervals] = field(default_factory=dict)

    @classmethod
    def of(cls, events: EventTable) -> Self:
        """The spikes of a sample, whose labels, if any, are not read."""
        found = {}
        for name, column in zip(events.names, events.features.T, strict=True):
            common = common_values(column)
            if len(common.values):
                found[name] = _intervals(column, common)
        return cls(found)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Those of a fit.

        Raises:
            DataError: there is no such file, or it is broken.
        """
        return cls.from_json(io.read_json(path), path)

    def spread(self, events: EventTable, seed: int) -> EventTable:
        """The same events, each value that has an interval somewhere in it.

        Args:
            events: events of any mass, in the features that the spikes are of, or more.
            seed: root seed of the run.
        """
        features = {name: self.features[name] for name in events.names if name in self.features}
        if not features:
            return events
        values = events.features.copy()
        for name, intervals in features.items():
            column = values[:, events.names.index(name)]
            known = np.array(intervals.values)
            place = np.minimum(np.searchsorted(known, column), len(known) - 1)
            rows = np.flatnonzero(known[place] == column)
            low, high = (np.array(end)[place[rows]] for end in (intervals.low, intervals.high))
            u = uniform_of(events.identity[rows], seed, "dequantise", name)
            column[rows] = low + (high - low) * u
        return replace(events, features=values)


def _intervals(column: np.ndarray, common: CommonValues) -> Intervals:
    continuum = column[~np.isin(column, common.values)]
    if len(np.unique(continuum)) <= len(continuum) / 2:
        return _of_lattice(column)
    return _beside(continuum, common)


def _beside(continuum: np.ndarray, common: CommonValues) -> Intervals:
    """Intervals below and above a continuum (M,), the nearest values next to it."""
    inner = np.diff(np.quantile(continuum, INNER))[0] / (INNER[1] - INNER[0])
    widths = common.shares / (1 - common.shares.sum()) * inner
    below = common.values <= np.median(continuum)
    low, high = np.empty(len(widths)), np.empty(len(widths))
    high[below] = continuum.min() - np.cumsum(np.append(0, widths[below][:0:-1]))[::-1]
    low[below] = high[below] - widths[below]
    low[~below] = np.nextafter(continuum.max(), np.inf) + np.cumsum(
        np.append(0, widths[~below][:-1])
    )
    high[~below] = low[~below] + widths[~below]
    return _as_tuples(common.values, low, high)


def _of_lattice(column: np.ndarray) -> Intervals:
    values = np.unique(column)
    gaps = np.diff(values)
    usual = np.median(gaps) if len(gaps) else 1.0
    return _as_tuples(values, values, values + np.minimum(np.append(gaps, usual), usual))


def _as_tuples(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> Intervals:
    return Intervals(*(tuple(each.tolist()) for each in (values, low, high)))
