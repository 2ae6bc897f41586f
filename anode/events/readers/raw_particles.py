"""Reader of raw particles, block by block, and the rows that are no usable events.

A row is an event: 700 x (pT [GeV], eta, phi), zero padded, in any order, and in the labelled
files a last column, 1 signal and 0 background: 2101 or 2100 columns, float32 or float64. The
public files (https://zenodo.org/records/4536377 and its black boxes) are pandas frames in fixed
format, of one or several blocks and usually compressed with blosc; a plain two-dimensional
dataset is read as well. Rows that cannot be an event are counted by reason, never dropped in
silence. Nothing is ever read but the asked rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import hdf5plugin  # noqa: F401  (registers blosc, with which pandas compresses)
import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.particles import DetectorObjects
from anode.events.writers.bundled import RAW_SLOTS
from anode.io import open_hdf5

N_COLUMNS = 3 * RAW_SLOTS
"""Columns of an unlabelled event; a label makes one more."""

ETA_LIMIT = 20.0
PHI_LIMIT = 100.0
PT_LIMIT = 1e5
"""No particle of a collider lies beyond: |eta| of 20, many turns in phi, and 100 TeV in GeV."""

NOT_FINITE, NEGATIVE_PT, OUT_OF_RANGE, BAD_LABEL = (
    "not_finite", "negative_pt", "out_of_range", "bad_label",
)  # fmt: skip
"""Why a row is no event; the first that applies counts."""


class RawLayout(NamedTuple):
    """What a raw file holds.

    Attributes:
        n_events: number of rows.
        labelled: True if there is a label column.
        places: dataset name and the columns of the event that it holds, in its order; None where
            they are all, in order.
    """

    n_events: int
    labelled: bool
    places: tuple[tuple[str, NDArray[np.int64] | None], ...]


class RawBlock(NamedTuple):
    """The usable events of some rows.

    Attributes:
        row: (N,) int64 row of each event in the file.
        objects: particles of the N events.
        label: (N,) int8 truth, 1 signal and 0 background, or None.
        skipped: reason -> rows of the file that are no events.
    """

    row: NDArray[np.int64]
    objects: DetectorObjects
    label: NDArray[np.int8] | None
    skipped: Mapping[str, NDArray[np.int64]]


def raw_layout(path: Path | str) -> RawLayout:
    """Number of events and labels of a raw file; nothing else is read.

    Raises:
        DataError: the file is missing, truncated, not HDF5, or of another layout or width.
    """
    with open_hdf5(path) as file:
        return _layout(str(path), file)


def is_raw(path: Path | str) -> bool:
    """Whether a file has the layout of raw particles.

    Raises:
        DataError: the file is missing, truncated or not HDF5.
    """
    with open_hdf5(path) as file:
        try:
            _layout(str(path), file)
        except DataError:
            return False
    return True


def read_raw(path: Path | str, start: int, stop: int) -> RawBlock:
    """The events of rows [start, stop).

    Raises:
        DataError: as ``raw_layout``, or the rows cannot be read.
    """
    with open_hdf5(path) as file:
        layout = _layout(str(path), file)
        if not 0 <= start <= stop <= layout.n_events:
            raise DataError(
                f"{path}: rows must lie in 0 to {layout.n_events}, got {start} to {stop}"
            )
        values = _read_rows(str(path), file, layout, slice(start, stop))
    triples = values[:, :N_COLUMNS].reshape(-1, RAW_SLOTS, 3)
    label = values[:, N_COLUMNS] if layout.labelled else None
    usable, skipped = _judge(triples, label, start)
    present = triples[usable, :, 0] > 0
    pt, eta, phi = triples[usable][present].T
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(present.sum(axis=1))])
    objects = DetectorObjects(offsets, *map(np.ascontiguousarray, (pt, eta, phi)))
    kept = None if label is None else label[usable].astype(np.int8)
    return RawBlock(start + np.flatnonzero(usable), objects, kept, skipped)


def _judge(
    triples: NDArray[np.float64], label: NDArray[np.float64] | None, first_row: int
) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int64]]]:
    """(N,) which rows are events, and the others' rows in the file by reason."""
    pt, eta, phi = (triples[:, :, place] for place in range(3))
    beyond = (np.abs(eta) > ETA_LIMIT) | (np.abs(phi) > PHI_LIMIT)
    finite = np.isfinite(triples).all(axis=(1, 2))
    broken = {
        NOT_FINITE: ~finite if label is None else ~(finite & np.isfinite(label)),
        NEGATIVE_PT: (pt < 0).any(axis=1),
        OUT_OF_RANGE: (beyond & (pt > 0) | (pt > PT_LIMIT)).any(axis=1),
        BAD_LABEL: np.zeros(len(pt), bool) if label is None else (label != 0) & (label != 1),
    }
    usable = np.ones(len(pt), dtype=bool)
    skipped = {}
    for reason, rows in broken.items():
        skipped[reason] = first_row + np.flatnonzero(rows & usable)
        usable &= ~rows
    return usable, skipped


def _read_rows(
    source: str, file: h5py.File, layout: RawLayout, rows: slice
) -> NDArray[np.float64]:
    """(N, 2100 or 2101) values of the rows, columns in order."""
    width = N_COLUMNS + layout.labelled
    values = np.empty((rows.stop - rows.start, width))
    for name, columns in layout.places:
        try:
            part = file[name][rows]
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{source}: cannot read '{name}', rows {rows.start} to {rows.stop} ({error}); the "
                "file is damaged, fetch or write it again"
            ) from None
        values[:, slice(None) if columns is None else columns] = part
    return values


def _layout(source: str, file: h5py.File) -> RawLayout:
    groups = [g for g in file.values() if isinstance(g, h5py.Group) and "block0_values" in g]
    if len(groups) == 1:
        return _frame_layout(source, groups[0])
    tables = [d for d in file.values() if isinstance(d, h5py.Dataset) and d.ndim == 2]
    if groups or len(tables) != 1:
        raise DataError(
            f"{source}: expected raw particles, as one pandas data frame in fixed format or one "
            f"two-dimensional dataset, found {', '.join(file) or 'nothing'}; write it with "
            "to_hdf(..., format='fixed')"
        )
    return _checked(source, [(tables[0], np.arange(tables[0].shape[1]))])


def _frame_layout(source: str, frame: h5py.Group) -> RawLayout:
    """Find the numbered columns in ``block<i>_items`` and ``block<i>_values``."""
    blocks, number = [], 0
    while f"block{number}_values" in frame:
        values, items = frame[f"block{number}_values"], frame.get(f"block{number}_items")
        if "shape" in values.attrs:  # how pandas writes what is empty
            raise DataError(f"{source}: the frame has no events; write at least one")
        if items is None or items.ndim != 1 or values.ndim != 2 or len(items) != values.shape[1]:
            raise DataError(
                f"{source}: '{values.name}' must have one column for each of its names, got shape "
                f"{values.shape}; write the frame with format='fixed'"
            )
        blocks.append((values, _numbers(source, items)))
        number += 1
    return _checked(source, blocks)


def _numbers(source: str, items: h5py.Dataset) -> NDArray[np.int64]:
    """Column names as numbers. Pickled ones are refused: reading them would run code."""
    if items.dtype.kind in "iu":
        return np.asarray(items[:], dtype=np.int64)
    names = [n.decode() for n in items[:].tolist()] if items.dtype.kind == "S" else []
    if not names or not all(name.isdigit() for name in names):
        raise DataError(
            f"{source}: columns of raw particles are numbered, got "
            f"{', '.join(names[:7]) or 'names of another type'}; choose data=lhco_features for "
            "files of features"
        )
    return np.array(names, dtype=np.int64)


def _checked(source: str, blocks: list[tuple[h5py.Dataset, NDArray[np.int64]]]) -> RawLayout:
    """Refuse another width, other column numbers, other types, or blocks of unequal length."""
    columns = np.concatenate([numbers for _, numbers in blocks])
    lengths = {values.shape[0] for values, _ in blocks}
    expected = f"{N_COLUMNS} columns, or {N_COLUMNS + 1} with a label"
    if len(columns) not in (N_COLUMNS, N_COLUMNS + 1):
        raise DataError(
            f"{source}: a raw event has {RAW_SLOTS} x (pT, eta, phi), {expected}, got "
            f"{len(columns)}"
        )
    if not np.array_equal(np.sort(columns), np.arange(len(columns))):
        raise DataError(
            f"{source}: the columns of raw events must be numbered 0 to {len(columns) - 1}, each "
            f"once, got {columns.min()} to {columns.max()}"
        )
    if any(values.dtype.kind not in "fiu" for values, _ in blocks):
        raise DataError(f"{source}: raw events must be numbers, got {blocks[0][0].dtype}")
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"{source}: all columns must have the same number of rows, at least one, got "
            f"{', '.join(map(str, sorted(lengths)))}"
        )
    in_order = len(blocks) == 1 and np.array_equal(columns, np.arange(len(columns)))
    places = tuple((values.name, None if in_order else numbers) for values, numbers in blocks)
    return RawLayout(lengths.pop(), len(columns) > N_COLUMNS, places)
