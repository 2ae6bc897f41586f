"""Proposal of a scan, drawn: the end of the trigger's turn-on, and the windows to scan."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.reporting.common.beyond import mark_points_beyond
from anode.reporting.common.number_format import mass_range, p_is_math, z_text
from anode.reporting.common.style import (
    BACKGROUND,
    DATA,
    GEV_PER_TEV,
    MASS_LABEL,
    PALETTE,
    REFERENCE_LINE,
    SIGNAL,
    annotate,
    new_figure,
    style,
)
from anode.statistics.fits.fit_range import SHORT
from anode.statistics.scan.propose_windows import Proposal, ProposedWindow

_USABLE, _UNUSABLE = PALETTE[2], "0.75"
_ROW = 0.13
"""Height of the line of one window [inches]."""
_SMALLEST_P = 1e-6


def proposal_figure(proposal: Proposal) -> Figure:
    """The spectrum with its fit, the p-value of the fit against its start, and every window.

    Args:
        proposal: result of ``anode.statistics.scan.propose_windows.propose``.
    """
    rows = max(1.6, 0.5 + _ROW * len(proposal.windows))
    with style():
        figure = new_figure(8.5, 5.2 + rows)
        top, middle, bottom = figure.subplots(3, 1, height_ratios=(3.2, 1.5, rows))
        _draw_spectrum(top, proposal)
        _draw_starts(middle, proposal)
        _draw_windows(bottom, proposal.windows)
        limits = np.array([proposal.spectrum.edges[0], proposal.fit_high]) / GEV_PER_TEV
        for axes in (top, bottom):
            axes.set(xlim=tuple(limits), xlabel=MASS_LABEL)
    return figure


def _draw_spectrum(axes: Axes, proposal: Proposal) -> None:
    spectrum, low = proposal.spectrum, proposal.fit_low
    edges = spectrum.edges / GEV_PER_TEV
    centres, counts = spectrum.centres / GEV_PER_TEV, spectrum.counts
    seen = counts > 0
    axes.errorbar(
        centres[seen], counts[seen], np.sqrt(counts[seen]), fmt=".", ms=3, lw=0.7, color=DATA,
        label=rf"{counts.sum():,.0f} events, bars $\sqrt{{N}}$",
    )  # fmt: skip
    inside = spectrum.edges[:-1] >= low
    axes.plot(
        centres[inside], proposal.fit.expected[inside], color=SIGNAL,
        label=f"di-jet function, {proposal.fit.n_parameters} parameters",
    )  # fmt: skip
    axes.axvspan(edges[0], low / GEV_PER_TEV, color="0.92", lw=0, label="not fitted: turn-on")
    axes.axvspan(
        proposal.start / GEV_PER_TEV, proposal.stop / GEV_PER_TEV, color=_USABLE, alpha=0.12, lw=0,
        label="windows to scan",
    )  # fmt: skip
    excess = proposal.excess
    if excess is not None:
        left, right = excess.low / GEV_PER_TEV, excess.high / GEV_PER_TEV
        label = f"excess, local Z = {z_text(excess.z)}: not fitted"
        axes.axvspan(left, right, color=SIGNAL, alpha=0.2, lw=0, label=label)
    axes.set(yscale="log", ylim=(0.5, 4 * counts.max()))
    axes.set_ylabel(f"events / {spectrum.edges[1] - spectrum.edges[0]:g} GeV")
    axes.legend(loc="upper right")
    p = p_is_math(proposal.fit.p_value)
    lines = [f"fit over {mass_range(low, proposal.fit_high)}, {p}"]
    lines += [f"scan over {mass_range(proposal.start, proposal.stop)}"]
    annotate(axes, [*lines, f"{len(proposal.usable)} windows"], 0.975, 0.62)


def _draw_starts(axes: Axes, proposal: Proposal) -> None:
    lows = np.array([start.low for start in proposal.fits]) / GEV_PER_TEV
    p_values = np.array([start.p_value for start in proposal.fits])
    first_bins = np.array([start.first_bins for start in proposal.fits])
    short = np.array([start.short for start in proposal.fits], dtype=bool)
    axes.plot(lows, p_values, "o-", ms=4, color=BACKGROUND, label="whole fit, no condition")
    axes.plot(lows, first_bins, ":", lw=1.0, color="0.4")
    axes.plot(lows[~short], first_bins[~short], "x", ms=5, color="0.4", label="first two bins")
    axes.plot(
        lows[short], first_bins[short], "v", ms=5, color="0.4", label="first two bins, too low"
    )
    axes.axhline(SHORT, label=f"too low at $p$ < {SHORT:g}", **REFERENCE_LINE)
    axes.axvline(proposal.fit_low / GEV_PER_TEV, color=SIGNAL, lw=1.2, label="start chosen")
    axes.set(yscale="log", ylim=(_SMALLEST_P / 2, 30))
    mark_points_beyond(axes, lows, first_bins, "0.4")
    mark_points_beyond(axes, lows, p_values, BACKGROUND)
    axes.set_xlabel("start of the fit, $m_{JJ}$ [TeV]")
    axes.set_ylabel("goodness of fit, $p$")
    axes.legend(loc="lower right", ncols=2)


def _draw_windows(axes: Axes, windows: tuple[ProposedWindow, ...]) -> None:
    """One line a window, the reason beside it where it cannot be used."""
    for row, window in enumerate(windows):
        low, high = window.low / GEV_PER_TEV, window.high / GEV_PER_TEV
        color = _USABLE if window.usable else _UNUSABLE
        axes.barh(row, high - low, left=low, height=0.75, color=color)
        text = f"{window.n_events:,} events" if window.usable else window.reason
        axes.annotate(
            text, (high, row), xytext=(4, 0), textcoords="offset points", fontsize=6, va="center",
            color="0.25", annotation_clip=True,
        )  # fmt: skip
    axes.set(ylim=(len(windows) - 0.3, -0.7), yticks=[])
    axes.set_ylabel("windows (green: usable)")
