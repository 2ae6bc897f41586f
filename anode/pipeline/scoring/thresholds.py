"""Scores that given fractions of background exceed, from other events than those that are judged.

A run has no thresholds of its own, as the windows of a scan have. Events drawn from its p_bg at
the masses of its signal region stand for background that no fit has seen. Methods without p_bg
take the run's own data there, cross-fitted: signal in them raises the thresholds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import DATA, read_scores
from anode.pipeline.search.window import BANDWIDTH
from anode.regions.mass import sample_masses
from anode.seeding import stream, stream_seed
from anode.statistics.scan.working_points import fix_cuts

EFFICIENCIES = (0.1, 0.01, 0.001)
N_DRAWN = 20_000


class Thresholds(NamedTuple):
    """Cuts, the loosest first.

    Attributes:
        efficiency: (E,) fractions of background.
        score: (E,) an event passes whose score is larger.
        source: "p_bg" for events drawn from it, "data" for those of the run, "" for none.
        n_events: number of events they are taken from.
    """

    efficiency: np.ndarray
    score: np.ndarray
    source: str
    n_events: int


NONE = Thresholds(np.empty(0), np.empty(0), "", 0)


def thresholds_of(
    method: AnomalyMethod,
    directory: RunDirectory,
    features: Sequence[str],
    *,
    seed: int,
    efficiencies: Sequence[float] = EFFICIENCIES,
) -> Thresholds:
    """Thresholds of a run for events that are new to it.

    Args:
        method: the run's method.
        directory: folder of the run; without ``scores.h5`` there are no thresholds.
        features: names of the features as the method sees them.
        seed: root seed of the run.
        efficiencies: fractions of background in (0, 1), descending; those that fewer than five
            events would exceed are left out.

    Raises:
        DataError, RunDirectoryError: ``scores.h5`` is damaged.
    """
    if not directory.scores.is_file():
        return NONE
    scored = read_scores(directory.scores)
    own = scored.sample == DATA
    if np.unique(scored.mass[own]).size < 2:
        return NONE
    drawn = _drawn(method, scored.mass[own], features, seed)
    score, source = scored.score[own], "data"
    if drawn is not None:
        score, source = method.score(drawn, np.zeros(len(drawn), dtype=bool)).score, "p_bg"
    cuts = fix_cuts(score[np.isfinite(score)], efficiencies)
    return Thresholds(
        np.array([cut.efficiency for cut in cuts]),
        np.array([cut.threshold for cut in cuts]),
        source,
        len(score),
    )


def _drawn(
    method: AnomalyMethod, mass: np.ndarray, features: Sequence[str], seed: int
) -> EventTable | None:
    """Events from p_bg at such masses (N,); None if the method has none."""
    rng = stream(seed, "thresholds", "masses")
    masses = sample_masses(mass, N_DRAWN, bandwidth=BANDWIDTH, rng=rng)
    ids = -1 - np.arange(N_DRAWN)  # apart from all that a file has
    identity = ids.view(np.uint64)
    values = method.draw_background(identity, masses, stream_seed(seed, "thresholds", "events"))
    if values is None:
        return None
    names, units = tuple(features), ("",) * len(features)  # no score hangs on units
    return EventTable(ids, masses, values, names, units, None, "p_bg", identity=identity)
