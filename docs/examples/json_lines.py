"""Source of JSON lines: an object an event, with its mass, its features and perhaps its label."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from anode.errors import DataError
from anode.events.config import FileConfig
from anode.events.source import FileSource, Rows
from anode.events.table import EventTable


@dataclass(frozen=True)
class JsonLinesConfig(FileConfig):
    """Keys of ``configs/data/json_lines.yaml``, beside those of every file.

    Attributes:
        mass: key of the mass [GeV].
        label: key of the truth, 1 signal and 0 background; used where events have it.
    """

    mass: str
    label: str


@dataclass(frozen=True)
class JsonLines(FileSource):
    """A file of JSON lines.

    Args:
        location: the file.
        mass, label: keys, as in the configuration.
    """

    mass: str
    label: str

    @classmethod
    def open(cls, data: JsonLinesConfig, seed: int) -> Self:  # type: ignore[override]
        return cls(Path(str(data.path)), data.mass, data.label)

    @property
    def feature_names(self) -> tuple[str, ...]:
        first = self._events((0, 1))[0]
        return tuple(key for key in first if key not in (self.mass, self.label))

    @property
    def has_labels(self) -> bool:
        return self.label in self._events((0, 1))[0]

    def count(self) -> int:
        with self.path.open(encoding="utf-8") as file:
            return sum(1 for line in file if line.strip())

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        self.check(features)
        events = self._events(rows)
        first = 0 if rows is None else rows[0]
        try:
            return EventTable(
                id_offset + first + np.arange(len(events)),  # an event is its line
                np.array([event[self.mass] for event in events]),
                np.array([[event[name] for name in features] for event in events]),
                tuple(features),
                ("",) * len(features),
                np.array([event[self.label] for event in events]) if self.has_labels else None,
                str(self.path),
            )
        except KeyError as error:
            raise DataError(f"{self.path}: every event must have the key {error}") from None

    def _events(self, rows: Rows) -> list[dict[str, Any]]:
        try:
            with self.path.open(encoding="utf-8") as file:
                lines = (line for line in file if line.strip())
                return [json.loads(line) for line in itertools.islice(lines, *(rows or (None,)))]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: expected one JSON object a line ({error})") from None
