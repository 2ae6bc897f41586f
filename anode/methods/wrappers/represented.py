"""A method that sees its events by what a representation has learned of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, RegionEvents
from anode.methods.wrappers.wrapper import Wrapper
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
    resources = Resources(settings.seed, settings.tracker, settings.device, settings.store)
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


class Represented(Wrapper):
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
        super().__init__(directory, settings, inner)
        assert settings.representation is not None  # or the inner method would do
        self.config = settings.representation
        self.needs_sidebands = True  # type: ignore[misc]
        self.representation = representation_of(directory, settings)
        self.names = latent_names(self.config, self.representation.inputs)

    def seen(self, events: EventTable) -> EventTable:
        """The same events (N,) with their latent numbers as features; what has them stays."""
        if set(self.names) <= set(events.names):
            return events
        values = self.representation.encode(events)
        kept = self.settings.features if self.config.append else ()
        return with_columns(events, kept, self.names, values)

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """None: the representation is fitted to the sidebands too."""
        return None

    def _fit(self, events: RegionEvents) -> None:
        self.representation.fit(events.sidebands)
        self._fit_inner(events)
