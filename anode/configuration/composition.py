"""Configurations composed from the files of ``configs/`` and overrides, as commands get them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def as_word(value: Any) -> str:
    """A value as it stands behind ``key=`` of an override, so that Hydra reads back the same.

    Texts and paths are quoted, whatever they hold: spaces, quotes, ``=`` or ``${``.

    Example:
        >>> as_word("a=1/it's"), as_word(True), as_word(2.5)
        ("'a=1/it\\\\'s'", 'true', '2.5')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | Path):
        return str(value)
    # Hydra and OmegaConf take a backslash for itself unless one of these follows.
    escaped = re.sub(r"(\\+)(?='|\$\{|\Z)", r"\1\1", str(value))
    escaped = escaped.replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
