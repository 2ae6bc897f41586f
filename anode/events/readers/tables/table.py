"""Source of any table of one's own, whose columns have been named."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events import rules
from anode.events.identity import refuse_parted_copies
from anode.events.readers.fault_scan import Block, broken_rules, unbroken
from anode.events.readers.tables.config import (
    GEV,
    HEAVIEST_GEV,
    TableColumns,
    TableConfig,
    odd_unit,
)
from anode.events.readers.tables.csv_file import CsvTable
from anode.events.readers.tables.files import (
    Hdf5Table,
    NpzTable,
    ParquetTable,
    TableFile,
    TableRows,
)
from anode.events.source import BLOCK_ROWS, FileSource, Part, PartInMemory, Rows
from anode.events.table import LABEL_RULE, EventTable, Violation, refuse_repeated, refuse_rows

logger = logging.getLogger(__name__)

KINDS: dict[str, type[TableFile]] = {
    ".csv": CsvTable,
    ".csv.gz": CsvTable,
    ".tsv": CsvTable,
    ".txt": CsvTable,
    ".parquet": ParquetTable,
    ".pq": ParquetTable,
    ".h5": Hdf5Table,
    ".hdf5": Hdf5Table,
    ".hdf": Hdf5Table,
    ".npz": NpzTable,
}
"""Ending of a file's name -> how its columns are read."""

WHOLE = "must be a whole number"


@dataclass(frozen=True)
class Table(FileSource):
    """A CSV, Parquet, HDF5 or ``.npz`` file whose columns have been named.

    Attributes:
        location: path of the file.
        columns: names of columns, with a mass and at least one feature.
        mass_unit: unit as in ``TableConfig``.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "events.csv"
        >>> _ = path.write_text("m,a,b\\n3500,0.1,7\\n3600,0.2,8\\n")
        >>> table = Table(path, TableColumns("m", {"alpha": "a", "beta": "b"}))
        >>> table.count(), table.read(["beta"]).features.tolist()
        (2, [[7.0], [8.0]])
    """

    columns: TableColumns
    mass_unit: str | None = None

    @classmethod
    def open(cls, data: TableConfig, seed: int) -> Self:
        return cls(Path(str(data.path)), data.columns, data.mass_unit)

    @property
    def file(self) -> TableFile:
        """The columns as they are stored.

        Raises:
            ConfigError: the ending of the name is none of ``KINDS``.
        """
        for ending, kind in KINDS.items():
            if self.path.name.lower().endswith(ending):
                return kind(self.path)
        raise ConfigError(
            f"data=table reads files that end in {', '.join(KINDS)}, got {self.path.name}"
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(self.columns.features or {})

    @property
    def has_labels(self) -> bool:
        return self.columns.label is not None

    @property
    def unread(self) -> list[str]:
        stored = self._stored(self.feature_names)
        return [name for name in self.file.names() if name not in stored]

    def count(self) -> int:
        stored = self._stored(self.feature_names)
        self.file.check(stored)
        n_rows = self.file.count(stored)
        if self.columns.event_id is not None:
            blocks = self.file.rows([self.columns.event_id], 0, n_rows, BLOCK_ROWS)
            refuse_repeated(self.name, np.concatenate([self._ids(block) for block in blocks]))
        return n_rows

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        if unknown := [name for name in features if name not in self.feature_names]:
            raise ConfigError(
                f"features: {unknown[0]!r} is none of data.columns.features, which has "
                f"{', '.join(self.feature_names)}; add {unknown[0]}: COLUMN there"
            )
        super().check(features)
        self.file.check(self._stored(self.feature_names))

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        self.check(features)
        start, stop = rows or (0, self.file.count(self._stored(features)))
        event_id, mass = np.empty(stop - start, dtype=np.int64), np.empty(stop - start)
        values = np.empty((stop - start, len(features)))
        label = np.empty(stop - start) if self.has_labels else None
        identity = np.empty(stop - start, dtype=np.uint64)
        first = 0
        for events in self._tables(features, start, stop, BLOCK_ROWS):
            here = slice(first, first := first + len(events))
            event_id[here], mass[here] = events.event_id + id_offset, events.mass
            values[here], identity[here] = events.features, events.identity
            if label is not None:
                label[here] = events.label
        refuse_repeated(self.name, event_id)
        events = self._table(event_id, mass, values, tuple(features), label)
        if self.columns.identity is not None:
            refuse_parted_copies(events.identity, identity, self.columns.identity)
        return dataclasses.replace(events, identity=identity)

    def parts(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator[Part]:
        self.check(features)
        stop = self.file.count(self._stored(features))
        return (PartInMemory(events) for events in self._tables(features, 0, stop, size))

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        names = self.feature_names if features is None else tuple(features)
        self.check(names)
        stored = self._stored(names)
        for block in self.file.rows(stored, 0, self.file.count(stored), block_rows):
            label = self._label(block)
            broken = broken_rules(self._violations(block, names), label)
            good = unbroken(len(block), broken)
            mass = self._mass(block)[good]
            if block.first_row == 0:
                self._warn_of_unit(mass)
            events = self._table(
                block.first_row + np.flatnonzero(good),
                mass,
                self._features(block, names)[good],
                names,
                None if label is None else label[good],
            )
            apart = (self.columns.label, self.columns.event_id, self.columns.identity)
            shown = {name: block.values(name) for name in block.columns if name not in apart}
            ids = self.columns.event_id
            units = {str(self.columns.mass): self.mass_unit or "GeV"}
            yield Block(
                self.name,
                block.first_row,
                shown,
                broken,
                None if ids is None else block.columns[ids],
                events,
                units,
            )

    def _stored(self, features: Sequence[str]) -> list[str]:
        """Names in the file of all that is needed, each once."""
        columns = self.columns
        named = [columns.mass, *((columns.features or {})[name] for name in features)]
        named += [columns.label, columns.event_id, columns.identity]
        return list(dict.fromkeys(name for name in named if name is not None))

    def _tables(
        self, asked: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[EventTable]:
        """Events of rows [start, stop), refused if a rule is broken."""
        names = tuple(asked)
        for block in self.file.rows(self._stored(names), start, stop, size):
            self._refuse_faults(block, names)
            mass = self._mass(block)
            if block.first_row == start:
                self._refuse_unit(mass)
            ids, features = self._ids(block), self._features(block, names)
            refuse_repeated(self.name, ids, first_row=block.first_row)
            events = self._table(ids, mass, features, names, self._label(block))
            yield self._told_apart(events, block)

    def _table(
        self,
        event_id: np.ndarray,
        mass: np.ndarray,
        values: np.ndarray,
        names: tuple[str, ...],
        label: np.ndarray | None,
    ) -> EventTable:
        return EventTable(event_id, mass, values, names, ("",) * len(names), label, self.name)

    def _told_apart(self, events: EventTable, block: TableRows) -> EventTable:
        """The events of a block with the identity that it has for them, if any."""
        if self.columns.identity is None:
            return events
        stored = block.columns[self.columns.identity].astype(np.int64)
        return dataclasses.replace(events, identity=stored.astype(np.uint64))

    def _mass(self, block: TableRows) -> np.ndarray:
        """(N,) in GeV."""
        return GEV[self.mass_unit or "GeV"] * block.values(str(self.columns.mass))

    def _features(self, block: TableRows, names: Sequence[str]) -> np.ndarray:
        columns = self.columns.features or {}
        return np.stack([block.values(columns[name]) for name in names], axis=1)

    def _label(self, block: TableRows) -> np.ndarray | None:
        return None if self.columns.label is None else block.values(self.columns.label)

    def _ids(self, block: TableRows) -> np.ndarray:
        """(N,) int64."""
        if self.columns.event_id is None:
            return np.arange(block.first_row, block.first_row + len(block))
        stored = block.columns[self.columns.event_id]
        self._refuse(block, [Violation(self.columns.event_id, not_whole(stored), WHOLE)])
        return stored.astype(np.int64)

    def _violations(self, block: TableRows, names: Sequence[str]) -> Iterator[Violation]:
        """Every rule for mass, features and ids, and where it is broken."""
        mass, columns = str(self.columns.mass), self.columns.features or {}
        for column in dict.fromkeys([mass, *(columns[name] for name in names)]):
            is_text, values = block.is_text(column), block.values(column)
            yield Violation(column, is_text, "must be a number")
            yield Violation(column, ~np.isfinite(values) & ~is_text, "must be finite")
        yield Violation(mass, block.values(mass) <= 0, "must be positive")
        features = {name: block.values(columns[name]) for name in names}
        for name, bad, rule in rules.of_features(self._mass(block), features):
            yield Violation(columns[name], bad, rule)
        for whole in (self.columns.event_id, self.columns.identity):
            if whole is not None:
                yield Violation(whole, not_whole(block.columns[whole]), WHOLE)

    def _refuse_faults(self, block: TableRows, names: Sequence[str]) -> None:
        self._refuse(block, self._violations(block, names))
        if self.columns.label is not None:
            label = block.values(self.columns.label)
            bad = (label != 0) & (label != 1)
            self._refuse(block, [Violation(self.columns.label, bad, LABEL_RULE)])

    def _refuse(self, block: TableRows, violations: Iterable[Violation]) -> None:
        for column, bad, rule in violations:
            rows = block.first_row + np.flatnonzero(bad)
            if rows.size and rows[0] in block.texts.get(column, {}):
                text = block.texts[column][rows[0]]
                raise DataError(
                    f"{self.name}: column '{column}' {rule}, but row {rows[0]} has {text!r} (at "
                    f"least {rows.size} such rows); remove or repair these events"
                )
            values = block.values(column)
            refuse_rows(self.name, column, values, bad, rule, first_row=block.first_row)

    def _refuse_unit(self, mass: np.ndarray) -> None:
        """Refuse masses that no collider makes, or that look like TeV taken for GeV."""
        problem = odd_unit(mass, str(self.columns.mass), self.mass_unit)
        if problem and (self.mass_unit is None or np.median(mass) > HEAVIEST_GEV):
            raise DataError(f"{self.name}: {problem}")
        self._warn_of_unit(mass)

    def _warn_of_unit(self, mass: np.ndarray) -> None:
        if problem := odd_unit(mass, str(self.columns.mass), self.mass_unit):
            logger.warning("%s: %s", self.name, problem)


def not_whole(values: np.ndarray) -> np.ndarray:
    """(N,) which values are no whole number that fits into 64 bits."""
    if values.dtype.kind in "iu":
        return values > np.iinfo(np.int64).max
    with np.errstate(invalid="ignore"):
        return ~(np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2.0**53))
