"""Cuts on the score at given background efficiencies."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_PASSING = 5


class Cut(NamedTuple):
    """An event passes if its score is above ``threshold``.

    Attributes:
        nominal: background efficiency that was asked for.
        threshold: smallest score, itself excluded.
        efficiency: fraction of the template that passes, never above the nominal one; below it if
            scores are equal.
        error: binomial error of ``efficiency``, at least that of one event.
    """

    nominal: float
    threshold: float
    efficiency: float
    error: float


def n_passing(n_events: int, efficiency: float) -> int:
    """Number of a template's events that a cut may keep."""
    return math.floor(efficiency * n_events + 1e-9)  # 0.29 * 100 is a little less than 29


def fix_cuts(template: np.ndarray, efficiencies: Sequence[float]) -> list[Cut]:
    """Cuts that keep the given fractions of a template of background.

    Cuts that fewer than five events of the template would pass are left out.

    Args:
        template: (n,) scores of background events that are not counted as data.
        efficiencies: nominal background efficiencies in (0, 1).
    """
    ordered = np.sort(template)
    n = len(ordered)
    cuts = []
    for nominal in efficiencies:
        passing = n_passing(n, nominal)
        if passing < MIN_PASSING:
            continue
        threshold = float(ordered[n - passing - 1])
        efficiency = float(np.mean(template > threshold))
        error = float(np.sqrt(max(efficiency * (1 - efficiency), 1 / n) / n))
        cuts.append(Cut(nominal, threshold, efficiency, error))
    return cuts
