"""Generation of events in chunks: on many cores, resumed after interruptions, reproducible.

Work is cut into chunks of a fixed number of *generated* events. A chunk depends on its process,
the seed and its own number only, and is saved as soon as it is done: the result is the same for
any number of workers, and a second start continues behind the finished chunks.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anode import progress
from anode.events.particles import DetectorObjects
from anode.events.simulation.detector import energy_flow
from anode.events.simulation.hidden_valley import event_source
from anode.events.simulation.pythia import MAX_PYTHIA_SEED, Process
from anode.events.writers.bundled import RAW_SLOTS, RawEvents
from anode.io import open_hdf5, sha256_text, write_hdf5
from anode.jets.clustering import RD_TRIGGER
from anode.jets.features import jet_features
from anode.pipeline.datasets.workers import ClusterConfig, Workers, open_workers
from anode.seeding import stream, stream_seed

PACKAGES = ("pythia8mc", "fastjet", "awkward", "numba", "numpy")
"""Packages whose version can change an event."""

BATCH_SIZE = 500
"""Events converted at once: about 100 kB each."""


class Recipe(NamedTuple):
    """Settings of all chunks of one process.

    Attributes:
        process: process to generate.
        seed: root seed.
        chunk_size: number of generated events in a chunk.
        trigger_pt: lowest transverse momentum of the leading jet [GeV].
        raw: True to keep each accepted event's particles.
    """

    process: Process
    seed: int
    chunk_size: int
    trigger_pt: float
    raw: bool

    @property
    def folder(self) -> str:
        """Name of the folder of the chunks."""
        return f"{self.process.name}_{self.fingerprint()}"

    def fingerprint(self) -> str:
        """Short hash of everything that determines the chunks, package versions included."""
        settings = {
            "chunk_size": self.chunk_size,
            "raw": self.raw,
            "seed": self.seed,
            "trigger_pt": self.trigger_pt,
        }
        return sha256_text(repr((self.process, sorted(settings.items()), package_versions())))[:12]


class Chunk(NamedTuple):
    """One chunk to generate; small enough to send to another process.

    Attributes:
        recipe: settings.
        number: number of the chunk, from 0.
        path: file of the chunk.
    """

    recipe: Recipe
    number: int
    path: Path


class Numbered(Protocol):
    """A chunk of any recipe: it knows its place."""

    @property
    def number(self) -> int: ...


Piece = TypeVar("Piece", bound=Numbered)


class ProcessSample(NamedTuple):
    """The accepted events of one process.

    Attributes:
        recipe: settings.
        values: (N, 14) float32 features in the order of ``RAW_COLUMNS``.
        n_generated: number of events generated in these chunks.
        n_accepted: number of them that passed the trigger, N or more.
        paths: files of the chunks, in order.
    """

    recipe: Recipe
    values: NDArray[np.float32]
    n_generated: int
    n_accepted: int
    paths: tuple[Path, ...]

    def raw_parts(self) -> Iterator[RawEvents]:
        """The particles of the same events, chunk by chunk.

        Raises:
            KeyError: the particles were not kept.
        """
        left = len(self.values)
        for path in self.paths:
            with open_hdf5(path) as file:
                offsets = file["raw_offsets"][: left + 1]
                particles = file["raw_particles"][: offsets[-1]]
            left -= len(offsets) - 1
            yield RawEvents(offsets, particles, self.recipe.process.label)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that determine the events."""
    return {name: version(name) for name in PACKAGES}


def generate_samples(
    requests: Sequence[tuple[Recipe, int]], *, work: Path, cluster: ClusterConfig, n_jobs: int
) -> list[ProcessSample]:
    """Generate until the asked number of events is accepted, one recipe after the other.

    Args:
        requests: recipes and their numbers of events, at least 1 each.
        work: folder for finished chunks. Each recipe has its own folder below it, so that chunks
            of other settings, seeds or package versions are neither used nor touched.
        cluster: workers that generate the chunks.
        n_jobs: number of processes; with 1 the caller's own is used.
    """
    with open_workers(cluster, n_jobs=n_jobs) as workers:
        return [generate_sample(recipe, n, work.resolve(), workers) for recipe, n in requests]


def run_chunk(chunk: Chunk) -> int:
    """Generate one chunk, save it, and return how many of its events were accepted.

    A finished chunk is left as it is.
    """
    if chunk.path.exists():
        with open_hdf5(chunk.path) as file:
            return len(file["values"])
    recipe = chunk.recipe
    # Consecutive Pythia seeds within a process: hashed ones could coincide and repeat events.
    first = stream_seed(recipe.seed, recipe.process.name) % MAX_PYTHIA_SEED
    source = event_source(recipe.process, seed=first + chunk.number)
    rng = stream(recipe.seed, recipe.process.name, chunk.number, "detector")
    values, raw, n_generated = [], [], 0
    for start in range(0, recipe.chunk_size, BATCH_SIZE):
        particles = source.batch(min(BATCH_SIZE, recipe.chunk_size - start))
        objects = energy_flow(particles, rng)
        features = jet_features(objects, trigger=RD_TRIGGER._replace(pt_min=recipe.trigger_pt))
        n_generated += particles.n_events
        values.append(features.values.astype(np.float32))
        if recipe.raw:
            raw.extend(hardest_objects(objects, features.event))
    datasets: dict[str, np.ndarray] = {"values": np.concatenate(values)}
    if recipe.raw:
        datasets["raw_offsets"] = np.cumsum([0, *map(len, raw)], dtype=np.int64)
        datasets["raw_particles"] = np.concatenate([np.empty((0, 3), np.float32), *raw])
    write_hdf5(chunk.path, datasets, {"n_generated": n_generated})
    return len(datasets["values"])


def hardest_objects(
    objects: DetectorObjects, selected: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """(pT, eta, phi) of each selected event's up to 700 hardest objects, hardest first."""
    events = []
    for event in selected:
        owned = slice(objects.offsets[event], objects.offsets[event + 1])
        triples = np.stack([objects.pt[owned], objects.eta[owned], objects.phi[owned]], axis=1)
        order = np.argsort(-triples[:, 0], kind="stable")[:RAW_SLOTS]
        events.append(triples[order].astype(np.float32))
    return events


def generate_sample(recipe: Recipe, n_events: int, work: Path, workers: Workers) -> ProcessSample:
    """Run chunks 0, 1, ... until the first ones hold ``n_events``, and read only those.

    Args:
        recipe: settings of the chunks.
        n_events: number of accepted events wanted, at least 1.
        work: folder, absolute, that gets ``recipe.folder``.
        workers: workers that run chunks.
    """
    folder = work / recipe.folder

    def path(number: int) -> Path:
        return folder / f"{number:06d}.h5"

    chunks = (Chunk(recipe, number, path(number)) for number in itertools.count())
    name = recipe.process.name
    needed = gapless_chunks(run_chunk, chunks, n_events, workers=workers, name=name)
    return _read_sample(recipe, [path(number) for number in range(needed)], n_events)


def gapless_chunks(
    run: Callable[[Piece], int],
    chunks: Iterable[Piece],
    n_events: int,
    *,
    workers: Workers,
    name: str,
) -> int:
    """Run chunks until the first ones hold ``n_events``, and return how many these are.

    Args:
        run: function that makes one chunk and returns the number of its accepted events.
        chunks: chunks 0, 1, ... without an end.
        n_events: number of events that are needed.
        workers: workers that run chunks.
        name: name of what is made, for the progress.
    """
    accepted: dict[int, int] = {}
    needed = total = 0
    with (
        progress.task(name, total=n_events, unit="events") as bar,
        closing(workers.completed(run, chunks, per_worker=1)) as completed,
    ):
        for chunk, n_accepted in completed:
            accepted[chunk.number] = n_accepted
            # Only a gapless beginning counts: which chunk ends first must not matter.
            while total < n_events and needed in accepted:
                total += accepted[needed]
                needed += 1
            bar.update(min(total, n_events) - bar.done)
            if total >= n_events:
                break
    return needed


def _read_sample(recipe: Recipe, paths: list[Path], n_events: int) -> ProcessSample:
    values, n_generated = [], 0
    for path in paths:
        with open_hdf5(path) as file:
            values.append(file["values"][:])
            n_generated += int(file.attrs["n_generated"])
    accepted = np.concatenate(values)
    return ProcessSample(recipe, accepted[:n_events], n_generated, len(accepted), tuple(paths))
