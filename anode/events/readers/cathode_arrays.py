"""Source of the NumPy arrays of the public CATHODE code, laid out as ``cathode_layout`` says."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from anode.events import feature_definitions
from anode.events.readers import cathode_layout as layout
from anode.events.readers.cathode_layout import Array
from anode.events.readers.fault_scan import Block, broken_rules, unbroken
from anode.events.source import BLOCK_ROWS, FileSource, Rows
from anode.events.table import LABEL_RULE, EventTable, concatenate, refuse_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CathodeArrays(FileSource):
    """A folder in the CATHODE layout, or a single ``.npy`` file, in GeV; jet 1 is the lighter.

    ``innerdata_test.npy`` has two meanings in public code. Where the test signal lies in a file
    of its own (``innerdata_extrasig.npy`` or ``..._extrasig_test.npy``) it is a share of the
    data; where it does not, as in the paper's folder, it is an artificial test set, one third
    signal, which would spoil the data. ``inner_test="auto"`` decides by that rule and logs it.

    Event ids are 10^7 times the file's number in ``ALL_FILES`` plus the row (the row alone for a
    single file).

    Attributes:
        location: folder or file.
        inner_test: content of ``innerdata_test.npy``.
    """

    inner_test: Literal["auto", "data", "extra"] = "auto"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return layout.features_of(self.arrays())

    @property
    def has_labels(self) -> bool:
        return all(layout.LABEL in array.columns for array in self.arrays())

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*.npy")) if self.path.is_dir() else [self.path]

    def arrays(self, *, extra: bool = False) -> list[Array]:
        """Files of the data, or those that serve the test alone.

        Raises:
            DataError: there is nothing to read, or a file is truncated or has other columns.
        """
        if self.path.is_file():
            return [] if extra else [Array(self.path, layout.open_array(self.path), 0)]
        names = layout.files_of(self.path, inner_test=self.inner_test, sidebands=False)[extra]
        return [
            Array(self.path / name, layout.open_array(self.path / name), layout.first_id(name))
            for name in names
        ]

    def count(self) -> int:
        return sum(len(array.values) for array in self.arrays())

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        if not self.path.is_file():
            data, _ = layout.files_of(self.path, inner_test=self.inner_test, sidebands=sidebands)
            if (self.path / layout.INNER_TEST).is_file():
                role = "data" if layout.INNER_TEST in data else "extra"
                logger.info("%s: %s is read as %s", self.path, layout.INNER_TEST, role)
        super().check(features)

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        return self._read(self.arrays(), features, rows, id_offset)

    def extra(self, features: Sequence[str], *, id_offset: int = 0) -> EventTable | None:
        arrays = self.arrays(extra=True)
        return self._read(arrays, features, None, id_offset) if arrays else None

    def _read(
        self, arrays: list[Array], features: Sequence[str], rows: Rows, id_offset: int
    ) -> EventTable:
        feature_definitions.check_features(features, layout.features_of(arrays))
        first, stop = rows or (0, sum(len(array.values) for array in arrays))
        tables = []
        for array in arrays:
            here = slice(max(first, 0), min(stop, len(array.values)))
            if here.start < here.stop:
                tables.append(_read_rows(array, features, here, id_offset))
            first, stop = first - len(array.values), stop - len(array.values)
        return concatenate(tables, self.name)

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        names = self.feature_names if features is None else tuple(features)
        self.check(names)
        for array in self.arrays():
            for start in range(0, len(array.values), block_rows):
                yield _scanned(array, start, array.values[start : start + block_rows], names)


def _columns_of(array: Array, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: rows[:, number] for number, name in enumerate(array.columns)}


def _read_rows(array: Array, features: Sequence[str], rows: slice, id_offset: int) -> EventTable:
    """Some rows of one file as events in GeV."""
    stored = _columns_of(array, array.values[rows])
    label, source = stored.pop(layout.LABEL, None), str(array.path)
    for name, bad, rule in layout.violations(stored):
        refuse_rows(source, name, stored[name], bad, rule, first_row=rows.start)
    if label is not None:
        bad = (label != 0) & (label != 1)
        refuse_rows(source, layout.LABEL, label, bad, LABEL_RULE, first_row=rows.start)
    physical = layout.physical_columns(source, stored)
    first_id = array.first_id + id_offset
    return EventTable(
        np.arange(first_id + rows.start, first_id + rows.stop),
        physical["m_jj"],
        np.stack([physical[name] for name in features], axis=1),
        tuple(features),
        feature_definitions.units_of(features),
        label,
        source,
    )


def _scanned(array: Array, first_row: int, rows: np.ndarray, features: Sequence[str]) -> Block:
    stored = _columns_of(array, np.asarray(rows, dtype=np.float64))
    label, source = stored.pop(layout.LABEL, None), str(array.path)
    broken = broken_rules(layout.violations(stored), label)
    good = unbroken(len(rows), broken)
    usable = {name: values[good] for name, values in stored.items()}
    physical = layout.physical_columns(source, usable)
    events = EventTable(
        first_row + np.flatnonzero(good),
        physical["m_jj"],
        np.stack([physical[name] for name in features], axis=1),
        tuple(features),
        feature_definitions.units_of(features),
        None if label is None else label[good],
        source,
    )
    return Block(source, first_row, stored, broken, None, events, layout.UNITS)
