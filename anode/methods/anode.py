"""ANODE: ratio of the data's density in the signal region to what the sidebands predict.

    R(x|m) = log p_data(x|m) - log p_bg(x|m)

p_bg is fitted once on the sidebands and interpolates in m into the signal region; p_data is fitted
on the signal region, cross-fitted so that no event is scored by a fit that has seen it. Both are
averaged over epochs, and over fits of other seeds if asked, by log-mean-exp. Nachman, Shih
2001.04990, eq. (3).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import progress
from anode.density.physical import PhysicalDensity
from anode.events.table import EventTable, concatenate
from anode.methods.base import (
    AnomalyMethod,
    ExtraMetrics,
    FitSettings,
    MethodConfig,
    RegionEvents,
    Scores,
)
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.regions.crossfit import combine
from anode.training.evaluate import evaluate_all

DATA = "data"


@dataclass(frozen=True)
class AnodeConfig(MethodConfig):
    """Settings of ANODE.

    Attributes:
        warm_start: True if p_data starts from the weights and preprocessing of p_bg.
        joint: True if p_data is fitted to the sidebands too, so that only m_jj tells it of the
            signal region.
    """

    warm_start: bool
    joint: bool = False


class Anode(AnomalyMethod):
    """ANODE; ``AnomalyMethod`` documents its methods."""

    title = "ANODE"
    meaning = "log p_data(x|m) - log p_bg(x|m)"
    interpolates = True

    def __init__(self, directory: Path, settings: FitSettings, config: AnodeConfig) -> None:
        super().__init__(directory, settings)
        self.config = config
        self.fits = DensityFits(directory, settings)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """R(x|m), with parts ``log_p_data`` and ``log_p_background``."""
        rows = self.cross_fit.scored(events, fitted)
        names = self.cross_fit.names(DATA)
        jobs = [self.fits.evaluate_job(BACKGROUND, events)]
        jobs += [
            self.fits.evaluate_job(name, events[index])
            for name, index in zip(names, rows, strict=True)
        ]
        background, *data = evaluate_all(
            jobs, n_jobs=self.settings.n_jobs, threads=self.settings.threads
        )
        log_p_data = combine(len(events), rows, [evaluation.log_p for evaluation in data])
        was_clipped = background.was_clipped.copy()
        for index, evaluation in zip(rows, data, strict=True):
            was_clipped[index] |= evaluation.was_clipped
        return Scores(
            events.event_id,
            events.mass,
            log_p_data - background.log_p,
            {"log_p_data": log_p_data, "log_p_background": background.log_p},
            was_clipped,
        )

    def background_density(self) -> PhysicalDensity:
        """p_bg(x|m), averaged over epochs."""
        return self.fits.load(BACKGROUND)

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """Folders of the fits of p_bg, by their names; None where p_data sees sidebands too."""
        return None if self.config.joint else self.fits.background

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """``likelihood_gain``: mean of log p_data - log p_bg (N,) over data events that no fit of
        p_data has seen."""
        gain = parts["log_p_data"][in_data] - parts["log_p_background"][in_data]
        return ExtraMetrics(likelihood_gain=float(np.mean(gain)))

    def _fit(self, events: RegionEvents) -> None:
        start = BACKGROUND if self.config.warm_start else None
        fitted = self.cross_fit.fitted(events.signal_region)
        if self.config.joint:
            fitted = [concatenate([region, events.sidebands]) for region in fitted]
        n_data = sum(len(seen) for seen in fitted)
        share = len(events.sidebands) / (len(events.sidebands) + n_data)
        with progress.task("p_bg", share=share):
            self.fits.fit_background(events.sidebands)
        with progress.task("p_data", share=1 - share):
            self.fits.fit(
                [
                    job
                    for name, seen in zip(self.cross_fit.names(DATA), fitted, strict=True)
                    for job in self.fits.jobs(name, seen, start_from=start)
                ]
            )
