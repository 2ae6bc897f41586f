"""A method that sees its events by what a representation has learned of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anode.density.physical import PhysicalDensity
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, ExtraMetrics, FitSettings, RegionEvents, Scores
from anode.representations.inputs import Inputs
from anode.representations.representation import Representation, Resources, latent_names

REPRESENTATION = "representation"


def representation_of(directory: Path, settings: FitSettings) -> Representation:
    """The representation of the settings, in a folder of a method.

    Raises:
        DataError: there is none.
    """
    if settings.representation is None:
        raise DataError("a representation is needed, got none; choose one, representation=ae")
    inputs = Inputs(settings.representation.inputs, settings.features, settings.particles)
    resources = Resources(settings.seed, settings.tracker, settings.device)
    return Representation(directory / REPRESENTATION, settings.representation, inputs, resources)


def with_columns(
    events: EventTable, kept: Sequence[str], names: Sequence[str], values: np.ndarray
) -> EventTable:
    """The events (N,) with some of their features and further columns, values (N, C)."""
    columns = [events.column(name)[:, np.newaxis] for name in kept]
    units = [events.units[events.names.index(name)] for name in kept]
    return EventTable(
        events.event_id,
        events.mass,
        np.hstack([*columns, values]),
        (*kept, *names),
        (*units, *[""] * len(names)),
        events.label,
        events.source,
        identity=events.identity,
    )


class Represented(AnomalyMethod):
    """Another method, in the same folder, that sees latent numbers in place of or beside features.

    The representation is fitted to the events of the sidebands, so that no event of the signal
    region is known to it.

    Args:
        directory: folder of the fits.
        settings: settings of the fits.
        inner: method in that folder.
    """

    has_own_space = True

    def __init__(self, directory: Path, settings: FitSettings, inner: AnomalyMethod) -> None:
        super().__init__(directory, settings)
        assert settings.representation is not None  # or the inner method would do
        self.inner, self.config = inner, settings.representation
        # Attributes of the instance here, of the class in other methods.
        self.title, self.meaning = inner.title, inner.meaning  # type: ignore[misc]
        self.score_at_window_centre = inner.score_at_window_centre  # type: ignore[misc]
        self.uses_truth = inner.uses_truth  # type: ignore[misc]
        self.representation = representation_of(directory, settings)
        self.names = latent_names(self.config, self.representation.inputs)

    def seen(self, events: EventTable) -> EventTable:
        """The same events (N,) with their latent numbers as features; what has them stays."""
        if set(self.names) <= set(events.names):
            return events
        values = self.representation.encode(events)
        kept = self.settings.features if self.config.append else ()
        return with_columns(events, kept, self.names, values)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Scores of the encoded events, by the inner method."""
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
        """(N, D) draws of the inner method, of encoded events."""
        return self.inner.draw_background(identity, mass, seed)

    def background_density(self) -> PhysicalDensity | None:
        """p_bg of the inner method, of encoded events."""
        return self.inner.background_density()

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """None: the representation is fitted to the sidebands too."""
        return None

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """Metrics (of N events) by the inner method."""
        return self.inner.extra_metrics(parts, in_data)

    def _fit(self, events: RegionEvents) -> None:
        self.representation.fit(events.sidebands)
        simulation = events.simulation
        self.inner.fit(
            RegionEvents(
                self.seen(events.signal_region),
                self.seen(events.sidebands),
                None if simulation is None else self.seen(simulation),
            )
        )
