"""Classifiers between two samples: fits in folders, and log-odds of events.

A classifier fitted with both classes counting alike estimates log p_1(x) - log p_0(x) as its
log-odds. A folder holds ``classifier.json``, the members or epochs as plain arrays, and
``fit.json``.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import io, progress
from anode.classifiers.boosted_trees import fit_trees, trees_outputs
from anode.classifiers.config import (
    CLASSIFIERS,
    SET_CLASSIFIERS,
    ClassifierConfig,
    NeuralConfig,
    SetConfig,
    TreesConfig,
)
from anode.classifiers.job import ClassifierJob as ClassifierJob
from anode.classifiers.job import check_finite, log_odds
from anode.classifiers.neural import fit_network, network_outputs
from anode.errors import DataError, RunDirectoryError
from anode.parallel import run_jobs, stream_jobs
from anode.training import checkpoints
from anode.training.checkpoints import FitResult
from anode.training.recipe import TrainerConfig

BLOCK = 32768  # events evaluated by one process before it takes the next ones


class ClassifierEvaluateJob(NamedTuple):
    """Events to evaluate with a fitted classifier.

    Attributes:
        directory: folder of the fit.
        features: (N, D) physical features.
    """

    directory: Path
    features: np.ndarray


def fit_classifiers(jobs: list[ClassifierJob], *, n_jobs: int, threads: int) -> list[FitResult]:
    """Fit classifiers in parallel, the largest first; finished ones return at once.

    Args:
        jobs: classifiers to fit, in folders of different names.
        n_jobs: number of processes.
        threads: threads of each process.

    Raises:
        RunDirectoryError: a folder holds a classifier of other settings.
    """
    order = sorted(range(len(jobs)), key=lambda i: -jobs[i].n_events)
    function = functools.partial(fit_classifier, threads=threads)
    n_steps = sum(_n_steps(job) for job in jobs)
    with progress.task("classifiers", total=n_steps, unit="steps", counts=True):
        results = run_jobs(function, [jobs[i] for i in order], n_jobs=n_jobs, threads=threads)
    by_job = dict(zip(order, results, strict=True))
    return [by_job[i] for i in range(len(jobs))]


def fit_classifier(job: ClassifierJob, *, threads: int) -> FitResult:
    """Fit one classifier in its folder, or finish what was begun there.

    Raises:
        RunDirectoryError: the folder holds a classifier of other settings.
        TypeError: settings of no classifier.
    """
    description = {
        "classifier": dataclasses.asdict(job.config),
        "n_features": job.positive.shape[1],
        "seed": job.seed,
    }
    path = job.directory / "classifier.json"
    if not path.is_file():
        io.write_json(path, description, sealed=True)
    elif (written := _description(job.directory)) != description:
        raise RunDirectoryError(
            f"{path} must describe {description}, got {written}; delete this folder, or choose "
            "another run directory"
        )
    if (job.directory / "fit.json").is_file():
        result = checkpoints.read_result(job.directory)
        if result.finished:
            progress.count(_n_steps(job))
            return result
    if isinstance(job.config, TreesConfig):
        return fit_trees(job, job.config, threads)
    if isinstance(job.config, NeuralConfig | SetConfig):
        return fit_network(job, job.config)
    raise TypeError(f"no classifier is fitted from {type(job.config).__name__}")


def _n_steps(job: ClassifierJob) -> int:
    """Number of members of trees, or of batches of a network."""
    if isinstance(job.config, NeuralConfig | SetConfig):
        trainer = job.config.trainer
        return trainer.epochs * trainer.n_batches(job.n_events)
    return job.config.members if isinstance(job.config, TreesConfig) else 1


def evaluate_classifiers(
    jobs: list[ClassifierEvaluateJob], *, n_jobs: int, threads: int
) -> list[np.ndarray]:
    """Log-odds (N,) of every job's events, in blocks spread over processes."""
    positions = [
        (number, slice(start, start + BLOCK))
        for number, job in enumerate(jobs)
        for start in range(0, len(job.features), BLOCK)
    ]
    blocks = (
        jobs[number]._replace(features=jobs[number].features[rows]) for number, rows in positions
    )
    function = functools.partial(_evaluate, threads=threads)
    evaluated = stream_jobs(function, blocks, n_jobs=n_jobs, threads=threads)
    results = [np.empty(len(job.features)) for job in jobs]
    total = sum(len(job.features) for job in jobs)
    with progress.task("classifiers", total=total, unit="events") as scored:
        for (number, rows), values in zip(positions, evaluated, strict=True):
            results[number][rows] = values
            scored.update(len(values))
    return results


def evaluate_classifier(directory: Path, features: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Log-odds (N,) of the mean probability of the classifier's members, natural logarithm.

    Args:
        directory: folder of a finished fit.
        features: (N, D) physical features.
        threads: threads of the trees; networks use torch's.

    Raises:
        RunDirectoryError: the fit is missing, unfinished, or a file is broken.
        DataError: the shape differs from that of the fit, or a value is not finite.
    """
    config, n_features = _load_config(directory)
    if features.ndim != 2 or features.shape[1] != n_features:
        raise DataError(
            f"{directory.name}: features must have shape (N, {n_features}), got {features.shape}"
        )
    check_finite(directory.name, features)
    starts = range(0, len(features), BLOCK)
    blocks = [
        _outputs(directory, config, features[start : start + BLOCK], threads) for start in starts
    ]
    return np.concatenate([log_odds(block) for block in blocks]) if blocks else np.empty(0)


def _evaluate(job: ClassifierEvaluateJob, *, threads: int) -> np.ndarray:
    return evaluate_classifier(job.directory, job.features, threads=threads)


def _outputs(
    directory: Path, config: ClassifierConfig, features: np.ndarray, threads: int
) -> np.ndarray:
    if isinstance(config, TreesConfig):
        return trees_outputs(directory, config, features, threads)
    if isinstance(config, NeuralConfig | SetConfig):
        return network_outputs(directory, config, features)
    raise TypeError(f"no classifier is evaluated from {type(config).__name__}")


def _load_config(directory: Path) -> tuple[ClassifierConfig, int]:
    """Settings and number of features of a finished fit."""
    if not checkpoints.read_result(directory).finished:
        raise RunDirectoryError(f"the fit in {directory} is unfinished; fit it to the end first")
    content = _description(directory)
    return _as_config(content["classifier"]), content["n_features"]


def _description(directory: Path) -> dict[str, Any]:
    """The content of ``classifier.json``."""
    path = directory / "classifier.json"
    content: dict[str, Any] = io.read_json(path, remedy=checkpoints.fit_again(directory))
    return content


def _as_config(settings: Mapping[str, Any]) -> ClassifierConfig:
    """The configuration from the plain dictionary it was saved as."""
    trainer = {key: TrainerConfig(**value) for key, value in settings.items() if key == "trainer"}
    known: dict[str, type[ClassifierConfig]] = {**CLASSIFIERS, **SET_CLASSIFIERS}
    return known[settings["name"]](**{**settings, **trainer})
