"""Keys that every choice of ``data=`` has."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from anode.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """Where the events come from.

    Attributes:
        reader: name of the format, a row of ``events.formats.FORMATS``.
        path: file or folder; null for "bundled" and "toy".
        extra_background: path of a further file of background events for the test alone, or null.
        n_background: number of background events to use, the first ones; null for all.
        n_signal: number of signal events to use, likewise.
        extra: paths of further files, in the layout of ``path``, of labelled events that are never
            in the data sample: they serve the test, and methods that use truth.
        max_copies: share of the data sample that may be copies of an earlier event, of equal mass
            and features, before the data are refused.
        has_extra: True if ``extra`` may name any.
    """

    has_extra: ClassVar[bool] = True

    reader: str
    path: str | None
    extra_background: str | None
    n_background: int | None
    n_signal: int | None
    # Unknown to former versions.
    extra: list[str] = field(default_factory=list, kw_only=True)
    max_copies: float = field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        for key in ("n_background", "n_signal"):
            value = getattr(self, key)
            if value is not None and value < 0:
                raise ConfigError(f"data.{key} must not be negative, got {value}")
        if not 0 <= self.max_copies <= 1:
            raise ConfigError(f"data.max_copies must lie in [0, 1], got {self.max_copies}")

    @property
    def key_file(self) -> Path | None:
        """File of truth labels that is opened when scores are judged and never before; None
        without any."""
        return None


@dataclass(frozen=True)
class FileConfig(DataConfig):
    """Events of a file or folder that must be named."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is None:
            raise ConfigError(f"data={self.reader} needs data.path=FILE_OR_DIR, got null")
