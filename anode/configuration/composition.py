"""Configurations composed from the files of ``configs/`` and overrides, as commands get them."""

from collections.abc import Sequence

import hydra
from omegaconf import DictConfig

from anode.configuration.loader import own_hydra
from anode.configuration.mistakes import explain
from anode.errors import ConfigError


def compose(config: str, overrides: Sequence[str] = ()) -> DictConfig:
    """What a command gets that starts from ``configs/<config>.yaml``, with these overrides.

    Raises:
        ConfigError: an override is wrong; the message says which, and what comes near.
    """
    try:
        with own_hydra():
            return hydra.compose(config, list(overrides))
    except Exception as error:  # Hydra's own, OmegaConf's, and ValueError
        raise ConfigError(explain(error, config, overrides)) from None
