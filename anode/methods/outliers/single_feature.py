"""One feature as a score: the baseline that needs no training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import FitSettings, MethodConfig, RegionEvents, Scores
from anode.methods.outliers.one_fit import OneFit


@dataclass(frozen=True)
class SingleFeatureConfig(MethodConfig):
    """Settings of the baseline.

    Attributes:
        feature: name of the feature.
        sign: 1 if large values are anomalous, -1 if small ones are.
    """

    feature: str
    sign: int

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise ConfigError(f"method.sign must be 1 or -1, got {self.sign}")


class SingleFeature(OneFit):
    """A feature, as it is; ``AnomalyMethod`` documents its methods."""

    title = "single feature"
    fits_density = False
    meaning = "the value of a feature"
    needs_sidebands = False

    def __init__(
        self, directory: Path, settings: FitSettings, config: SingleFeatureConfig
    ) -> None:
        super().__init__(directory, settings)
        self.config = config
        self.title = f"{'' if config.sign > 0 else '-'}{config.feature}"  # type: ignore[misc]

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """(N,) values of the feature, with its sign."""
        score = self.config.sign * events.column(self.config.feature)
        clipped = np.zeros(len(events), dtype=bool)
        return Scores(events.event_id, events.mass, score, {}, clipped)

    def _fit(self, events: RegionEvents) -> None:
        """Nothing to learn."""
