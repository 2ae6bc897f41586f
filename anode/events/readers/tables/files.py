"""Columns of a table file, block by block: CSV, Parquet, HDF5 datasets or ``.npz``."""

import difflib
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import h5py
import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.readers.hdf5_columns import Columns, Place, pandas_columns, read_rows
from anode.io import open_hdf5

NUMBERS = "biuf"
"""Kinds of NumPy types that are numbers."""


@dataclass(frozen=True)
class TableRows:
    """N rows of a file.

    Attributes:
        first_row: place of the first of the N rows, among those that hold data.
        columns: name -> (N,) numbers; NaN where there is none.
        texts: name -> row of the file -> text there that is no number.
    """

    first_row: int
    columns: dict[str, np.ndarray]
    texts: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def values(self, column: str) -> np.ndarray:
        """(N,) float64."""
        return np.asarray(self.columns[column], dtype=np.float64)

    def is_text(self, column: str) -> np.ndarray:
        """(N,) where something stands that is no number."""
        marked = np.zeros(len(self), dtype=bool)
        marked[[row - self.first_row for row in self.texts.get(column, ())]] = True
        return marked


@dataclass(frozen=True)
class TableFile(ABC):
    """A file of named columns of one length."""

    path: Path

    @abstractmethod
    def names(self) -> list[str]:
        """Of all columns."""

    @abstractmethod
    def count(self, columns: Sequence[str]) -> int:
        """Rows of these columns, at least one."""

    @abstractmethod
    def rows(
        self, columns: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[TableRows]:
        """Rows [start, stop) of the columns, ``size`` at a time; whole numbers stay whole."""

    def check(self, columns: Sequence[str]) -> None:
        """Make sure that there are these columns.

        Raises:
            DataError: one is not there, with the nearest that is; or the file cannot be read.
        """
        known = self.names()
        for name in columns:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise DataError(
                    f"{self.path}: data.columns names {name!r}, but there is no such column; "
                    f"{hint}present are {', '.join(known) or 'none'}"
                )

    def same_length(self, lengths: Mapping[str, int]) -> int:
        """The length of all columns.

        Raises:
            DataError: lengths differ, or are 0.
        """
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            told = ", ".join(f"{name} {n}" for name, n in lengths.items())
            raise DataError(
                f"{self.path}: all columns must have the same number of rows, at least one, got "
                f"{told}"
            )
        return next(iter(lengths.values()))

    def broken(self, error: Exception, expected: str) -> DataError:
        """What to say of a file that cannot be read."""
        if not self.path.is_file():
            return DataError(f"cannot read {self.path}: there is no such file; check data.path")
        return DataError(
            f"cannot read {self.path}: expected {expected}, but it is truncated or of another "
            f"kind ({error}); write it again"
        )


class Hdf5Table(TableFile):
    """One-dimensional datasets, in groups too, or a pandas frame in fixed format.

    A dataset is named by its path, ``group/name``, or by its name where that is unique.
    """

    def names(self) -> list[str]:
        with open_hdf5(self.path) as file:
            return list(self._places(file))

    def count(self, columns: Sequence[str]) -> int:
        with open_hdf5(self.path) as file:
            places = self._places(file)
            return self.same_length({name: len(places[name].dataset) for name in columns})

    def rows(
        self, columns: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[TableRows]:
        with open_hdf5(self.path) as file:
            places = self._places(file)
            asked = {name: places[name] for name in columns}
            for name, place in asked.items():
                if place.dataset.dtype.kind not in NUMBERS:
                    raise not_numbers(self.path, name, place.dataset.dtype)
            found = Columns(str(self.path), asked, stop)
            for first in range(start, stop, size):
                part = slice(first, min(first + size, stop))
                yield TableRows(first, read_rows(found, columns, part))

    def _places(self, file: h5py.File) -> dict[str, Place]:
        frames = [g for g in file.values() if isinstance(g, h5py.Group) and "block0_values" in g]
        if frames:
            return pandas_columns(str(self.path), file).places
        places: dict[str, Place] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim == 1:
                places[name] = Place(item, None)

        file.visititems(visit)
        last = [name.rpartition("/")[2] for name in places]
        short = {
            last_name: place
            for last_name, place in zip(last, places.values(), strict=True)
            if last.count(last_name) == 1
        }
        return {**short, **places}


class ParquetTable(TableFile):
    """A Parquet file, read by pyarrow."""

    def names(self) -> list[str]:
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def count(self, columns: Sequence[str]) -> int:
        with self._opened() as file:
            return self.same_length(dict.fromkeys(columns, int(file.metadata.num_rows)))

    def rows(
        self, columns: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[TableRows]:
        with self._opened() as file:
            first = 0
            try:
                for batch in file.iter_batches(
                    batch_size=size, columns=list(dict.fromkeys(columns))
                ):
                    part = batch.slice(max(start - first, 0), max(stop - max(first, start), 0))
                    if len(part):
                        values = {name: self._numbers(part, name) for name in columns}
                        yield TableRows(max(first, start), values)
                    first += len(batch)
            except (OSError, ValueError) as error:
                raise self.broken(error, "a Parquet file") from None

    def _numbers(self, batch: Any, name: str) -> np.ndarray:
        column = batch.column(name)
        values: np.ndarray = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in NUMBERS:
            raise not_numbers(self.path, name, column.type)
        return values

    def _opened(self) -> Any:
        try:
            import pyarrow.parquet
        except ImportError:
            raise ConfigError(
                f"reading {self.path} needs the package pyarrow; install the extra 'tables', or "
                "write the table as CSV, HDF5 datasets or .npz"
            ) from None
        try:
            return pyarrow.parquet.ParquetFile(self.path, page_checksum_verification=True)
        except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
            raise self.broken(error, "a Parquet file") from None


class NpzTable(TableFile):
    """One-dimensional arrays of a NumPy archive, read side by side without unpacking any whole."""

    def names(self) -> list[str]:
        with self._opened() as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]

    def count(self, columns: Sequence[str]) -> int:
        with self._opened() as archive:
            return self.same_length({n: self._array(archive, n).length for n in columns})

    def rows(
        self, columns: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[TableRows]:
        with self._opened() as archive:
            arrays = {name: self._array(archive, name) for name in columns}
            for stream, dtype, _ in arrays.values():
                stream.seek(start * dtype.itemsize, 1)
            for first in range(start, stop, size):
                n_rows = min(size, stop - first)
                yield TableRows(
                    first,
                    {
                        name: np.frombuffer(stream.read(n_rows * dtype.itemsize), dtype)
                        for name, (stream, dtype, _) in arrays.items()
                    },
                )

    def _array(self, archive: zipfile.ZipFile, name: str) -> "_StoredArray":
        stream = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = header(stream)
        if dtype.kind not in NUMBERS:
            raise not_numbers(self.path, name, dtype)
        if len(shape) != 1:
            raise DataError(
                f"{self.path}: column '{name}' must have one number a row, got shape {shape}"
            )
        return _StoredArray(stream, dtype, shape[0])

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self.broken(error, "a NumPy archive") from None


class _StoredArray(NamedTuple):
    """An array whose values are about to be read from a stream."""

    stream: IO[bytes]
    dtype: np.dtype
    length: int


def not_numbers(path: Path, column: str, kind: object) -> DataError:
    """What to say of a column of another type."""
    return DataError(f"{path}: column '{column}' must hold numbers, but holds {kind}; convert it")
