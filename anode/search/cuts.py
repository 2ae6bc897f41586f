"""Which score does an event need to pass, if a given share of background shall pass?"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_PASSING = 5


class Cut(NamedTuple):
    """An event passes if its score is above ``threshold``.

    Attributes:
        nominal: share of background that was asked for.
        threshold: the score.
        efficiency: share of the template that passes, never above the nominal one; below it if
            scores are equal.
        error: its standard error, at least that of one event: binomial, or that of the mean over
            groups of the template if it is larger.
    """

    nominal: float
    threshold: float
    efficiency: float
    error: float


def fix_cuts(
    template: np.ndarray, efficiencies: Sequence[float], group: np.ndarray | None = None
) -> list[Cut]:
    """Cuts that keep the given shares of a template of background.

    Those that fewer than five events of the template would pass cannot be fixed and are left out.

    Args:
        template: (n,) scores of background none of which is counted.
        efficiencies: in (0, 1).
        group: (n,) numbers of the densities that the events were drawn from; their spread says how
            well a density is known. None for one.
    """
    ordered = np.sort(template)
    n = len(ordered)
    cuts = []
    for nominal in efficiencies:
        passing = math.floor(nominal * n + 1e-9)  # 0.29 * 100 is a little less than 29
        if passing < MIN_PASSING:
            continue
        threshold = float(ordered[n - passing - 1])
        passed = template > threshold
        efficiency = float(np.mean(passed))
        error = float(np.sqrt(max(efficiency * (1 - efficiency), 1 / n) / n))
        if group is not None:
            error = max(error, _error_of_mean(passed, group))
        cuts.append(Cut(nominal, threshold, efficiency, error))
    return cuts


def _error_of_mean(passed: np.ndarray, group: np.ndarray) -> float:
    """Standard error of the mean of the groups' shares; 0 for a single group."""
    shares = [float(np.mean(passed[group == number])) for number in np.unique(group)]
    return float(np.std(shares, ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else 0.0
