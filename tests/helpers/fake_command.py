"""A command that takes no time: what it does, or how it fails, is said by the key ``mirror``."""

import os
import sys
import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anode.commands.table import Command
from anode.errors import ConfigError

FAKE = Command(
    summary="Does nothing.",
    config="download",
    parse="helpers.fake_command:parse",
    function="helpers.fake_command:work",
    examples=("anode fake",),
)


def parse(raw: DictConfig) -> str | None:
    if raw.attempts < 0:
        raise ConfigError(f"attempts must not be negative, got {raw.attempts}")
    return raw.mirror


def anything(raw: DictConfig) -> None:
    """The configuration of another command, which is none of ours."""


def work(what: str | None) -> None:
    """Fail as asked for, or leave the command line in the folder of the job."""
    if what == "fault":
        raise RuntimeError("a list has no end")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what and what.startswith("signal"):
        os.kill(os.getpid(), int(what.removeprefix("signal")))
        time.sleep(30)
    if what == "write":
        Path("/proc/nothing").mkdir()
    folder = Path(HydraConfig.get().runtime.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done").write_text(" ".join(sys.argv))
