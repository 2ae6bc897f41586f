"""A method on compressed latent numbers, which are others for every fold.

The columns of an event come from a compression that has seen its neighbours. A fit that is to
score fold k must therefore see columns that know nothing of fold k, neither in the events that it
trains on: each fold has a compression, nested in five parts, and a method of its own.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from anode import progress
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, RegionEvents, Scores
from anode.methods.wrappers.compression import Compression
from anode.methods.wrappers.represented import representation_of, with_columns
from anode.regions.crossfit import SomeFolds, combine
from anode.representations.representation import latent_names
from anode.seeding import stream_seed

Make = Callable[[Path, FitSettings], AnomalyMethod]


class Compressed(AnomalyMethod):
    """One method for each fold, on columns that have not seen it.

    Args:
        directory: folder of all.
        settings: settings of the fits.
        make: function that builds the method of one fold in a folder.
    """

    has_own_space = True

    def __init__(self, directory: Path, settings: FitSettings, make: Make) -> None:
        super().__init__(directory, settings)
        assert settings.representation is not None  # or nothing is compressed
        assert settings.representation.compression is not None
        self.config, split = settings.representation, settings.split
        self.members, self.compressions = [], []
        for k in self.cross_fit.numbers:
            own = dataclasses.replace(settings, representation=None)
            if split.mode == "kfold":
                one = SomeFolds(**{**vars(split), "numbers": (k,)})
                own = dataclasses.replace(own, split=one)
            folder = directory / f"compressed{k}"
            self.members.append(make(folder, own))
            self.compressions.append(
                Compression(
                    folder / "compression.h5",
                    settings.representation.compression,
                    stream_seed(settings.seed, "compression", k),
                )
            )
        first = self.members[0]
        # Attributes of the instance here, of the class in other methods.
        self.title, self.meaning = first.title, first.meaning  # type: ignore[misc]
        self.score_at_window_centre = first.score_at_window_centre  # type: ignore[misc]
        self.uses_truth = first.uses_truth  # type: ignore[misc]
        self.representation = representation_of(directory, settings)
        self.names = latent_names(self.config, self.representation.inputs)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Each event by the member that knows nothing of its fold; new ones by all, if asked."""
        latent = self.representation.encode(events)
        rows = self.cross_fit.scored(events, fitted)
        found = [
            member.score(self._seen(k, events[index], latent[index]), fitted[index])
            for k, member, index in zip(self.cross_fit.numbers, self.members, rows, strict=True)
        ]
        n = len(events)
        was_clipped = np.zeros(n, dtype=bool)
        for index, each in zip(rows, found, strict=True):
            was_clipped[index] |= each.was_clipped
        score = combine(n, rows, [each.score for each in found])
        parts = {
            name: combine(n, rows, [each.parts[name] for each in found]) for name in found[0].parts
        }
        return Scores(events.event_id, events.mass, score, parts, was_clipped)

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """None: the representation is fitted to the sidebands too."""
        return None

    def _fit(self, events: RegionEvents) -> None:
        self.representation.fit(events.sidebands)
        region, sidebands = events.signal_region, events.sidebands
        inside, beside = (self.representation.encode(table) for table in (region, sidebands))
        simulation = events.simulation
        simulated = None if simulation is None else self.representation.encode(simulation)
        for k, member, compression in zip(
            self.cross_fit.numbers, self.members, self.compressions, strict=True
        ):
            known, also = self.cross_fit.may_see(k, region), self.cross_fit.may_see(k, sidebands)
            compression.fit(inside[known], region[known], beside[also], sidebands[also])
            with progress.task(f"fold {k}", share=1 / len(self.members)):
                member.fit(
                    RegionEvents(
                        self._seen(k, region, inside),
                        self._seen(k, sidebands, beside),
                        None
                        if simulation is None or simulated is None
                        else self._seen(k, simulation, simulated),
                    )
                )

    def _seen(self, k: int, events: EventTable, latent: np.ndarray) -> EventTable:
        """The events as the member of fold k sees them."""
        compression = self.compressions[self.cross_fit.numbers.index(k)]
        columns = compression.columns(latent, events, self.cross_fit.may_see(k, events))
        kept = self.settings.features if self.config.append else ()
        return with_columns(events, kept, self.names, columns)
