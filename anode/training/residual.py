"""Fits of the residual density p_sig, given p_bg.

A folder holds the same files as that of any density; ``load_density`` reads p_sig from it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from anode import progress
from anode.density.base import DensityConfig
from anode.density.build import build_density
from anode.density.residual import Residual
from anode.events.table import EventTable
from anode.parallel import run_jobs
from anode.seeding import stream_seed
from anode.training import checkpoints
from anode.training.checkpoints import FitResult
from anode.training.densities import describe, load_preprocessing
from anode.training.loop import fit
from anode.training.recipe import TrainerConfig
from anode.training.state import Fit, Sample


@dataclass(frozen=True)
class KnownBackground:
    """Events with their density p_bg.

    Attributes:
        events: N events, without labels.
        log_p: (N,) log p_bg(x|m) per unit of the physical features.
    """

    events: EventTable
    log_p: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "KnownBackground":
        return KnownBackground(self.events[rows], self.log_p[rows])


@dataclass(frozen=True)
class ResidualJob:
    """One p_sig to fit.

    Attributes:
        directory: folder of the fit; its name names the fit's random streams.
        train: events to fit.
        validation: events to validate on, and to learn w from.
        background: folder of p_bg, whose preprocessing is used.
        density: settings of p_sig.
        trainer: settings of the training.
        fraction: w, or its first value.
        learned: True if w is learned.
        seed: root seed of the run.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda".
    """

    directory: Path
    train: KnownBackground
    validation: KnownBackground
    background: Path
    density: DensityConfig
    trainer: TrainerConfig
    fraction: float
    learned: bool
    seed: int
    tracker: str = "none"
    device: str = "cpu"


def fit_residuals(
    groups: list[list[ResidualJob]], *, n_jobs: int, threads: int
) -> list[list[FitResult]]:
    """Fit residual densities, groups in parallel; finished ones return at once.

    Those of a group are fitted in common steps and share w, which is fitted to the validation
    events of all; they need the same number of batches.
    """
    n_batches = sum(_n_batches(jobs) for jobs in groups)
    with progress.task("fits", total=n_batches, unit="batches", counts=True):
        return run_jobs(fit_group, groups, n_jobs=n_jobs, threads=threads)


def fit_group(jobs: list[ResidualJob]) -> list[FitResult]:
    """Fit the residual densities of a group, each in its folder, or finish what was begun."""
    if all((job.directory / "fit.json").is_file() for job in jobs):
        results = [checkpoints.read_result(job.directory) for job in jobs]
        if all(result.finished for result in results):
            progress.count(_n_batches(jobs))
            return results
    first = jobs[0]
    return fit(
        [_as_fit(job) for job in jobs],
        config=first.trainer,
        tracker=first.tracker,
        device=first.device,
    )


def _n_batches(jobs: list[ResidualJob]) -> int:
    """Number of common steps of jobs fitted at once."""
    return max(job.trainer.epochs * job.trainer.n_batches(len(job.train.events)) for job in jobs)


def _as_fit(job: ResidualJob) -> Fit:
    """A residual ready to train, and the files that describe it."""
    n_features = len(job.train.events.names)
    signal = build_density(
        job.density,
        n_features=n_features,
        n_context=1,
        seed=stream_seed(job.seed, job.directory.name, "initial weights"),
    )
    residual = Residual(signal, fraction=job.fraction, learned=job.learned)
    preprocessing, scaling = load_preprocessing(job.background, n_features)
    describe(job.directory, job.density, job.train.events.names, preprocessing, scaling)

    def sample(known: KnownBackground) -> Sample:
        with torch.no_grad():
            features, log_abs_det = preprocessing(torch.as_tensor(known.events.features))
            context = scaling(torch.as_tensor(known.events.mass))
        log_p = (torch.as_tensor(known.log_p) - log_abs_det).to(context)
        return Sample(features, torch.cat([context, log_p[:, None]], dim=1))

    return Fit(
        residual,
        sample(job.train),
        sample(job.validation),
        seed=stream_seed(job.seed, job.directory.name),
        directory=job.directory,
    )


def fitted_fraction(directory: Path, mode: str, size: int) -> float:
    """w of a finished fit: the mean over the epochs that an ensemble chooses."""
    chosen = checkpoints.read_result(directory).select(mode, size)
    logits = [
        checkpoints.load_tensors(directory / checkpoint.path)["logit_fraction"].double()
        for checkpoint in chosen
    ]
    return torch.sigmoid(torch.stack(logits)).mean().item()
