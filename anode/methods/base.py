"""Interface of an anomaly-detection method: events in, scores out."""

import abc
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from anode.classifiers.fit import ClassifierConfig
from anode.density.base import DensityConfig
from anode.density.ensemble import EnsembleConfig
from anode.density.physical import PhysicalDensity
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.range_check import check_fraction_outside
from anode.regions.crossfit import CrossFit, SplitConfig
from anode.regions.preprocessing import Preprocessing, PreprocessingConfig
from anode.representations.config import RepresentationConfig
from anode.training.recipe import TrainerConfig


class RegionEvents(NamedTuple):
    """Events that a method is fitted on.

    Attributes:
        signal_region: data sample in the signal region, without truth labels.
        sidebands: data sample in the sidebands, without truth labels.
        simulation: labelled events of the signal region that are not in the data sample, for
            methods that use truth; None for all others.
    """

    signal_region: EventTable
    sidebands: EventTable
    simulation: EventTable | None = None


class Scores(NamedTuple):
    """Scores of N events; higher scores are more anomalous.

    Attributes:
        event_id: (N,) ids of the events.
        mass: (N,) resonant mass [GeV].
        score: (N,) anomaly score.
        parts: name -> (N,) term of the score, such as ``log_p_data``.
        was_clipped: (N,) True for events that were moved to the edge of the range of features
            that densities were fitted in.
    """

    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    parts: dict[str, np.ndarray]
    was_clipped: np.ndarray


def check_interpolation(events: RegionEvents, config: PreprocessingConfig) -> None:
    """Refuse a data sample, before anything is fitted, if the sidebands cannot say what
    background is in its signal region.

    Args:
        events: data that p_bg is to be fitted on, in the sidebands, and evaluated on.
        config: settings of the map whose range the sidebands give.

    Raises:
        DataError: more than 10% of the signal region lie outside the sidebands' range of features.
    """
    region, sidebands = events.signal_region, events.sidebands
    if len(sidebands) < 2:  # which the fit refuses, and says why
        return
    steps = Preprocessing.fit(
        sidebands.features, sidebands.names, logit=config.logit, standardise=config.standardise
    )
    n_outside = steps.n_outside(torch.as_tensor(region.features))
    check_fraction_outside(n_outside, len(region), f"{region.source}, signal region")


@dataclass(frozen=True)
class FitSettings:
    """Settings of the fits of a method; each method uses those it needs.

    Attributes:
        density: settings of the density.
        preprocessing: settings of the map to the space that the density is fitted in.
        trainer: settings of the training.
        classifier: settings of the classifier; None for methods without one.
        ensemble: choice of the epochs that are averaged when events are scored.
        split: division of the data sample into folds or parts.
        seed: root seed of the run.
        n_jobs: number of processes.
        threads: threads of each process.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda", for the fits.
        store: folder of finished sideband fits that runs share; None for none.
        representation: settings of what methods see in place of or beside the features; None for
            the features alone.
        features: names of the features that methods would see without it.
        particles: file with the particles of the events; None where there can be none.
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
    representation: RepresentationConfig | None = None
    features: tuple[str, ...] = ()
    particles: Path | None = None


@dataclass(frozen=True)
class ExtraMetrics:
    """Metrics of a method beside its scores, as entries of ``metrics.json``; None is left out.

    Attributes:
        signal_fraction, signal_fraction_error: fitted fraction of signal in the signal region.
        signal_fraction_by_fold: the same from the fits of each fold.
        likelihood_gain: mean of log p_data - log p_bg over data events that no fit has seen.
        other: further numbers of a method, by the names of their entries.
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
        name: name of the method, a key of ``anode.methods.build.METHODS``.
    """

    name: str


class AnomalyMethod(abc.ABC):
    """A method in a folder: ``fit`` fills the folder, ``score`` reads it.

    Args:
        directory: folder of the fits, usually ``checkpoints`` of a run.
        settings: settings of the fits.

    Attributes:
        title: name in figures.
        meaning: definition of the score, in a few words.
        uses_truth: True if it needs labelled simulation: an upper limit for searches, not one.
        needs_sidebands: True if it needs sideband events.
        score_at_window_centre: True if the score uses a density fitted only inside the signal
            region; a search then evaluates it at the window centre.
        interpolates: True if a density that was fitted in the sidebands is evaluated on events of
            the signal region.
        fits_density: True if it may fit the density of the run.
        has_own_space: True if it describes events by numbers that its fit has learned, which mean
            nothing to another fit of it.
    """

    title: ClassVar[str]
    meaning: ClassVar[str]
    uses_truth: ClassVar[bool] = False
    needs_sidebands: ClassVar[bool] = True
    score_at_window_centre: ClassVar[bool] = True
    interpolates: ClassVar[bool] = False
    fits_density: ClassVar[bool] = True
    has_own_space: ClassVar[bool] = False

    def __init__(self, directory: Path, settings: FitSettings) -> None:
        self.directory = directory
        self.settings = settings
        self.cross_fit = CrossFit(settings.split, settings.seed)

    def fit(self, events: RegionEvents) -> None:
        """Run all fits of the method, resuming; the order of the events makes no difference.

        Raises:
            DataError: data events carry truth labels (remove them with ``without_label``); a
                method that uses truth gets no simulation, or another one does; or as
                ``check_interpolation``.
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
        if self.interpolates:
            check_interpolation(events, self.settings.preprocessing)
        simulation = events.simulation and events.simulation.by_identity()
        region, sidebands = events.signal_region.by_identity(), events.sidebands.by_identity()
        self._fit(RegionEvents(region, sidebands, simulation))

    def seen(self, events: EventTable) -> EventTable:
        """The same events (N,) as the fits see them; ``score`` does it by itself."""
        return events

    def unseen(self, events: EventTable, fitted: np.ndarray) -> np.ndarray:
        """(N,) True for events that can be scored by fits that have not seen them.

        Args:
            events: N events of the signal region.
            fitted: (N,) True for events that the method was fitted on.
        """
        return self.cross_fit.unseen(events) | np.logical_not(fitted)

    @property
    def n_folds(self) -> int:
        """Number of fits among which events are divided; each has score cuts of its own."""
        return self.cross_fit.n_folds

    def fold(self, events: EventTable) -> np.ndarray:
        """(N,) number of the fit that scores each event, 0 to ``n_folds`` - 1."""
        return self.cross_fit.fold(events)

    @abc.abstractmethod
    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Score events.

        Args:
            events: N events; truth labels are not read.
            fitted: (N,) True for events that the method was fitted on; each is scored by fits
                that did not see it.
        """

    @property
    def training_strip_width(self) -> float:
        """Width beside the signal region in which every fold trains on the events as background
        [GeV]; their scores are no estimate for unseen background."""
        return 0.0

    def draw_background(
        self, identity: np.ndarray, mass: np.ndarray, seed: int
    ) -> np.ndarray | None:
        """(N, D) features x ~ p_bg(x|m) of new events; None if the method has no p_bg.

        Args:
            identity: (N,) identities that the new events will have, before their content is
                known.
            mass: (N,) their masses [GeV].
            seed: seed of the draw.
        """
        density = self.background_density()
        return None if density is None else density.generate(mass, seed)

    def background_density(self) -> PhysicalDensity | None:
        """p_bg(x|m), averaged over epochs, for closure tests; None if the method has none."""
        return None

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """Folders of the fits of p_bg by their path below the method's folder: with these held,
        all that remains is fitted on events of the signal region and of the training strips.
        Without entry if that is everything; None where more hangs on the sidebands."""
        return None if self.needs_sidebands and not self.training_strip_width else {}

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """Metrics of the method beside its scores.

        Args:
            parts: terms of the score, as its ``Scores`` have them, (N,) each.
            in_data: (N,) True for events of the data, scored by fits that did not see them.
        """
        return ExtraMetrics()

    @abc.abstractmethod
    def _fit(self, events: RegionEvents) -> None: ...
