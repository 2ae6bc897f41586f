"""Trackers of a running fit: none, a JSON line per epoch, or Weights & Biases."""

import json
from pathlib import Path
from typing import Any, Protocol

from anode import io
from anode.errors import ConfigError, needs_extra

TRACKERS = ("none", "jsonl", "wandb")


class Tracker(Protocol):
    """Receiver of one record per epoch."""

    def log(self, record: dict[str, Any]) -> None:
        """Record an epoch: its number and its losses."""

    def close(self) -> None:
        """Write what is left; no record follows."""


class NoTracker:
    """No tracker; losses are in ``fit.json`` all the same."""

    def log(self, record: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


class JsonlTracker:
    """Appends one JSON object an epoch to ``history.jsonl``.

    Lines beyond the epoch from which a fit resumes are cut off first, so that none is repeated.
    """

    def __init__(self, path: Path, epochs_done: int) -> None:
        kept = path.read_text().splitlines(keepends=True)[:epochs_done] if path.exists() else []
        io.write_text(path, "".join(kept))
        self._file = path.open("a", encoding="utf-8")

    def log(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class WandbTracker:
    """Weights & Biases; offline unless ``WANDB_MODE`` says otherwise."""

    def __init__(self, directory: Path, name: str, group: str) -> None:
        import os

        with needs_extra("wandb", "tracker=wandb"):
            import wandb

        self._run = wandb.init(
            project="anode",
            name=f"{group}/{name}",
            group=group,
            dir=str(directory),
            mode=None if "WANDB_MODE" in os.environ else "offline",
            settings=wandb.Settings(silent=True),
        )

    def log(self, record: dict[str, Any]) -> None:
        self._run.log(record, step=record["epoch"])

    def close(self) -> None:
        self._run.finish()


def build_tracker(kind: str, directory: Path, epochs_done: int) -> Tracker:
    """The tracker ``kind`` for the fit that lives in ``directory``.

    Raises:
        ConfigError: unknown kind.
    """
    if kind == "none":
        return NoTracker()
    if kind == "jsonl":
        return JsonlTracker(directory / "history.jsonl", epochs_done)
    if kind == "wandb":
        return WandbTracker(directory, name=directory.name, group=directory.parents[1].name)
    raise ConfigError(f"tracker must be one of {', '.join(TRACKERS)}, got {kind!r}")
