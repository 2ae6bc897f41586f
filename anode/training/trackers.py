"""Trackers of a running fit: none, a JSON line per epoch, or Weights & Biases."""

import json
import logging
import os
from pathlib import Path
from typing import Any, Protocol

from anode import io
from anode.errors import ConfigError, needs_extra

log = logging.getLogger(__name__)

TRACKERS = ("none", "jsonl", "wandb")
ANSWER, UPLOAD = 10.0, 60.0  # s to wait for Weights & Biases, at the start and the end of a fit
UNREACHABLE = "ANODE_WANDB_UNREACHABLE"  # in the environment, so that processes of ours know, too


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
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        io.write_text(path, "".join(before.splitlines(keepends=True)[:epochs_done]))
        self._file = path.open("a", encoding="utf-8")

    def log(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class WandbTracker:
    """Weights & Biases; offline unless ``WANDB_MODE`` says otherwise, or where nothing answers.

    A fit does not wait long for it: what cannot be sent stays in the folder, for ``wandb sync``.
    """

    def __init__(self, directory: Path, name: str, group: str) -> None:
        with needs_extra("wandb", "tracker=wandb"):
            import wandb

        settings: dict[str, Any] = {"silent": True, "init_timeout": ANSWER}
        if "finish_timeout" in getattr(wandb.Settings, "model_fields", {}):
            settings["finish_timeout"] = UPLOAD
        options: dict[str, Any] = {
            "project": "anode",
            "name": f"{group}/{name}",
            "group": group,
            "dir": str(directory),
            "settings": wandb.Settings(**settings),
        }
        online = "WANDB_MODE" in os.environ and UNREACHABLE not in os.environ
        try:
            self._run = wandb.init(mode=None if online else "offline", **options)
        except wandb.Error as error:
            reason = str(error).partition("\n")[0]
            log.warning(
                "Weights & Biases cannot be reached (%s): losses are kept below %s; wandb sync "
                "sends them later",
                reason,
                directory.parent,
            )
            os.environ[UNREACHABLE] = "1"
            self._run = wandb.init(mode="offline", **options)

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
