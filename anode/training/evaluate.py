"""log p and latent space of events under fitted densities, in blocks spread over processes."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from anode import progress
from anode.density.ensemble import EnsembleConfig
from anode.density.physical import CHUNK, PhysicalDensity
from anode.parallel import stream_jobs
from anode.training.densities import load_density
from anode.training.kept import EvaluateJob, kept_densities

Result = TypeVar("Result")

BLOCK = 4 * CHUNK  # events evaluated by one process before it takes the next ones


class Evaluation(NamedTuple):
    """log p of N events.

    Attributes:
        log_p: (N,) log p(x|m) per unit of the physical features.
        was_clipped: (N,) True for events that were moved to the edge of the fitted range.
    """

    log_p: np.ndarray
    was_clipped: np.ndarray


def evaluate_all(jobs: list[EvaluateJob], *, n_jobs: int, threads: int) -> list[Evaluation]:
    """log p of every job's events under its density, in blocks spread over processes.

    Where densities are kept in memory, in this process and all together.
    """
    if kept := kept_densities():
        pairs = zip(jobs, kept.evaluate(jobs), strict=True)
        return [Evaluation(log_p, _was_clipped(kept.density(job), job)) for job, log_p in pairs]
    results = [
        Evaluation(np.empty(len(job.mass)), np.empty(len(job.mass), dtype=bool)) for job in jobs
    ]
    blocks = _in_blocks(evaluate_density, jobs, n_jobs=n_jobs, threads=threads)
    for number, rows, evaluation in blocks:
        results[number].log_p[rows] = evaluation.log_p
        results[number].was_clipped[rows] = evaluation.was_clipped
    return results


def latent_all(jobs: list[EvaluateJob], *, n_jobs: int, threads: int) -> list[np.ndarray]:
    """Every job's events (N, D) in its density's latent space, in blocks spread over processes."""
    results = [np.empty(job.features.shape) for job in jobs]
    blocks = _in_blocks(latent_of_density, jobs, n_jobs=n_jobs, threads=threads)
    for number, rows, latent in blocks:
        results[number][rows] = latent
    return results


def _in_blocks(
    function: Callable[[EvaluateJob], Result],
    jobs: list[EvaluateJob],
    *,
    n_jobs: int,
    threads: int,
) -> Iterator[tuple[int, slice, Result]]:
    """Number of the job, rows of its events and ``function`` of them, block by block."""
    positions = [
        (number, slice(start, start + BLOCK))
        for number, job in enumerate(jobs)
        for start in range(0, len(job.mass), BLOCK)
    ]
    blocks = (
        jobs[number]._replace(features=jobs[number].features[rows], mass=jobs[number].mass[rows])
        for number, rows in positions
    )
    total = sum(len(job.mass) for job in jobs)
    results = stream_jobs(function, blocks, n_jobs=n_jobs, threads=threads)
    with progress.task("densities", total=total, unit="events") as evaluated:
        for (number, rows), result in zip(positions, results, strict=True):
            yield number, rows, result
            evaluated.update(len(jobs[number].mass[rows]))


def evaluate_density(job: EvaluateJob) -> Evaluation:
    """log p of one job's events."""
    physical = _density_of(job)
    return Evaluation(physical.evaluate(job.features, job.mass), _was_clipped(physical, job))


def _was_clipped(physical: PhysicalDensity, job: EvaluateJob) -> np.ndarray:
    """(N,) True for events that were moved to the edge of the fitted range."""
    clipped: np.ndarray = physical.preprocessing.outside(torch.as_tensor(job.features)).numpy()
    return clipped


def latent_of_density(job: EvaluateJob) -> np.ndarray:
    """One job's events in the latent space: (N, D)."""
    return _density_of(job).to_latent(job.features, job.mass)


def _density_of(job: EvaluateJob) -> PhysicalDensity:
    if kept := kept_densities():
        return kept.density(job)
    paths = [folder / "fit.json" for folder in job.directories]
    written = tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)
    return _recent_density(tuple(job.directories), job.ensemble, written)


@functools.lru_cache(maxsize=32)
def _recent_density(
    directories: tuple[Path, ...], ensemble: EnsembleConfig, written: tuple[int, ...]
) -> PhysicalDensity:
    """``load_density``, once for all blocks of events; ``written`` tells a later fit apart."""
    return load_density(directories, ensemble)
