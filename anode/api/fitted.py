"""A fitted method: its configuration, its folder, and the events it was fitted on."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anode.api.folder import PrivateFolder
from anode.api.scores import EventScores
from anode.errors import DataError
from anode.events import rules
from anode.events.known_events import KnownEvents
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, Scores
from anode.methods.range_check import check_fraction_outside, judged
from anode.parallel import lent_process
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.fitted_events import fitted_events
from anode.pipeline.runs.prepare import EXTRA_ID_OFFSET, Prepared, prepare_tables
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.window import as_scored
from anode.regions.distortion import distort

log = logging.getLogger(__name__)

SIMULATION_IDS = 2 * EXTRA_ID_OFFSET  # added to ids of simulation, as to those of data.extra


class FittedRun:
    """A run in a folder, which scores events in memory.

    Args:
        config: configuration of the run.
        folder: directory of the run; a private one lives as long as this.
        prepared: events it was fitted on, before any distortion, where they are in memory alone.
    """

    def __init__(
        self, config: RunConfig, folder: PrivateFolder | Path, prepared: Prepared | None = None
    ) -> None:
        self.config = config
        self._folder = folder
        self.prepared = prepared

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._folder.path if isinstance(self._folder, PrivateFolder) else self._folder

    @property
    def method(self) -> AnomalyMethod:
        """The method, which scores events that are new to it by the average over folds."""
        split = dataclasses.replace(self.config.split, extra="average")
        config = dataclasses.replace(self.config, split=split)
        return stages.method_of(config, RunDirectory(self.path))

    def score(self, events: EventTable, *, any_mass: bool) -> EventScores:
        """Scores of events (N,), each by fits that have not seen it.

        Args:
            events: events with the features of the run, as read from their source.
            any_mass: True to score those outside the signal region too, all at its centre.
        """
        with lent_process():
            scoring = _Scoring(self.config, self.method, fitted_events(self.path))
            return scoring.of(events, any_mass=any_mass)


def fit_run(config: RunConfig, data: EventTable, simulation: EventTable | None) -> FittedRun:
    """Fit a method to events in memory, in a private folder.

    Args:
        config: configuration of the method and its fit; ``run_dir`` is replaced.
        data: data sample; its labels, if any, reach no fit.
        simulation: labelled events that are not in the data sample, for methods that use truth.

    Raises:
        DataError: a region has no events, or simulation is missing, unlabelled, given to a method
            that must not see it, or repeats events of the data.
    """
    folder = PrivateFolder()
    config = dataclasses.replace(config, run_dir=str(folder.path))
    method = stages.method_of(config, RunDirectory(folder.path))
    _check_simulation(method, simulation)
    if simulation is not None:
        ids = SIMULATION_IDS + simulation.event_id
        simulation = dataclasses.replace(simulation, event_id=ids, source="simulation")
    prepared = prepare_tables(config, data, simulation, check_sidebands=method.needs_sidebands)
    if method.uses_truth and prepared.extra_in_signal_region() is None:
        raise DataError(f"{method.title} needs simulation in the signal region, got none there")
    with lent_process():
        stages.train(config, prepared)
    return FittedRun(config, folder, prepared)


def _check_simulation(method: AnomalyMethod, simulation: EventTable | None) -> None:
    if method.uses_truth and (simulation is None or simulation.label is None):
        raise DataError(
            f"{method.title} needs labelled events that are not in the data: "
            f"fit(events, simulation=Events(..., label=...)), got "
            f"{'no simulation' if simulation is None else 'simulation without labels'}"
        )
    if simulation is not None and not method.uses_truth:
        raise DataError(
            f"{method.title} must not see labelled events, got simulation={simulation.source}; "
            "leave it out, or use Iad or Supervised"
        )


class _Scoring:
    """How events, some of which fits may have seen, are scored by those that have not."""

    def __init__(self, config: RunConfig, method: AnomalyMethod, known: KnownEvents) -> None:
        self.config, self.method, self.known = config, method, known
        self.regions = config.regions.regions()

    def of(self, events: EventTable, *, any_mass: bool) -> EventScores:
        if not self.config.preprocessing.binary_features:
            rules.refuse_binary(events)
        inside = self.regions.in_signal_region(events.mass)
        rows = np.arange(len(events)) if any_mass else np.flatnonzero(inside)
        as_fitted = distort(events[rows].without_label(), self.config.distortion, self.config.seed)
        table, known = self.known.recognise(as_fitted)
        self._refuse_sidebands(table, known)
        seen = known & inside[rows]
        allowed = self.method.unseen(table, seen)
        scores = self._score(table[allowed], seen[allowed], any_mass=any_mass)

        def spread(values: NDArray[Any], fill: Any) -> NDArray[Any]:
            """(N,) of the events, from those that were scored."""
            everywhere = np.full(len(events), fill)
            everywhere[rows[allowed]] = values
            return everywhere

        used = seen[allowed]
        return EventScores(
            event_id=events.event_id,
            mass=events.mass,
            score=spread(scores.score, np.nan),
            scored=spread(np.ones(len(scores.score), dtype=bool), False),
            seen=spread(used, False),
            clipped=spread(scores.was_clipped, False),
            parts={name: spread(part, np.nan) for name, part in scores.parts.items()},
            meaning=self.method.meaning,
            extra={} if any_mass else self._extra(scores, used),
        )

    def _refuse_sidebands(self, events: EventTable, known: NDArray[np.bool_]) -> None:
        """Refuse events of the sidebands if all fits have seen them."""
        method = self.method
        if self.config.split.sideband_folds > 1 or not method.needs_sidebands:
            return
        rows = np.flatnonzero(known & self.regions.in_sidebands(events.mass))
        if rows.size:
            raise DataError(
                f"{events.source}: events must be new to some fit, but all fits of {method.title} "
                f"have seen {rows.size} in their sidebands, first event_id "
                f'{events.event_id[rows[0]]}; fit with split={{"sideband_folds": 2}}, or leave '
                "any_mass out"
            )

    def _extra(self, scores: Scores, used: NDArray[np.bool_]) -> dict[str, Any]:
        if not used.any():
            return {}
        found = dataclasses.asdict(self.method.extra_metrics(scores.parts, used))
        found |= found.pop("other")
        return {name: value for name, value in found.items() if value is not None}

    def _score(self, chosen: EventTable, seen: NDArray[np.bool_], *, any_mass: bool) -> Scores:
        """Scores of events that some fit has not seen."""
        if not len(chosen):
            empty = np.empty(0)
            return Scores(chosen.event_id, chosen.mass, empty, {}, empty.astype(bool))
        if any_mass:
            chosen = as_scored(self.method, chosen, self.regions.signal)
        scores = self.method.score(chosen, seen)
        try:
            counted = judged(chosen.label, len(chosen))
            n_outside = int((scores.was_clipped & counted).sum())
            check_fraction_outside(n_outside, int(counted.sum()), chosen.source)
        except DataError as error:
            log.warning("%s", error)
        return scores
