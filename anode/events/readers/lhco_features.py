"""How do we read LHC Olympics feature files, and the events bundled with this project?"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import hdf5plugin  # noqa: F401  (registers blosc, with which pandas compresses)
import numpy as np

from anode.errors import DataError
from anode.events import dijet, feature_definitions
from anode.events.table import EventTable
from anode.io import open_hdf5
from anode.resources import DATA

BUNDLED_PATH = DATA / "anode_dijets.h5"
"""The default data set, of the package or the checkout, wherever the command is given."""

Rows = tuple[int, int] | None

LABEL = "label"
EVENT_ID = "event_id"

READ_EVENTS = "n_read"
"""Attribute of features made of a raw file: how many events that has."""


class _Place(NamedTuple):
    """Where one column lies: a dataset and, in a two-dimensional one, the column in it."""

    dataset: h5py.Dataset
    column: int | None


class _Columns(NamedTuple):
    """The named columns of an open file, all of ``n_rows`` rows."""

    source: str
    places: dict[str, _Place]
    n_rows: int


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
        path: the file.
        features: names from ``feature_definitions.FEATURES``.
        id_offset: event_id is the row number plus this; give further files disjoint ranges. In
            a file that ``anode features`` made it is the row of the raw event.
        block_rows: rows read at a time.
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
        columns = _pandas_columns(str(path), file)
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
        path: the file; None for the bundled one.
        features: as ``read_lhco_features``.
        id_offset: added to the ids of the file; give further files disjoint ranges.
        block_rows: as ``read_lhco_features``.
        rows: as ``read_lhco_features``.

    Raises:
        ConfigError: a feature is unknown.
        DataError: as ``read_lhco_features``, or an event id is repeated or not an integer.
    """
    feature_definitions.check_features(features)
    path = BUNDLED_PATH if path is None else path
    with open_hdf5(path) as file:
        columns = _root_columns(str(path), file)
        _require(columns, [EVENT_ID])
        start, stop = rows or (0, columns.n_rows)
        ids = _read_rows(columns, [EVENT_ID], slice(start, stop))[EVENT_ID]
        return _read(columns, features, id_offset + ids, start, block_rows)


def count_events(path: Path | str, *, bundled: bool) -> int:
    """Events in a file that ``read_bundled``, or else ``read_lhco_features``, reads in parts.

    Raises:
        DataError: the file is missing, truncated or of another layout, or an event id is repeated
            anywhere in it.
    """
    with open_hdf5(path) as file:
        if not bundled:
            return _pandas_columns(str(path), file).n_rows
        columns = _root_columns(str(path), file)
        _require(columns, [EVENT_ID])
        ids = np.sort(_read_rows(columns, [EVENT_ID], slice(None))[EVENT_ID])
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if repeated.size:
        raise DataError(
            f"{path}: every event_id must occur once, but {repeated[0]} occurs again "
            f"({repeated.size} such rows); remove the copies"
        )
    return columns.n_rows


class StoredRows(NamedTuple):
    """Rows of a file as they stand there.

    Attributes:
        first_row: place of the first in the file.
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
        columns = (_root_columns if bundled else _pandas_columns)(str(path), file)
        _require(
            columns, [*feature_definitions.columns_needed(()), *([EVENT_ID] if bundled else [])]
        )
        for start in range(0, columns.n_rows, block_rows):
            rows = slice(start, min(start + block_rows, columns.n_rows))
            yield StoredRows(start, _read_rows(columns, columns.places, rows))


def _read(
    columns: _Columns, features: Sequence[str], ids: np.ndarray, first_row: int, block_rows: int
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
        block = _read_rows(columns, names + ([LABEL] if label is not None else []), there)
        derived = dijet.derive(block, features, source=columns.source, first_row=there.start)
        mass[here], values[here] = derived.mass, derived.features
        report += derived.report
        if label is not None:
            label[here] = block[LABEL]
    report.log(columns.source)
    units = feature_definitions.units_of(features)
    return EventTable(ids, mass, values, tuple(features), units, label, columns.source)


def _read_rows(columns: _Columns, names: Iterable[str], rows: slice) -> dict[str, np.ndarray]:
    """Rows of the named columns; a dataset that holds several of them is read once."""
    read: dict[str, np.ndarray] = {}
    result = {}
    for name in names:
        dataset, column = columns.places[name]
        if dataset.name not in read:
            try:
                read[dataset.name] = dataset[rows]
            except (OSError, RuntimeError) as error:
                raise DataError(
                    f"{columns.source}: cannot read '{dataset.name}', rows {rows.start or 0} to "
                    f"{rows.stop or columns.n_rows} ({error}); the file is damaged, fetch or "
                    "write it again"
                ) from None
        block = read[dataset.name]
        result[name] = block if column is None else block[:, column]
    return result


def _require(columns: _Columns, names: Iterable[str]) -> None:
    missing = [name for name in names if name not in columns.places]
    if not missing:
        return
    present = list(columns.places)
    if present and all(name.isdigit() for name in present):
        raise DataError(
            f"{columns.source}: expected named columns {', '.join(missing)}, but it has "
            f"{len(present)} numbered ones, as files of raw particles do; choose data=lhco_raw"
        )
    raise DataError(
        f"{columns.source}: missing column {', '.join(map(repr, missing))}; present are "
        f"{', '.join(present) or 'none'}"
    )


def _pandas_columns(source: str, file: h5py.File) -> _Columns:
    """Find columns by name in ``<group>/block<i>_items`` and ``<group>/block<i>_values``."""
    groups = [g for g in file.values() if isinstance(g, h5py.Group) and "block0_values" in g]
    if len(groups) != 1:
        raise DataError(
            f"{source}: expected one pandas data frame in fixed format (a group with "
            f"'block0_values'), found {len(groups)} beside {', '.join(file) or 'nothing'}; write "
            "it with to_hdf(..., format='fixed')"
        )
    places: dict[str, _Place] = {}
    n_rows: set[int] = set()
    block = 0
    while f"block{block}_values" in groups[0]:
        values = groups[0][f"block{block}_values"]
        items = _item_names(source, groups[0].get(f"block{block}_items"))
        if values.ndim != 2 or values.shape[1] != len(items):
            raise DataError(
                f"{source}: '{values.name}' must have one column for each of its {len(items)} "
                f"names, got shape {values.shape}"
            )
        n_rows.add(values.shape[0])
        places |= {name: _Place(values, column) for column, name in enumerate(items)}
        block += 1
    return _checked(source, places, n_rows)


def _item_names(source: str, items: h5py.Dataset | None) -> list[str]:
    """Column names of one block. Pickled ones are refused: reading them would run code."""
    if items is None or items.ndim != 1 or items.dtype.kind not in "SUiu":
        raise DataError(
            f"{source}: column names must be plain strings or numbers, but "
            f"'{'block items' if items is None else items.name}' is missing or of another type; "
            "write the frame with string column names"
        )
    return [i.decode() if isinstance(i, bytes) else str(i) for i in items[:].tolist()]


def _root_columns(source: str, file: h5py.File) -> _Columns:
    """Every one-dimensional dataset at the root is a column."""
    places = {
        name: _Place(item, None)
        for name, item in file.items()
        if isinstance(item, h5py.Dataset) and item.ndim == 1
    }
    return _checked(source, places, {len(place.dataset) for place in places.values()})


def _checked(source: str, places: dict[str, _Place], n_rows: set[int]) -> _Columns:
    if len(n_rows) != 1 or 0 in n_rows:
        raise DataError(
            f"{source}: all columns must have the same number of rows, at least one, got "
            f"{', '.join(map(str, sorted(n_rows))) or 'no columns'}"
        )
    return _Columns(source, places, n_rows.pop())
