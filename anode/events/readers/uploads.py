"""Columns of an HDF5 file that a stranger has sent: in memory, and in itself alone.

HDF5 may say that its values stand in other files, and so read any of this machine's: links to
files, external storage and virtual datasets are refused, before anything is read.
"""

import io
from collections.abc import Iterator

import h5py
import numpy as np

from anode.errors import DataError
from anode.events.readers.hdf5_columns import Columns, pandas_columns, read_rows, root_columns

SOURCE = "events"
MAX_ITEMS = 200


def hdf5_columns(content: bytes, *, max_events: int) -> dict[str, np.ndarray]:
    """Columns (N,) by name: datasets at the root, or a pandas frame in fixed format.

    Args:
        content: bytes of the file.
        max_events: N at most.

    Raises:
        DataError: it is not HDF5, reaches beyond itself, has too many events or other things than
            numbers.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            columns = _columns(file)
            if columns.n_rows > max_events:
                raise DataError(f"{SOURCE}: at most {max_events} events, got {columns.n_rows}")
            return read_rows(columns, columns.places, slice(0, columns.n_rows))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError):
        raise DataError(f"{SOURCE}: expected an HDF5 file, whole and of plain numbers") from None


def _columns(file: h5py.File) -> Columns:
    for number, dataset in enumerate(_datasets(file)):
        if dataset.is_virtual or dataset.external:
            raise DataError(f"{SOURCE}: datasets must hold their own values, {dataset.name} not")
        if number > MAX_ITEMS:
            raise DataError(f"{SOURCE}: at most {MAX_ITEMS} datasets")
    if any(isinstance(item, h5py.Group) for item in file.values()):
        found = pandas_columns(SOURCE, file)
    else:
        found = root_columns(SOURCE, file)
    numbers = {n: p for n, p in found.places.items() if p.dataset.dtype.kind in "iuf"}
    return found._replace(places=numbers)


def _datasets(group: h5py.Group, depth: int = 0) -> Iterator[h5py.Dataset]:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink) or depth > 3:
            raise DataError(f"{SOURCE}: links and deep groups are not read; write plain datasets")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield item
