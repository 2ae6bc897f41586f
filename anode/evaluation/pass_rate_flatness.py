"""Does a cut on the score carve a bump into the mass spectrum of background?"""

from typing import Any

import numpy as np

from anode.evaluation.curves import fpr_key
from anode.statistics.counting.pass_rate import pass_rate

EFFICIENCIES = (1e-1, 1e-2)
N_BINS = 10


def sculpting(
    mass: np.ndarray, score: np.ndarray, window: tuple[float, float]
) -> dict[str, dict[str, float]]:
    """Is the share of background that passes a cut the same at every mass?

    Args:
        mass: (N,) of background in the signal region [GeV].
        score: (N,).
        window: the signal region [GeV], divided into ten bins.

    Returns:
        For cuts that keep 10% and 1% of background ("1e-1", "1e-2"): ``chi2`` and ``ndf`` against
        one rate for all bins, and its ``p_value``; cuts that leave too few events are left out.
    """
    edges = np.linspace(*window, N_BINS + 1)
    found: dict[str, dict[str, Any]] = {}
    for efficiency in EFFICIENCIES:
        passed = score > np.quantile(score, 1 - efficiency)
        rate = pass_rate(mass, passed, edges)
        if rate.ndf:
            found[fpr_key(efficiency)] = {
                "chi2": float(rate.chi2),
                "ndf": int(rate.ndf),
                "p_value": float(rate.p_value),
            }
    return found
