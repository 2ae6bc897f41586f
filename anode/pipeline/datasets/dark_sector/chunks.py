"""Dark-shower events in chunks: as ``datasets.chunks``, three jets of each event.

A chunk depends on its process, the seed and its own number only, and is saved as soon as it is
done. An event is accepted that has three jets and passes the filter of ``hidden_valley``.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.dark_sector.jets_file import KINEMATICS, TRUTH
from anode.events.simulation.detector import energy_flow
from anode.events.simulation.hidden_valley import DarkEvents, DarkEventSource
from anode.events.simulation.pythia import MAX_PYTHIA_SEED, Process
from anode.events.writers.bundled import RawEvents
from anode.io import open_hdf5, sha256_text, write_hdf5
from anode.jets.dark_jets import DEFINITIONS, N_JETS, DarkJetColumns, dark_jets
from anode.pipeline.datasets.chunks import gapless_chunks, hardest_objects, package_versions
from anode.pipeline.datasets.workers import Workers
from anode.seeding import stream, stream_seed

BATCH_SIZE = 250
"""Events converted at once: about 300 kB each."""


class DarkRecipe(NamedTuple):
    """Settings of all chunks of one file.

    Attributes:
        process: process to generate.
        seed: root seed.
        chunk_size: number of generated events in a chunk.
        raw: True to keep the particles that a detector sees of each event.
    """

    process: Process
    seed: int
    chunk_size: int
    raw: bool

    def fingerprint(self) -> str:
        """Short hash of everything that determines the events, package versions included."""
        return sha256_text(repr((*self, sorted(DEFINITIONS.items()), package_versions())))[:12]


class DarkChunk(NamedTuple):
    """One chunk to generate; small enough to send to another process."""

    recipe: DarkRecipe
    number: int
    path: Path


class DarkSample(NamedTuple):
    """The first N accepted events of one file.

    Attributes:
        columns: name -> (3 N,) values of the jets.
        particles: (3 N, 20, 3) constituents.
        n_generated: number of events generated in these chunks.
        n_accepted: number of them that were accepted, N or more.
        n_hadrons, n_invisible: dark hadrons of all accepted events, and those that decay
            invisibly.
        paths: files of the chunks, in order.
    """

    columns: dict[str, NDArray[np.float64]]
    particles: NDArray[np.float64]
    n_generated: int
    n_accepted: int
    n_hadrons: int
    n_invisible: int
    paths: tuple[Path, ...]


class RawPart(NamedTuple):
    """Particles of the events of one chunk, and their missing transverse momentum.

    Attributes:
        events: particles of M events.
        met: (M, 2) size [GeV] and azimuth.
    """

    events: RawEvents
    met: NDArray[np.float32]


def generate_dark_sample(
    recipe: DarkRecipe, n_events: int, folder: Path, workers: Workers
) -> DarkSample:
    """Run chunks until the first ones hold ``n_events``, and read only those.

    Args:
        recipe: settings.
        n_events: number of events, at least 1.
        folder: folder of the chunks of this recipe alone.
        workers: workers that run chunks.
    """

    def path(number: int) -> Path:
        return folder / f"{number:06d}.h5"

    chunks = (DarkChunk(recipe, number, path(number)) for number in itertools.count())
    name = recipe.process.name
    needed = gapless_chunks(run_dark_chunk, chunks, n_events, workers=workers, name=name)
    return _read_sample([path(number) for number in range(needed)], n_events)


def run_dark_chunk(chunk: DarkChunk) -> int:
    """Generate one chunk, save it, and return how many of its events were accepted.

    A finished chunk is left as it is.
    """
    if chunk.path.exists():
        with open_hdf5(chunk.path) as file:
            return len(file["particles"]) // N_JETS
    recipe = chunk.recipe
    first = stream_seed(recipe.seed, recipe.process.name) % MAX_PYTHIA_SEED
    source = DarkEventSource(recipe.process, seed=first + chunk.number)
    rng = stream(recipe.seed, recipe.process.name, chunk.number, "detector")
    found: list[DarkJetColumns] = []
    counts = {"n_generated": recipe.chunk_size, "n_hadrons": 0, "n_invisible": 0}
    raw: list[NDArray[np.float32]] = []
    met = [np.empty((0, 2), np.float32)]
    for start in range(0, recipe.chunk_size, BATCH_SIZE):
        events = source.dark_events(min(BATCH_SIZE, recipe.chunk_size - start))
        counts["n_hadrons"] += len(events.hadron_invisible)
        counts["n_invisible"] += int(np.count_nonzero(events.hadron_invisible))
        found.append(dark_jets(events))
        if recipe.raw:
            seen, missing = _seen(events, found[-1].event, rng)
            raw += seen
            met.append(missing)
    datasets = {
        name: np.concatenate([jets.columns[name] for jets in found])
        for name in (*KINEMATICS, *TRUTH)
    }
    datasets["particles"] = np.concatenate([jets.particles for jets in found])
    if recipe.raw:
        datasets["raw_offsets"] = np.cumsum([0, *map(len, raw)], dtype=np.int64)
        datasets["raw_particles"] = np.concatenate([np.empty((0, 3), np.float32), *raw])
        datasets["raw_met"] = np.concatenate(met)
    write_hdf5(chunk.path, datasets, counts)
    return len(datasets["particles"]) // N_JETS


def raw_parts(sample: DarkSample, label: int) -> Iterator[RawPart]:
    """The particles of the events of a sample, chunk by chunk."""
    left = len(sample.particles) // N_JETS
    for path in sample.paths:
        with open_hdf5(path) as file:
            offsets = file["raw_offsets"][: left + 1]
            particles = file["raw_particles"][: offsets[-1]]
            met = file["raw_met"][:left]
        left -= len(offsets) - 1
        yield RawPart(RawEvents(offsets, particles, label), met)


def _seen(
    events: DarkEvents, selected: NDArray[np.int64], rng: np.random.Generator
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Objects behind the detector of the selected events, and their missing pT and its azimuth."""
    objects = energy_flow(events.particles, rng)
    sums = [
        np.add.reduceat(np.append(values, 0.0), objects.offsets[:-1]) * (objects.counts > 0)
        for values in (objects.pt * np.cos(objects.phi), objects.pt * np.sin(objects.phi))
    ]
    x, y = (-values[selected] for values in sums)
    met = np.stack([np.hypot(x, y), np.arctan2(y, x)], axis=1).astype(np.float32)
    return hardest_objects(objects, selected), met


def _read_sample(paths: list[Path], n_events: int) -> DarkSample:
    stored: dict[str, list[NDArray[np.float64]]] = {}
    counts = {"n_generated": 0, "n_hadrons": 0, "n_invisible": 0}
    for path in paths:
        with open_hdf5(path) as file:
            for name in (*KINEMATICS, *TRUTH, "particles"):
                stored.setdefault(name, []).append(file[name][:])
            for name in counts:
                counts[name] += int(file.attrs[name])
    joined = {name: np.concatenate(parts) for name, parts in stored.items()}
    n_accepted = len(joined["particles"]) // N_JETS
    kept = {name: values[: N_JETS * n_events] for name, values in joined.items()}
    particles = kept.pop("particles")
    return DarkSample(kept, particles, n_accepted=n_accepted, paths=tuple(paths), **counts)
