"""ANODE: is the data's density in the signal region higher than the sidebands predict?

    R(x|m) = log p_data(x|m) - log p_bg(x|m)

p_bg is fitted once on the sidebands and interpolates in m into the signal region; p_data is fitted
on the signal region, cross-fitted so that no event is scored by a fit that has seen it. Both are
averaged over epochs, and over fits of other seeds if asked, by log-mean-exp. Nachman, Shih
2001.04990, eq. (3).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode.density.physical import PhysicalDensity
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, RegionEvents, Scores
from anode.regions.splits import fold_of, uniform_of
from anode.training.checkpoints import FitResult
from anode.training.densities import (
    EvaluateJob,
    Evaluation,
    FitJob,
    evaluate_all,
    fit_all,
    load_density,
)

BACKGROUND = "background"


@dataclass(frozen=True)
class AnodeConfig:
    """Settings of ANODE.

    Attributes:
        name: "anode".
        warm_start: start p_data from the weights and preprocessing of p_bg, not from random ones.
    """

    name: str
    warm_start: bool


class Anode(AnomalyMethod):
    """The method of the module's docstring; see ``AnomalyMethod`` for its verbs."""

    name = "anode"

    def __init__(self, directory: Path, settings: FitSettings, config: AnodeConfig) -> None:
        super().__init__(directory, settings)
        self.config = config

    def unseen(self, signal_region: EventTable) -> np.ndarray:
        """All of the signal region ("kfold"), or its test share ("holdout")."""
        if self.settings.split.mode == "kfold":
            return np.ones(len(signal_region), dtype=bool)
        return self._share(signal_region, "test") < self.settings.split.test

    def score(self, events: EventTable, in_data_sample: np.ndarray) -> Scores:
        """R(x|m), with parts ``log_p_data`` and ``log_p_background``.

        Events of the data sample get the fit of their fold. All others were seen by none; they get
        one fold too, or the log-mean-exp over folds, as ``split.extra`` says.
        """
        rows = self._rows_of_fits(events, in_data_sample)
        jobs = [self._job(BACKGROUND, events)]
        jobs += [self._job(name, events[index]) for name, index in rows.items()]
        background, *data = evaluate_all(
            jobs, n_jobs=self.settings.n_jobs, threads=self.settings.threads
        )
        log_p_data = _combine(len(events), list(rows.values()), data)
        outside = background.outside.copy()
        for index, evaluation in zip(rows.values(), data, strict=True):
            outside[index] |= evaluation.outside
        return Scores(
            events.event_id,
            events.mass,
            log_p_data - background.log_p,
            {"log_p_data": log_p_data, "log_p_background": background.log_p},
            outside,
        )

    def background_density(self) -> PhysicalDensity:
        """p_bg(x|m), averaged over epochs: for closure tests and for methods built upon it."""
        return load_density(self._folders(BACKGROUND), self.settings.ensemble)

    def _fit(self, events: RegionEvents) -> dict[str, FitResult]:
        background = self._fit_jobs(BACKGROUND, events.sidebands, warm=False)
        data = self._data_jobs(events.signal_region)
        workers = {"n_jobs": self.settings.n_jobs, "threads": self.settings.threads}
        if self.config.warm_start:
            results = fit_all(background, **workers) + fit_all(data, **workers)
        else:
            results = fit_all([*background, *data], **workers)
        names = [job.directory.name for job in [*background, *data]]
        return dict(zip(names, results, strict=True))

    def _data_jobs(self, signal_region: EventTable) -> list[FitJob]:
        split, warm = self.settings.split, self.config.warm_start
        if split.mode == "holdout":
            fitted = signal_region[self._share(signal_region, "test") >= split.test]
            return self._fit_jobs("data", fitted, warm=warm)
        fold = self._fold(signal_region)
        return [
            job
            for k, name in enumerate(self._data_names())
            for job in self._fit_jobs(name, signal_region[fold != k], warm=warm)
        ]

    def _fit_jobs(self, name: str, fitted: EventTable, *, warm: bool) -> list[FitJob]:
        """The fits of one density; seed by seed, p_data may start from p_bg."""
        starts = self._folders(BACKGROUND) if warm else [None] * self.settings.ensemble.seeds
        folders = self._folders(name)
        return [self._fit_job(f, fitted, s) for f, s in zip(folders, starts, strict=True)]

    def _folders(self, name: str) -> list[Path]:
        """Where the fits of one density live: ``name``, ``name_seed1``, ..."""
        more = range(1, self.settings.ensemble.seeds)
        return [self.directory / name, *(self.directory / f"{name}_seed{s}" for s in more)]

    def _fit_job(self, directory: Path, fitted: EventTable, start_from: Path | None) -> FitJob:
        validation = self._share(fitted, "validation") < self.settings.split.validation
        return FitJob(
            directory=directory,
            train=fitted[~validation],
            validation=fitted[validation],
            density=self.settings.density,
            preprocessing=self.settings.preprocessing,
            trainer=self.settings.trainer,
            seed=self.settings.seed,
            start_from=start_from,
            tracker=self.settings.tracker,
            device=self.settings.device,
        )

    def _job(self, name: str, events: EventTable) -> EvaluateJob:
        folders = self._folders(name)
        return EvaluateJob(folders, self.settings.ensemble, events.features, events.mass)

    def _data_names(self) -> list[str]:
        split = self.settings.split
        if split.mode == "holdout":
            return ["data"]
        return [f"data_fold{k}" for k in range(split.folds)]

    def _rows_of_fits(
        self, events: EventTable, in_data_sample: np.ndarray
    ) -> dict[str, np.ndarray]:
        """For every fit of p_data, the rows it scores."""
        names = self._data_names()
        if self.settings.split.mode == "holdout":
            seen = in_data_sample & (self._share(events, "test") >= self.settings.split.test)
            if seen.any():
                raise DataError(
                    f"{events.source}: events must not be scored by a fit that has seen them, "
                    f"but {seen.sum()} were trained or validated on; ask unseen() first"
                )
            return {names[0]: np.arange(len(events))}
        fold = self._fold(events)
        in_all = np.logical_not(in_data_sample) & (self.settings.split.extra == "average")
        return {name: np.flatnonzero(in_all | (fold == k)) for k, name in enumerate(names)}

    def _fold(self, events: EventTable) -> np.ndarray:
        return fold_of(events.event_id, self.settings.split.folds, self.settings.seed)

    def _share(self, events: EventTable, name: str) -> np.ndarray:
        """(N,) numbers uniform in [0, 1) that hang on the event's id alone."""
        return uniform_of(events.event_id, self.settings.seed, "split", name)


def _combine(n: int, rows: list[np.ndarray], evaluations: list[Evaluation]) -> np.ndarray:
    """(N,) log of the mean over fits of p, for each event over the fits that scored it."""
    total = np.full(n, -np.inf)
    count = np.zeros(n)
    for index, evaluation in zip(rows, evaluations, strict=True):
        total[index] = np.logaddexp(total[index], evaluation.log_p)
        count[index] += 1
    return total - np.log(count)
