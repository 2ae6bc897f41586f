"""Folders of fitted densities: fit a table of events into one, load p(x|m) from it.

A folder holds ``density.json`` (density and features), ``preprocessing.pt``, the epochs' weights
and ``fit.json``: all that is needed to compute log p of physical events, and nothing that executes
code when it is read.
"""

import dataclasses
import itertools
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import torch

from anode import io, progress
from anode.density.base import DensityConfig
from anode.density.batched_loss import can_batch
from anode.density.build import build_density, density_configs
from anode.density.ensemble import Ensemble, EnsembleConfig
from anode.density.physical import PhysicalDensity
from anode.density.residual import signal_weights
from anode.errors import RunDirectoryError
from anode.events.table import EventTable
from anode.parallel import run_jobs
from anode.regions.preprocessing import ContextScaling, Preprocessing, PreprocessingConfig
from anode.seeding import stream_seed
from anode.training import checkpoints
from anode.training.checkpoints import FitResult
from anode.training.loop import fit
from anode.training.recipe import TrainerConfig
from anode.training.state import Fit, Sample


@dataclasses.dataclass(frozen=True)
class FitJob:
    """One density to fit.

    Attributes:
        directory: folder of the fit; its name names the fit's random streams.
        train: events to fit, without labels.
        validation: events to validate on, without labels.
        density: settings of the density.
        preprocessing: settings of the map to the space the density is fitted in.
        trainer: settings of the training.
        seed: root seed of the run.
        start_from: folder of a fitted density that gives the first weights and the preprocessing.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda".
    """

    directory: Path
    train: EventTable
    validation: EventTable
    density: DensityConfig
    preprocessing: PreprocessingConfig
    trainer: TrainerConfig
    seed: int
    start_from: Path | None = None
    tracker: str = "none"
    device: str = "cpu"


def fit_all(jobs: list[FitJob], *, n_jobs: int, threads: int) -> list[FitResult]:
    """Fit densities in parallel, the largest first; finished ones return at once.

    Args:
        jobs: densities to fit.
        n_jobs: number of processes.
        threads: threads of each process.

    Returns:
        One result for each job, in their order.
    """
    groups = sorted(_groups(jobs), key=lambda group: -sum(len(jobs[i].train) for i in group))
    ordered = [[jobs[i] for i in group] for group in groups]
    n_batches = sum(_n_batches([jobs[i] for i in group]) for group in groups)
    with progress.task("fits", total=n_batches, unit="batches", counts=True):
        results = run_jobs(fit_densities, ordered, n_jobs=n_jobs, threads=threads)
    by_job = dict(zip(itertools.chain(*groups), itertools.chain(*results), strict=True))
    return [by_job[i] for i in range(len(jobs))]


def _n_batches(jobs: list[FitJob]) -> int:
    """Number of common steps of jobs fitted at once."""
    return max(job.trainer.epochs * job.trainer.n_batches(len(job.train)) for job in jobs)


def _groups(jobs: list[FitJob]) -> list[list[int]]:
    """Numbers of the jobs, grouped as they are fitted at once; a function of the jobs alone."""
    alike: dict[Hashable, list[int]] = {}
    for i, job in enumerate(jobs):
        n_batches = job.trainer.n_batches(len(job.train))
        kind = (job.density, job.train.names, job.trainer, n_batches, job.device, job.tracker)
        alike.setdefault(kind if can_batch(job.density) else i, []).append(i)
    groups = []
    for members in alike.values():
        size = jobs[members[0]].trainer.at_once
        groups += [members[start : start + size] for start in range(0, len(members), size)]
    return groups


def fit_densities(jobs: list[FitJob]) -> list[FitResult]:
    """Fit densities in common steps, each in its folder, or finish what was begun there.

    Args:
        jobs: densities to fit; several must have equal settings and numbers of batches.
    """
    if all((job.directory / "fit.json").is_file() for job in jobs):
        results = [checkpoints.read_result(job.directory) for job in jobs]
        if all(result.finished for result in results):
            progress.count(_n_batches(jobs))
            return results
    first = jobs[0]
    return fit(
        [_as_fit(job, _prepare(job)) for job in jobs],
        config=first.trainer,
        tracker=first.tracker,
        device=first.device,
    )


def _as_fit(job: FitJob, physical: PhysicalDensity) -> Fit:
    return Fit(
        physical.density,
        _sample(physical, job.train),
        _sample(physical, job.validation),
        seed=stream_seed(job.seed, job.directory.name),
        directory=job.directory,
    )


def load_density(directories: Sequence[Path], ensemble: EnsembleConfig) -> PhysicalDensity:
    """The density fitted in one or more folders, averaged over the epochs ``ensemble`` chooses.

    Args:
        directories: folders of fits to the same events, so that they share their preprocessing.
        ensemble: choice of epochs.

    Raises:
        RunDirectoryError: the fit is missing, unfinished, or a file is broken.
    """
    physical = []
    for directory in directories:
        result = checkpoints.read_result(directory)
        if not result.finished:
            raise RunDirectoryError(
                f"the fit in {directory} is unfinished; train it to the end first"
            )
        chosen = result.select(ensemble.mode, ensemble.size)
        physical += [_load_member(directory, checkpoint.path) for checkpoint in chosen]
    members = Ensemble([member.density for member in physical])
    return PhysicalDensity(members, physical[0].preprocessing, physical[0].context_scaling)


def feature_names(directory: Path) -> tuple[str, ...]:
    """The features, in order, that the density of a folder was fitted on."""
    return tuple(_description(directory)["features"])


def _prepare(job: FitJob) -> PhysicalDensity:
    """A density ready to train, fresh or with the weights of ``start_from``, and its files."""
    if job.start_from is None:
        density = build_density(
            job.density,
            n_features=len(job.train.names),
            n_context=1,
            seed=stream_seed(job.seed, job.directory.name, "initial weights"),
        )
        physical = PhysicalDensity(
            density,
            Preprocessing.fit(
                job.train.features,
                job.train.names,
                logit=job.preprocessing.logit,
                standardise=job.preprocessing.standardise,
            ),
            ContextScaling.fit(job.train.mass),
        )
    else:
        last = checkpoints.read_result(job.start_from).select("last", 1)[0]
        physical = _load_member(job.start_from, last.path)
    describe(
        job.directory,
        job.density,
        job.train.names,
        physical.preprocessing,
        physical.context_scaling,
    )
    return physical


def describe(
    directory: Path,
    density: DensityConfig,
    features: Sequence[str],
    preprocessing: Preprocessing,
    scaling: ContextScaling,
) -> None:
    """Write ``density.json`` and ``preprocessing.pt``, which a folder holds beside the weights."""
    description = {"density": dataclasses.asdict(density), "features": list(features)}
    io.write_json(directory / "density.json", description, sealed=True)
    checkpoints.save_tensors(
        directory / "preprocessing.pt",
        {"preprocessing": preprocessing.state_dict(), "context_scaling": scaling.state_dict()},
    )


def load_preprocessing(directory: Path, n_features: int) -> tuple[Preprocessing, ContextScaling]:
    """The maps of features and mass to the space that a folder's density was fitted in.

    Raises:
        RunDirectoryError: the file is missing or broken.
    """
    content = checkpoints.load_tensors(directory / "preprocessing.pt")
    preprocessing, scaling = Preprocessing(n_features), ContextScaling()
    preprocessing.load_state_dict(content["preprocessing"])
    scaling.load_state_dict(content["context_scaling"])
    return preprocessing, scaling


def _load_member(directory: Path, weights: str) -> PhysicalDensity:
    description = _description(directory)
    settings = description["density"]
    config = density_configs()[settings["name"]](**settings)
    n_features = len(description["features"])
    density = build_density(config, n_features, n_context=1, seed=0)
    density.load_state_dict(signal_weights(checkpoints.load_tensors(directory / weights)))
    return PhysicalDensity(density, *load_preprocessing(directory, n_features))


def _description(directory: Path) -> dict[str, Any]:
    """The content of ``density.json``."""
    path = directory / "density.json"
    content: dict[str, Any] = io.read_json(path, remedy=checkpoints.fit_again(directory))
    return content


def _sample(physical: PhysicalDensity, events: EventTable) -> Sample:
    with torch.no_grad():
        features, _ = physical.preprocessing(torch.as_tensor(events.features))
        context = physical.context_scaling(torch.as_tensor(events.mass))
    return Sample(features, context)
