"""Mass spectra of a scan, one per window and cut."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.statistics.fits.dijet_fit import make_spectrum


class Spectra(NamedTuple):
    """Mass spectra of W windows at C cuts, the first of which is none.

    Attributes:
        edges: (B+1,) edges of the fit's bins [GeV].
        low, high: (W,) bounds of the windows [GeV].
        strip: (W,) width beside each window in which bins are left out of the fit [GeV].
        efficiency: (C,) nominal background efficiencies, 1 first.
        counts: (W, C, B) events that pass.
        n_inside: (W, C) events of the window that pass, in bins or below them.
        used: (W, B) True for bins of each window's fit.
        inside: (W, B) True for bins of each window.
    """

    edges: np.ndarray
    low: np.ndarray
    high: np.ndarray
    strip: np.ndarray
    efficiency: np.ndarray
    counts: np.ndarray
    n_inside: np.ndarray
    used: np.ndarray
    inside: np.ndarray


class WindowCuts(NamedTuple):
    """Cuts of one window's model, and the events that pass.

    Attributes:
        low, high: bounds of the window [GeV].
        strip: width beside the window in which bins are left out of the fit [GeV].
        thresholds: (E,) scores of the cuts; infinite if the template was too small to fix one.
        efficiency, efficiency_error: (E,) fraction of the template that passes, or NaN.
        mass: (S,) masses of all data events that pass the loosest cut [GeV].
        level: (S,) number of cuts that each passes, 1 to E.
    """

    low: float
    high: float
    strip: float
    thresholds: np.ndarray
    efficiency: np.ndarray
    efficiency_error: np.ndarray
    mass: np.ndarray
    level: np.ndarray


def count(
    mass: np.ndarray,
    windows: Sequence[WindowCuts],
    efficiencies: Sequence[float],
    edges: np.ndarray,
) -> Spectra:
    """Spectra of all windows and cuts.

    Args:
        mass: (N,) masses of all data events [GeV].
        windows: W windows.
        efficiencies: (E,) nominal background efficiencies.
        edges: (B+1,) edges of the bins [GeV]; windows begin and end on edges, or below the first.

    Raises:
        DataError: a mass or the edges are refused, as by ``make_spectrum``.
    """
    inclusive = make_spectrum(mass, edges).counts
    low, high, strip = np.array([[w.low, w.high, w.strip] for w in windows]).T
    counts, n_inside = [], []
    for window in windows:
        passing = [window.mass[window.level > i] for i in range(len(efficiencies))]
        counts.append([inclusive, *(make_spectrum(m, edges).counts for m in passing)])
        n_inside.append([np.sum((m >= window.low) & (m < window.high)) for m in (mass, *passing)])
    lower, upper = edges[:-1], edges[1:]
    inside = (lower >= low[:, None]) & (upper <= high[:, None])
    left_out = (upper > (low - strip)[:, None]) & (lower < (high + strip)[:, None])
    return Spectra(
        edges,
        low,
        high,
        strip,
        np.array([1.0, *efficiencies]),
        np.array(counts),
        np.array(n_inside),
        ~left_out,
        inside,
    )


def no_fit_reason(spectra: Spectra, window: int, *, min_bins: int) -> str | None:
    """Why the spectrum outside a window cannot predict what is inside; None where it can."""
    edges, used = spectra.edges, spectra.used[window]
    low, high = spectra.low[window], spectra.high[window]
    if low < edges[0]:
        return f"begins in the trigger turn-on, below {edges[0]:g} GeV"
    for side, bins in (
        ("lower", used & (edges[1:] <= low)),
        ("upper", used & (edges[:-1] >= high)),
    ):
        if bins.sum() < min_bins:
            return f"{side} sideband has {bins.sum()} bins of the fit, needs {min_bins}"
    return None
