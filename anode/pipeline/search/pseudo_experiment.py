"""One sample of pure background, fitted, scored and cut as the events of a search's window are."""

import dataclasses
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.configuration.command import quiet
from anode.density.physical import PhysicalDensity
from anode.events.table import EventTable
from anode.methods.base import RegionEvents
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.window import search_scores
from anode.seeding import stream_seed
from anode.statistics.scan.working_points import fix_cuts, n_passed
from anode.training.densities import load_density


class PseudoExperiment(NamedTuple):
    """What its process needs.

    Attributes:
        config: configuration of the window's run; its seed is of this sample alone.
        folder: folder of the fits, which is deleted.
        drawn_from: folders of the fits of the density that events are drawn from.
        known: name below the method's folder -> fit of p_bg that is held.
        efficiencies: (E,) fractions of background at the cuts, descending.
        mass: (n,) masses of the events of the window [GeV].
        beside: (s,) masses of events beside it, for methods that train on them [GeV].
        template: (T,) masses of the events that fix the cuts [GeV].
    """

    config: RunConfig
    folder: Path
    drawn_from: list[Path]
    known: dict[str, Path]
    efficiencies: list[float]
    mass: np.ndarray
    beside: np.ndarray
    template: np.ndarray


def count_passing(job: PseudoExperiment) -> list[int]:
    """The number of events that pass so many cuts and no more: 1, ..., E."""
    shutil.rmtree(job.folder, ignore_errors=True)
    with quiet():
        level = _levels(job)
    shutil.rmtree(job.folder, ignore_errors=True)  # a method that fits nothing has none
    counts: list[int] = np.bincount(level, minlength=len(job.efficiencies) + 1)[1:].tolist()
    return counts


def _levels(job: PseudoExperiment) -> np.ndarray:
    """(n,) number of cuts that each event passes."""
    config, window = job.config, job.config.regions.regions().signal
    directory = RunDirectory(job.folder)
    for name, fit in job.known.items():
        link = directory.checkpoints / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(fit.resolve(), target_is_directory=True)
    density = load_density(job.drawn_from, config.ensemble)
    n, n_template = len(job.mass), len(job.template)
    region = _drawn(config, density, np.arange(n), job.mass, "region")
    beside = _drawn(config, density, n + np.arange(len(job.beside)), job.beside, "beside")
    template = _drawn(config, density, -1 - np.arange(n_template), job.template, "template")
    method = stages.method_of(config, directory)
    method.fit(RegionEvents(region, beside))
    cuts = fix_cuts(
        search_scores(method, template, window, np.zeros(n_template, dtype=bool)),
        job.efficiencies,
        method.fold(template),
        n_folds=method.n_folds,
    )
    score = search_scores(method, region, window, np.ones(n, dtype=bool))
    return n_passed(score, method.fold(region), np.array([cut.by_fold for cut in cuts]))


def _drawn(
    config: RunConfig, density: PhysicalDensity, ids: np.ndarray, mass: np.ndarray, name: str
) -> EventTable:
    """Background events at these masses."""
    names = config.seen_features
    features = density.generate(mass, stream_seed(config.seed, name))
    return EventTable(ids, mass, features, names, ("",) * len(names), None, "drawn background")


def alone(config: RunConfig) -> RunConfig:
    """The run of a window for one process: without folds of the sidebands, which are not fitted,
    with the folds of the window in common steps, and without a trace."""
    trainer = config.trainer
    if trainer.patience is None:
        at_once = max(trainer.at_once, config.split.folds)
        trainer = dataclasses.replace(trainer, at_once=at_once)
    return dataclasses.replace(
        config,
        trainer=trainer,
        split=dataclasses.replace(config.split, sideband_folds=1),
        n_jobs=1,
        store=None,
        tracker="none",
    )
