"""Isolation forest: outliers among the events of the signal region, the naive baseline.

It ignores over-densities in mass. Liu, Ting, Zhou, ICDM 2008, doi:10.1109/ICDM.2008.17.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode.classifiers.config import ForestConfig
from anode.classifiers.isolation_forest import evaluate_forest, fit_forest
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores
from anode.regions.crossfit import combine

FOREST = "forest"


@dataclass(frozen=True)
class IsolationConfig(MethodConfig):
    """Settings of the isolation forest.

    Attributes:
        trees: number of trees.
        max_samples: number of events that each tree is grown on.
    """

    trees: int
    max_samples: int

    def __post_init__(self) -> None:
        for key in ("trees", "max_samples"):
            if getattr(self, key) < 2:
                raise ConfigError(f"method.{key} must be at least 2, got {getattr(self, key)}")


class Isolation(AnomalyMethod):
    """Isolation forest; ``AnomalyMethod`` documents its methods."""

    title = "isolation forest"
    fits_density = False
    meaning = "log of the forest's anomaly score"
    needs_sidebands = False
    score_at_window_centre = False

    def __init__(self, directory: Path, settings: FitSettings, config: IsolationConfig) -> None:
        super().__init__(directory, settings)
        self.config = config

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Log of the forest's score, averaged over folds where an event has several."""
        rows = self.cross_fit.scored(events, fitted)
        values = [
            np.log(evaluate_forest(self.directory / name, events.features[index]))
            for name, index in zip(self.cross_fit.names(FOREST), rows, strict=True)
        ]
        score = combine(len(events), rows, values)
        was_clipped = np.zeros(len(events), dtype=bool)
        return Scores(events.event_id, events.mass, score, {}, was_clipped)

    def _fit(self, events: RegionEvents) -> None:
        config = ForestConfig(self.config.trees, self.config.max_samples)
        names = self.cross_fit.names(FOREST)
        for name, seen in zip(names, self.cross_fit.fitted(events.signal_region), strict=True):
            fit_forest(self.directory / name, seen.features, config, seed=self.settings.seed)
