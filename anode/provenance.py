"""Who made a result, with what, and at what cost: commit, versions, peak memory."""

import importlib.metadata
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "nflows", "numpy", "scipy", "h5py", "hdf5plugin", "hydra-core", "matplotlib")


def provenance() -> dict[str, Any]:
    """Command, code and package versions."""
    return {
        "command": " ".join(sys.argv),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": sys.version.split()[0],
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


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
