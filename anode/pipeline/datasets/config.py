"""Which keys does each choice of ``data=`` have?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anode.configuration.builder import Choice
from anode.errors import ConfigError
from anode.jets.settings import JetConfig

EXTRA_READERS = ("bundled", "lhco_features", "arrays")
"""Those that ``data.extra`` is for."""

READERS = ("bundled", "lhco_features", "lhco_raw", "blackbox", "arrays", "toy")


@dataclass(frozen=True)
class DataConfig:
    """Where the events come from.

    Attributes:
        reader: one of ``READERS``.
        path: file or folder; null for "bundled" and "toy".
        extra_background: a further file of background events for the test alone, or null.
        n_background: use the first so many background events only; null for all.
        n_signal: the same for signal events.
        extra: further files, in the layout of ``path``, of labelled events that are never in the
            data sample: they serve the test, and methods that use truth.
    """

    reader: str
    path: str | None
    extra_background: str | None
    n_background: int | None
    n_signal: int | None
    extra: list[str] = field(default_factory=list, kw_only=True)  # unknown to former versions

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ConfigError(f"data.reader must be one of {READERS}, got {self.reader!r}")
        if self.path is None and self.reader not in ("bundled", "toy"):
            raise ConfigError(f"data={self.reader} needs data.path=FILE_OR_DIR, got null")
        if self.extra and self.reader not in EXTRA_READERS:
            raise ConfigError(
                f"data.extra is for data={'|'.join(EXTRA_READERS)}, got data={self.reader}"
            )
        for key in ("n_background", "n_signal"):
            value = getattr(self, key)
            if value is not None and value < 0:
                raise ConfigError(f"data.{key} must not be negative, got {value}")


@dataclass(frozen=True)
class RawDataConfig(DataConfig):
    """A file of raw particles.

    Attributes:
        jets: how they become jets.
        block_rows: events read, clustered and saved at a time.
        max_skipped: share of events that may have no features before the file is refused.
        cache: folder where ``anode run`` and its like keep the features.
    """

    jets: JetConfig
    block_rows: int
    max_skipped: float
    cache: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block_rows < 1:
            raise ConfigError(f"data.block_rows must be at least 1, got {self.block_rows}")
        if not 0 <= self.max_skipped <= 1:
            raise ConfigError(f"data.max_skipped must lie in [0, 1], got {self.max_skipped}")


@dataclass(frozen=True)
class BlackboxConfig(RawDataConfig):
    """Raw particles or features whose labels, if any, are not read.

    Attributes:
        key: file of a number for every event, 0 for background, for the evaluation alone; or
            null.
    """

    key: str | None


CLASSES: dict[str, type[DataConfig]] = {"lhco_raw": RawDataConfig, "blackbox": BlackboxConfig}

NOT_IDENTITY = ("block_rows", "cache", "key")
"""Keys that change no fit and no score."""


def data_config_class(content: Mapping[str, Any], path: str = "data") -> type[DataConfig]:
    """The dataclass with the keys of ``content["reader"]``."""
    return CLASSES.get(str(content.get("reader")), DataConfig)


CHOICES: Mapping[type, Choice] = {DataConfig: data_config_class}
"""For ``configuration.builder.build``."""
