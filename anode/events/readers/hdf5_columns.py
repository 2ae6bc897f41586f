"""Named columns of an HDF5 file: a pandas frame in fixed format, or a dataset each."""

from collections.abc import Iterable
from typing import NamedTuple

import h5py
import hdf5plugin  # noqa: F401  (registers blosc, with which pandas compresses)
import numpy as np

from anode.errors import DataError


class Place(NamedTuple):
    """Where one column lies: a dataset and, in a two-dimensional one, the column in it."""

    dataset: h5py.Dataset
    column: int | None


class Columns(NamedTuple):
    """The named columns of an open file, all of ``n_rows`` rows."""

    source: str
    places: dict[str, Place]
    n_rows: int


def pandas_columns(source: str, file: h5py.File) -> Columns:
    """Find columns by name in ``<group>/block<i>_items`` and ``<group>/block<i>_values``."""
    groups = [g for g in file.values() if isinstance(g, h5py.Group) and "block0_values" in g]
    if len(groups) != 1:
        raise DataError(
            f"{source}: expected one pandas data frame in fixed format (a group with "
            f"'block0_values'), found {len(groups)} beside {', '.join(file) or 'nothing'}; write "
            "it with to_hdf(..., format='fixed')"
        )
    places: dict[str, Place] = {}
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
        places |= {name: Place(values, column) for column, name in enumerate(items)}
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


def root_columns(source: str, file: h5py.File) -> Columns:
    """Every one-dimensional dataset at the root is a column."""
    places = {
        name: Place(item, None)
        for name, item in file.items()
        if isinstance(item, h5py.Dataset) and item.ndim == 1
    }
    return _checked(source, places, {len(place.dataset) for place in places.values()})


def _checked(source: str, places: dict[str, Place], n_rows: set[int]) -> Columns:
    if len(n_rows) != 1 or 0 in n_rows:
        raise DataError(
            f"{source}: all columns must have the same number of rows, at least one, got "
            f"{', '.join(map(str, sorted(n_rows))) or 'no columns'}"
        )
    return Columns(source, places, n_rows.pop())


def read_rows(columns: Columns, names: Iterable[str], rows: slice) -> dict[str, np.ndarray]:
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
