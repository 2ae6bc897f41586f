"""Configurations composed from the files of ``configs/`` and overrides, outside a command too."""

import contextlib
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from anode.configuration.builder import CONFIG_DIR


def compose(config: str, overrides: Sequence[str] = ()) -> DictConfig:
    """What a command gets that starts from ``configs/<config>.yaml``, with these overrides."""
    with _session():
        return hydra_compose(config, list(overrides))


def defaults_of(config: str, overrides: Sequence[str] = ()) -> Any:
    """Hydra's ``DefaultsList``: the files that make the configuration, and the groups' choices.

    A group that must be chosen may be open.
    """
    with _session() as loader:
        return loader.compute_defaults_list(config, list(overrides), RunMode.MULTIRUN)


@contextlib.contextmanager
def _session() -> Iterator[Any]:
    """Hydra's loader of our files."""
    GlobalHydra.instance().clear()  # the one of the calling command's own configuration
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        yield typing.cast(Any, GlobalHydra.instance().config_loader())
