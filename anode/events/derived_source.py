"""Sources made of another source: the first events of each class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode.errors import DataError
from anode.events.config import DataConfig
from anode.events.readers.fault_scan import Block
from anode.events.source import BLOCK_ROWS, MemorySource, Part, Rows, Skipped, Source
from anode.events.table import EventTable


@dataclass(frozen=True)
class DerivedSource(Source):
    """All that ``inner`` gives; subclasses change some of it."""

    inner: Source

    @property
    def path(self) -> Path | None:
        return self.inner.path

    @property
    def features_file(self) -> Path | None:
        return self.inner.features_file

    @property
    def particles_file(self) -> Path | None:
        return self.inner.particles_file

    @property
    def blind(self) -> bool:
        return self.inner.blind

    @property
    def skipped(self) -> Mapping[str, Skipped]:
        return self.inner.skipped

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.inner.feature_names

    @property
    def has_labels(self) -> bool:
        return self.inner.has_labels

    @property
    def unread(self) -> list[str]:
        return self.inner.unread

    @property
    def files(self) -> list[Path]:
        return self.inner.files

    @property
    def name(self) -> str:
        return self.inner.name

    def count(self) -> int:
        return self.inner.count()

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        return self.inner.read(features, rows=rows, id_offset=id_offset)

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        self.inner.check(features, sidebands=sidebands)

    def extra(self, features: Sequence[str], *, id_offset: int = 0) -> EventTable | None:
        return self.inner.extra(features, id_offset=id_offset)

    def further(self, path: Path) -> Source:
        return self.inner.further(path)

    def numbering(self, events: EventTable) -> tuple[int, np.ndarray]:
        return self.inner.numbering(events)

    def kinematics(self, event_id: np.ndarray) -> EventTable | None:
        return self.inner.kinematics(event_id)

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        return self.inner.fault_scan(features, block_rows)


@dataclass(frozen=True)
class FirstEvents(DerivedSource):
    """The first ``n_background`` and ``n_signal`` events; faults are those of all."""

    n_background: int | None
    n_signal: int | None

    def count(self) -> int:
        return len(self.read(self.feature_names[:1]))

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        events = self.inner.read(features, id_offset=id_offset)
        if events.label is None:
            raise DataError(
                f"{events.source}: data.n_background and data.n_signal need truth labels, but "
                "there are none; set both to null"
            )
        keep = np.ones(len(events), dtype=bool)
        for label, name in ((0, "n_background"), (1, "n_signal")):
            wanted = getattr(self, name)
            of_class = np.flatnonzero(events.label == label)
            if wanted is not None and wanted > len(of_class):
                raise DataError(
                    f"{events.source}: data.{name}={wanted} asks for more than the "
                    f"{len(of_class)} events there are"
                )
            if wanted is not None:
                keep[of_class[wanted:]] = False
        kept = events[keep]
        return kept if rows is None else kept[slice(*rows)]

    def parts(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator[Part]:
        return MemorySource(self.read(features)).parts(features, size)


def first_events(source: Source, data: DataConfig) -> Source:
    """The source with the limits of a configuration, if it has any."""
    if data.n_background is None and data.n_signal is None:
        return source
    return FirstEvents(source, data.n_background, data.n_signal)
