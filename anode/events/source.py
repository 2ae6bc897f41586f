"""Source of events: one interface to any supported input, whatever its format.

Whoever needs events asks a ``Source`` and never the name of a format. ``events.formats`` opens the
source that a configuration names; a new format is a class here below, and a line there.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.feature_definitions import check_features
from anode.events.readers.fault_scan import Block, scan_tables
from anode.events.table import EventTable

BLOCK_ROWS = 100_000
"""Rows read at a time."""

Rows = tuple[int, int] | None
"""The first row and the one behind the last; None for all."""


class Skipped(NamedTuple):
    """Events of a file that could not become features: ``rows`` are the first of ``n``."""

    n: int
    rows: list[int]


class Source(ABC):
    """Events of one input. A format must say how many there are and read them, by rows; the rest
    follows from it unless there is a better way.
    """

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """Features that describe an event; some formats can make others, too."""

    @property
    @abstractmethod
    def has_labels(self) -> bool:
        """Whether the events that are read have truth labels."""

    @property
    def unread(self) -> list[str]:
        """Names of columns of the input that are never read."""
        return []

    @abstractmethod
    def count(self) -> int:
        """How many events ``read`` gives.

        Raises:
            DataError: the input is missing, damaged, or has an event id twice.
        """

    @abstractmethod
    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        """Events in the order of the input.

        Args:
            features: D names of features.
            rows: range of rows to read.
            id_offset: number added to event ids; give further files disjoint ranges.

        Raises:
            ConfigError: a feature is unknown.
            DataError: the input is missing, damaged or of another layout, or a value is
                impossible; the message names file, row and column.
        """

    @property
    def path(self) -> Path | None:
        """File or folder that was asked for; None where events are made."""
        return None

    @property
    def features_file(self) -> Path | None:
        """File that stands for ``path`` since its events have become features; None without."""
        return None

    @property
    def particles_file(self) -> Path | None:
        """File with the particles of the events, by their ids; None without."""
        return None

    @property
    def blind(self) -> bool:
        """Whether labels, if there are any, must not be read."""
        return False

    @property
    def skipped(self) -> Mapping[str, Skipped]:
        """Why -> events of the input that have no features."""
        return {}

    @property
    def files(self) -> list[Path]:
        """Files that the events are made of: a run remembers their hashes."""
        return [] if self.path is None else [self.path]

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    @property
    def n_skipped(self) -> int:
        """Events of the input that have no features."""
        return sum(each.n for each in self.skipped.values())

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        """Refuse what cannot be read, before work starts.

        Args:
            features: names that will be asked for.
            sidebands: True if events outside the signal region are needed.

        Raises:
            ConfigError, DataError: as ``read``; values are not looked at.
        """
        check_features(features, self.feature_names)

    def parts(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator["Part"]:
        """Blocks of so many events, each to be read where it is needed, in another process too."""
        n_events = self.count()
        for start in range(0, n_events, size):
            yield PartOfSource(self, tuple(features), (start, min(start + size, n_events)))

    def blocks(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator[EventTable]:
        """All events, so many at a time."""
        return (part.read() for part in self.parts(features, size))

    def extra(self, features: Sequence[str], *, id_offset: int = 0) -> EventTable | None:
        """Labelled events that the input brings along for the test alone; None without any."""
        return None

    def further(self, path: Path) -> "Source":
        """Another file in the same layout.

        Raises:
            ConfigError: there can be none.
        """
        raise ConfigError(
            f"data.extra and data.extra_background must be empty: {self.name} has no files"
        )

    def numbering(self, events: EventTable) -> tuple[int, np.ndarray]:
        """Lines of a list that has one for each event of the input, and the line of each event.

        Args:
            events: (N,) events, all that can be read.

        Returns:
            Number of lines, and (N,) which line is whose.
        """
        return len(events), np.arange(len(events))

    def kinematics(self, event_id: np.ndarray) -> EventTable | None:
        """Events by id, in its order, with every one of ``feature_names`` and without labels; None
        where events are made anew each time.

        Args:
            event_id: (K,) ids, ascending, each once.

        Raises:
            DataError: one of them is not in the input.
        """
        found = [
            block[np.isin(block.event_id, event_id)].without_label()
            for block in self.blocks(self.feature_names)
        ]
        known = np.concatenate([table.event_id for table in found])
        if missing := np.setdiff1d(event_id, known).tolist():
            raise DataError(
                f"{self.name}: event {missing[0]} of the search is not in it ({len(missing)} such "
                "events); give the data that were searched"
            )
        order = np.argsort(known)
        return EventTable(
            known[order],
            np.concatenate([table.mass for table in found])[order],
            np.concatenate([table.features for table in found])[order],
            found[0].names,
            found[0].units,
            None,
            self.name,
        )

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        """Rows as they stand in the input, broken ones included; None for ``feature_names``.

        A format that does not say which rows are broken refuses the first one, as ``read``.
        """
        names = self.feature_names if features is None else features
        self.check(names, sidebands=False)
        yield from scan_tables(self.blocks(names, block_rows))


class PartOfSource(NamedTuple):
    """Rows of a source that have not been read yet."""

    source: Source
    features: tuple[str, ...]
    rows: tuple[int, int]

    def read(self) -> EventTable:
        return self.source.read(self.features, rows=self.rows)


class PartInMemory(NamedTuple):
    """Events that have been."""

    events: EventTable

    def read(self) -> EventTable:
        return self.events


Part = PartOfSource | PartInMemory


@dataclass(frozen=True)
class FileSource(Source):
    """Events of one file or folder: the base of most formats."""

    location: Path

    @classmethod
    def open(cls, data: Any, seed: int) -> Self:
        """The events of a configuration, as ``events.formats.FORMATS`` wants it.

        Args:
            data: settings of the group ``data``, of the dataclass beside this format in
                ``FORMATS``.
            seed: root seed of the run, for events that are made.
        """
        return cls(Path(str(data.path)))

    @property
    def path(self) -> Path:
        return self.location

    def further(self, path: Path) -> Source:
        return dataclasses.replace(self, location=path)


@dataclass(frozen=True)
class MemorySource(Source):
    """Events that are in memory."""

    events: EventTable

    @property
    def name(self) -> str:
        return self.events.source

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.events.names

    @property
    def has_labels(self) -> bool:
        return self.events.label is not None

    def count(self) -> int:
        return len(self.events)

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        self.check(features)
        events = self.events if rows is None else self.events[slice(*rows)]
        columns = [self.events.names.index(name) for name in features]
        return EventTable(
            events.event_id + id_offset,
            events.mass,
            events.features[:, columns],
            tuple(features),
            tuple(events.units[place] for place in columns),
            events.label,
            events.source,
        )

    def parts(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator[Part]:
        events = self.read(features)
        for start in range(0, len(events), size):
            yield PartInMemory(events[start : start + size])
