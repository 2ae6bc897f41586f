"""Di-jet function, the shape of a smooth mass spectrum, and goodness of fit.

The functions of the di-jet searches of ATLAS [1910.08447, eq. 1] and CMS [1911.03947, eq. 1]:

    f(x) = p0 (1 - x)^p1 x^-(p2 + p3 ln x + p4 ln^2 x),    x = m / sqrt(s),  sqrt(s) = 13 TeV

with p3 = p4 = 0 for three parameters and p4 = 0 for four. Their logarithm is linear in the
parameters, ln f = sum_k theta_k g_k(x) with g = 1, ln(1 - x), ln x, ln^2 x, ln^3 x.
"""

import numpy as np
from scipy import special

from anode.errors import ConfigError, DataError

SQRT_S = 13_000.0
"""Energy of the collisions [GeV]."""
N_PARAMETERS = (3, 4, 5)
"""Numbers of parameters the functions may have."""
MIN_EXPECTED = 5.0
"""Neighbouring bins are merged until this many events are expected, before chi2 is trusted."""


def check_edges(edges: np.ndarray) -> np.ndarray:
    """Edges (B+1,) [GeV] as float64.

    Raises:
        DataError: fewer than two, not finite, not rising, not positive, or above sqrt(s).
    """
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not np.isfinite(edges).all():
        raise DataError(
            "edges of bins must be a finite list of at least two masses in GeV, got an array of "
            f"shape {edges.shape}; give one edge more than there are bins"
        )
    if not (np.diff(edges) > 0).all():
        bad = int(np.argmin(np.diff(edges) > 0))
        raise DataError(
            f"edges of bins must rise strictly, got {edges[bad]:g} before "
            f"{edges[bad + 1]:g} GeV (entry {bad + 1}); sort them and drop repeated ones"
        )
    if edges[0] <= 0 or edges[-1] > SQRT_S:
        raise DataError(
            f"masses must lie between 0 and sqrt(s) = {SQRT_S:g} GeV, where a di-jet function is "
            f"defined; got edges from {edges[0]:g} to {edges[-1]:g} GeV; give them in GeV and "
            "end them at or below sqrt(s)"
        )
    return edges


def check_counts(counts: np.ndarray, *, expectations: bool = False) -> np.ndarray:
    """Counts of any shape as float64; with ``expectations`` they need not be whole.

    Raises:
        DataError: a count is negative, not finite, or not a whole number.
    """
    counts = np.asarray(counts, dtype=np.float64)
    wrong = ~(np.isfinite(counts) & (counts >= 0))
    if not expectations:
        wrong |= counts != np.floor(counts)
    if wrong.any():
        bad = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            "counts must be whole numbers >= 0; weighted events are not supported because the "
            "Poisson likelihood holds for counts alone; got "
            f"{counts[bad]:g} in bin {', '.join(map(str, bad))}; count events without weights"
        )
    return counts


def check_bins(chosen: np.ndarray, n_bins: int, what: str) -> np.ndarray:
    """A mask of bins (B,) with at least one bin chosen.

    Raises:
        DataError: not boolean, of another length, or nothing is chosen.
    """
    chosen = np.asarray(chosen)
    if chosen.dtype != np.bool_ or chosen.shape != (n_bins,):
        raise DataError(
            f"{what} must be True or False for each of the {n_bins} bins, got dtype "
            f"{chosen.dtype} of shape {chosen.shape}; compare the edges with a range"
        )
    if not chosen.any():
        raise DataError(f"{what} must hold at least one of the {n_bins} bins, got none")
    return chosen


def check_parameters(n_parameters: int) -> None:
    """Refuse another number of parameters than 3 to 5.

    Raises:
        ConfigError: it is refused.
    """
    if n_parameters not in N_PARAMETERS:
        raise ConfigError(
            f"a di-jet function has {N_PARAMETERS} parameters, got {n_parameters}; take 5"
        )


def columns(edges: np.ndarray, n_parameters: int) -> np.ndarray:
    """(B, P) values of g_k at the centre of each bin, for edges (B+1,) [GeV].

    The centre replaces the mean over the bin. For bins of one width the difference,
    f'' width^2 / 24 (below 0.1% for 50 GeV), is smooth in the mass and the fit absorbs it.
    """
    x = 0.5 * (edges[1:] + edges[:-1]) / SQRT_S
    log = np.log(x)
    return np.stack([np.ones_like(x), np.log1p(-x), log, log**2, log**3][:n_parameters], axis=1)


def deviance(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(...,) Baker-Cousins chi2, 2 sum_i [mu_i - n_i + n_i ln(n_i / mu_i)], over the last axis.

    Minus twice the logarithm of the Poisson likelihood over that of mu = n [Baker and Cousins,
    Nucl. Instrum. Meth. 221 (1984) 437, eq. 17].
    """
    ratio = np.divide(counts, expected, out=np.ones_like(expected), where=counts > 0)
    return np.asarray(2 * (expected - counts + special.xlogy(counts, ratio)).sum(axis=-1))


def merged_deviance(counts: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviance after merging neighbouring bins until each expects >= 5 events, and their number.

    A bin that expects 0.01 events adds 0.02 to the deviance, not the 1 that chi2 assumes.
    Bins behind the last full group join it.

    Args:
        counts: (T, B) events.
        expected: (T, B) expected events.

    Returns:
        deviance: (T,) deviances.
        n_merged: (T,) numbers of merged bins, at least one.
    """
    n_toys, n_bins = counts.shape
    group = np.empty((n_bins, n_toys), dtype=np.int64)
    current = np.zeros(n_toys, dtype=np.int64)
    filled = np.zeros(n_toys)
    for number, add in enumerate(expected.T):
        group[number] = current
        filled += add
        full = filled >= MIN_EXPECTED
        current += full
        filled[full] = 0.0
    n_merged = np.maximum(current, 1)
    flat = (np.minimum(group, n_merged - 1) + n_bins * np.arange(n_toys)).T.ravel()

    def summed(values: np.ndarray) -> np.ndarray:
        total = np.bincount(flat, values.ravel(), minlength=n_toys * n_bins)
        return total.reshape(n_toys, n_bins).astype(np.float64)  # no toys: integers

    return deviance(summed(counts), summed(expected)), n_merged


def fit_error(
    expected: np.ndarray, edges: np.ndarray, used: np.ndarray, n_parameters: int
) -> np.ndarray:
    """(B,) standard deviation [events] of a fitted di-jet function, from its values alone.

    The functions are f = exp(sum_k theta_k g_k(x)) with g = 1, ln(1-x), ln x, ln^2 x, ln^3 x and
    x = m / 13 TeV, so the Fisher information of a Poisson likelihood is
    I_kl = sum_b f_b g_kb g_lb over the fitted bins, and var f_b = f_b^2 g_b . I^-1 g_b.

    Args:
        expected: (B,) events of the fit; bins without a positive number have no error.
        edges: (B + 1,) edges of the bins [GeV], below 13 TeV.
        used: (B,) True for bins that were fitted.
        n_parameters: number of the g_k in the function, 1 to 5.

    Returns:
        (B,) errors in events; NaN where ``expected`` is not positive.
    """
    design = columns(edges, n_parameters)
    value = np.where(np.nan_to_num(expected) > 0, expected, np.nan)
    fitted = used & np.isfinite(value)
    if fitted.sum() < n_parameters:
        return np.full(len(design), np.nan)
    _, triangle = np.linalg.qr(np.sqrt(value[fitted])[:, None] * design[fitted])
    relative = np.linalg.norm(np.linalg.solve(triangle.T, design.T), axis=0)
    return np.asarray(value * relative)
