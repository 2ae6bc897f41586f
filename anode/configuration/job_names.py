"""Folder names of the jobs of a multirun: the swept keys and their values, and nothing else.

``seed=1,2 method=anode,cathode trainer.epochs=3`` has a job in ``method=anode,seed=1``. The files
of ``configs/`` ask for the name by ``subdir: ${job_name:KEYS}``, where KEYS never name a folder.
"""

import hashlib
import re
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from anode.configuration.mistakes import parse

MAX_LENGTH = 120
"""Of a name: file systems allow 255 bytes."""


def job_name(overrides: Sequence[str], without: Sequence[str] = ()) -> str:
    """The folder of a job with these overrides; "" if no key is left to name it.

    Slashes, spaces and quotes, which a name cannot have or a shell stumbles over, become "_". A
    longer name is cut, and ends in a hash of all of it.

    Args:
        overrides: KEY=VALUE of the job.
        without: keys that do not name it.

    >>> job_name(["seed=2", "data.path=/scratch/a.h5", "trainer.epochs=3"], ["trainer.epochs"])
    'data.path=_scratch_a.h5,seed=2'
    """
    full = ",".join(sorted(o for o in overrides if _key(o) not in without))
    name = re.sub(r"[/\\\s'\"]", "_", full)
    if len(name.encode()) > MAX_LENGTH:
        digest = hashlib.sha256(full.encode()).hexdigest()[:8]
        name = f"{name.encode()[: MAX_LENGTH - 9].decode(errors='ignore')}-{digest}"
    return name


def naming_overrides(overrides: Sequence[str]) -> list[str]:
    """What to add to the overrides of a multirun so that swept keys alone name its jobs.

    Without a swept key there is one job, which all keys given name.

    Raises:
        HydraException: an override is no KEY=VALUE.
    """
    swept = [text for text in overrides if parse(text).is_sweep_override()]
    fixed = sorted({_key(text) for text in overrides if text not in swept})
    if not (swept and fixed):
        return []
    return [f"hydra.job.config.override_dirname.exclude_keys={fixed!r}"]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _resolve(*never: str) -> str:
    """The name of the job that Hydra is about to run."""
    hydra = HydraConfig.get()
    excluded = hydra.job.config.override_dirname.exclude_keys
    return job_name(hydra.overrides.task, [*excluded, *never])


OmegaConf.register_new_resolver("job_name", _resolve, replace=True)
