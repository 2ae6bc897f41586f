"""What does every anomaly-detection method take, and what does it give back?"""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from anode.density.base import DensityConfig
from anode.density.ensemble import EnsembleConfig
from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.regions.preprocessing import PreprocessingConfig
from anode.training.checkpoints import FitResult
from anode.training.recipe import TrainerConfig

MAX_OUTSIDE = 0.1


class RegionEvents(NamedTuple):
    """The data sample, cut by mass and without truth labels."""

    signal_region: EventTable
    sidebands: EventTable


class Scores(NamedTuple):
    """What a method says of N events; higher scores are more anomalous.

    Attributes:
        event_id: (N,).
        mass: (N,) in GeV.
        score: (N,).
        parts: named (N,) terms the score is made of, such as ``log_p_data``.
        outside: (N,) events clipped to the range of features the densities were fitted in.
    """

    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    parts: dict[str, np.ndarray]
    outside: np.ndarray


def refuse_strangers(n_outside: int, n_events: int, source: str) -> None:
    """Refuse events of which many had to be clipped to the fitted range.

    Raises:
        DataError: more than 10% of them, which a wrong unit or feature would explain.
    """
    if n_outside > MAX_OUTSIDE * n_events:
        raise DataError(
            f"{source}: {n_outside} of {n_events} events lie outside the range of features that "
            f"the densities were fitted in, more than {MAX_OUTSIDE:.0%}; are units and features "
            "right?"
        )


@dataclass(frozen=True)
class SplitConfig:
    """Which events of the data sample are fitted, validated on and scored.

    Attributes:
        mode: "kfold", every event of the signal region is scored by fits that did not see it;
            "holdout", one fit, and only the ``test`` share is scored.
        folds: K of "kfold".
        validation: share of the fitted events that is kept for validation.
        test: share of the signal region that is scored in "holdout".
        extra: in "kfold", events outside the data sample are scored by "one_fold", picked by their
            id as for the data, so that all test events are scored alike; or by the "average" over
            folds, which is smoother than what the data's own events get.
    """

    mode: str
    folds: int
    validation: float
    test: float
    extra: str

    def __post_init__(self) -> None:
        if self.mode not in ("kfold", "holdout"):
            raise ConfigError(f"split.mode must be 'kfold' or 'holdout', got {self.mode!r}")
        if self.mode == "kfold" and self.folds < 2:
            raise ConfigError(f"split.folds must be at least 2, got {self.folds}")
        if self.extra not in ("one_fold", "average"):
            raise ConfigError(f"split.extra must be 'one_fold' or 'average', got {self.extra!r}")
        for key in ("validation", "test"):
            if not 0 < getattr(self, key) < 1:
                raise ConfigError(f"split.{key} must lie in (0, 1), got {getattr(self, key)}")


@dataclass(frozen=True)
class FitSettings:
    """What a method needs to know to fit densities.

    Attributes:
        density: the flow.
        preprocessing: steps of the map to the space the flow is fitted in.
        trainer: the recipe.
        ensemble: which epochs are averaged when events are scored.
        split: how the data sample is divided.
        seed: root seed of the run.
        n_jobs: processes.
        threads: torch threads of each process.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda", for the fits.
    """

    density: DensityConfig
    preprocessing: PreprocessingConfig
    trainer: TrainerConfig
    ensemble: EnsembleConfig
    split: SplitConfig
    seed: int
    n_jobs: int
    threads: int
    tracker: str
    device: str


class AnomalyMethod(abc.ABC):
    """A method lives in a folder: ``fit`` fills it, and a method built on a filled one scores.

    Args:
        directory: the folder, usually ``checkpoints`` of a run.
        settings: how to fit.
    """

    name: ClassVar[str]

    def __init__(self, directory: Path, settings: FitSettings) -> None:
        self.directory = directory
        self.settings = settings

    def fit(self, events: RegionEvents) -> dict[str, FitResult]:
        """Fit every density, resuming what is begun and skipping what is finished.

        Raises:
            DataError: the events carry truth labels; strip them with ``without_label``.
        """
        for table in events:
            if table.label is not None:
                raise DataError(
                    f"{table.source}: truth labels never reach a fit; pass without_label()"
                )
        return self._fit(events)

    @abc.abstractmethod
    def unseen(self, signal_region: EventTable) -> np.ndarray:
        """(N,) which events of the signal region's data sample can be scored by fits that have
        not seen them."""

    @abc.abstractmethod
    def score(self, events: EventTable, in_data_sample: np.ndarray) -> Scores:
        """Score events.

        Args:
            events: N events; a truth label, where there is one, is not read.
            in_data_sample: (N,) whether the event belongs to the signal region's data sample the
                method was fitted on, and so must be scored by fits that did not see it.
        """

    @abc.abstractmethod
    def _fit(self, events: RegionEvents) -> dict[str, FitResult]: ...
