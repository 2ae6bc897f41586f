"""Ratio of two Gaussians: data of the signal region against background of the sidebands.

R(x|m) = log N(x; mu_data(m), C_data) - log N(x; mu_bg(m), C_bg),      mu(m) = a + b m
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import multivariate_normal

from anode import io
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores
from anode.regions.crossfit import combine


@dataclass(frozen=True)
class GaussianRatioConfig(MethodConfig):
    """Settings, with the keys of ``configs/method/gaussian_ratio.yaml``.

    Attributes:
        shrinkage: share of the mean variance that is mixed into each covariance, in [0, 1).
    """

    shrinkage: float

    def __post_init__(self) -> None:
        if not 0 <= self.shrinkage < 1:
            raise ConfigError(f"method.shrinkage must lie in [0, 1), got {self.shrinkage}")


class Gaussian(NamedTuple):
    """A Gaussian whose mean is linear in the mass.

    Attributes:
        line: (2, D) a and b.
        covariance: (D, D).
    """

    line: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, events: EventTable, shrinkage: float) -> "Gaussian":
        design = np.stack([np.ones(len(events)), events.mass / 1000], axis=1)
        line, *_ = np.linalg.lstsq(design, events.features, rcond=None)
        covariance = np.atleast_2d(np.cov((events.features - design @ line).T))
        mean_variance = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        return cls(line, (1 - shrinkage) * covariance + shrinkage * mean_variance)

    def log_prob(self, events: EventTable) -> np.ndarray:
        """(N,) log N(x; mu(m), C)."""
        mean = self.line[0] + events.mass[:, None] / 1000 * self.line[1]
        centred = multivariate_normal(np.zeros(mean.shape[1]), self.covariance)
        return np.asarray(centred.logpdf(events.features - mean)).reshape(len(events))


class GaussianRatio(AnomalyMethod):
    """The method of the module's docstring; see ``AnomalyMethod`` for its verbs."""

    title = "Gaussian ratio"
    meaning = "log N_data(x|m) - log N_bg(x|m)"

    def __init__(
        self, directory: Path, settings: FitSettings, config: GaussianRatioConfig
    ) -> None:
        super().__init__(directory, settings)
        self.config = config

    def _fit(self, events: RegionEvents) -> None:
        self._fit_one("background", events.sidebands)
        # One fit a fold, without the events of that fold.
        names = self.cross_fit.names("data")
        for name, seen in zip(names, self.cross_fit.fitted(events.signal_region), strict=True):
            self._fit_one(name, seen)

    def _fit_one(self, name: str, events: EventTable) -> None:
        path = self.directory / f"{name}.h5"
        if not path.is_file():  # an interrupted run goes on
            io.write_hdf5(path, Gaussian.fit(events, self.config.shrinkage)._asdict())

    def _log_prob(self, name: str, events: EventTable) -> np.ndarray:
        with io.open_hdf5(self.directory / f"{name}.h5") as file:
            return Gaussian(file["line"][:], file["covariance"][:]).log_prob(events)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        rows = self.cross_fit.scored(events, fitted)  # for every fold, the events it may score
        names = self.cross_fit.names("data")
        each = [
            self._log_prob(name, events[index]) for name, index in zip(names, rows, strict=True)
        ]
        log_p_data = combine(len(events), rows, each)
        log_p_background = self._log_prob("background", events)
        return Scores(
            events.event_id,
            events.mass,
            log_p_data - log_p_background,
            {"log_p_data": log_p_data, "log_p_background": log_p_background},
            np.zeros(len(events), dtype=bool),
        )
