"""Fit range of a mass spectrum: the smooth part, from the end of the trigger turn-on."""

from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import DataError
from anode.statistics.fits.dijet_fit import (
    Spectrum,
    SpectrumFit,
    fit_spectrum,
)
from anode.statistics.fits.dijet_function import N_PARAMETERS

ALPHA = 0.05
"""Smallest p-value of the fit from the start of the fit range."""
_REFUSED = 0.01
"""p-value of a later start, or of the bins next to the start, below which a start is refused."""
_NEXT = 2
_LATER = 4
_N_STARTS = 20
_PEAK_BINS = 4


class _Chosen(NamedTuple):
    fit: SpectrumFit
    fits: dict[int, SpectrumFit]


class Start(NamedTuple):
    """The fit of all bins from one edge on.

    Attributes:
        low: first edge of the fit [GeV].
        n_parameters: number of parameters of the di-jet function that the F-test chose.
        p_value: goodness of that fit; NaN if too few bins are left to tell.
        next_bins: smallest p-value of the first one and two bins, from the fall of the deviance,
            with as many parameters as possible, when they are left out. Small if the start lies
            in the turn-on; a signal at higher mass does not change it.
    """

    low: float
    n_parameters: int
    p_value: float
    next_bins: float


class FitRange(NamedTuple):
    """The smooth part of a spectrum.

    Attributes:
        start: index of its first bin.
        starts: starts that were tried, in rising mass.
        left_out: window that had to be left out for any start to fit, [low, high) in GeV, or
            None. A signal this strong is visible without any selection.
        fit: fit of the bins from ``start`` on, without ``left_out``.
    """

    start: int
    starts: tuple[Start, ...]
    left_out: tuple[float, float] | None
    fit: SpectrumFit


def peak(spectrum: Spectrum) -> int:
    """Index of the first bin behind the maximum of the spectrum, smoothed over four bins."""
    kernel = np.ones(min(_PEAK_BINS, len(spectrum.counts)))
    smooth = np.convolve(spectrum.counts, kernel, "same")
    return int(smooth.argmax())


def find_fit_range(spectrum: Spectrum, *, width: float, first: int | None = None) -> FitRange:
    """The first edge behind the maximum from which a di-jet function describes the spectrum.

    An edge is taken if the fit from it to the last bin has p >= 0.05, the next two bins have
    p >= 0.01 (see ``Start.next_bins``), and so have the fits from the next four edges: a start
    that fits by chance is refused. A turn-on ends within a window's width of the maximum. If no
    edge there is good enough, a strong signal is the likely reason, and a start above it would
    hide it: the window without which the rest fits best is left out and all is tried again.

    Args:
        spectrum: counts of all events.
        width: width of the window that may be left out [GeV].
        first: index of the start, if it is known; then it is taken without a test.

    Raises:
        DataError: no start is good enough, or the spectrum cannot be fitted.
    """
    top = peak(spectrum)
    everything = np.ones(len(spectrum.counts), dtype=bool)
    starts, fits = _try_starts(spectrum, everything, top)
    near = round(width / (spectrum.edges[1] - spectrum.edges[0])) + 1
    chosen = first if first is not None else _first_good(starts, top, near)
    left_out = None
    if chosen is None:
        left_out = _worst_window(spectrum, top, width)
        outside = (spectrum.edges[1:] <= left_out[0]) | (spectrum.edges[:-1] >= left_out[1])
        starts, fits = _try_starts(spectrum, outside, top)
        chosen = _first_good(starts, top, len(starts))
    if chosen is None:
        best = max(starts, key=lambda start: np.nan_to_num(start.p_value))
        raise DataError(
            "a scan needs a mass from which a smooth function fits the spectrum with "
            f"p >= {ALPHA:g}, tried {len(starts)} from {starts[0].low:g} to {starts[-1].low:g} "
            f"GeV, best p = {best.p_value:.2g} from {best.low:g} GeV with {best.n_parameters} "
            "parameters; look at the spectrum, and give fit_low to go on regardless"
        )
    chosen_fit = fits.get(chosen)
    if chosen_fit is None:
        chosen_fit = _choose(spectrum, np.arange(len(everything)) >= chosen)
    return FitRange(chosen, tuple(starts), left_out, chosen_fit.fit)


def _try_starts(
    spectrum: Spectrum, usable: np.ndarray, top: int
) -> tuple[list[Start], dict[int, _Chosen]]:
    """Fits from every edge behind the maximum, while enough bins hold events."""
    index = np.arange(len(usable))
    fits: dict[int, _Chosen] = {}
    for first in range(top, min(top + _N_STARTS, len(usable))):
        used = usable & (index >= first)
        if first > top and (spectrum.counts[used] > 0).sum() <= N_PARAMETERS[0]:
            break
        fits[first] = _choose(spectrum, used)
    starts = [
        Start(
            float(spectrum.edges[first]),
            chosen.fit.n_parameters,
            chosen.fit.p_value,
            _next_bins(fits, first, usable),
        )
        for first, chosen in fits.items()
    ]
    return starts, fits


def _next_bins(fits: dict[int, _Chosen], first: int, usable: np.ndarray) -> float:
    p_values = [1.0]
    for more in range(1, _NEXT + 1):
        later = fits.get(first + more)
        n_bins = int(usable[first : first + more].sum())
        if later is None or n_bins == 0:
            continue
        common = max(set(fits[first].fits) & set(later.fits))
        fall = fits[first].fits[common].deviance - later.fits[common].deviance
        p_values.append(float(scipy.stats.chi2.sf(max(fall, 0.0), n_bins)))
    return min(p_values)


def _first_good(starts: list[Start], top: int, n_tried: int) -> int | None:
    for number, start in enumerate(starts[:n_tried]):
        later = [other.p_value for other in starts[number + 1 : number + 1 + _LATER]]
        refused = start.next_bins < _REFUSED or any(p < _REFUSED for p in later)
        if start.p_value >= ALPHA and not refused:
            return top + number
    return None


def _worst_window(spectrum: Spectrum, top: int, width: float) -> tuple[float, float]:
    """The window without which the spectrum, from half a width behind its maximum, fits best."""
    edges = spectrum.edges
    first = int(np.searchsorted(edges, edges[top] + width / 2))
    used = np.arange(len(spectrum.counts)) >= first
    deviances: dict[float, float] = {}
    for low in edges[first:-1]:
        outside = used & ((edges[1:] <= low) | (edges[:-1] >= low + width))
        if (spectrum.counts[used & ~outside]).sum() < 1 or (
            (spectrum.counts[outside] > 0).sum() <= N_PARAMETERS[-1]
        ):
            break
        deviances[float(low)] = fit_spectrum(spectrum, outside, N_PARAMETERS[-1]).deviance
    if not deviances:
        return float(edges[first]), float(edges[first] + width)
    low = min(deviances, key=lambda edge: deviances[edge])
    return low, low + width


def _choose(spectrum: Spectrum, used: np.ndarray) -> _Chosen:
    n = min(5, int((spectrum.counts[used] > 0).sum()) - 1)
    fit = fit_spectrum(spectrum, used, n)
    return _Chosen(fit, {k: fit_spectrum(spectrum, used, k) for k in (3, 4, 5) if k <= n})
