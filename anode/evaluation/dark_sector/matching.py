"""Weights that give the Standard Model jets the transverse momenta of a signal.

A jet's mass, energy and multiplicity grow with its pT, so that samples of different pT differ in
all of them. In bins of pT, each holding as many signal jets,

    w = (share of the signal in the bin) / (share of the Standard Model in it);

what differs afterwards is not the pT.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_BINS = 100
"""Bins of pT: what is left of a slope within one is far below statistical errors."""


class Matching(NamedTuple):
    """Weights of M jets after matching, and which of N signal jets have any counterpart.

    Attributes:
        weights: (M,) weights of mean 1 over the jets of bins that have signal.
        matched: (N,) False for signal jets of bins without a Standard Model jet.
    """

    weights: NDArray[np.float64]
    matched: NDArray[np.bool_]


def match_pt(signal: NDArray[np.float64], standard_model: NDArray[np.float64]) -> Matching:
    """Match the pT of M Standard Model jets to that of N signal jets.

    Args:
        signal: (N,) transverse momenta [GeV].
        standard_model: (M,) transverse momenta [GeV].

    Example:
        >>> matching = match_pt(np.array([1.0, 1.0, 1.0, 3.0]), np.array([1.0, 3.0]))
        >>> matching.weights.tolist()
        [1.5, 0.5]
    """
    inner = np.unique(np.quantile(signal, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    own, other = (np.searchsorted(inner, pt, side="left") for pt in (signal, standard_model))
    n_own, n_other = (np.bincount(bins, minlength=len(inner) + 1) for bins in (own, other))
    matched = n_other[own] > 0
    share = np.where(n_other > 0, n_own, 0) / max(np.count_nonzero(matched), 1)
    weight = np.divide(share, n_other / len(other), out=np.zeros(len(share)), where=n_other > 0)
    return Matching(weight[other], matched)
