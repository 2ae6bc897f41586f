"""Description of a data set: its events by class and region, its columns and its faults."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anode.evaluation.description.column_summary import (
    ColumnStatistics,
    ColumnSummary,
    Reservoir,
    repeated,
)
from anode.evaluation.description.region_comparison import (
    FeatureComparison,
    FeatureSample,
    compare_regions,
)
from anode.events.identity import row_hashes
from anode.events.readers.fault_scan import Block
from anode.events.table import EventTable
from anode.regions.windows import Regions
from anode.seeding import stream

N_EXAMPLES = 20
"""Number of rows listed for every kind of fault."""

MASS_EDGES = np.arange(0.0, 20_001.0, 10.0)
"""Edges [GeV] of the spectrum that is counted while reading; the last bin includes overflow."""

REGIONS = ("signal region", "sidebands", "neither")


class Fault(NamedTuple):
    """Rows of one file that break one rule.

    Attributes:
        source: name of the file.
        column: name of the column.
        rule: words that follow the name in messages, "must ...".
        n: number of such rows.
        rows: first ``N_EXAMPLES`` of them.
    """

    source: str
    column: str
    rule: str
    n: int
    rows: list[int]


class Repeats(NamedTuple):
    """Rows that occurred before.

    Attributes:
        n: number of such rows.
        examples: pairs "file:row" of a copy and its first occurrence.
    """

    n: int
    examples: list[tuple[str, str]]


class RegionCounts(NamedTuple):
    """Events of one region.

    Attributes:
        region: name, one of ``REGIONS``, or "all".
        window: bounds [GeV] in words.
        n: number of events.
        share: fraction of all described events.
        n_background, n_signal: true background and signal; None where the truth is unknown.
    """

    region: str
    window: str
    n: int
    share: float
    n_background: int | None
    n_signal: int | None


@dataclass(frozen=True)
class Description:
    """Content of a data card.

    Attributes:
        files: file -> number of rows.
        n_rows: number of rows of all files.
        n_faulty: rows that break a rule; regions, spectrum and features leave them out.
        faults: broken rules, with the rows.
        repeated_rows: rows whose stored values, except labels, all occurred before.
        repeated_ids: ids that occurred before; None if the id is the row number.
        regions: counts by region, "all" last.
        mass_counts: counts (B,) by ``MASS_EDGES`` of "all" and, with truth, of "background" and
            "signal".
        stored: columns as stored in the file.
        derived: m_jj and features of rows without fault.
        features: dependence of the features on the mass.
        inside, outside: random events of signal region and sidebands, for figures.
        sample_size: largest number of events drawn, for quantiles and in either region.
        seed: root seed of these draws.
    """

    files: dict[str, int]
    n_rows: int
    n_faulty: int
    faults: list[Fault]
    repeated_rows: Repeats
    repeated_ids: Repeats | None
    regions: list[RegionCounts]
    mass_counts: dict[str, np.ndarray]
    stored: list[ColumnSummary]
    derived: list[ColumnSummary]
    features: list[FeatureComparison]
    inside: FeatureSample
    outside: FeatureSample
    sample_size: int
    seed: int

    @property
    def labelled(self) -> bool:
        """True if the events have labels."""
        return "signal" in self.mass_counts


class Describer:
    """Collects a description block by block; memory holds random samples and, to find repeated
    rows, 8 to 16 bytes per row.

    Args:
        regions: signal region and sidebands.
        sample_size: largest number of events drawn, for quantiles and in either region.
        seed: root seed of these draws.
    """

    def __init__(self, regions: Regions, *, sample_size: int, seed: int) -> None:
        self._regions, self._sample_size, self._seed = regions, sample_size, seed
        self._files: Counter[str] = Counter()
        self._n_faulty = 0
        self._faults: dict[tuple[str, str, str], Fault] = {}
        self._hashes: list[np.ndarray] = []
        self._ids: list[np.ndarray] = []
        self._counts = np.zeros((len(REGIONS), 3), dtype=np.int64)  # all, background, signal
        self._mass = np.zeros((3, len(MASS_EDGES) - 1), dtype=np.int64)
        self._labelled = True
        self._names: list[str] = []
        self._stored: ColumnStatistics | None = None

    def add(self, block: Block) -> None:
        """Add the rows of a block."""
        if not self._names:
            self._start(block)
        self._files[block.source] += block.n_rows
        self._n_faulty += block.n_rows - len(block.events)
        self._add_faults(block)
        events = block.events
        derived = np.column_stack([events.mass, events.features])
        rows = np.column_stack(list(block.stored.values())) if block.stored else derived
        self._hashes.append(row_hashes(rows))
        if block.event_id is not None:
            self._ids.append(block.event_id)
        if self._stored is not None:
            self._stored.add(rows)
        self._derived.add(derived)
        self._labelled &= events.label is not None
        self._add_by_region(events, derived)

    def _start(self, block: Block) -> None:
        events = block.events
        self._names, self._units = list(events.names), list(events.units)
        width = 2 + len(self._names)  # mass, features, label

        def sample(name: str, n_columns: int) -> Reservoir:
            return Reservoir(self._sample_size, n_columns, stream(self._seed, "explore", name))

        self._samples = [sample(region, width) for region in REGIONS[:2]]
        names, units = ["mjj", *self._names], ["GeV", *self._units]
        self._derived = ColumnStatistics(names, units, sample("derived", len(names)))
        if block.stored:
            names = list(block.stored)
            units = [block.units.get(name, "") for name in names]
            self._stored = ColumnStatistics(names, units, sample("stored", len(names)))

    def _add_faults(self, block: Block) -> None:
        for column, bad, rule in block.violations:
            key = (block.source, column, rule)
            before = self._faults.get(key, Fault(*key, 0, []))
            rows = before.rows + (block.first_row + np.flatnonzero(bad)[:N_EXAMPLES]).tolist()
            self._faults[key] = Fault(*key, before.n + int(bad.sum()), rows[:N_EXAMPLES])

    def _add_by_region(self, events: EventTable, derived: np.ndarray) -> None:
        label = np.full(len(events), -1) if events.label is None else events.label
        inside = self._regions.in_signal_region(events.mass)
        outside = self._regions.in_sidebands(events.mass)
        kinds = (np.ones(len(events), dtype=bool), label == 0, label == 1)
        for row, in_region in enumerate((inside, outside, ~inside & ~outside)):
            self._counts[row] += [int((in_region & kind).sum()) for kind in kinds]
        clipped = np.clip(events.mass, 0.0, np.nextafter(MASS_EDGES[-1], 0))
        for row, kind in enumerate(kinds):
            self._mass[row] += np.histogram(clipped[kind], MASS_EDGES)[0]
        with_label = np.column_stack([derived, label])
        for sample, in_region in zip(self._samples, (inside, outside), strict=True):
            sample.add(with_label[in_region])

    def description(self) -> Description:
        """The description of all rows added, at least one."""
        inside, outside = (self._sampled(sample) for sample in self._samples)
        kinds = ("all", "background", "signal") if self._labelled else ("all",)
        return Description(
            files=dict(self._files),
            n_rows=self._files.total(),
            n_faulty=self._n_faulty,
            faults=sorted(self._faults.values(), key=lambda fault: (fault.source, -fault.n)),
            repeated_rows=self._repeats(self._hashes),
            repeated_ids=self._repeats(self._ids) if self._ids else None,
            regions=self._region_counts(),
            mass_counts=dict(zip(kinds, self._mass, strict=False)),
            stored=[] if self._stored is None else self._stored.summaries(),
            derived=self._derived.summaries(),
            features=compare_regions(inside, outside, self._names, self._units),
            inside=inside,
            outside=outside,
            sample_size=self._sample_size,
            seed=self._seed,
        )

    def _sampled(self, sample: Reservoir) -> FeatureSample:
        rows = sample.rows
        return FeatureSample(rows[:, 0], rows[:, 1:-1], rows[:, -1] if self._labelled else None)

    def _region_counts(self) -> list[RegionCounts]:
        windows = [f"{self._regions.signal}", ", ".join(map(str, self._regions.sidebands)), ""]
        counts = np.concatenate([self._counts, self._counts.sum(axis=0, keepdims=True)])
        total = max(int(counts[-1, 0]), 1)
        return [
            RegionCounts(
                region,
                window,
                int(n),
                int(n) / total,
                int(n_background) if self._labelled else None,
                int(n_signal) if self._labelled else None,
            )
            for region, window, (n, n_background, n_signal) in zip(
                [*REGIONS, "all"], [*windows, ""], counts, strict=True
            )
        ]

    def _repeats(self, parts: list[np.ndarray]) -> Repeats:
        again, first = repeated(np.concatenate(parts))
        examples = [
            (self._file_and_row(int(copy)), self._file_and_row(int(origin)))
            for copy, origin in zip(again[:N_EXAMPLES], first[:N_EXAMPLES], strict=True)
        ]
        return Repeats(len(again), examples)

    def _file_and_row(self, row: int) -> str:
        """ "file:row" of a row counted over all files; the row alone if there is one file."""
        for source, n_rows in self._files.items():
            if row < n_rows:
                return f"{source}:{row}" if len(self._files) > 1 else str(row)
            row -= n_rows
        raise IndexError(row)
