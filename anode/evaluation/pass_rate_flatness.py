"""Test of a flat pass rate: whether a cut on the score carves a bump into the mass spectrum."""

import numpy as np

from anode.evaluation.curves import fpr_key
from anode.statistics.counting.pass_rate import FlatnessTest, pass_rate

EFFICIENCIES = (1e-1, 1e-2)
N_BINS = 10


def sculpting(
    mass: np.ndarray, score: np.ndarray, window: tuple[float, float]
) -> dict[str, FlatnessTest]:
    """Is the share of background that passes a cut the same at every mass?

    Args:
        mass: (N,) masses of background events in the signal region [GeV].
        score: (N,) scores.
        window: bounds of the signal region [GeV], divided into ten bins.

    Returns:
        For cuts that keep 10% and 1% of background ("1e-1", "1e-2") the test against one rate for
        all bins; cuts that leave too few events are left out.
    """
    edges = np.linspace(*window, N_BINS + 1)
    tests = {}
    for efficiency in EFFICIENCIES:
        passed = score > np.quantile(score, 1 - efficiency)
        rate = pass_rate(mass, passed, edges)
        if rate.ndf:
            tests[fpr_key(efficiency)] = rate.flatness
    return tests
