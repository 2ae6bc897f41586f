"""Selected mass spectra with their fits, and where they leave them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anode.reporting.common.beyond import mark_counts_beyond
from anode.reporting.common.number_format import efficiency_text, mass_range, with_error, z_text
from anode.reporting.common.style import (
    BACKGROUND,
    DATA,
    GEV_PER_TEV,
    MASS_LABEL,
    PALETTE,
    REFERENCE_LINE,
    annotate,
    new_figure,
    notice_figure,
    style,
)

INCLUSIVE = "0.55"
_BARS = "bands: 68%, statistical error of the fit; error bars: 68%, Poisson"
ONE_SIGMA = 0.158655


class CutSpectrum(NamedTuple):
    """The mass spectrum after one cut, and the fit that predicts the window.

    Attributes:
        efficiency: fraction of background that passes; 1 is no cut.
        edges: (B + 1,) edges of bins [GeV].
        counts: (B,) events.
        expected: (B,) events of the fit, in the window too; NaN where there is none.
        expected_error: (B,) errors of the fit [events]; NaN where unknown.
        used: (B,) True for bins that were fitted.
        window: bounds (low, high) [GeV].
        n_observed, n_expected, n_expected_error, z_local: events, expected background and its
            error, and local significance in the window.
    """

    efficiency: float
    edges: np.ndarray
    counts: np.ndarray
    expected: np.ndarray
    expected_error: np.ndarray
    used: np.ndarray
    window: tuple[float, float]
    n_observed: float
    n_expected: float
    n_expected_error: float
    z_local: float | None


def best_window_figure(selected: CutSpectrum, inclusive: CutSpectrum | None = None) -> Figure:
    """Spectrum of the best window at its efficiency with its fit, and the residuals below.

    Args:
        selected: spectrum after the cut.
        inclusive: spectrum without a cut, drawn beside it for its shape; None where it is the
            same.
    """
    low, high = _shown([selected])
    with style():
        figure = new_figure(7.0, 5.6)
        grid = figure.add_gridspec(2, 1, height_ratios=(2.6, 1), hspace=0.02)
        top = figure.add_subplot(grid[0])
        bottom = figure.add_subplot(grid[1], sharex=top)
        top.tick_params(labelbottom=False)
        if inclusive is not None:
            _draw_points(top, inclusive, INCLUSIVE, cut_label(inclusive.efficiency))
            _draw_fit(top, inclusive, INCLUSIVE, None)
        _draw_points(top, selected, DATA, cut_label(selected.efficiency))
        _draw_fit(top, selected, BACKGROUND, "fit beside the window, dashed inside")
        shade(top, selected.window)
        _draw_residuals(bottom, selected)
        top.set(ylabel=per_bin(selected.edges), yscale="log", xlim=(low, high))
        _room_above([top], 30.0)
        title = _label(selected)
        top.legend(loc="upper right", title=title, title_fontsize=9, alignment="left")
        top.set_title(_BARS, loc="left", fontsize=8, color="0.25")
        counted = selected if inclusive is None else inclusive
        above = counted.edges[:-1] >= high * GEV_PER_TEV * (1 - 1e-9)
        mark_counts_beyond(top, 0, int(counted.counts[above].sum()))
        bottom.set_xlabel(MASS_LABEL)
        figure.align_ylabels([top, bottom])
    return figure


def spectra_figure(spectra: Sequence[CutSpectrum]) -> Figure:
    """The spectra of one window at all efficiencies, their fits, and residuals, a panel each."""
    if not spectra:
        return notice_figure("no spectra")
    low, high = _shown(spectra)
    with style():
        figure = new_figure(7.0, 4.0 + 1.25 * len(spectra))
        grid = figure.add_gridspec(
            1 + len(spectra), 1, height_ratios=(3.2, *(1 for _ in spectra)), hspace=0.02
        )
        top = figure.add_subplot(grid[0])
        top.tick_params(labelbottom=False)
        colors = colors_of([spectrum.efficiency for spectrum in spectra])
        for place, spectrum in enumerate(spectra):
            color = colors[spectrum.efficiency]
            text = f"{cut_label(spectrum.efficiency)}: {_counted(spectrum)}"
            _draw_points(top, spectrum, color, text)
            _draw_fit(top, spectrum, color, None)
            panel = figure.add_subplot(grid[1 + place], sharex=top)
            _draw_residuals(panel, spectrum, color)
            annotate(panel, [cut_label(spectrum.efficiency)], 0.985, 0.95)
            panel.tick_params(labelbottom=place == len(spectra) - 1)
        panel.set_xlabel(MASS_LABEL)
        shade(top, spectra[0].window)
        top.set(ylabel=per_bin(spectra[0].edges), yscale="log", xlim=(low, high))
        _room_above([top], 10.0 ** (0.4 + 0.32 * len(spectra)))
        window = f"window {mass_range(*spectra[0].window)} in grey, fits beside it, dashed inside"
        top.legend(loc="upper right", title=window, title_fontsize=9, alignment="left")
        top.set_title(_BARS, loc="left", fontsize=8, color="0.25")
        figure.align_ylabels(figure.axes)
    return figure


ALL = 0.0
"""Stands for all score categories in one test, where figures tell cuts by their efficiency."""


def cut_label(efficiency: float) -> str:
    """Name of a cut for legends."""
    if efficiency == ALL:
        return "all categories together"
    if efficiency >= 1:
        return "no cut"
    text = efficiency_text(efficiency)
    return (
        rf"$\epsilon_B = 10^{{{text[2:]}}}$"
        if text.startswith("1e")
        else rf"$\epsilon_B$ = {text}"
    )


def colors_of(efficiencies: Sequence[float]) -> dict[float, str]:
    """One colour a cut, the loosest first; grey for none, black for all categories."""
    cuts = sorted({e for e in efficiencies if ALL < e < 1}, reverse=True)
    colors = {e: PALETTE[i % len(PALETTE)] for i, e in enumerate(cuts)}
    uncut = {1.0: INCLUSIVE} if any(e >= 1 for e in efficiencies) else {}
    return uncut | colors | ({ALL: "black"} if ALL in efficiencies else {})


def _label(spectrum: CutSpectrum) -> str:
    """Window, counts and significance in a line each."""
    return f"window {mass_range(*spectrum.window)} in grey\n{_counted(spectrum)}"


def _counted(spectrum: CutSpectrum) -> str:
    expected = with_error(spectrum.n_expected, spectrum.n_expected_error)
    text = f"{spectrum.n_observed:,.0f} observed, {expected} expected"
    return text if spectrum.z_local is None else f"{text}, $Z$ = {z_text(spectrum.z_local)}"


def per_bin(edges: np.ndarray) -> str:
    """Label of the axis of a spectrum."""
    return f"events / {edges[1] - edges[0]:.0f} GeV"


def _shown(spectra: Sequence[CutSpectrum]) -> tuple[float, float]:
    """From the first to the last bin that is fitted or in the window and not empty [TeV]."""
    filled = np.zeros(len(spectra[0].counts), dtype=bool)
    for s in spectra:
        inside = (s.edges[:-1] < s.window[1]) & (s.edges[1:] > s.window[0])
        filled |= ((s.counts > 0) & s.used) | inside
    first, last = np.flatnonzero(filled)[[0, -1]]
    edges = spectra[0].edges / GEV_PER_TEV
    return float(edges[first]), float(edges[last + 1])


def _room_above(panels: Sequence[Axes], factor: float) -> None:
    """Room for the legend over the highest point."""
    for axes in panels:
        axes.set_ylim(0.3, factor * axes.dataLim.y1)


def shade(axes: Axes, window: tuple[float, float]) -> None:
    """Grey where the window is."""
    low, high = (value / GEV_PER_TEV for value in window)
    axes.axvspan(low, high, color="0.92", lw=0, zorder=0)


def _draw_points(axes: Axes, spectrum: CutSpectrum, color: str, label: str) -> None:
    """Counts with central 68% Poisson intervals (Garwood); empty bins are left out."""
    counts = spectrum.counts
    seen = counts > 0
    low = scipy.stats.gamma.ppf(ONE_SIGMA, np.maximum(counts, 1))
    high = scipy.stats.gamma.isf(ONE_SIGMA, counts + 1)
    center = (spectrum.edges[1:] + spectrum.edges[:-1]) / 2 / GEV_PER_TEV
    axes.errorbar(
        center[seen],
        counts[seen],
        np.stack([counts - low, high - counts])[:, seen],
        fmt="o",
        ms=2.4,
        lw=0.8,
        color=color,
        label=label,
    )


def _draw_fit(axes: Axes, spectrum: CutSpectrum, color: str, label: str | None) -> None:
    """Curve with its band from the first to the last fitted bin, dashed in the window."""
    if not np.isfinite(spectrum.expected).any() or not spectrum.used.any():
        return
    first, last = np.flatnonzero(spectrum.used)[[0, -1]]
    inside = slice(first, last + 1)
    center = ((spectrum.edges[1:] + spectrum.edges[:-1]) / 2 / GEV_PER_TEV)[inside]
    expected, error = spectrum.expected[inside], spectrum.expected_error[inside]
    used = spectrum.used[inside]
    axes.plot(center, expected, color=color, lw=1.2, ls="--")
    axes.plot(center, np.where(used, expected, np.nan), color=color, lw=1.4, label=label)
    low = np.maximum(expected - error, 1e-3)
    axes.fill_between(center, low, expected + error, color=color, alpha=0.3, lw=0)


def _draw_residuals(axes: Axes, spectrum: CutSpectrum, color: str = BACKGROUND) -> None:
    """Signed significance of each bin; those of the window in another colour."""
    shade(axes, spectrum.window)
    axes.axhline(0, **REFERENCE_LINE)
    residual = residuals(spectrum.counts, spectrum.expected)
    low, high = spectrum.window
    edges = spectrum.edges
    within = (edges[:-1] >= low) & (edges[1:] <= high)
    for shown, face in ((spectrum.used, color), (within & ~spectrum.used, DATA)):
        values = np.where(shown, residual, 0.0)
        axes.stairs(values, edges / GEV_PER_TEV, fill=True, color=face, alpha=0.75)
    drawn = residual[spectrum.used | within]
    reach = max(3.2, 1.15 * float(np.max(np.abs(drawn), initial=0.0)))
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_ylabel(r"residual [$\sigma$]", fontsize=9)


def residuals(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(B,) significance of the Poisson probability of each count or a farther one, negative for
    deficits; 0 where it is above 1/2, or nothing is expected [Choudalakis & Casadei, 1111.2062].
    """
    mean = np.maximum(np.nan_to_num(expected), 1e-12)
    excess = counts > mean
    p = np.where(
        excess, scipy.stats.poisson.sf(counts - 1, mean), scipy.stats.poisson.cdf(counts, mean)
    )
    z = np.maximum(scipy.stats.norm.isf(np.maximum(p, 1e-300)), 0.0)
    return np.where(np.nan_to_num(expected) > 0, np.where(excess, z, -z), 0.0)
