"""Memory and time of scoring any number of events with an ensemble."""

import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.density.base import DensityConfig
from anode.density.build import build_density
from anode.density.ensemble import Ensemble
from anode.density.physical import PhysicalDensity
from anode.parallel import prepare_process
from anode.regions.preprocessing import ContextScaling, Preprocessing

BLOCK = 100_000


class Scored(NamedTuple):
    """Cost of scoring in a process of its own.

    Attributes:
        peak_mb: largest resident memory [MB].
        seconds: time of scoring [s].
    """

    peak_mb: float
    seconds: float


def score_from_file(config: DensityConfig, *, n_events: int, n_flows: int) -> Scored:
    """Score ``n_events`` from one HDF5 file into another with ``n_flows`` flows, by blocks."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_score, config, n_events, n_flows).result()


def _score(config: DensityConfig, n_events: int, n_flows: int) -> Scored:
    prepare_process(1)
    rng = np.random.default_rng(1)
    flows = [build_density(config, 4, 1, seed) for seed in range(n_flows)]
    first = rng.uniform(size=(1000, 4))
    density = PhysicalDensity(
        Ensemble(flows),
        Preprocessing.fit(first),
        ContextScaling.fit(rng.uniform(3300.0, 3700.0, 1000)),
    )
    starts = range(0, n_events, BLOCK)
    sizes = [min(BLOCK, n_events - start) for start in starts]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "events.h5", Path(folder) / "scores.h5"
        with io.growing_hdf5(source, {}) as append:
            for size in sizes:
                names = ("x1", "x2", "x3", "x4")
                columns = {n: rng.uniform(size=size).astype(np.float32) for n in names}
                append(columns | {"mass": rng.uniform(3300.0, 3700.0, size)})
        started = time.perf_counter()
        with io.open_hdf5(source) as file, io.growing_hdf5(target, {}) as append:
            for start, size in zip(starts, sizes, strict=True):
                rows = slice(start, start + size)
                x = np.stack([file[name][rows] for name in names], axis=1)
                append({"log_p": density.evaluate(x, file["mass"][rows])})
        seconds = time.perf_counter() - started
    return Scored(round(peak_mb(), 1), seconds)


def peak_mb() -> float:
    """Peak memory [MB] of this process alone: ``getrusage`` on Linux includes its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1e3
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
