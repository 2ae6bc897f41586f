"""Hydra's loader of the files in ``configs/``, for code that is not a command."""

import contextlib
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.types import RunMode
from hydra.version import VersionBase

from anode.configuration.builder import CONFIG_DIR


@contextlib.contextmanager
def own_hydra() -> Iterator[Any]:
    """A ``ConfigLoader`` of our files; a caller's own Hydra is afterwards as it was."""
    theirs = Singleton._instances
    of_application = (GlobalHydra, JobRuntime, VersionBase)
    Singleton._instances = {k: v for k, v in theirs.items() if k not in of_application}
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base=None):
            yield typing.cast(Any, GlobalHydra.instance().config_loader())
    finally:
        ours = {k: v for k, v in Singleton._instances.items() if k not in of_application}
        Singleton._instances = {**ours, **theirs}


def defaults_of(config: str, overrides: Sequence[str] = ()) -> Any:
    """Hydra's ``DefaultsList``: the files that make a configuration, and the choices of groups.

    A group that must be chosen may be open.
    """
    with own_hydra() as loader:
        return loader.compute_defaults_list(config, list(overrides), RunMode.MULTIRUN)
