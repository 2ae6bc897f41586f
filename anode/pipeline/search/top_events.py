"""Events that look most like a signal, and their jets."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events.table import EventTable
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.config import DataConfig
from anode.statistics.scan.top_events import TopEvent, TopEvents


class WindowScores(NamedTuple):
    """Events that pass the loosest cut of one window's model, as in its ``selected.h5``.

    Attributes:
        low, high: edges of the window [GeV].
        event_id: (N,) ids, each once.
        mass: (N,) masses, inside the window and outside [GeV].
        score: (N,) scores.
        thresholds: background efficiency -> score that its cut asks for; at least one.
    """

    low: float
    high: float
    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    thresholds: Mapping[float, float]


class Ranked(NamedTuple):
    """Events with the rarest scores, rarest first.

    Attributes:
        event_id, mass, score: (n,) ids, masses [GeV] and scores.
        log10_efficiency: (n,) log10 of the background efficiency of a cut at the score.
        low, high: (n,) edges of the window that gave the score [GeV].
    """

    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    log10_efficiency: np.ndarray
    low: np.ndarray
    high: np.ndarray


def top_events(
    windows: Sequence[WindowScores],
    best: tuple[float, float] | None,
    data: DataConfig,
    *,
    n: int = 10,
    n_jobs: int = 1,
) -> TopEvents:
    """The rarest events of the scan and of its best window.

    Args:
        windows: scores of all windows of the scan.
        best: bounds of the best window [GeV]; None without any.
        data: settings of the events' source, the group ``data``.
        n: number of events in each list.
        n_jobs: number of processes that cluster raw particles, if that has not been done.

    Returns:
        Lists of events, each once, with the features that the data have; none for the toy.

    Raises:
        DataError: an event is not in the data, or the best window not in the scan.
    """
    lists = {"overall": rarest(windows, n)}
    if best is not None:
        chosen = [w for w in windows if (w.low, w.high) == best]
        if not chosen:
            raise DataError(f"the best window {best} is none of the {len(windows)} of the scan")
        lists["hotspot"] = rarest(chosen, n)
    wanted = np.unique(np.concatenate([ranked.event_id for ranked in lists.values()]))
    kinematics = open_data(data, seed=0, n_jobs=n_jobs).kinematics(wanted)
    events = {
        name: tuple(_event(ranked, i, kinematics) for i in range(len(ranked.event_id)))
        for name, ranked in lists.items()
    }
    units = (
        {} if kinematics is None else dict(zip(kinematics.names, kinematics.units, strict=True))
    )
    return TopEvents(units, events["overall"], events.get("hotspot", ()))


def rarest(windows: Sequence[WindowScores], n: int) -> Ranked:
    """The n events whose scores are rarest, each scored by the window whose centre is nearest.

    Only events inside that window count. Scores of different windows are not comparable as
    numbers, the background efficiencies of cuts at them are.

    Args:
        windows: scores of windows with different centres.
        n: largest number of events.
    """
    centers = np.array([(window.low + window.high) / 2 for window in windows])
    found = [Ranked(np.empty(0, dtype=np.int64), *[np.empty(0)] * 5)]  # of no window
    for place, window in enumerate(windows):
        inside = (window.mass >= window.low) & (window.mass < window.high)
        nearest = np.argmin(np.abs(window.mass[:, None] - centers), axis=1) == place
        own = np.flatnonzero(inside & nearest)
        fraction = log10_efficiency(window.score[own], window.thresholds)
        first = np.lexsort((window.event_id[own], fraction))[:n]
        own = own[first]
        bounds = [np.full(len(own), bound) for bound in (window.low, window.high)]
        found.append(
            Ranked(
                window.event_id[own], window.mass[own], window.score[own], fraction[first], *bounds
            )
        )
    joined = Ranked(*(np.concatenate(column) for column in zip(*found, strict=True)))
    order = np.lexsort((joined.event_id, joined.log10_efficiency))[:n]
    return Ranked(*(column[order] for column in joined))


def log10_efficiency(score: np.ndarray, thresholds: Mapping[float, float]) -> np.ndarray:
    """log10 of the background efficiency of a cut at each score.

    Between two thresholds it is linear in the score, and beyond the last as between the last two.
    With a single threshold an efficiency falls e-fold with each unit of score, as for the
    logarithm of a likelihood ratio.

    Args:
        score: (N,) scores.
        thresholds: background efficiency -> score that its cut asks for.

    Raises:
        DataError: there is none, or tighter cuts do not need higher scores.

    Example:
        >>> log10_efficiency(np.array([1.5, 3.0, 4.0]), {0.1: 1.0, 0.01: 2.0, 0.001: 3.0}).tolist()
        [-1.5, -3.0, -4.0]
    """
    cuts = sorted(thresholds.items(), reverse=True)
    x = np.array([needed for _, needed in cuts])
    y = np.log10([efficiency for efficiency, _ in cuts])
    if not len(cuts) or np.any(np.diff(x) < 0):
        raise DataError(
            f"thresholds must rise from the loosest cut to the tightest, got {dict(cuts)}"
        )
    last = np.append(np.diff(x) > 0, True)  # where scores are equal, the tightest cut counts
    x, y = x[last], y[last]
    slope = -1 / np.log(10) if len(x) == 1 else (y[-1] - y[-2]) / (x[-1] - x[-2])
    first = slope if len(x) == 1 else (y[1] - y[0]) / (x[1] - x[0])
    fraction = np.interp(score, x, y)
    fraction = np.where(score > x[-1], y[-1] + slope * (score - x[-1]), fraction)
    return np.asarray(np.where(score < x[0], y[0] + first * (score - x[0]), fraction))


def _event(ranked: Ranked, place: int, kinematics: EventTable | None) -> TopEvent:
    event = int(ranked.event_id[place])
    features = {}
    if kinematics is not None:
        row = int(np.searchsorted(kinematics.event_id, event))
        names = kinematics.names
        features = dict(zip(names, kinematics.features[row].tolist(), strict=True))
    return TopEvent(
        event_id=event,
        mass=float(ranked.mass[place]),
        score=float(ranked.score[place]),
        window=(float(ranked.low[place]), float(ranked.high[place])),
        log10_efficiency=float(ranked.log10_efficiency[place]),
        features=features,
    )
