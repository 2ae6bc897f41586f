"""From the body of a request to columns of numbers, in every format that is read."""

import csv
import io
import tokenize
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np
import orjson

from anode.errors import DataError, needs_extra
from anode.events.readers.uploads import hdf5_columns
from anode.pipeline.scoring.input_columns import InputColumns
from anode.service.errors import Refused

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
NPY, HDF5, PARQUET = "application/x-npy", "application/x-hdf5", "application/vnd.apache.parquet"

_NO_HEADER = (
    ValueError, KeyError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises at headers that are none: it parses them as Python."""

Columns = Mapping[str, np.ndarray]
"""Name -> (N,) values."""


class Reader:
    """Reads bodies for one scorer.

    Args:
        names: names of the C numbers of an event, in order.
        max_events: number of events of a request.
    """

    def __init__(self, names: Sequence[str], max_events: int) -> None:
        self.names, self.max_events = tuple(names), max_events
        self._readers: dict[str, Callable[[bytes], Columns]] = {
            JSON: self.of_json,
            CSV: self.of_csv,
            NPY: self.of_npy,
            HDF5: lambda body: hdf5_columns(body, max_events=max_events),
            PARQUET: self.of_parquet,
        }

    def read(self, kind: str, body: bytes) -> Columns:
        """Columns of a body of a media type.

        Raises:
            Refused: the type is unknown, there are too many events, or values are none.
            DataError: an HDF5 file is broken.
        """
        if kind not in self._readers:
            known = ", ".join([*self._readers, NDJSON])
            raise Refused(415, f"Content-Type must be one of {known}")
        columns = self._readers[kind](body)
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise Refused(400, "all columns must have the same number of events")
        self.check_number(lengths.pop())
        return columns

    def check_number(self, n_events: int) -> None:
        """Refuse too many events.

        Raises:
            Refused: there are.
        """
        if n_events > self.max_events:
            raise Refused(413, f"a request must have at most {self.max_events} events")

    def of_json(self, body: bytes) -> Columns:
        """``{"events": [[...], ...]}``, a list of objects there, or ``{"columns": {...}}``."""
        content = parse_json(body)
        if isinstance(content, dict) and content.keys() == {"columns"}:
            columns = content["columns"]
            if not isinstance(columns, dict) or not columns:
                raise Refused(422, "columns must be an object, a list of numbers for each name")
            return {name: numbers(values) for name, values in columns.items()}
        if not isinstance(content, dict) or content.keys() != {"events"}:
            raise Refused(422, 'expected {"events": [...]} or {"columns": {...}}')
        if not isinstance(content["events"], list):
            raise Refused(422, "events must be a list")
        return self.of_events(content["events"])

    def of_events(self, events: list[object]) -> Columns:
        """Events that are lists of C numbers, or all objects with the same names."""
        self.check_number(len(events))
        if events and all(isinstance(event, dict) for event in events):
            rows = [event for event in events if isinstance(event, dict)]
            known = rows[0].keys()
            if any(row.keys() != known for row in rows):
                raise Refused(400, "all events must have the same names")
            return {name: numbers([row[name] for row in rows]) for name in known}
        rows_ = [event for event in events if isinstance(event, list)]
        if len(rows_) < len(events):
            raise Refused(422, "every event must be a list of numbers, or every one an object")
        for number, row in enumerate(rows_):
            if len(row) != len(self.names):
                expected = f"{len(self.names)} values, {', '.join(self.names)}"
                raise Refused(400, f"event {number} must have {expected}, got {len(row)}")
        flat = numbers(list(chain.from_iterable(rows_)))
        return self.of_rows(flat.reshape(len(rows_), len(self.names)))

    def of_rows(self, rows: np.ndarray) -> Columns:
        """An array (N, C)."""
        return dict(zip(self.names, rows.T, strict=True))

    def of_npy(self, body: bytes) -> Columns:
        """A NumPy array (N, C) of numbers; the header is judged before values are read."""
        stream = io.BytesIO(body)
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            with warnings.catch_warnings(action="ignore"):  # of headers of Python 2
                shape, fortran, dtype = read(stream)
        except _NO_HEADER:
            raise Refused(422, "expected a NumPy array, as numpy.save writes it") from None
        if dtype.kind not in "iuf" or len(shape) != 2:
            raise Refused(422, "the array must be two-dimensional, of integers or floats")
        if shape[1] != len(self.names):
            expected = f"{len(self.names)} columns, {', '.join(self.names)}"
            raise Refused(400, f"the array must have {expected}, got {shape[1]}")
        self.check_number(shape[0])
        rest = body[stream.tell() :]
        if len(rest) != shape[0] * shape[1] * dtype.itemsize:
            raise Refused(422, "the array is not whole")
        values = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
        return self.of_rows(values.astype(np.float64))

    def of_csv(self, body: bytes) -> Columns:
        """A line of names, then a line for each event."""
        try:
            lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
            header = next(lines, [])
            rows = []
            for row in lines:
                if row:
                    rows.append(row)
                self.check_number(len(rows))
        except (UnicodeDecodeError, csv.Error):
            raise Refused(422, "expected CSV in UTF-8") from None
        names = [name.strip() for name in header]
        if not names or len(set(names)) < len(names):
            raise Refused(422, "the first line must name the columns, each once")
        for number, row in enumerate(rows):
            if len(row) != len(names):
                raise Refused(400, f"event {number} must have {len(names)} values, got {len(row)}")
        try:
            values = np.array([[float(text) for text in row] for row in rows])
        except ValueError:
            raise Refused(422, "every value must be a number") from None
        return dict(zip(names, values.reshape(len(rows), len(names)).T, strict=True))

    def of_parquet(self, body: bytes) -> Columns:
        """A Parquet file; needs the extra ``tables``."""
        with needs_extra("tables", "reading Parquet"):
            import pyarrow
            import pyarrow.parquet
        try:
            file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(body))
            self.check_number(file.metadata.num_rows)
            table = file.read()
            columns = {name: table.column(name).to_numpy() for name in table.column_names}
        except (pyarrow.ArrowException, OSError, ValueError):
            raise Refused(422, "expected a Parquet file, whole and of plain numbers") from None
        return {name: values for name, values in columns.items() if values.dtype.kind in "iuf"}


def parse_json(body: bytes) -> object:
    """The content of a JSON document.

    Raises:
        Refused: it is none; NaN and Infinity are no JSON.
    """
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(422, "expected JSON in UTF-8; NaN and Infinity are none") from None
    return content


def numbers(values: object) -> np.ndarray:
    """(N,) float64 of a list of JSON numbers; booleans and texts are none.

    Raises:
        Refused: one is no number, or not finite.

    Example:
        >>> numbers([1, 2.5])
        array([1. , 2.5])
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        raise Refused(422, "every value must be a number; booleans and texts are none")
    found = np.array(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise Refused(422, "every value must be finite")
    return found


def checked(columns: Columns, wanted: InputColumns) -> Columns:
    """The columns, if they hold finite numbers where events need them.

    Raises:
        Refused: one is not finite.
        DataError: columns are missing.
    """
    for name in (*wanted.names, "mass", *wanted.features):
        if name in columns and not np.isfinite(columns[name]).all():
            raise Refused(422, f"column {name}: every value must be finite")
    if not columns:
        raise DataError("events: there are no columns of numbers")
    return columns
