"""Input of a representation: from a table of events to the tensor that its network sees."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.readers.particle_group import ParticleGroup
from anode.events.table import EventTable
from anode.jets.constituents import constituents
from anode.jets.images import images
from anode.representations.config import InputConfig
from anode.representations.networks.base import CHUNK

BLOCK = 10 * CHUNK
"""Events whose particles are in memory at a time; in whole chunks of a network, rounding is that
of all at once."""


class Inputs(NamedTuple):
    """What a representation sees of events.

    Attributes:
        config: settings.
        names: features of the run, which those of kind "features" default to.
        particles: file with the group ``particles``; None where there can be none.
    """

    config: InputConfig
    names: tuple[str, ...]
    particles: Path | None

    def shape(self) -> tuple[int, ...]:
        """Shape of the input of one event."""
        config = self.config
        if config.kind == "features":
            return (len(config.names or self.names),)
        if config.images is not None and config.kind == "images":
            channels = 2 if config.images.kind == "jets" else 3
            return (channels, config.images.size, config.images.size)
        assert config.constituents is not None  # or the configuration was refused
        return (2, config.constituents.n, 4)

    def of(self, events: EventTable, file: Path | None = None) -> np.ndarray:
        """(N, ...) float32 inputs of N events; features in their own units.

        Args:
            events: the events.
            file: where inputs made of particles are kept, a ``.npy`` that is read as it is
                needed; None for memory.

        Raises:
            ConfigError: particles are needed, and no file has any.
            DataError: an event has none there.
        """
        config = self.config
        if config.kind == "features":
            columns = [events.column(name) for name in config.names or self.names]
            return np.stack(columns, axis=1).astype(np.float32)
        if self.particles is None:
            raise ConfigError(
                f"representation.particles must name a file of particles: inputs of kind "
                f"{config.kind} are made of them, and data without a file have none"
            )
        group = ParticleGroup(self.particles)
        shape = (len(events), *self.shape())
        if file is None or not len(events):
            result = np.empty(shape, dtype=np.float32)
        else:
            result = np.lib.format.open_memmap(file, "w+", np.float32, shape)
            with file.open("r+b") as opened:
                # A full disk is an error here, and the end of the process in a mapped file.
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
        for start in range(0, len(events), BLOCK):
            rows = slice(start, start + BLOCK)
            particles = group.read(events.event_id[rows])
            if config.kind == "images" and config.images is not None:
                result[rows] = images(particles, config.images)
            elif config.constituents is not None:
                result[rows] = constituents(particles, config.constituents)
            wrong = ~np.isfinite(result[rows]).reshape(len(particles.event_id), -1).all(1)
            if wrong.any():
                raise DataError(
                    f"{self.particles}: particles must give finite {config.kind}, but event "
                    f"{particles.event_id[wrong][0]} does not; make the file again"
                )
        return result
