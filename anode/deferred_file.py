"""A file whose failures to write are kept until they can be raised."""

from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class DeferredFile(FileIO):
    """A file for HDF5, which crashes if its last bytes cannot be written: once a write has failed,
    it and all others are kept in memory, so that HDF5 can come to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.failure: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []

    def write(self, content: "ReadableBuffer") -> int:
        start, view = self.tell(), memoryview(content).cast("B")
        n_written = 0
        try:
            while self.failure is None and n_written < len(view):
                n_written += super().write(view[n_written:]) or 0
        except OSError as error:
            self.failure = error
        if n_written < len(view):
            self._kept.append((start, bytes(view)))
            self.seek(start + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def readinto(self, buffer: "WriteableBuffer") -> int:
        start, view = self.tell(), memoryview(buffer).cast("B")
        n_read = super().readinto(view) or 0
        if self.failure is None:
            return n_read
        view[n_read:] = bytes(len(view) - n_read)
        for place, content in self._kept:
            first, last = max(place, start), min(place + len(content), start + len(view))
            if first < last:
                view[first - start : last - start] = content[first - place : last - place]
        self.seek(start + len(view))
        return len(view)
