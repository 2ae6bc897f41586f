"""Columns of CSV files, compressed or not, block by block, without any other package."""

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TextIO

import numpy as np

from anode.errors import DataError
from anode.events.readers.tables.files import TableFile, TableRows

DELIMITERS = ",;\t"
"""One of these, the most frequent in the header; white space if there is none."""

Texts = Mapping[str, Mapping[int, str]]
BROKEN = (OSError, EOFError, zlib.error, UnicodeDecodeError)


class CsvTable(TableFile):
    """A line of names, then a line a row. ``#`` before the names and blank lines are left out."""

    def names(self) -> list[str]:
        with self._opened() as file:
            return self._header(file)[0]

    def count(self, columns: Sequence[str]) -> int:
        with self._opened() as file:
            self._header(file)
            n_rows = sum(1 for line in file if not line.isspace())
        return self.same_length(dict.fromkeys(columns, n_rows))

    def rows(
        self, columns: Sequence[str], start: int, stop: int, size: int
    ) -> Iterator[TableRows]:
        with self._opened() as file:
            names, delimiter = self._header(file)
            lines = islice((line for line in file if not line.isspace()), start, stop)
            first = start
            while block := list(islice(lines, size)):
                yield self._parsed(block, first, names, columns, delimiter)
                first += len(block)

    def _parsed(
        self,
        lines: list[str],
        first_row: int,
        names: list[str],
        columns: Sequence[str],
        delimiter: str | None,
    ) -> TableRows:
        """Numbers of the columns; slowly, cell by cell, if one is none."""
        places = {name: names.index(name) for name in columns}
        plain = delimiter is not None and not any('"' in line for line in lines)
        texts: Texts = {}
        if plain and all(line.count(str(delimiter)) == len(names) - 1 for line in lines):
            try:
                values = np.loadtxt(
                    lines, delimiter=delimiter, usecols=[*places.values()], comments=None, ndmin=2
                ).T
            except ValueError:
                values, texts = self._cell_by_cell(lines, first_row, names, columns, delimiter)
        else:
            values, texts = self._cell_by_cell(lines, first_row, names, columns, delimiter)
        found = {
            name: _exact(column, lines, delimiter, places[name])
            for name, column in zip(columns, values, strict=True)
        }
        return TableRows(first_row, found, texts)

    def _cell_by_cell(
        self,
        lines: list[str],
        first_row: int,
        names: list[str],
        columns: Sequence[str],
        delimiter: str | None,
    ) -> tuple[np.ndarray, Texts]:
        """(C, N) numbers of the columns, and what is none."""
        cells = list(_cells(lines, delimiter))
        for number, row in enumerate(cells):
            if len(row) != len(names):
                raise DataError(
                    f"{self.path}: every row must have {len(names)} values, one for each of "
                    f"{', '.join(names)}, but row {first_row + number} has {len(row)}"
                )
        texts: dict[str, dict[int, str]] = defaultdict(dict)
        values = np.full((len(columns), len(cells)), np.nan)
        for found, name in zip(values, columns, strict=True):
            place = names.index(name)
            for number, row in enumerate(cells):
                try:
                    found[number] = float(row[place])
                except ValueError:
                    texts[name][first_row + number] = row[place].strip()
        return values, texts

    def _header(self, file: TextIO) -> tuple[list[str], str | None]:
        """Names of the columns, and what stands between them; None for white space."""
        line = next((line for line in file if not line.isspace()), "").lstrip("#").strip()
        if not line:
            raise DataError(
                f"{self.path}: expected a line of column names and then rows, but it is empty"
            )
        delimiter = max(DELIMITERS, key=line.count)
        known = delimiter if delimiter in line else None
        names = [name.strip() for name in next(iter(_cells([line], known)))]
        if all(_is_number(name) for name in names):
            raise DataError(
                f"{self.path}: the first line must hold names of the columns, got "
                f"{', '.join(names[:4])}; write one before the numbers"
            )
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{self.path}: column names must differ, but {repeated[0]!r} is there "
                            f"{names.count(repeated[0])} times")  # fmt: skip
        return names, known

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        compressed = self.path.suffix == ".gz"
        try:
            with (gzip.open if compressed else open)(
                self.path, "rt", encoding="utf-8-sig"
            ) as file:
                yield file
        except BROKEN as error:
            raise self.broken(error, "text" + ", gzipped" * compressed) from None


def _exact(values: np.ndarray, lines: list[str], delimiter: str | None, place: int) -> np.ndarray:
    """Whole numbers that a double cannot hold are read again as what they are."""
    if not np.any(np.abs(values) >= 2.0**53):
        return values
    try:
        return np.array([int(row[place]) for row in _cells(lines, delimiter)], dtype=np.int64)
    except (ValueError, OverflowError):
        return values


def _cells(lines: list[str], delimiter: str | None) -> Iterator[list[str]]:
    if delimiter is None:
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
