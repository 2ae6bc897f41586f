"""Source of toy events, drawn with the seed of the run that asks for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from anode.events.config import DataConfig
from anode.events.simulation.toy import NAMES, Toy
from anode.events.source import BLOCK_ROWS, MemorySource, Part, Rows, Source
from anode.events.table import EventTable
from anode.seeding import stream


@dataclass(frozen=True)
class ToyConfig(DataConfig):
    """``n_background`` and ``n_signal`` are generated."""

    has_extra = False


@dataclass(frozen=True)
class ToyEvents(Source):
    """So many events of each class; stream "toy" of the seed."""

    n_background: int
    n_signal: int
    seed: int

    @classmethod
    def open(cls, data: DataConfig, seed: int) -> Self:
        """As ``events.formats.FORMATS`` wants it."""
        return cls(data.n_background or 0, data.n_signal or 0, seed)

    @cached_property
    def drawn(self) -> MemorySource:
        """The events, drawn once."""
        rng = stream(self.seed, "toy")
        return MemorySource(Toy().sample(self.n_background, self.n_signal, rng))

    @property
    def name(self) -> str:
        return "toy"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return NAMES

    @property
    def has_labels(self) -> bool:
        return True

    def count(self) -> int:
        return self.n_background + self.n_signal

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        return self.drawn.read(features, rows=rows, id_offset=id_offset)

    def parts(self, features: Sequence[str], size: int = BLOCK_ROWS) -> Iterator[Part]:
        return self.drawn.parts(features, size)

    def kinematics(self, event_id: np.ndarray) -> EventTable | None:
        return None
