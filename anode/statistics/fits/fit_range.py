"""Fit range of a mass spectrum: the smooth part, from the end of the trigger turn-on."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy

from anode.statistics.fits.dijet_fit import (
    Spectrum,
    SpectrumFit,
    fit_spectrum,
    most_parameters,
    predict,
)
from anode.statistics.fits.dijet_function import N_PARAMETERS
from anode.statistics.fits.onset_fit import Onset, fit_onset

SHORT = 0.01
"""p-value below which the first bins fall short of the fit of those above, and are left out."""
VISIBLE = 4.0
"""Local Z from which an excess of all events, without any selection, is called visible."""
_FIRST_BINS = (1, 2)
_FARTHEST = 200.0  # GeV, that a start moves above the onset's end
_BESIDE = 3.0  # standard deviations of a resonance that no fit of the start uses
_SHOWN = 4  # starts on either side of the chosen one
_STEPS = 4  # places of a window within its width


class Start(NamedTuple):
    """The fit of all bins from one edge on.

    Attributes:
        low: first edge of the fit [GeV].
        p_value: goodness of that fit; NaN if too few bins are left to tell.
        first_bins: smallest p-value of the first one and two bins, from the fall of the deviance
            when they are left out. Small if the start lies in the turn-on.
        short: True if these bins lie below the fit of those above, as in a turn-on.
    """

    low: float
    p_value: float
    first_bins: float
    short: bool


class Excess(NamedTuple):
    """A window in which all events, without any selection, exceed the fit beside it.

    Attributes:
        low, high: window [low, high) in GeV.
        n_observed: events inside.
        n_expected, n_expected_error: events that the fit beside it expects.
        z: local significance, (observed - expected) / sqrt(expected + error^2).
    """

    low: float
    high: float
    n_observed: float
    n_expected: float
    n_expected_error: float
    z: float


class FitRange(NamedTuple):
    """The smooth part of a spectrum.

    Attributes:
        start: index of its first bin.
        starts: fits from the edges around it, in rising mass.
        onset: turn-on below it.
        excess: visible excess, of Z >= 4; None where there is none.
        fit: fit of the bins from ``start`` on, without those of ``excess`` and within three
            standard deviations of ``onset.peak``. A range is taken whether or not its fit is
            good: ``fit.p_value`` says how good it is.
    """

    start: int
    starts: tuple[Start, ...]
    onset: Onset
    excess: Excess | None
    fit: SpectrumFit


def find_start(spectrum: Spectrum) -> int:
    """Index of the first bin behind the trigger turn-on.

    It is the first that begins at or above 99% of the onset (``fit_onset``). Real turn-ons have
    shoulders: while the first one or two bins lie below the fit of those above them, with
    p < 0.01, the start moves on, by at most 200 GeV. Excesses move nothing.

    Args:
        spectrum: counts of all events, bins of one width.

    Raises:
        DataError: too few bins hold events.
    """
    return _Starts(spectrum).chosen


def find_fit_range(spectrum: Spectrum, *, width: float, first: int | None = None) -> FitRange:
    """The same with its fits, and the excess that is visible behind it.

    Args:
        spectrum: counts of all events, bins of one width.
        width: width of the window of an excess [GeV].
        first: index of the start, if it is known.

    Raises:
        DataError: too few bins hold events.
    """
    starts = _Starts(spectrum)
    start = starts.chosen if first is None else first
    used = np.arange(len(spectrum.counts)) >= start
    excess = visible_excess(spectrum, used, width)
    if excess is not None:
        # A wide resonance has tails beside the window.
        used &= starts.usable & ~_overlaps(spectrum.edges, excess.low, excess.high)
    near = range(max(start - _SHOWN, 0), start + _SHOWN + 1)
    shown = [starts.start(place) for place in near if starts.fit(place) is not None]
    return FitRange(start, tuple(shown), starts.onset, excess, _fit(spectrum, used))


def visible_excess(spectrum: Spectrum, used: np.ndarray, width: float) -> Excess | None:
    """The excess in the window without which the rest fits best, if its Z is at least 4.

    Not the window of largest Z: a resonance bends the fits of all windows that leave it in.

    Args:
        spectrum: counts of all events, bins of one width.
        used: (B,) True for bins behind the turn-on.
        width: width of the window [GeV].
    """
    edges, first = spectrum.edges, int(used.argmax())
    step = max(width / _STEPS, edges[1] - edges[0])
    fits: dict[float, SpectrumFit] = {}
    for low in np.arange(edges[first], edges[-1], step):
        beside = used & ~_overlaps(edges, low, low + width)
        if most_parameters(spectrum.counts[beside]) <= N_PARAMETERS[-1]:
            break
        fits[float(low)] = _fit(spectrum, beside)
    if not fits:
        return None
    low = min(fits, key=lambda edge: fits[edge].deviance - fits[edge].ndf)
    inside = used & _overlaps(edges, low, low + width)
    n_observed = float(spectrum.counts[inside].sum())
    n_expected, error = predict(fits[low], edges, inside)
    z = (n_observed - n_expected) / np.sqrt(max(n_expected, 1.0) + error**2)
    found = Excess(low, low + width, n_observed, n_expected, error, float(z))
    return found if z >= VISIBLE else None


class _Starts:
    """Fits of a spectrum from each edge, made when they are asked for."""

    def __init__(self, spectrum: Spectrum) -> None:
        self.spectrum = spectrum
        self.onset = fit_onset(spectrum.counts, spectrum.edges)
        self.usable = np.ones(len(spectrum.counts), dtype=bool)
        peak = self.onset.peak
        if peak is not None:
            room = _BESIDE * peak.sigma
            self.usable = ~_overlaps(spectrum.edges, peak.mass - room, peak.mass + room)
        self.fits: dict[int, SpectrumFit | None] = {}

    @cached_property
    def chosen(self) -> int:
        """Index of the first bin behind the turn-on."""
        edges = self.spectrum.edges
        # Rounding must not cost a bin where the onset ends on an edge.
        first = int(np.searchsorted(edges, self.onset.end - 1e-6 * edges[0]))
        first = min(first, len(edges) - 2)
        farthest = edges[first] + _FARTHEST
        while edges[first] < farthest and self.start(first).short:
            first += 1
        return first

    def start(self, first: int) -> Start:
        """The fit from one edge, and whether the bins behind it fall short."""
        fit = self.fit(first)
        p_values, short = [1.0], False
        for more in _FIRST_BINS:
            later, bins = self.fit(first + more), slice(first, first + more)
            n_bins = int(self.usable[bins].sum())
            if fit is None or later is None or n_bins == 0:
                continue
            fall = max(fit.deviance - later.deviance, 0.0)
            p_values.append(float(scipy.stats.chi2.sf(fall, n_bins)))
            missing = (later.expected - self.spectrum.counts)[bins][self.usable[bins]].sum()
            short |= p_values[-1] < SHORT and missing > 0
        low = float(self.spectrum.edges[first])
        return Start(low, np.nan if fit is None else fit.p_value, min(p_values), bool(short))

    def fit(self, first: int) -> SpectrumFit | None:
        """The fit from one edge; None where too few bins hold events."""
        if first not in self.fits:
            used = self.usable & (np.arange(len(self.usable)) >= first)
            posed = most_parameters(self.spectrum.counts[used]) >= N_PARAMETERS[0]
            self.fits[first] = _fit(self.spectrum, used) if posed else None
        return self.fits[first]


def _fit(spectrum: Spectrum, used: np.ndarray) -> SpectrumFit:
    """With five parameters, or as many as the bins with events determine."""
    most = int(most_parameters(spectrum.counts[used]))
    n_parameters = min(max(most, N_PARAMETERS[0]), N_PARAMETERS[-1])
    return fit_spectrum(spectrum, used, n_parameters)


def _overlaps(edges: np.ndarray, low: float, high: float) -> np.ndarray:
    """(B,) True for bins that share masses with [low, high)."""
    return np.asarray((edges[1:] > low) & (edges[:-1] < high))
