"""Mahalanobis distance: how far from the sidebands' mean does an event lie?

score = (x - mu)^T C^-1 (x - mu),    mu, C: mean and covariance of the sidebands
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores


@dataclass(frozen=True)
class DistanceConfig(MethodConfig):
    """Keys below ``method``, besides its name; values stand in ``configs/method/distance.yaml``.

    Attributes:
        ridge: added to each variance, as a fraction of it.
    """

    ridge: float

    def __post_init__(self) -> None:
        if self.ridge < 0:
            raise ConfigError(f"method.ridge must not be negative, got {self.ridge}")


class Distance(AnomalyMethod):
    """The method of the module's docstring.

    It lives in a folder: ``_fit`` fills it, and an object made on a filled folder scores.
    """

    title = "Mahalanobis distance"  # in figures
    meaning = "squared distance from the sidebands' mean"  # in score files
    score_at_window_centre = False  # the score does not hang on the mass

    def __init__(self, directory: Path, settings: FitSettings, config: DistanceConfig) -> None:
        super().__init__(directory, settings)
        self.config = config

    def _fit(self, events: RegionEvents) -> None:
        # The tables have no labels. Events that are scored must not be fitted: those of the signal
        # region are not looked at here; ``self.cross_fit.fitted(...)`` gives the folds otherwise.
        x = events.sidebands.features
        covariance = np.cov(x, rowvar=False)
        covariance += self.config.ridge * np.diag(np.diag(covariance))
        io.write_hdf5(
            self.directory / "distance.h5",
            {"mean": x.mean(axis=0), "precision": np.linalg.inv(covariance)},
        )

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        with io.open_hdf5(self.directory / "distance.h5") as file:
            mean, precision = file["mean"][:], file["precision"][:]
        left = events.features - mean
        score = np.einsum("ni,ij,nj->n", left, precision, left)
        nowhere = np.zeros(len(events), dtype=bool)  # no event is clipped to a fitted range
        return Scores(events.event_id, events.mass, score, {}, nowhere)
