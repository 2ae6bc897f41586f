"""The chain of a run: prepare -> train -> score -> evaluate, each stage resumable."""

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Protocol

import numpy as np

from anode import progress
from anode.errors import DataError, RunDirectoryError
from anode.events.known_events import KnownEvents
from anode.events.table import concatenate
from anode.methods.base import AnomalyMethod, FitSettings
from anode.methods.build import build_method
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.evaluate import evaluate_scores
from anode.pipeline.runs.fitted_events import fitted_events, keep_fitted
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.run_directory import RunDirectory, describe_data
from anode.pipeline.runs.score_file import DATA, EXTRA, read_scores, write_scores
from anode.pipeline.runs.unblind import awaits_key, unblind
from anode.reporting.common.tables import result_table

log = logging.getLogger(__name__)

SHARES = {"train": 0.85, "score": 0.1, "evaluate": 0.05}
"""Of the time a run takes, for the estimate of what remains."""


def run(config: RunConfig) -> None:
    """All stages in one go; what an earlier, interrupted call finished is not done again."""
    directory = RunDirectory(config.run_dir)
    complete = directory.metrics.is_file() and directory.config.is_file()
    if complete and not awaits_key(config.data, directory):
        directory.claim(config)
        if directory.is_judged():
            _announce(directory)
            return
    with progress.task("run"):
        prepared = _prepare(config)
        for stage in (evaluate,) if complete else (train, score, evaluate):
            stage(config, prepared)


class Stage(Protocol):
    """A step of the chain; prepares the events itself unless they are given."""

    def __call__(self, config: RunConfig, prepared: Prepared | None = None) -> None: ...


def _stage(name: str) -> Callable[[Callable[[RunConfig, RunDirectory, Prepared], None]], Stage]:
    """A stage: prepares the events, claims and locks the run directory, and is timed."""

    def decorate(body: Callable[[RunConfig, RunDirectory, Prepared], None]) -> Stage:
        @wraps(body)
        def stage(config: RunConfig, prepared: Prepared | None = None) -> None:
            prepared = prepared or _prepare(config)
            directory = RunDirectory(config.run_dir)
            with directory.locked():
                directory.claim(config)
                directory.check_data(describe_data(prepared.data, prepared.extra, prepared.files))
                with directory.timed(name), progress.task(name, share=SHARES[name]):
                    body(config, directory, prepared)

        return stage

    return decorate


@_stage("train")
def train(config: RunConfig, directory: RunDirectory, prepared: Prepared) -> None:
    """Fit all there is to fit of the method, and keep which events it has seen; resumes."""
    known = _known(prepared, method_of(config, directory))
    keep_fitted(directory.path, known, fits=directory.checkpoints)
    _fit(config, directory, prepared)


@_stage("train")
def train_window(config: RunConfig, directory: RunDirectory, prepared: Prepared) -> None:
    """The same within a search, which keeps once for all windows which events it has."""
    _fit(config, directory, prepared)


def _known(prepared: Prepared, method: AnomalyMethod) -> KnownEvents:
    """The data sample, and what a method that uses truth sees beside it."""
    simulation = prepared.extra_in_signal_region() if method.uses_truth else None
    return KnownEvents(prepared.data, *([] if simulation is None else [simulation]))


def _fit(config: RunConfig, directory: RunDirectory, prepared: Prepared) -> None:
    method = method_of(config, directory)
    events = prepared.for_fits(with_truth=method.uses_truth)
    log.info(
        "%s: training on %d signal-region and %d sideband events; results in %s",
        method.title,
        len(events.signal_region),
        len(events.sidebands),
        directory.path,
    )
    method.fit(events)


@_stage("score")
def score(config: RunConfig, directory: RunDirectory, prepared: Prepared) -> None:
    """Score the signal region: unseen data and extra test events, into ``scores.h5``."""
    if directory.scores.is_file():
        read_scores(directory.scores)  # or it says what is damaged
        return
    method, known = method_of(config, directory), fitted_events(directory.path)
    signal_region = prepared.data[prepared.in_signal_region()]
    extra = prepared.extra_in_signal_region()
    tables = [signal_region] if extra is None else [signal_region, extra]
    tables = [table[method.unseen(table, known.includes(table))] for table in tables]
    sample = np.repeat([DATA, EXTRA][: len(tables)], [len(table) for table in tables])
    events = concatenate(tables)
    scores = method.score(events.without_label(), known.includes(events))
    directory.drop_results()
    write_scores(directory.scores, scores, events, sample, method)


@_stage("evaluate")
def evaluate(config: RunConfig, directory: RunDirectory, prepared: Prepared) -> None:
    """Judge ``scores.h5``: ``metrics.json``, ``curves.h5`` and, if wanted, the figures."""
    if not directory.scores.is_file():
        raise RunDirectoryError(f"there is no {directory.scores}; run anode score first")
    prepared, scored, key = unblind(config.data, prepared, read_scores(directory.scores))
    evaluate_scores(config, directory, prepared, method_of(config, directory), scored)
    if key is not None:
        directory.record_key(key)
    _announce(directory)


def _prepare(config: RunConfig) -> Prepared:
    """The events, checked for what the method needs of them."""
    method = method_of(config, RunDirectory(config.run_dir))
    prepared = prepare(config, check_sidebands=method.needs_sidebands)
    if method.uses_truth and prepared.extra_in_signal_region() is None:
        raise DataError(
            f"method={config.method.name} needs labelled events of the signal region outside the "
            "data sample, got none; set injection.n_background and injection.n_signal, or give "
            "data.extra"
        )
    return prepared


def method_of(config: RunConfig, directory: RunDirectory) -> AnomalyMethod:
    """The configured method, living in the run's ``checkpoints``."""
    settings = FitSettings(
        density=config.density,
        preprocessing=config.preprocessing,
        trainer=config.trainer,
        classifier=config.classifier,
        ensemble=config.ensemble,
        split=config.split,
        seed=config.seed,
        n_jobs=config.n_jobs,
        threads=config.threads,
        tracker=config.tracker,
        device=config.device,
        store=None if config.store is None else Path(config.store),
        representation=config.representation,
        features=config.plain_features,
        particles=config.particles_file,
    )
    return build_method(directory.checkpoints, settings, config.method)


def _announce(directory: RunDirectory) -> None:
    with progress.above_the_bar():
        print(result_table(directory.read_metrics()))
        print(f"{'figures and ' * directory.figures.is_dir()}results: {directory.path}")
