"""How does a data set of simulated events get made, on many cores and across interruptions?

Work is cut into chunks of a fixed number of *generated* events. A chunk depends on the settings,
the seed and its own number only, and is saved as soon as it is done: the result is the same for
any number of workers, and a second start continues behind the chunks that are there.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anode.errors import ConfigError
from anode.events.detector import DetectorObjects, energy_flow
from anode.events.generate import (
    MAX_PYTHIA_SEED,
    ParticleSource,
    Process,
    background_process,
    signal_process,
)
from anode.io import open_hdf5, sha256_text, write_hdf5
from anode.jets.features import COLUMNS, jet_features
from anode.seeding import stream, stream_seed

PACKAGES = ("pythia8mc", "fastjet", "awkward", "numba", "numpy")
"""Packages whose version can change an event."""

BATCH_SIZE = 500
"""Events converted at once: about 100 kB each."""

RAW_SLOTS = 700
"""Particles kept in a raw event, as in the R&D files."""


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """What to generate.

    Attributes:
        n_background, n_signal: events in the file, after the trigger.
        seed: root of every random number.
        chunk_size: generated events in a chunk.
        trigger_pt: lowest transverse momentum of the leading jet [GeV].
        raw: also keep each event's particles.
        background, signal: arguments of ``background_process`` and ``signal_process``.
    """

    n_background: int
    n_signal: int
    seed: int = 1
    chunk_size: int = 5000
    trigger_pt: float = 1200.0
    raw: bool = False
    background: dict[str, float] = field(default_factory=dict)
    signal: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.n_background, self.n_signal) < 0 or self.n_background + self.n_signal == 0:
            raise ConfigError(
                f"n_background and n_signal must not be negative nor both 0, got "
                f"{self.n_background} and {self.n_signal}"
            )
        if self.chunk_size < 1:
            raise ConfigError(f"chunk_size must be at least 1, got {self.chunk_size}")
        if self.seed < 0:
            raise ConfigError(f"seed must not be negative, got {self.seed}")

    def processes(self) -> tuple[tuple[Process, int], ...]:
        """Each process and the number of events wanted of it, background first."""
        return (
            (background_process(**self.background), self.n_background),
            (signal_process(**self.signal), self.n_signal),
        )


class Chunk(NamedTuple):
    """One piece of work, small enough to send to another process."""

    path: Path
    process: Process
    seed: int
    number: int
    size: int
    trigger_pt: float
    raw: bool


class Sample(NamedTuple):
    """The accepted events of one process.

    Attributes:
        values: (N, 14) float32 features in the order of ``COLUMNS``.
        n_generated: events generated in the chunks these came from.
        n_accepted: of those, events that passed the trigger (the last ones may be cut off).
        paths: the chunk files, in order.
    """

    values: NDArray[np.float32]
    n_generated: int
    n_accepted: int
    paths: tuple[Path, ...]


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that determine the events."""
    return {name: version(name) for name in PACKAGES}


def generate_samples(
    settings: GenerationSettings, *, work: Path, workers: int
) -> dict[str, Sample]:
    """Generate every process of ``settings``, keeping finished chunks below ``work``.

    Chunks of other settings, seeds or package versions lie in other folders and are not touched.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    samples = {}
    for process, wanted in settings.processes():
        if wanted:
            folder = work / f"{process.name}_{_fingerprint(process, settings)}"
            chunks = (
                Chunk(
                    folder / f"{number:06d}.h5",
                    process,
                    settings.seed,
                    number,
                    settings.chunk_size,
                    settings.trigger_pt,
                    settings.raw,
                )
                for number in range(MAX_PYTHIA_SEED)
            )
            paths = _run_until(chunks, wanted, workers=workers, name=process.name)
            samples[process.name] = _read_sample(paths, wanted)
    return samples


def run_chunk(chunk: Chunk) -> int:
    """Generate one chunk, save it, and return how many of its events were accepted."""
    # Consecutive Pythia seeds within a process: hashed ones could coincide and repeat events.
    first = stream_seed(chunk.seed, chunk.process.name) % MAX_PYTHIA_SEED
    source = ParticleSource(chunk.process, seed=first + chunk.number)
    rng = stream(chunk.seed, chunk.process.name, chunk.number, "detector")
    values, raw, n_generated = [], [], 0
    for start in range(0, chunk.size, BATCH_SIZE):
        particles = source.batch(min(BATCH_SIZE, chunk.size - start))
        objects = energy_flow(particles, rng)
        features = jet_features(objects, pt_min=chunk.trigger_pt)
        n_generated += len(particles)
        values.append(features.values.astype(np.float32))
        if chunk.raw:
            raw.append(raw_events(objects, features.event))
    datasets = {"values": np.concatenate(values)}
    if chunk.raw:
        datasets["raw"] = np.concatenate(raw)
    write_hdf5(chunk.path, datasets, {"n_generated": n_generated})
    return len(datasets["values"])


def raw_events(objects: DetectorObjects, selected: NDArray[np.int64]) -> NDArray[np.float32]:
    """(S, 2100) the hardest 700 objects of the selected events, (pT, eta, phi), zero padded."""
    rows = np.zeros((len(selected), RAW_SLOTS, 3), dtype=np.float32)
    for row, event in zip(rows, selected, strict=True):
        owned = slice(objects.offsets[event], objects.offsets[event + 1])
        triples = np.stack([objects.pt[owned], objects.eta[owned], objects.phi[owned]], axis=1)
        hardest = triples[np.argsort(-triples[:, 0], kind="stable")][:RAW_SLOTS]
        row[: len(hardest)] = hardest
    return rows.reshape(len(selected), 3 * RAW_SLOTS)


def _fingerprint(process: Process, settings: GenerationSettings) -> str:
    """Short hash of everything that determines a chunk of ``process``."""
    relevant = {
        key: value
        for key, value in asdict(settings).items()
        if key in ("seed", "chunk_size", "trigger_pt", "raw")
    }
    return sha256_text(repr((process, sorted(relevant.items()), package_versions())))[:12]


def _run_until(
    chunks: Iterator[Chunk], wanted: int, *, workers: int, name: str
) -> tuple[Path, ...]:
    """Run chunks until the first ones, without a gap, hold ``wanted`` accepted events."""
    accepted: dict[int, int] = {}
    paths: list[Path] = []
    running: dict[Future[int], int] = {}
    bar = tqdm(total=wanted, desc=name, unit="event", disable=None, smoothing=0.05)
    # Spawned workers start clean: no state of the parent, the same on every platform.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        while True:
            complete = _leading_total(accepted)
            bar.update(min(complete, wanted) - bar.n)
            if complete >= wanted:
                break
            while len(running) < workers:
                chunk = next(chunks)
                paths.append(chunk.path)
                if chunk.path.exists():
                    with open_hdf5(chunk.path) as file:
                        accepted[chunk.number] = len(file["values"])
                    break
                running[pool.submit(run_chunk, chunk)] = chunk.number
            else:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    accepted[running.pop(future)] = future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()
    needed = next(
        number + 1
        for number in range(len(paths))
        if sum(accepted[i] for i in range(number + 1)) >= wanted
    )
    return tuple(paths[:needed])


def _leading_total(accepted: dict[int, int]) -> int:
    """Accepted events in the chunks 0, 1, ... up to the first that is not finished."""
    total = number = 0
    while number in accepted:
        total += accepted[number]
        number += 1
    return total


def _read_sample(paths: tuple[Path, ...], wanted: int) -> Sample:
    values, n_generated = [], 0
    for path in paths:
        with open_hdf5(path) as file:
            values.append(file["values"][:])
            n_generated += int(file.attrs["n_generated"])
    joined = np.concatenate(values)
    return Sample(joined[:wanted], n_generated, len(joined), paths)


def default_workers() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


__all__ = ["COLUMNS", "GenerationSettings", "Sample", "generate_samples", "package_versions"]
