"""Other smooth functions of the di-jet mass, to see what the choice of the di-jet function costs.

With x = m / 13 TeV,

    "ua2":        f(x) = p0 x^-p1 exp(-p2 x - p3 x^2 - p4 x^3)
    "cube_root":  f(x) = p0 (1 - x^(1/3))^p1 x^(p2 + p3 ln x + p4 ln^2 x)

the first as UA2 had it (Z. Phys. C 49, 17), with a further term, the second from the searches for
di-jets of ATLAS and CMS with top quarks and bosons. Both are log-linear, as ours.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import ConfigError, DataError
from anode.statistics.fits.dijet_function import (
    SQRT_S,
    check_bins,
    check_counts,
    check_edges,
    merged_deviance,
)
from anode.statistics.fits.loglinear import (
    exponential,
    fitted_counts,
    orthonormal,
    project,
)

_FUNCTIONS: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
    "ua2": lambda x: [np.log(x), x, x**2, x**3],
    "cube_root": lambda x: [
        np.log1p(-np.cbrt(x)),
        np.log(x),
        np.log(x) ** 2,
        np.log(x) ** 3,
    ],
}
ALTERNATIVES = tuple(_FUNCTIONS)
"""Names of the functions."""


class AlternativeFit(NamedTuple):
    """Another function fitted to a spectrum.

    Attributes:
        name: one of ``ALTERNATIVES``.
        expected: (B,) events in every bin, also in those left out of the fit.
        deviance, ndf, p_value: goodness of fit of merged bins (``merged_deviance``); p_value is
            NaN where no degree of freedom is left. A function that does not describe the spectrum
            says nothing about ours.
    """

    name: str
    expected: np.ndarray
    deviance: float
    ndf: int
    p_value: float


def fit_alternative(
    name: str, counts: np.ndarray, edges: np.ndarray, used: np.ndarray
) -> AlternativeFit:
    """Another function, fitted by the Poisson likelihood.

    Args:
        name: one of ``ALTERNATIVES``.
        counts: (B,) events.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit.

    Raises:
        ConfigError: there is no such function.
        DataError: counts, edges or mask are refused, or too few bins hold events.

    Example:
        >>> edges = np.arange(2800.0, 6001.0, 100.0)
        >>> truth = 1e5 * np.exp(-edges[:-1] / 500)
        >>> fitted = fit_alternative("ua2", truth.round(), edges, np.full(32, True))
        >>> bool(np.abs(fitted.expected / truth - 1)[:20].max() < 0.03)
        True
    """
    if name not in _FUNCTIONS:
        raise ConfigError(f"another background function is one of {ALTERNATIVES}, got {name!r}")
    edges, counts = check_edges(edges), check_counts(counts, expectations=True)
    used = check_bins(used, len(counts), "the bins of the fit")
    x = 0.5 * (edges[1:] + edges[:-1]) / SQRT_S
    every = np.stack([np.ones_like(x), *_FUNCTIONS[name](x)], axis=1)
    filled = int((counts[used] > 0).sum())
    if filled <= every.shape[1]:
        raise DataError(
            f"a fit of {every.shape[1]} parameters must have more bins with events, got {filled}; "
            "loosen the cut or widen the range of the fit"
        )
    log_width = np.log(np.diff(edges))
    fitted = fitted_counts(counts[used], every[used], log_width[used])
    basis = every @ orthonormal(every[used], fitted)
    theta = project(np.log(fitted) - log_width[used], basis[used], fitted)
    expected = exponential(basis @ theta + log_width)
    merged, n_merged = merged_deviance(counts[None, used], expected[None, used])
    ndf = int(n_merged[0]) - every.shape[1]
    p_value = float(scipy.stats.chi2.sf(merged[0], ndf)) if ndf >= 1 else float("nan")
    return AlternativeFit(name, expected, float(merged[0]), ndf, p_value)
