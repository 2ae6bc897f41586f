"""The interface of all anomaly-detection methods: what they take, and what they give back."""

import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from anode.classifiers.fit import ClassifierConfig
from anode.density.base import DensityConfig
from anode.density.ensemble import EnsembleConfig
from anode.density.physical import PhysicalDensity
from anode.errors import DataError
from anode.events.table import EventTable
from anode.regions.crossfit import CrossFit, SplitConfig
from anode.regions.preprocessing import PreprocessingConfig
from anode.training.recipe import TrainerConfig

MAX_OUTSIDE = 0.1


class RegionEvents(NamedTuple):
    """What a method is fitted on.

    Attributes:
        signal_region: the data sample there, without truth labels.
        sidebands: the data sample there, without truth labels.
        simulation: labelled events of the signal region that are not in the data sample, for
            methods that use truth; None for all others.
    """

    signal_region: EventTable
    sidebands: EventTable
    simulation: EventTable | None = None


class Scores(NamedTuple):
    """What a method says of N events; higher scores are more anomalous.

    Attributes:
        event_id: (N,).
        mass: (N,) di-jet masses [GeV].
        score: (N,).
        parts: named (N,) terms the score is made of, such as ``log_p_data``.
        outside: (N,) events clipped to the range of features that densities were fitted in.
    """

    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    parts: dict[str, np.ndarray]
    outside: np.ndarray


def check_fraction_outside(n_outside: int, n_events: int, source: str) -> None:
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
class FitSettings:
    """What a method needs to know to be fitted; each uses what it needs.

    Attributes:
        density: the flow.
        preprocessing: steps of the map to the space the flow is fitted in.
        trainer: the recipe.
        classifier: what tells two samples apart; None for methods that do without.
        ensemble: epochs that are averaged when events are scored.
        split: division of the data sample into folds.
        seed: root seed of the run.
        n_jobs: processes.
        threads: threads of each process.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda", for the fits.
        store: folder of finished sideband fits, which runs share by content; None for none.
    """

    density: DensityConfig
    preprocessing: PreprocessingConfig
    trainer: TrainerConfig
    classifier: ClassifierConfig | None
    ensemble: EnsembleConfig
    split: SplitConfig
    seed: int
    n_jobs: int
    threads: int
    tracker: str
    device: str
    store: Path | None = None


@dataclass(frozen=True)
class ExtraMetrics:
    """What a method says beside scores, as entries of ``metrics.json``; None is left out.

    Attributes:
        signal_fraction, signal_fraction_error: fitted fraction of signal in the signal region.
        signal_fraction_by_fold: what the fits of each fold learned of it.
        likelihood_gain: mean of log p_data - log p_bg over data events that no fit has seen.
        other: numbers of your own method, by the names of their entries.
    """

    signal_fraction: float | None = None
    signal_fraction_error: float | None = None
    signal_fraction_by_fold: tuple[float, ...] | None = None
    likelihood_gain: float | None = None
    other: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodConfig:
    """Settings every method has; each adds its own.

    Attributes:
        name: name of the method, as in ``anode.methods.build``.
    """

    name: str


class AnomalyMethod(abc.ABC):
    """A method lives in a folder: ``fit`` fills it, and a method built on a filled one scores.

    Args:
        directory: the folder, usually ``checkpoints`` of a run.
        settings: settings of the fits.

    Attributes:
        title: its name in figures.
        meaning: what the score is.
        uses_truth: True if it needs labelled simulation: a ceiling, not a search.
        needs_sidebands: True if it needs sideband events.
        score_at_window_centre: True if the score uses a density fitted only inside the signal
            region; a search then evaluates it at the window centre.
    """

    title: ClassVar[str]
    meaning: ClassVar[str]
    uses_truth: ClassVar[bool] = False
    needs_sidebands: ClassVar[bool] = True
    score_at_window_centre: ClassVar[bool] = True

    def __init__(self, directory: Path, settings: FitSettings) -> None:
        self.directory = directory
        self.settings = settings
        self.cross_fit = CrossFit(settings.split, settings.seed)

    def fit(self, events: RegionEvents) -> None:
        """Fit all there is to fit, resuming what is begun and skipping what is finished.

        Raises:
            DataError: data events carry truth labels (strip them with ``without_label``); a
                method that uses truth gets no simulation, or another one does.
        """
        for table in (events.signal_region, events.sidebands):
            if table.label is not None:
                raise DataError(
                    f"{table.source}: truth labels never reach a fit; pass without_label()"
                )
        if (events.simulation is not None) != self.uses_truth:
            raise DataError(
                f"{self.title} {'needs' if self.uses_truth else 'must not see'} labelled events "
                f"outside the data sample, got {'some' if events.simulation else 'none'}; "
                "injection.n_background, data.extra_background and data.extra provide them"
            )
        self._fit(events)

    def unseen(self, events: EventTable, *, fitted: bool) -> np.ndarray:
        """(N,) which events can be scored by fits that have not seen them.

        Args:
            events: events of the signal region.
            fitted: True if they are among those the method was fitted on.
        """
        return self.cross_fit.unseen(events) if fitted else np.ones(len(events), dtype=bool)

    @abc.abstractmethod
    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Score events.

        Args:
            events: N events; a truth label, where there is one, is not read.
            fitted: (N,) whether the event is among those the method was fitted on, and so must be
                scored by fits that did not see it.
        """

    @property
    def strip(self) -> float:
        """Width beside the signal region in which every fold trains on the events as background
        [GeV]: their scores say nothing of unseen background."""
        return 0.0

    def draw_background(
        self, event_id: np.ndarray, mass: np.ndarray, seed: int
    ) -> np.ndarray | None:
        """(N, D) features x ~ p_bg(x|m) of new events with these ids and masses [GeV]; None if the
        method has no p_bg."""
        density = self.background_density()
        return None if density is None else density.generate(mass, seed)

    def background_density(self) -> PhysicalDensity | None:
        """p_bg(x|m), averaged over epochs, for closure tests; None if the method has none."""
        return None

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """What the method says beside scores.

        Args:
            parts: terms of the score, as its ``Scores`` have them, (N,) each.
            in_data: (N,) which of the events are the data's, scored by fits that did not see them.
        """
        return ExtraMetrics()

    @abc.abstractmethod
    def _fit(self, events: RegionEvents) -> None: ...
