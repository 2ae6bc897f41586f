"""How well is a fitted spectrum known, bin by bin?"""

import numpy as np

from anode.search.dijet import columns


def fit_error(
    expected: np.ndarray, edges: np.ndarray, used: np.ndarray, n_parameters: int
) -> np.ndarray:
    """Standard deviation of a fitted di-jet function in each bin, from its values alone.

    The functions are f = exp(sum_k theta_k g_k(x)) with g = 1, ln(1-x), ln x, ln^2 x, ln^3 x and
    x = m / 13 TeV, so the Fisher information of a Poisson likelihood is
    I_kl = sum_b f_b g_kb g_lb over the fitted bins, and var f_b = f_b^2 g_b . I^-1 g_b.

    Args:
        expected: (B,) events of the fit; bins without a positive number have no error.
        edges: (B + 1,) bins [GeV], below 13 TeV.
        used: (B,) bool, bins that were fitted.
        n_parameters: how many of the g_k the function has, 1 to 5.

    Returns:
        (B,) events; NaN where ``expected`` is not positive.
    """
    design = columns(edges, n_parameters)
    value = np.where(np.nan_to_num(expected) > 0, expected, np.nan)
    fitted = used & np.isfinite(value)
    if fitted.sum() < n_parameters:
        return np.full(len(design), np.nan)
    _, triangle = np.linalg.qr(np.sqrt(value[fitted])[:, None] * design[fitted])
    relative = np.linalg.norm(np.linalg.solve(triangle.T, design.T), axis=0)
    return np.asarray(value * relative)
