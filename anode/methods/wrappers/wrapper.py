"""A method that does something to its events, then leaves them to another method."""

from abc import abstractmethod
from pathlib import Path

import numpy as np

from anode.density.physical import PhysicalDensity
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, ExtraMetrics, FitSettings, RegionEvents, Scores


class Wrapper(AnomalyMethod):
    """Another method, in the same folder, that is given what ``seen`` makes of the events.

    Args:
        directory: folder of the fits.
        settings: settings of the fits.
        inner: method in that folder.
    """

    def __init__(self, directory: Path, settings: FitSettings, inner: AnomalyMethod) -> None:
        super().__init__(directory, settings)
        self.inner = inner
        # Attributes of the instance here, of the class in other methods.
        self.title, self.meaning = inner.title, inner.meaning  # type: ignore[misc]
        self.score_at_window_centre = inner.score_at_window_centre  # type: ignore[misc]
        self.uses_truth = inner.uses_truth  # type: ignore[misc]
        self.needs_sidebands = inner.needs_sidebands  # type: ignore[misc]

    @abstractmethod
    def seen(self, events: EventTable) -> EventTable:
        """The same events (N,) as the inner method sees them; what it has seen stays as it is."""

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Scores of the seen events, by the inner method."""
        return self.inner.score(self.seen(events), fitted)

    def unseen(self, events: EventTable, fitted: np.ndarray) -> np.ndarray:
        """(N,) as of the inner method."""
        return self.inner.unseen(events, fitted)

    @property
    def n_folds(self) -> int:
        """That of the inner method."""
        return self.inner.n_folds

    def fold(self, events: EventTable) -> np.ndarray:
        """(N,) folds of the inner method."""
        return self.inner.fold(events)

    @property
    def training_strip_width(self) -> float:
        """That of the inner method [GeV]."""
        return self.inner.training_strip_width

    def draw_background(
        self, identity: np.ndarray, mass: np.ndarray, seed: int
    ) -> np.ndarray | None:
        """(N, D) draws of the inner method, as it has seen events."""
        return self.inner.draw_background(identity, mass, seed)

    def background_density(self) -> PhysicalDensity | None:
        """p_bg(x|m) of the inner method."""
        return self.inner.background_density()

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """Those of the inner method, in the same folder."""
        return self.inner.background_fits

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """Metrics (of N events) by the inner method."""
        return self.inner.extra_metrics(parts, in_data)

    def _fit_inner(self, events: RegionEvents) -> None:
        """Fit the inner method to the seen events."""
        simulation = events.simulation
        self.inner.fit(
            RegionEvents(
                self.seen(events.signal_region),
                self.seen(events.sidebands),
                None if simulation is None else self.seen(simulation),
            )
        )
