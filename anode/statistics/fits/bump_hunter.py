"""BumpHunter: an independent, published algorithm looks for the same bump.

BUMPHUNTER (G. Choudalakis, 1101.0390) as implemented by pyBumpHunter, with our histogram and our
expected background. It shares neither windows nor statistic with the scan.
"""

import contextlib
import io
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from anode.errors import ConfigError, DataError, needs_extra
from anode.statistics.fits.dijet_fit import Spectrum

WIDTHS = (2, 8)
"""Fewest and most bins of a bump: 100 to 400 GeV in bins of 50 GeV."""


class BumpHunt(NamedTuple):
    """The most improbable excess among all windows.

    Attributes:
        low, high: edges of the window [GeV]; None if nowhere more events are seen than expected.
        p_local: P(N >= n | expected) of this window, the background exactly known.
        p_global: fraction of toys with a window at least as improbable, the data counted as one
            of them: (1 + k) / (1 + n_toys), never 0.
        z_global: one-sided standard deviations of p_global.
    """

    low: float | None
    high: float | None
    p_local: float
    p_global: float
    z_global: float


def bump_hunter(
    spectrum: Spectrum,
    expected: np.ndarray,
    *,
    seed: int,
    n_toys: int = 1000,
    widths: tuple[int, int] = WIDTHS,
) -> BumpHunt:
    """Scan every window of every width, and toys of the background in the same way.

    The background is taken as exactly known and toys are not fitted again: with a background
    fitted to few events p_global is too small. So it cross-checks position and size, and is not
    the global p-value of the search.

    Args:
        spectrum: counts and edges, B bins.
        expected: (B,) background events.
        seed: seed of the toys.
        n_toys: number of Poisson toys of ``expected``.
        widths: fewest and most bins of a window.

    Raises:
        ConfigError: no toys, or widths that do not fit the histogram.
        MissingPackageError: pyBumpHunter is not installed.
        DataError: ``expected`` has another shape, or is negative or not finite somewhere.
    """
    n_bins = len(spectrum.counts)
    expected = np.asarray(expected, dtype=np.float64)
    _check(expected, n_bins, n_toys, widths)
    hunter = _scan(spectrum, expected, seed, n_toys, widths)
    p_local = float(hunter.min_Pval_ar[0])
    n_beyond = int((hunter.min_Pval_ar[1:] <= p_local).sum())
    p_global = (1 + n_beyond) / (1 + n_toys)
    low: float | None = None
    high: float | None = None
    if p_local < 1:
        first, width = int(hunter.min_loc_ar[0]), int(hunter.min_width_ar[0])
        low, high = float(spectrum.edges[first]), float(spectrum.edges[first + width])
    # p = 1, where no bin has an excess, is -infinity; one toy more would make it finite.
    z_global = -float(ndtri(min(p_global, 1 - 1 / (2 + n_toys))))
    return BumpHunt(low, high, p_local, p_global, z_global)


def _check(expected: np.ndarray, n_bins: int, n_toys: int, widths: tuple[int, int]) -> None:
    if expected.shape != (n_bins,) or not (np.isfinite(expected) & (expected >= 0)).all():
        raise DataError(
            f"expected background must be finite and not negative in each of the {n_bins} bins, "
            f"got an array of shape {expected.shape}; give the expectation of a fit"
        )
    if n_toys < 1:
        raise ConfigError(f"a global p-value needs toys, got n_toys={n_toys}; 1000 are usual")
    if not 1 <= widths[0] <= widths[1] <= n_bins:
        raise ConfigError(
            f"bumps must be between 1 and {n_bins} bins wide, the narrower first, got {widths}"
        )


def _scan(
    spectrum: Spectrum, expected: np.ndarray, seed: int, n_toys: int, widths: tuple[int, int]
) -> Any:
    """A pyBumpHunter object after its scan."""
    # pyBumpHunter imports pyplot, which takes a second and who never hunts need not wait for.
    with needs_extra("bump-hunter", "the cross-check by BumpHunter"):
        import pyBumpHunter

    hunter = pyBumpHunter.BumpHunter1D(
        rang=(float(spectrum.edges[0]), float(spectrum.edges[-1])),
        width_min=widths[0],
        width_max=widths[1],
        npe=n_toys,
        bins=spectrum.edges,
        nworker=1,
        seed=seed % 2**32,
    )
    state = np.random.get_state()  # noqa: NPY002, it seeds the global generator
    try:
        # It takes the logarithm of a p-value that may underflow to zero.
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(divide="ignore"):
            hunter.bump_scan(spectrum.counts, expected, is_hist=True)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return hunter
