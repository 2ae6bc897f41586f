"""What ``anode explore`` shows of the particles of a file that holds them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anode import progress
from anode.evaluation.description.particle_summary import ParticleSummary, summarise
from anode.events.particles import EventParticles
from anode.events.readers.fault_scan import Block
from anode.events.readers.particle_group import ParticleGroup
from anode.seeding import stream

MAX_EVENTS = 20_000
"""Events drawn of each class: averages do not get any smoother."""

_BLOCK = 2000
_CLASSES = {0: "background", 1: "signal"}


class EventSample:
    """Ids of the events of a source that break no rule, by class; 9 bytes an event.

    Args:
        seed: root seed of the random choice of some of them.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ids: list[NDArray[np.int64]] = []
        self._label: list[NDArray[np.int8] | None] = []

    def add(self, block: Block) -> None:
        """Add the events of a block; those of a source without ids of its own do not count."""
        if block.event_id is None:
            return
        rows = block.events.event_id - block.first_row
        label = block.events.label
        self._ids.append(np.asarray(block.event_id)[rows])
        self._label.append(None if label is None else label.astype(np.int8))

    def chosen(self) -> dict[str, NDArray[np.int64]]:
        """Class -> ids of at most ``MAX_EVENTS`` events of it, in the order of the source.

        Classes are "background" and "signal", those that have an event, or "all" where labels are
        unknown.
        """
        ids = np.concatenate([np.empty(0, np.int64), *self._ids])
        label = [part for part in self._label if part is not None]
        if len(label) < len(self._label):
            classes = {"all": ids}
        else:
            truth = np.concatenate([np.empty(0, np.int8), *label])
            classes = {name: ids[truth == value] for value, name in _CLASSES.items()}
        return {name: self._some(name, events) for name, events in classes.items() if len(events)}

    def _some(self, name: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        if len(ids) <= MAX_EVENTS:
            return ids
        rng = stream(self._seed, "explore", "particles", name)
        return ids[np.sort(rng.choice(len(ids), MAX_EVENTS, replace=False))]


def particle_summaries(path: Path, sample: EventSample) -> dict[str, ParticleSummary]:
    """Averages over the particles of some events, by the classes of the sample.

    Args:
        path: file with the particles.
        sample: events.

    Raises:
        DataError: the particles cannot be read, or a jet has none.
    """
    group, chosen = ParticleGroup(path), sample.chosen()
    with progress.task(
        "particles", total=sum(map(len, chosen.values())), unit="events"
    ) as events_read:

        def read(ids: NDArray[np.int64]) -> Iterator[EventParticles]:
            for start in range(0, len(ids), _BLOCK):
                part = ids[start : start + _BLOCK]
                yield group.read(part)
                events_read.update(len(part))

        return {name: summarise(read(ids)) for name, ids in chosen.items()}
