"""Public data sets: their files, downloaded once and checked against published checksums."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from anode.errors import ConfigError, DownloadError, needs_extra
from anode.events.download.transfer import ResumingDownloader
from anode.io import read_json, write_json

log = logging.getLogger(__name__)

CHECKSUMS = "checksums.json"
"""In the folder of all data sets: SHA-256 of the files that were published without a checksum,
recorded when they first came."""


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes:
        name: name of the file.
        url: published address.
        size: published size [bytes], perhaps rounded, or None.
        md5: published checksum, or None.
    """

    name: str
    url: str
    size: int | None
    md5: str | None


@dataclass(frozen=True)
class Dataset:
    """A published data set: an entry of ``configs/datasets.yaml``.

    Attributes:
        title: content in a few words.
        record: number of the Zenodo record.
        licence: licence of the data.
        citation: publication to cite.
        data: choice of ``data=`` that reads the first file, or None.
        command: example that uses the data; "{0}" and "{1}" stand for the first two files.
        unconfirmed: names of entries for which no public page was found.
        files: files of the data set.
    """

    title: str
    record: int
    licence: str
    citation: str
    data: str | None
    command: str | None
    unconfirmed: list[str]
    files: list[RemoteFile]

    @property
    def size(self) -> int | None:
        """Sum of the published sizes [bytes], None if the first file has none."""
        sizes = [file.size or 0 for file in self.files]
        return sum(sizes) if self.files[0].size is not None else None


@dataclass(frozen=True)
class DatasetCache:
    """The folder of downloaded data sets.

    Attributes:
        folder: folder of all data sets; files lie in ``folder/<data set>/``.
        mirror: address to take files from instead of the published one, or None.
        offline: True if nothing may be downloaded.
        attempts: number of attempts in a row without a new byte before giving up.
        wait: time before the second attempt [s].

    Raises:
        ConfigError: the mirror is no http(s) address, or ``attempts`` is below 1.
    """

    folder: Path
    mirror: str | None = None
    offline: bool = False
    attempts: int = 8
    wait: float = 1.0

    def __post_init__(self) -> None:
        if self.mirror is not None and not self.mirror.startswith(("http://", "https://")):
            raise ConfigError(f"mirror must be like https://host/path, got {self.mirror!r}")
        if self.attempts < 1:
            raise ConfigError(f"attempts must be at least 1, got {self.attempts}")

    def path(self, name: str, file: RemoteFile) -> Path:
        """Path of a file of the data set ``name``."""
        return self.folder / name / file.name

    def fetch(self, name: str, dataset: Dataset) -> list[Path]:
        """Paths of all files of a data set, each checked; present files are not fetched again.

        Raises:
            DownloadError: a file cannot be fetched, or its checksum is not the published or
                recorded one; no file has its name then.
        """
        return [self._fetch_file(name, file) for file in dataset.files]

    def state(self, name: str, dataset: Dataset) -> str:
        """State of a data set in words: "yes", "no", or the fraction that has arrived."""
        paths = [self.path(name, file) for file in dataset.files]
        if all(path.is_file() for path in paths):
            return "yes"
        arrived = sum(
            part.stat().st_size for path in paths for part in (path, _partial(path))
            if part.is_file()
        )  # fmt: skip
        if not arrived:
            return "no"
        return f"{arrived / dataset.size:.0%}" if dataset.size else "in part"

    def _fetch_file(self, name: str, file: RemoteFile) -> Path:
        path = self.path(name, file)
        expected = self._expected_hash(name, file)
        if path.is_file():
            actual = _hash_like(path, expected)
            if expected is None:
                self._record(name, file, actual)
            if expected in (None, actual):
                log.info("%s is there already, with checksum %s", path, actual)
                return path
            self._set_aside(name, file, f"checksum must be {expected}, got {actual}")
        elif self.offline:
            raise DownloadError(
                f"{path}: there is no such file, and offline=true forbids to fetch it; put it "
                f"there, or go without offline=true ({file.url})"
            )
        self._download(name, file, expected)
        if expected is None:
            self._record(name, file, _hash_like(path, None))
        return path

    def _set_aside(self, name: str, file: RemoteFile, reason: str) -> None:
        """Rename a damaged file before another download; refuse it if offline."""
        path = self.path(name, file)
        if self.offline:
            raise DownloadError(
                f"{path}: {reason}; it is damaged or not the published file. "
                f"{self._about(name, file)}"
            )
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        log.warning("%s: %s; it is now %s, and is fetched again", path, reason, aside)

    def _download(self, name: str, file: RemoteFile, expected: str | None) -> None:
        with needs_extra("download", "downloading"):
            import pooch

        path = self.path(name, file)
        url = file.url if self.mirror is None else f"{self.mirror.rstrip('/')}/{file.name}"
        downloader = ResumingDownloader(
            _partial(path), checked=expected is not None, attempts=self.attempts, wait=self.wait
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.get_logger().setLevel("WARNING")  # it would ask users to edit their code
        try:
            pooch.retrieve(
                url, known_hash=expected, fname=path.name, path=path.parent, downloader=downloader
            )
        except ValueError as error:
            raise DownloadError(
                f"{url}: wrong checksum, what came was deleted ({error}). "
                f"{self._about(name, file)}"
            ) from None
        except OSError as error:
            raise DownloadError(f"cannot write {path}: {error.strerror or error}") from None
        for stray in path.parent.glob("tmp*"):  # pooch's own, empty, where it was killed
            if not stray.stat().st_size:
                stray.unlink(missing_ok=True)
        log.info("%s: %d bytes", path, path.stat().st_size)

    def _expected_hash(self, name: str, file: RemoteFile) -> str | None:
        """The published or else the recorded checksum, with its algorithm in front."""
        if file.md5 is not None:
            return f"md5:{file.md5}"
        recorded = self._recorded().get(f"{name}/{file.name}")
        return None if recorded is None else str(recorded)

    def _recorded(self) -> dict[str, str]:
        path = self.folder / CHECKSUMS
        return dict(read_json(path)) if path.is_file() else {}

    def _record(self, name: str, file: RemoteFile, checksum: str) -> None:
        path = self.folder / CHECKSUMS
        entries = self._recorded() | {f"{name}/{file.name}": checksum}
        write_json(path, dict(sorted(entries.items())))
        log.info("no checksum is published: %s is recorded in %s", checksum, path)

    def _about(self, name: str, file: RemoteFile) -> str:
        """Origin of the expected checksum, and the remedy."""
        if file.md5 is not None:
            return "The checksum is the published one: try again, or take another mirror"
        return (
            f"The checksum was recorded at the first download: if the publisher has replaced the "
            f"file, remove '{name}/{file.name}' from {self.folder / CHECKSUMS}"
        )


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _hash_like(path: Path, checksum: str | None) -> str:
    """Checksum of a file by the algorithm of another one, SHA-256 for None."""
    algorithm = "sha256" if checksum is None else checksum.partition(":")[0]
    with open(path, "rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
