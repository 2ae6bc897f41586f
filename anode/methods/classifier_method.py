"""Base of methods whose score is the log-odds of a classifier between two samples.

The best classifier between samples A and B is a function of p_A(x) / p_B(x) (Neyman, Pearson). If
A is the data of the signal region and B is background, the log-odds rank events as the
likelihood ratio of signal to background does, however little signal A holds (CWoLa, Metodiev,
Nachman, Thaler 1708.02949). Subclasses choose A and B.
"""

import abc
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import progress
from anode.classifiers.fit import (
    ClassifierEvaluateJob,
    ClassifierJob,
    evaluate_classifiers,
    fit_classifiers,
)
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores
from anode.regions.crossfit import combine

CLASSIFIER = "classifier"


class TwoSamples(NamedTuple):
    """The two samples of a classifier.

    Attributes:
        positive: (N1, D) features of the more signal-like sample.
        negative: (N0, D) features of the other sample.
        negative_weight: (N0,) relative weights of the negative sample, or None.
        positive_identity, negative_identity: (N1,), (N0,) identities of the events; None of
            drawn ones.
    """

    positive: np.ndarray
    negative: np.ndarray
    negative_weight: np.ndarray | None = None
    positive_identity: np.ndarray | None = None
    negative_identity: np.ndarray | None = None


class TwoSampleMethod(AnomalyMethod):
    """A method that is a classifier: cross-fitted, its score is the log-odds."""

    meaning = "log-odds of the classifier's mean probability"
    score_at_window_centre = False
    share_of_background = 0.0  # of the time a fit takes, for the estimate of what remains

    def __init__(self, directory: Path, settings: FitSettings, config: MethodConfig) -> None:
        super().__init__(directory, settings)
        if settings.classifier is None:
            raise ConfigError(f"{self.title} needs classifier=hgb or mlp, got null")
        self.classifier = settings.classifier
        self.config = config

    @abc.abstractmethod
    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """The two samples of one fit.

        Args:
            events: events that the fit may see.
            name: name of the fit, for its random streams.
        """

    def prepare(self, events: RegionEvents) -> None:
        """Fit what ``samples`` needs, such as p_bg, once for all folds."""

    def represent(self, events: EventTable) -> np.ndarray:
        """(N, D) inputs of the classifier."""
        return events.features

    def was_clipped(self, events: EventTable) -> np.ndarray:
        """(N,) True for events that were moved to the edge of the range of a fitted density."""
        return np.zeros(len(events), dtype=bool)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Log-odds, averaged over folds where an event has several."""
        inputs = self.represent(events)
        rows = self.cross_fit.scored(events, fitted)
        jobs = [
            ClassifierEvaluateJob(self.directory / name, inputs[index])
            for name, index in zip(self.cross_fit.names(CLASSIFIER), rows, strict=True)
        ]
        values = evaluate_classifiers(
            jobs, n_jobs=self.settings.n_jobs, threads=self.settings.threads
        )
        score = combine(len(events), rows, values)
        return Scores(events.event_id, events.mass, score, {}, self.was_clipped(events))

    def _fit(self, events: RegionEvents) -> None:
        with progress.task("p_bg", share=self.share_of_background):
            self.prepare(events)
        settings = self.settings
        jobs = []
        for name, seen in zip(self.cross_fit.names(CLASSIFIER), self._fitted(events), strict=True):
            samples = self.samples(seen, name)
            jobs.append(
                ClassifierJob(
                    directory=self.directory / name,
                    **samples._asdict(),
                    config=self.classifier,
                    seed=settings.seed,
                    tracker=settings.tracker,
                    device=settings.device,
                )
            )
        with progress.task("p_data / p_bg", share=1 - self.share_of_background):
            fit_classifiers(jobs, n_jobs=settings.n_jobs, threads=settings.threads)

    def _fitted(self, events: RegionEvents) -> list[RegionEvents]:
        """For every fit, the events it may see: without the fold that it will score."""
        inside = self.cross_fit.fitted(events.signal_region)
        if events.simulation is None:
            return [RegionEvents(region, events.sidebands) for region in inside]
        simulated = self.cross_fit.fitted(events.simulation)
        return [
            RegionEvents(region, events.sidebands, simulation)
            for region, simulation in zip(inside, simulated, strict=True)
        ]
