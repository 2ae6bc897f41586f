"""How are events generated on many cores, across interruptions, and always the same ones?

Work is cut into chunks of a fixed number of *generated* events. A chunk depends on its process,
the seed and its own number only, and is saved as soon as it is done: the result is the same for
any number of workers, and a second start continues behind the chunks that are there.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode import progress
from anode.events.particles import DetectorObjects
from anode.events.simulation.detector import energy_flow
from anode.events.simulation.pythia import MAX_PYTHIA_SEED, ParticleSource, Process
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
    """What every chunk of one process shares.

    Attributes:
        process: what to generate.
        seed: root of every random number.
        chunk_size: generated events in a chunk.
        trigger_pt: lowest transverse momentum of the leading jet [GeV].
        raw: also keep each accepted event's particles.
    """

    process: Process
    seed: int
    chunk_size: int
    trigger_pt: float
    raw: bool

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
    """One piece of work, small enough to send to another process."""

    recipe: Recipe
    number: int
    path: Path


class Sample(NamedTuple):
    """The accepted events of one process.

    Attributes:
        recipe: what was generated.
        values: (N, 14) float32 features in the order of ``RAW_COLUMNS``.
        n_generated: events generated in the chunks these came from.
        n_accepted: of those, events that passed the trigger; the last ones may have been cut.
        paths: the chunk files, in order.
    """

    recipe: Recipe
    values: NDArray[np.float32]
    n_generated: int
    n_accepted: int
    paths: tuple[Path, ...]

    def raw_parts(self) -> Iterator[RawEvents]:
        """The particles of the same events, chunk by chunk.

        Raises:
            KeyError: the recipe did not ask for them.
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
    wanted: Sequence[tuple[Recipe, int]], *, work: Path, cluster: ClusterConfig, n_jobs: int
) -> list[Sample]:
    """Generate until the asked number of events is accepted, one recipe after the other.

    Args:
        wanted: recipes and their numbers of events, at least 1 each.
        work: folder for finished chunks. Each recipe has its own folder below it, so that chunks
            of other settings, seeds or package versions are neither used nor touched.
        cluster: where the chunks are generated.
        n_jobs: processes; 1 stays in the caller's.
    """
    with open_workers(cluster, n_jobs=n_jobs) as workers:
        return [_generate_sample(recipe, n, work.resolve(), workers) for recipe, n in wanted]


def run_chunk(chunk: Chunk) -> int:
    """Generate one chunk, save it, and return how many of its events were accepted.

    A chunk that is there already is left as it is.
    """
    if chunk.path.exists():
        with open_hdf5(chunk.path) as file:
            return len(file["values"])
    recipe = chunk.recipe
    # Consecutive Pythia seeds within a process: hashed ones could coincide and repeat events.
    first = stream_seed(recipe.seed, recipe.process.name) % MAX_PYTHIA_SEED
    source = ParticleSource(recipe.process, seed=first + chunk.number)
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


def _generate_sample(recipe: Recipe, n_events: int, work: Path, workers: Workers) -> Sample:
    """Run chunks 0, 1, ... until the first ones hold ``n_events``, and read just those."""
    folder = work / f"{recipe.process.name}_{recipe.fingerprint()}"

    def path(number: int) -> Path:
        return folder / f"{number:06d}.h5"

    chunks = (Chunk(recipe, number, path(number)) for number in itertools.count())
    accepted: dict[int, int] = {}
    needed = total = 0
    name = recipe.process.name
    with (
        progress.task(name, total=n_events, unit="events") as bar,
        closing(workers.completed(run_chunk, chunks, per_worker=1)) as completed,
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
    return _read_sample(recipe, [path(number) for number in range(needed)], n_events)


def _read_sample(recipe: Recipe, paths: list[Path], n_events: int) -> Sample:
    values, n_generated = [], 0
    for path in paths:
        with open_hdf5(path) as file:
            values.append(file["values"][:])
            n_generated += int(file.attrs["n_generated"])
    accepted = np.concatenate(values)
    return Sample(recipe, accepted[:n_events], n_generated, len(accepted), tuple(paths))
