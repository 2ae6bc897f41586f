"""Who made a result, with what, of which data, and at what cost: the content of manifests."""

import importlib.metadata
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from anode.records import LEFT_OUT_IF_NONE, Record

PACKAGES = ("torch", "nflows", "numpy", "scipy", "h5py", "hdf5plugin", "hydra-core", "matplotlib")


@dataclass(frozen=True)
class Provenance(Record):
    """Command, code and versions; None in a manifest that does not say.

    Attributes:
        command: as it was typed.
        git_commit: hash of the code; None outside a repository.
        git_dirty: True if tracked files had changes.
        python: version.
        packages: name -> version.
    """

    command: str | None = None
    git_commit: str | None = None
    git_dirty: bool = False
    python: str | None = None
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataDescription(Record):
    """Which events a run or search is made of.

    Attributes:
        source: path or name of the file; "toy" for events made on the spot.
        files: names of all files read.
        file_sha256: hash of each.
        sha256: hash of the file, or of all together.
        n_data: events of the data sample.
        n_extra: labelled events beside it.
        n_data_signal: true signal events of the data sample; None without labels.
        n_copies: events of the data sample with the mass and features of an earlier one; None in
            files that do not say.
    """

    source: str
    files: tuple[str, ...]
    file_sha256: tuple[str, ...] = field(default=(), kw_only=True)
    sha256: str
    n_data: int
    n_extra: int = 0
    n_data_signal: int | None = None
    n_copies: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def hashes(self) -> frozenset[str]:
        """SHA-256 of each file, and of all together."""
        return frozenset((self.sha256, *self.file_sha256))


@dataclass(frozen=True)
class KeyDescription(Record):
    """The key of a black box with which scores were judged.

    Attributes:
        file: its name.
        sha256: hash.
        n_signal: signal events it names.
    """

    file: str
    sha256: str
    n_signal: int


@dataclass(frozen=True)
class Manifest(Provenance):
    """The content of a run's ``manifest.json``, as far as it has been written.

    Attributes:
        data: what the run is made of.
        seconds, cpu_seconds: stage -> time [s], summed over interruptions.
        peak_memory_mb: largest resident memory of a process so far [MB].
        key: key of the black box, if the run was judged with one.
    """

    data: DataDescription | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    key: KeyDescription | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


def provenance() -> Provenance:
    """Of this process: command, code and package versions."""
    return Provenance(
        command=" ".join(sys.argv),
        git_commit=_git("rev-parse", "HEAD"),
        git_dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
        python=sys.version.split()[0],
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
    )


def peak_memory_mb() -> float:
    """Largest resident memory of this process or of one of its children so far, in MB."""
    peaks = [resource.getrusage(who).ru_maxrss for who in _WHO]
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes on Linux
    return round(max(peaks) / unit, 1)


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _git(*arguments: str) -> str | None:
    """Output of a git command in the source tree; None without git or outside a repository."""
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
