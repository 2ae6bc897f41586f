"""Download of a large file over a connection that breaks: resumed where it stopped."""

import contextlib
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from anode import __version__
from anode.errors import DownloadError, needs_extra
from anode.io import write_json

with needs_extra("download", "downloading"):
    import requests

log = logging.getLogger(__name__)

CHUNK = 1 << 18
TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next byte."""

# Answers worth another attempt: the server is busy or a gateway in front of it fails.
PASSING = (408, 425, 429, 500, 502, 503, 504)
# Zenodo refuses requests without a name; a compressed answer could not be continued.
_HEADERS = {"User-Agent": f"anode/{__version__}", "Accept-Encoding": "identity"}


class Interrupted(Exception):
    """The connection broke or the server is busy; what has arrived is kept."""


class _Origin(NamedTuple):
    """The published file that a partial file is the beginning of.

    Attributes:
        url: address of the file.
        validator: strong ETag or Last-Modified of the answer; None if it had neither.
        total: size of the whole file [bytes]; None if the server does not say.
    """

    url: str
    validator: str | None
    total: int | None


@dataclass(frozen=True)
class ResumingDownloader:
    """A downloader for ``pooch.retrieve`` that goes on where an earlier attempt stopped.

    What has arrived lies in ``partial`` and survives a kill. It is continued with ``Range`` and
    ``If-Range`` (RFC 9110, sections 13.1.5 and 14.2), so that bytes of two versions are never
    joined: a server that does not know ``Range``, or has another file now, sends the whole again.
    Where the answer had neither ETag nor Last-Modified, only a file whose checksum is known is
    continued.

    Attributes:
        partial: growing file; a note beside it, ``<partial>.json``, holds its origin.
        checked: True if the caller knows the checksum.
        attempts: number of attempts in a row without a new byte before giving up.
        wait: time before the second attempt [s]; doubles each time, up to a minute.

    Raises, when called:
        DownloadError: no network, an address that does not exist, no room, or another process
            fetches the same file.
    """

    partial: Path
    checked: bool
    attempts: int
    wait: float = 1.0

    def __call__(self, url: str, output_file: str, _pooch: Any = None) -> None:
        """Fetch ``url`` and put it at ``output_file``, on the same disk as ``partial``."""
        failures = 0
        with _locked(self.partial) as file:
            while True:
                before = _length(file)
                try:
                    self._continue(url, file)
                    break
                except Interrupted as error:
                    failures = 1 if _length(file) > before else failures + 1
                    if failures >= self.attempts:
                        raise self._given_up(url, error, failures, _length(file)) from None
                    pause = min(self.wait * 2 ** (failures - 1), 60.0)
                    log.warning("%s: %s; again in %.1f s", url, error, pause)
                    time.sleep(pause)
            self.partial.replace(output_file)
        self._note.unlink(missing_ok=True)

    def _given_up(
        self, url: str, error: Interrupted, failures: int, n_bytes: int
    ) -> DownloadError:
        kept = f"; {n_bytes:,} bytes are kept in {self.partial}" if n_bytes else ""
        return DownloadError(
            f"cannot fetch {url}: {error} ({failures} attempts without a new byte){kept}; the "
            "same command goes on from there when the network is back; mirror=https://host/path "
            "takes the file from elsewhere, and a file put in place by hand is used as well"
        )

    @property
    def _note(self) -> Path:
        return self.partial.with_name(self.partial.name + ".json")

    def _continue(self, url: str, file: FileIO) -> None:
        """One request, for the missing bytes or for the whole file."""
        origin = self._read_note()
        have = _length(file) if self._may_continue(origin, url) else 0
        if origin is not None and have and have == origin.total:
            return
        headers = dict(_HEADERS)
        if have and origin is not None:
            headers["Range"] = f"bytes={have}-"
            if origin.validator is not None:
                headers["If-Range"] = origin.validator
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                self._receive(answer, url, file, have, origin)
        except requests.exceptions.InvalidURL as error:
            raise DownloadError(f"cannot fetch {url}: it is no address ({error})") from None
        except requests.RequestException as error:
            raise Interrupted(_reason(error)) from None

    def _receive(
        self, answer: requests.Response, url: str, file: FileIO, have: int, origin: _Origin | None
    ) -> None:
        """Append the body, or replace the partial file if the server sends the whole."""
        if answer.status_code in PASSING:
            raise Interrupted(f"the server answers {answer.status_code} {answer.reason}")
        continued = answer.status_code == 206
        if answer.status_code == 416 or (continued and not _follows(answer, have, origin)):
            file.truncate(0)
            raise Interrupted("the server has another file now, starting again")
        if answer.status_code not in (200, 206):
            raise DownloadError(
                f"cannot fetch {url}: the server answers {answer.status_code} {answer.reason}; "
                "check the address, or give mirror=https://host/path"
            )
        have = have if continued else 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        _check_room(self.partial, 0 if length is None else int(length) + have - _length(file))
        if not continued:
            file.truncate(0)
            write_json(self._note, _Origin(url, _validator(answer), total)._asdict())
        self._append(answer, file, have, total)
        if total is not None and _length(file) != total:
            raise Interrupted(f"the connection closed after {_length(file):,} of {total:,} bytes")

    def _append(
        self, answer: requests.Response, file: FileIO, have: int, total: int | None
    ) -> None:
        name = self.partial.name.removesuffix(".partial")
        with tqdm(
            total=total, initial=have, desc=name, unit="B", unit_scale=True, disable=None
        ) as bar:
            for chunk in answer.iter_content(CHUNK):
                try:
                    _write_all(file, chunk)
                except OSError as error:
                    raise DownloadError(
                        f"cannot write {self.partial}: {error.strerror}; make room, and the same "
                        "command goes on from there"
                    ) from None
                bar.update(len(chunk))

    def _read_note(self) -> _Origin | None:
        try:
            return _Origin(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _may_continue(self, origin: _Origin | None, url: str) -> bool:
        if origin is None or origin.url != url:
            return False
        return origin.validator is not None or (self.checked and origin.total is not None)


def _follows(answer: requests.Response, have: int, origin: _Origin | None) -> bool:
    """True if a 206 starts at the byte asked for and belongs to a file of the same length."""
    range_, _, total = (
        answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    )
    if range_.partition("-")[0] != str(have) or origin is None:
        return False
    return origin.total is None or total in ("*", str(origin.total))


def _validator(answer: requests.Response) -> str | None:
    """Value for ``If-Range``: a strong ETag, or a date."""
    etag = answer.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return answer.headers.get("Last-Modified")


def _check_room(path: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        raise DownloadError(
            f"not enough room in {path.parent}: {n_bytes:,} more bytes are needed, {free:,} are "
            "free; make room or give folder=FOLDER on another disk"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """The partial file, open to be continued, for one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a buffer: bytes that a full disk refuses must not be written again on closing.
    with open(path, "ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"another process is fetching {path.name}; wait for it") from None
        try:
            yield file
        finally:
            if not _length(file):
                path.unlink(missing_ok=True)


def _write_all(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _length(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _reason(error: requests.RequestException) -> str:
    """Message of the innermost cause."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return str(cause) or type(cause).__name__
