"""Keys of each choice of ``data=``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anode.configuration.builder import Choice
from anode.errors import ConfigError, nearest
from anode.events import substructure_columns
from anode.events.config import DataConfig, FileConfig
from anode.events.feature_definitions import resolved_features
from anode.events.formats import FORMATS
from anode.jets.settings import JetConfig


@dataclass(frozen=True)
class FolderConfig:
    """Keys below ``data`` of what is generated as several files.

    Attributes:
        folder: folder of the files.
    """

    folder: str


def check_least(values: Mapping[str, int], **least: int) -> None:
    """Refuse numbers below their least.

    Args:
        values: key -> value, and perhaps others.
        least: key -> lowest value.

    Raises:
        ConfigError: a value is lower; the message names its key.

    Example:
        >>> check_least({"n_jobs": 2, "seed": 0}, n_jobs=1, seed=0)
    """
    for key, lowest in least.items():
        if values[key] < lowest:
            raise ConfigError(f"{key} must be at least {lowest}, got {values[key]}")


@dataclass(frozen=True)
class RawDataConfig(FileConfig):
    """A file of raw particles.

    Attributes:
        jets: settings of the jet clustering.
        block_rows: number of events read, clustered and saved at a time.
        max_skipped: share of events that may have no features before the file is refused.
        cache: folder where ``anode run`` and its like keep the features.
        substructure: columns of the substructure of jets that are made beside the others, one of
            ``substructure_columns.CHOICES``; null for none.
    """

    has_extra = False

    jets: JetConfig
    block_rows: int
    max_skipped: float
    cache: str
    substructure: str | None = field(default=None, kw_only=True)  # unknown to former versions

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.substructure is not None and self.substructure not in substructure_columns.CHOICES:
            raise ConfigError(
                f"data.substructure must be one of {', '.join(substructure_columns.CHOICES)}, or "
                f"null, got {self.substructure!r}"
                f"{nearest(self.substructure, substructure_columns.CHOICES)}"
            )
        if self.block_rows < 1:
            raise ConfigError(f"data.block_rows must be at least 1, got {self.block_rows}")
        if not 0 <= self.max_skipped <= 1:
            raise ConfigError(f"data.max_skipped must lie in [0, 1], got {self.max_skipped}")


@dataclass(frozen=True)
class BlackboxConfig(RawDataConfig):
    """Raw particles or features whose labels, if any, are not read.

    Attributes:
        key: file with a number for every event, 0 for background, for the evaluation alone; or
            null.
    """

    key: str | None

    @property
    def key_file(self) -> Path | None:
        return None if self.key is None else Path(self.key)


CLASSES: dict[str, type[DataConfig]] = {
    **{reader: entry.config for reader, entry in FORMATS.items()},
    "lhco_raw": RawDataConfig,
    "blackbox": BlackboxConfig,
}
"""data.reader -> its keys: formats of features, and what becomes features first."""

RUN_KEYS = ("features", "injection")
"""Keys outside ``data`` that a choice of ``data=`` may set for runs: no other command has them."""

NOT_IDENTITY = ("block_rows", "cache", "key", "max_copies", "substructure")
"""Keys that change no fit and no score."""


def data_config_class(content: Mapping[str, Any], path: str = "data") -> type[DataConfig]:
    """The dataclass with the keys of ``content["reader"]``.

    Raises:
        ConfigError: there is no such reader, or it takes no further files.
    """
    reader = str(content.get("reader"))
    if reader not in CLASSES:
        raise ConfigError(f"{path}.reader must be one of {', '.join(CLASSES)}, got {reader!r}")
    if content.get("extra") and not CLASSES[reader].has_extra:
        those = "|".join(name for name, config in CLASSES.items() if config.has_extra)
        raise ConfigError(f"{path}.extra is for data={those}, got data={reader}")
    return CLASSES[reader]


def with_feature_sets(content: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the sets in ``features`` replaced by their features; names of a
    table's own columns stay as they are.

    Raises:
        ConfigError: as ``resolved_features``.
    """
    features, data = content.get("features"), content.get("data")
    if not isinstance(features, str | list | tuple):
        return dict(content)
    columns = data.get("columns") if isinstance(data, Mapping) else None
    own = columns.get("features") if isinstance(columns, Mapping) else None
    return {**content, "features": resolved_features(features, own or ())}


CHOICES: Mapping[type, Choice] = {DataConfig: data_config_class}
"""For ``configuration.builder.build``."""
