"""Features of one block of a raw file, saved as soon as they are computed.

A block is the unit of work and of resuming: its file depends on its rows, the settings and the
package versions alone, appears whole or not at all, and is not made again if it exists. Every
value of an event depends on that event alone, so that neither the size of blocks nor the machine
that computes one changes a result.
"""

import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError, DataError, RunDirectoryError, needs_extra
from anode.events.particles import EventParticles
from anode.events.readers.raw_particles import read_raw
from anode.events.substructure_columns import columns_of_groups
from anode.io import open_hdf5, write_hdf5
from anode.jets.clustering import EVERY_EVENT, leading_jets
from anode.jets.features import COLUMNS, features_of
from anode.jets.membership import particles_of
from anode.jets.settings import JetConfig
from anode.jets.substructure.columns import substructure_of

PACKAGES = ("fastjet", "awkward", "numpy")
"""Packages whose version can change a feature."""

NO_TWO_JETS = "no_two_jets"
"""Reason for which an event of a valid row has no features."""

STAGES = ("read", "cluster", "substructure", "write")

_PARTICLES, _SUBSTRUCTURE = "particles", "substructure"


class BlockJob(NamedTuple):
    """Rows of a raw file whose features are to be computed.

    Attributes:
        source: raw file.
        start, stop: rows [start, stop).
        settings: settings of the jets.
        path: file for the features.
        versions: versions of ``PACKAGES`` that every worker must have.
        particles: True to keep the particles of the events too.
        substructure: groups of further columns, of ``substructure_columns.GROUPS``.
    """

    source: Path
    start: int
    stop: int
    settings: JetConfig
    path: Path
    versions: dict[str, str]
    particles: bool = False
    substructure: tuple[str, ...] = ()


class BlockReport(NamedTuple):
    """Numbers of a finished block; small enough to send between processes.

    Attributes:
        n_read: rows read.
        n_written: events with features.
        skipped: reason -> rows of the file without features.
        seconds: time of each of ``STAGES`` [s].
    """

    n_read: int
    n_written: int
    skipped: dict[str, list[int]]
    seconds: dict[str, float]


class BlockFeatures(NamedTuple):
    """The features of the N events of a block.

    Attributes:
        event_id: (N,) int64 row in the raw file.
        values: (N, D) float64 features in the order of ``COLUMNS``.
        label: (N,) int8, 1 signal, 0 background, or None where the truth is unknown.
        substructure: (N, C) float32 further columns, or None without.
    """

    event_id: NDArray[np.int64]
    values: NDArray[np.float64]
    label: NDArray[np.int8] | None
    substructure: NDArray[np.float32] | None


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that determine the features.

    Raises:
        ConfigError: one is not installed.
    """
    with needs_extra("features", "making features"):
        return {name: version(name) for name in PACKAGES}


def process_block(block: BlockJob) -> BlockReport:
    """Compute one block, unless its file exists.

    Raises:
        ConfigError: versions of packages differ from those of the block.
        DataError: the rows cannot be read.
    """
    if package_versions() != block.versions:
        raise ConfigError(
            f"every worker must have the packages {block.versions}, this one has "
            f"{package_versions()}; results would depend on which worker is free"
        )
    finished = _finished(block)
    if finished is not None:
        return finished
    clock = [time.perf_counter()]
    raw = read_raw(block.source, block.start, block.stop)
    clock.append(time.perf_counter())
    jets = leading_jets(raw.objects, trigger=EVERY_EVENT, settings=block.settings)
    clock.append(time.perf_counter())
    features = features_of(jets, raw.objects.counts, block.settings)
    with_jets = np.isin(np.arange(len(raw.row)), features.event)
    skipped = {**raw.skipped, NO_TWO_JETS: raw.row[~with_jets]}
    datasets: dict[str, np.ndarray] = {
        "event_id": raw.row[features.event],
        "values": features.values,
    }
    if raw.label is not None:
        datasets["label"] = raw.label[features.event]
    if block.substructure:
        datasets[_SUBSTRUCTURE] = substructure_of(jets, block.substructure, block.settings)
    if block.particles:
        kept = particles_of(raw.objects, jets, raw.row[features.event])
        datasets |= {f"{_PARTICLES}/{name}": values for name, values in kept._asdict().items()}
    datasets |= {f"skipped_{reason}": rows for reason, rows in skipped.items()}
    clock.append(time.perf_counter())
    seconds = dict(zip(STAGES, np.diff(clock).tolist(), strict=False))
    write_hdf5(block.path, datasets, {f"seconds_{name}": s for name, s in seconds.items()})
    seconds["write"] = time.perf_counter() - clock[-1]
    listed = {reason: rows.tolist() for reason, rows in skipped.items()}
    return BlockReport(block.stop - block.start, len(features.event), listed, seconds)


def read_block(path: Path) -> BlockFeatures:
    """The features of a finished block.

    Raises:
        DataError: it is missing or damaged.
    """
    with open_hdf5(path) as file:
        label = file["label"][:] if "label" in file else None
        further = file[_SUBSTRUCTURE][:] if _SUBSTRUCTURE in file else None
        return BlockFeatures(file["event_id"][:], file["values"][:], label, further)


def read_block_particles(path: Path) -> EventParticles:
    """The particles of the events of a finished block that keeps them.

    Raises:
        DataError: it is missing or damaged.
    """
    with open_hdf5(path) as file:
        return EventParticles(
            *(file[f"{_PARTICLES}/{name}"][:] for name in EventParticles._fields)
        )


def _finished(block: BlockJob) -> BlockReport | None:
    """The report of a finished block; None if its file is missing or damaged."""
    if not block.path.is_file():
        return None
    try:
        with open_hdf5(block.path) as file:
            shape = file["values"].shape
            if (_PARTICLES in file) != block.particles:
                return None
            further = file[_SUBSTRUCTURE].shape[1] if _SUBSTRUCTURE in file else 0
            if further != len(columns_of_groups(block.substructure)):
                return None
            skipped = {
                name.removeprefix("skipped_"): rows[:].tolist()
                for name, rows in file.items()
                if name.startswith("skipped_")
            }
            seconds = {name: float(file.attrs.get(f"seconds_{name}", 0.0)) for name in STAGES}
    except (DataError, RunDirectoryError, KeyError):
        return None
    n_read = block.stop - block.start
    if shape[1] != len(COLUMNS) or shape[0] + sum(map(len, skipped.values())) != n_read:
        return None
    return BlockReport(n_read, shape[0], skipped, seconds)
