"""The folder of a run: its files, its lock, its manifest, and whose configuration it has."""

import fcntl
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anode import io
from anode.errors import RunDirectoryError
from anode.evaluation.run_metrics import RunMetrics
from anode.events.table import EventTable
from anode.parallel import cpu_seconds
from anode.pipeline.runs.config import load_run
from anode.provenance import (
    DataDescription,
    KeyDescription,
    Manifest,
    peak_memory_mb,
    provenance,
)
from anode.records import Json

log = logging.getLogger(__name__)


class Configuration(Protocol):
    """What a folder belongs to."""

    @property
    def identity(self) -> dict[str, Json]:
        """All that can change a result."""

    def to_yaml(self) -> str:
        """As ``config.yaml`` holds it."""


FIGURES = ("roc", "sic", "scores", "mass", "losses", "closure")
"""Names of the figures of a run."""

# of a sweep; of a search on arrays; of propose=true
_PROPOSAL = ("proposal.json", "proposal.png", "proposal.pdf")
_MAY_BE_THERE = ("multirun.yaml", "events.h5", *_PROPOSAL)


class RunDirectory:
    """The folder of one run; docs/reference/files.md says what each file holds."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.manifest = self.path / "manifest.json"
        self.checkpoints = self.path / "checkpoints"
        self.scores = self.path / "scores.h5"
        self.metrics = self.path / "metrics.json"
        self.curves = self.path / "curves.h5"
        self.figures = self.path / "figures"

    _load: Callable[[Path], Configuration] = staticmethod(load_run)

    def claim(self, config: Configuration) -> None:
        """Make this the directory of ``config``: write it, or check that it is the one there.

        Raises:
            RunDirectoryError: as ``check_free``.
        """
        self.check_free(config)
        if not self.config.is_file():
            io.write_text(self.config, config.to_yaml())

    def check_free(self, config: Configuration) -> None:
        """Check that this may be the directory of ``config``.

        Raises:
            RunDirectoryError: it belongs to another configuration; the message lists the keys.
        """
        if self.config.is_file():
            theirs, ours = self._load(self.config).identity, config.identity
            differing = _differences(theirs, ours)
            if differing:
                listed = "; ".join(f"{k}: {a!r} there, {b!r} now" for k, a, b in differing)
                raise RunDirectoryError(
                    f"{self.path} holds a run of another configuration ({listed}); "
                    "choose another run_dir, or delete this one"
                )
            return
        if self.path.is_dir() and any(
            not p.name.startswith(".") and p.name not in _MAY_BE_THERE for p in self.path.iterdir()
        ):
            raise RunDirectoryError(
                f"{self.path} is not empty and has no config.yaml: it is not a run directory; "
                "choose another run_dir"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process out for as long as this one works here.

        Raises:
            RunDirectoryError: another process is at work.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / ".lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunDirectoryError(
                    f"another process is running in {self.path}; wait for it, or choose another "
                    "run_dir"
                ) from None
            except OSError as error:  # a disk without locks
                log.warning("%s: %s; start no second command there", self.path, error.strerror)
            for leftover in self._leftovers():
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink(missing_ok=True)
            yield

    def _leftovers(self) -> list[Path]:
        """Half-written files of a killed process."""
        return list(self.path.rglob(".*.partial*"))

    def check_data(self, description: DataDescription) -> None:
        """Record the data a run is made of, or check that they have not changed since.

        Raises:
            RunDirectoryError: the file at ``data.path`` is not the one the run began with.
        """
        begun_with = self.read_manifest().data
        if begun_with is None:
            self._update(provenance().to_json() | {"data": description.to_json()})
        elif begun_with.sha256 != description.sha256:
            raise RunDirectoryError(
                f"{description.source} has changed since this run began (sha256 "
                f"{begun_with.sha256} then, {description.sha256} now); choose another run_dir"
            )

    def read_manifest(self) -> Manifest:
        """The manifest so far; without an entry if there is none.

        Raises:
            DataError: it is not JSON, or a key is of the wrong kind.
        """
        return Manifest.from_json(self._manifest_content(), self.manifest)

    def read_metrics(self) -> RunMetrics:
        """The numbers of a finished run.

        Raises:
            DataError: there are none, they are not JSON, or a key is missing or of the wrong kind.
        """
        remedy = "delete it and run again"
        return RunMetrics.from_json(io.read_json(self.metrics, remedy=remedy), self.metrics)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of scores and curves, by the names of their files, of those that are there.

        Raises:
            DataError, RunDirectoryError: one is damaged.
        """
        there = [path for path in (self.scores, self.curves) if path.is_file()]
        for path in there:
            io.open_hdf5(path, remedy=remake(path)).close()
        return {path.name: io.sha256_file(path) for path in there}

    def is_judged(self) -> bool:
        """Whether ``metrics.json`` is of the scores and curves that are there, as far as it says.

        Raises:
            DataError, RunDirectoryError: a file is damaged.
        """
        judged = self.read_metrics().file_sha256 or {}
        return all(judged.get(name, found) == found for name, found in self.hashes().items())

    def drop_results(self) -> None:
        """Remove metrics, curves and figures: they are of other scores."""
        figures = [self.figures / f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")]
        for path in (self.metrics, self.curves, *figures):
            path.unlink(missing_ok=True)

    def record_provenance(self) -> None:
        """Put this command, code and versions into the manifest."""
        self._update(provenance().to_json())

    def record_key(self, key: KeyDescription) -> None:
        """Put the key of a black box into the manifest."""
        self._update({"key": key.to_json()})

    def _manifest_content(self) -> dict[str, Json]:
        if not self.manifest.is_file():
            return {}
        remedy = "delete it, and give the command again"
        content: dict[str, Json] = io.read_json(self.manifest, remedy=remedy)
        return content

    def _update(self, entries: dict[str, Json]) -> None:
        """Add or replace entries of the manifest; all others stay."""
        io.write_json(self.manifest, self._manifest_content() | entries, sealed=True)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall and CPU time of a stage, summed over interruptions, and the memory peak so
        far."""
        started = {"seconds": time.perf_counter(), "cpu_seconds": cpu_seconds()}
        try:
            yield
        finally:
            manifest = self.read_manifest()
            ended = {"seconds": time.perf_counter(), "cpu_seconds": cpu_seconds()}
            spent: dict[str, Json] = {}
            for key, before in (
                ("seconds", manifest.seconds),
                ("cpu_seconds", manifest.cpu_seconds),
            ):
                total = before.get(stage, 0.0) + ended[key] - started[key]
                spent[key] = {**before, stage: round(total, 2)}
            peak = max(manifest.peak_memory_mb or 0.0, peak_memory_mb())
            self._update({**spent, "peak_memory_mb": peak})


def remake(path: Path) -> str:
    """What to do about damaged scores, or curves."""
    return f"delete it and {path.with_name('metrics.json')}, and run again"


def describe_data(
    events: EventTable, extra: EventTable | None, files: list[Path]
) -> DataDescription:
    """What the manifest says of the events: their files' hashes, or that of the toy's numbers."""
    hashes = [io.sha256_file(path) for path in files]
    if hashes:
        digest = hashes[0] if len(hashes) == 1 else io.sha256_text("".join(hashes))
    else:
        digest = io.sha256_text(events.features.tobytes().hex() + events.mass.tobytes().hex())
    return DataDescription(
        source=events.source,
        files=tuple(path.name for path in files),
        file_sha256=tuple(hashes),
        sha256=digest,
        n_data=len(events),
        n_extra=0 if extra is None else len(extra),
        n_data_signal=None if events.label is None else int(np.sum(events.label)),
        n_copies=int(events.is_copy().sum()),
    )


def _differences(theirs: Any, ours: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Keys, with both values, in which two nested configurations differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted({*theirs, *ours}):
            inner = f"{path}.{key}" if path else key
            found += _differences(theirs.get(key), ours.get(key), inner)
        return found
    return [] if theirs == ours else [(path, theirs, ours)]
