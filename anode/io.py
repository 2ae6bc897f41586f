"""Files that appear whole or not at all (text, JSON, HDF5), and hashes that identify them."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from anode import integrity
from anode.deferred_file import DeferredFile
from anode.errors import DataError

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary neighbour of ``path`` to write to; rename it into place on success.

    A kill, a full disk or an exception leaves ``path`` as it was. What a killed process has left
    half-written in the folder is removed.

    Raises:
        OSError: the file cannot be written; it names ``path`` where the system names none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary = partial_path(path)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _OF_WRITING:
            error.filename = error.filename or str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # or it would hide why nothing could be written
            temporary.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Hidden name beside ``path`` for what this process is writing; it keeps the suffix.

    >>> partial_path(Path("a/b.h5")).name.startswith(f".b.{socket.gethostname()}-{os.getpid()}.")
    True
    """
    writer = f"{socket.gethostname()}-{os.getpid()}"  # the disk may be shared by machines
    return path.with_name(f".{path.stem}.{writer}.partial{path.suffix}")


@functools.cache
def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written in a folder, once a process.

    What a live process writes stays, and what another machine's does, dead or alive.
    """
    ours = re.compile(rf"\..*\.{re.escape(socket.gethostname())}-(\d+)\.partial.*")
    for leftover in folder.glob(".*.partial*"):
        writer = ours.fullmatch(leftover.name)
        if writer is None or _is_alive(int(writer[1])):
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                leftover.unlink()


def _is_alive(process: int) -> bool:
    if process == os.getpid():  # that had our number before us: we have not written yet
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` atomically, UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any, *, sealed: bool = False) -> None:
    """Write ``content`` as indented JSON, atomically. NaN and infinities are refused.

    Args:
        path: file to write.
        content: what JSON can hold; a group of keys, if it is to be sealed.
        sealed: True to add the hash by which ``read_json`` sees that nothing has changed.
    """
    content = integrity.seal_json(content) if sealed else content
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str, *, remedy: str = integrity.RESTORE) -> Any:
    """Read a JSON file, without its seal.

    Args:
        path: file to read.
        remedy: what to do about a damaged file, for the message.

    Raises:
        DataError: the file is missing or is not JSON.
        RunDirectoryError: it is sealed, and not as it was written.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"cannot read {path}: there is no such file") from None
    except ValueError as error:  # of the syntax, or of the encoding
        raise DataError(f"cannot read {path}: it is not JSON ({error}); {remedy}") from None
    return integrity.unseal_json(path, content, remedy=remedy)


def write_hdf5(
    path: Path | str,
    datasets: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write one HDF5 dataset, of any shape, for each name, and file attributes, atomically; the
    file is sealed."""
    with hdf5_in_memory(path) as file:
        for name, values in datasets.items():
            file.create_dataset(name, data=values)
        for name, value in (attributes or {}).items():
            file.attrs[name] = value


@contextlib.contextmanager
def hdf5_in_memory(path: Path | str) -> Iterator[h5py.File]:
    """Give a new HDF5 file that is made in memory and written at the end, atomically.

    On a full disk HDF5 could not close a file of its own, and Python would end with a crash.
    """
    with h5py.File(str(path), "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(integrity.seal(image))


@contextlib.contextmanager
def growing_hdf5(
    path: Path | str, attributes: Mapping[str, Any]
) -> Iterator[Callable[[Mapping[str, np.ndarray]], None]]:
    """Give a function that appends rows to the datasets of a new file, one for each name.

    The names and types are those of the first call. The file appears under ``path`` when the
    block ends without an exception, with the attributes as they are then.

    Raises:
        DataError: a later call has other names or types, or columns of different lengths.
    """
    with atomic_path(path) as temporary, new_hdf5(temporary) as (file, check):

        def append(datasets: Mapping[str, np.ndarray]) -> None:
            if not len(file):
                for name, values in datasets.items():
                    file.create_dataset(
                        name, (0,), values.dtype, maxshape=(None,), chunks=(1 << 16,)
                    )
            expected = {name: rows.dtype for name, rows in file.items()}
            given = {name: values.dtype for name, values in datasets.items()}
            if expected != given or len({len(values) for values in datasets.values()}) > 1:
                raise DataError(
                    f"{path}: every block must have the columns {expected}, all of one length, "
                    f"got {given} of {[len(values) for values in datasets.values()]} rows"
                )
            for name, values in datasets.items():
                rows = file[name]
                rows.resize(len(rows) + len(values), axis=0)
                rows[len(rows) - len(values) :] = values
            check()

        yield append
        file.attrs.update(attributes)


@contextlib.contextmanager
def new_hdf5(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Give a new HDF5 file of any size, and a function that raises what keeps it from the disk.

    Raises:
        OSError: at the end of the block, if something does; h5py's own file would crash.
    """
    with DeferredFile(path) as raw:

        def check() -> None:
            if raw.failure is not None:
                raise raw.failure

        with h5py.File(raw, "w") as file:
            yield file, check
        check()


def open_hdf5(path: Path | str, *, remedy: str = "fetch or write it again") -> h5py.File:
    """Open an HDF5 file for reading.

    Args:
        path: file to read.
        remedy: what to do about a damaged file, for the message.

    Raises:
        DataError: the file is missing, truncated, or not HDF5.
        RunDirectoryError: it is sealed, and not as it was written.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"cannot read {path}: there is no such file; check data.path")
    try:
        integrity.check(path, remedy=remedy)
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            f"cannot read {path}: expected an HDF5 file, but it is truncated or of another kind "
            f"({error}); {remedy}"
        ) from None


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 of a string, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
