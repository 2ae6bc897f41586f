"""Reader of LHC Olympics feature files, and of the events bundled with this project."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from anode.errors import DataError
from anode.events import dijet, feature_definitions, substructure_columns
from anode.events.readers.hdf5_columns import Columns, pandas_columns, read_rows, root_columns
from anode.events.table import EventTable, refuse_repeated
from anode.io import open_hdf5
from anode.resources import DATA

BUNDLED_PATH = DATA / "anode_dijets.h5"
"""The default data set, of the package or the checkout, wherever the command is given."""

Rows = tuple[int, int] | None

LABEL = "label"
EVENT_ID = "event_id"

_MOST_LISTED = 60
"""Largest number of columns that a message lists."""

READ_EVENTS = "n_read"
"""Attribute of features made of a raw file: how many events that has."""


def read_lhco_features(
    path: Path | str,
    features: Sequence[str],
    *,
    id_offset: int = 0,
    block_rows: int = 100_000,
    rows: Rows = None,
) -> EventTable:
    """Read a feature file in the layout of the LHC Olympics (pandas fixed-format HDF5).

    Columns are found by name, whatever their order; those of tau_N that no feature needs and
    ``label`` may be missing. Rows are read in blocks, so that memory holds one block of the file
    beside the result. Layout: https://zenodo.org/records/4536377 and PyTables' ``frame``.

    Args:
        path: path of the file.
        features: names from ``feature_definitions.FEATURES``.
        id_offset: event_id is the row number plus this; give further files disjoint ranges. In
            a file that ``anode features`` made it is the row of the raw event.
        block_rows: number of rows read at a time.
        rows: first row and the one behind the last, to read a part; None for all.

    Returns:
        Events with m_jj as mass [GeV]; labels if the file has them.

    Raises:
        ConfigError: a feature is unknown.
        DataError: the file is missing, truncated or of another layout, a column is missing, or a
            value is impossible (not finite, negative mass or tau, label other than 0 or 1).
    """
    feature_definitions.check_features(features)
    with open_hdf5(path) as file:
        columns = pandas_columns(str(path), file)
        start, stop = rows or (0, columns.n_rows)
        ids = id_offset + _own_rows(file, slice(start, stop))
        return _read(columns, features, ids, start, block_rows)


def _own_rows(file: h5py.File, rows: slice) -> np.ndarray:
    """Row numbers: of the raw file, for features made of one by this project."""
    if READ_EVENTS in file.attrs:
        (frame,) = (g for g in file.values() if isinstance(g, h5py.Group))
        return np.asarray(frame["axis1"][rows], dtype=np.int64)
    return np.arange(rows.start, rows.stop, dtype=np.int64)


def read_bundled(
    path: Path | str | None,
    features: Sequence[str],
    *,
    id_offset: int = 0,
    block_rows: int = 100_000,
    rows: Rows = None,
) -> EventTable:
    """Read the events bundled with this project, or a file of the same layout.

    The layout is one HDF5 dataset for each column: ``event_id``, the 14 LHC Olympics columns
    and, where the truth is known, ``label``.

    Args:
        path: path of the file; None for the bundled one.
        features: names as for ``read_lhco_features``.
        id_offset: number added to the ids of the file; give further files disjoint ranges.
        block_rows: number of rows read at a time, as for ``read_lhco_features``.
        rows: range of rows, as for ``read_lhco_features``.

    Raises:
        ConfigError: a feature is unknown.
        DataError: as ``read_lhco_features``, or an event id is repeated or not an integer.
    """
    feature_definitions.check_features(features)
    path = BUNDLED_PATH if path is None else path
    with open_hdf5(path) as file:
        columns = root_columns(str(path), file)
        _require(columns, [EVENT_ID])
        start, stop = rows or (0, columns.n_rows)
        ids = read_rows(columns, [EVENT_ID], slice(start, stop))[EVENT_ID]
        return _read(columns, features, id_offset + ids, start, block_rows)


def column_names(path: Path | str, *, bundled: bool) -> tuple[str, ...]:
    """Names of all columns.

    Raises:
        DataError: the file is missing, truncated or of another layout.
    """
    with open_hdf5(path) as file:
        return tuple(_columns(str(path), file, bundled).places)


def check_columns(path: Path | str, features: Sequence[str], *, bundled: bool) -> None:
    """Make sure that there is what m_jj and the features are made from.

    Raises:
        DataError: a column is missing, or as ``column_names``.
    """
    with open_hdf5(path) as file:
        columns = _columns(str(path), file, bundled)
        _require(columns, [EVENT_ID] * bundled)
        _require(columns, feature_definitions.columns_needed(features))


def raw_events(path: Path | str) -> int | None:
    """How many events the raw file has that the features were made of; None if of no such file."""
    with open_hdf5(path) as file:
        n_raw = file.attrs.get(READ_EVENTS)
        return None if n_raw is None else int(n_raw)


def count_events(path: Path | str, *, bundled: bool) -> int:
    """Events in a file that ``read_bundled``, or else ``read_lhco_features``, reads in parts.

    Raises:
        DataError: the file is missing, truncated or of another layout, or an event id is repeated
            anywhere in it.
    """
    with open_hdf5(path) as file:
        columns = _columns(str(path), file, bundled)
        if not bundled:
            return columns.n_rows
        _require(columns, [EVENT_ID])
        ids = read_rows(columns, [EVENT_ID], slice(None))[EVENT_ID]
    refuse_repeated(str(path), ids)
    return columns.n_rows


def _columns(source: str, file: h5py.File, bundled: bool) -> Columns:
    return (root_columns if bundled else pandas_columns)(source, file)


class StoredRows(NamedTuple):
    """Rows of a file as they stand there.

    Attributes:
        first_row: place of the first row in the file.
        columns: name -> (N,) values.
    """

    first_row: int
    columns: dict[str, np.ndarray]


def stored_rows(
    path: Path | str, *, bundled: bool, block_rows: int = 100_000
) -> Iterator[StoredRows]:
    """Read every named column block by block, without any check of the values.

    Raises:
        DataError: the file is missing, damaged or of another layout, or lacks a momentum column.
    """
    with open_hdf5(path) as file:
        columns = _columns(str(path), file, bundled)
        _require(
            columns, [*feature_definitions.columns_needed(()), *([EVENT_ID] if bundled else [])]
        )
        for start in range(0, columns.n_rows, block_rows):
            rows = slice(start, min(start + block_rows, columns.n_rows))
            yield StoredRows(start, read_rows(columns, columns.places, rows))


def _read(
    columns: Columns, features: Sequence[str], ids: np.ndarray, first_row: int, block_rows: int
) -> EventTable:
    """Read and derive the events ``ids`` block by block into arrays of the final size."""
    names = list(feature_definitions.columns_needed(features))
    _require(columns, names)
    mass = np.empty(len(ids))
    values = np.empty((len(ids), len(features)))
    label = np.empty(len(ids)) if LABEL in columns.places else None
    report = dijet.DijetReport()
    for start in range(0, len(ids), block_rows):
        here = slice(start, min(start + block_rows, len(ids)))
        there = slice(first_row + here.start, first_row + here.stop)
        block = read_rows(columns, names + ([LABEL] if label is not None else []), there)
        derived = dijet.derive(block, features, source=columns.source, first_row=there.start)
        mass[here], values[here] = derived.mass, derived.features
        report += derived.report
        if label is not None:
            label[here] = block[LABEL]
    report.log(columns.source)
    units = feature_definitions.units_of(features)
    return EventTable(ids, mass, values, tuple(features), units, label, columns.source)


def _require(columns: Columns, names: Iterable[str]) -> None:
    missing = [name for name in names if name not in columns.places]
    if not missing:
        return
    present = list(columns.places)
    if present and all(name.isdigit() for name in present):
        raise DataError(
            f"{columns.source}: expected named columns {', '.join(missing)}, but it has "
            f"{len(present)} numbered ones, as files of raw particles do; choose data=lhco_raw"
        )
    raise missing_columns(columns.source, missing, present)


def missing_columns(source: str, missing: Sequence[str], present: Sequence[str]) -> DataError:
    """The error of a file without columns that features are made of; of those of particles, it
    has the command that makes them."""
    quantities = {name[:-2] for name in missing} & set(feature_definitions.QUANTITIES)
    if not quantities:
        shown = ", ".join(present[:_MOST_LISTED]) or "none"
        more = len(present) - _MOST_LISTED
        more_text = f" and {more} more" if more > 0 else ""
        return DataError(
            f"{source}: missing column {', '.join(map(repr, missing))}; present are "
            f"{shown}{more_text}"
        )
    first = next(name for name in missing if name[:-2] in quantities)
    choice = substructure_columns.choice_with(quantities)
    key = "" if choice is None else f" data.substructure={choice}"
    others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return DataError(
        f"{source}: missing column {first!r}{others}, made of particles; make a file that has "
        f"them by anode features data=lhco_raw data.path=RAW_FILE{key} output=FILE"
    )
