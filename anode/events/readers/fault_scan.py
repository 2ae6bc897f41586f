"""What stands in a file, broken rows included?

Readers refuse a file with an impossible value; these blocks say where such values are, and give
the events of all the other rows.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events import dijet, feature_definitions
from anode.events.readers import cathode_arrays as arrays
from anode.events.readers import lhco_features as lhco
from anode.events.table import EventTable, Violation

DIJET_FEATURES = (
    "mj1", "mj2", "delta_mj", "tau21_1", "tau21_2", "tau32_1", "tau32_2", "pt_1", "pt_2",
    "delta_eta", "delta_r",
)  # fmt: skip
"""Described where the file has what they are made from."""

LABEL_RULE = "must be 0 (background) or 1 (signal)"


class Block(NamedTuple):
    """N rows of a file.

    Attributes:
        source: the file.
        first_row: place of the first row in it.
        stored: name -> (N,) values as they stand there, label and event_id apart; empty where
            events do not come from a file.
        violations: broken rules, with at least one bad row each.
        event_id: (N,) as stored, or None where a row number stands for it.
        events: those rows that break no rule.
    """

    source: str
    first_row: int
    stored: dict[str, np.ndarray]
    violations: list[Violation]
    event_id: np.ndarray | None
    events: EventTable

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.stored.values()))) if self.stored else len(self.events)


Scanner = Callable[[Path, Sequence[str] | None, int], Iterator[Block]]


def scan_lhco(path: Path, features: Sequence[str] | None, block_rows: int) -> Iterator[Block]:
    """Blocks of a file that ``read_lhco_features`` reads or would refuse for its values.

    Args:
        path: the file.
        features: names from ``feature_definitions.FEATURES``; None for ``DIJET_FEATURES``.
        block_rows: rows in a block.

    Raises:
        ConfigError: a feature is unknown.
        DataError: the file is missing, damaged or of another layout, or lacks a column.
    """
    return _scan_hdf5(path, features, block_rows, bundled=False)


def scan_bundled(path: Path, features: Sequence[str] | None, block_rows: int) -> Iterator[Block]:
    """The same for ``read_bundled``."""
    return _scan_hdf5(path, features, block_rows, bundled=True)


def scan_arrays(path: Path, features: Sequence[str] | None, block_rows: int) -> Iterator[Block]:
    """The same for ``read_arrays``: the data of a folder, file by file, or one file."""
    features = arrays.FEATURES if features is None else features
    feature_definitions.check_features(features, arrays.FEATURES)
    path = Path(path)
    paths = [path] if path.is_file() else [path / name for name in arrays.files_of(path)[0]]
    for file in paths:
        stored = arrays.open_array(file)
        for start in range(0, len(stored), block_rows):
            rows = np.asarray(stored[start : start + block_rows], dtype=np.float64)
            label = rows[:, 5] if rows.shape[1] == len(arrays.COLUMNS) else None
            broken = _broken(arrays.violations(rows), label)
            good = _good(len(rows), broken)
            physical = arrays.physical_columns(str(file), rows[good])
            events = EventTable(
                start + np.flatnonzero(good),
                physical["m_jj"],
                np.stack([physical[name] for name in features], axis=1),
                tuple(features),
                feature_definitions.units_of(features),
                None if label is None else label[good],
                str(file),
            )
            columns = dict(zip(arrays.COLUMNS[:5], rows.T, strict=False))
            yield Block(str(file), start, columns, broken, None, events)


def scan_table(table: EventTable, block_rows: int) -> Iterator[Block]:
    """Blocks of events that were made or read whole, and so break no rule."""
    for start in range(0, len(table), block_rows):
        events = table[start : start + block_rows]
        yield Block(table.source, start, {}, [], events.event_id, events)


SCANNERS: dict[str, Scanner] = {
    "bundled": scan_bundled,
    "lhco_features": scan_lhco,
    "arrays": scan_arrays,
}


def _scan_hdf5(
    path: Path, features: Sequence[str] | None, block_rows: int, *, bundled: bool
) -> Iterator[Block]:
    if features is not None:
        feature_definitions.check_features(features)
    source = str(path)
    for first_row, columns in lhco.stored_rows(path, bundled=bundled, block_rows=block_rows):
        label, event_id = columns.pop(lhco.LABEL, None), columns.pop(lhco.EVENT_ID, None)
        columns = {name: np.asarray(v, dtype=np.float64) for name, v in columns.items()}
        names = _available(columns) if features is None else features
        needed = feature_definitions.columns_needed(names)
        if missing := [name for name in needed if name not in columns]:
            raise DataError(
                f"{source}: missing column {', '.join(missing)}, of which a feature is made; "
                f"present are {', '.join(columns)}"
            )
        known = [name for name in feature_definitions.RAW_COLUMNS if name in columns]
        broken = _broken(dijet.violations({name: columns[name] for name in known}), label)
        good = _good(len(columns[needed[0]]), broken)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported
            derived = dijet.derive({name: columns[name][good] for name in needed}, names)
        usable = np.isfinite(derived.mass) & np.isfinite(derived.features).all(axis=1)
        if not usable.all():
            too_large = good.copy()
            too_large[good] = ~usable
            broken.append(Violation("m_jj and features", too_large, "must be finite"))
            good &= ~too_large
        events = EventTable(
            first_row + np.flatnonzero(good),
            derived.mass[usable],
            derived.features[usable],
            tuple(names),
            feature_definitions.units_of(names),
            None if label is None else label[good],
            source,
        )
        yield Block(source, first_row, columns, broken, event_id, events)


def _available(columns: dict[str, np.ndarray]) -> list[str]:
    return [
        name
        for name in DIJET_FEATURES
        if all(needed in columns for needed in feature_definitions.columns_needed([name]))
    ]


def _broken(violations: Iterator[Violation], label: np.ndarray | None) -> list[Violation]:
    """The rules that some row breaks."""
    found = list(violations)
    if label is not None:
        found.append(Violation(lhco.LABEL, (label != 0) & (label != 1), LABEL_RULE))
    return [violation for violation in found if violation.bad.any()]


def _good(n_rows: int, broken: list[Violation]) -> np.ndarray:
    """(N,) bool: rows that break no rule."""
    good = np.ones(n_rows, dtype=bool)
    for violation in broken:
        good &= ~violation.bad
    return good
