"""Pass rate of a cut on the score against mass: what it has done to the shape of the spectrum."""

from collections.abc import Sequence

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.reporting.common.beyond import mark_points_beyond
from anode.reporting.common.number_format import mass_range
from anode.reporting.common.style import (
    GEV_PER_TEV,
    MASS_LABEL,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.search.spectrum_figures import (
    INCLUSIVE,
    ONE_SIGMA,
    colors_of,
    cut_label,
    per_bin,
    shade,
)

_MERGED = 50.0
"""Pass rates are shown in bins that expect so many passing events."""


def pass_rate_figure(
    edges: np.ndarray,
    inclusive: np.ndarray,
    passing: Sequence[tuple[float, np.ndarray]],
    window: tuple[float, float],
    notes: Sequence[str] = (),
) -> Figure:
    """The mass spectrum before and after each cut, and the pass rate relative to the nominal one.

    Bins of the pass rate are merged until 50 events are expected to pass; errors are
    Clopper-Pearson.

    Args:
        edges: (B + 1,) edges of bins [GeV].
        inclusive: (B,) events before any cut.
        passing: background efficiency of each cut, and the (B,) events that pass it.
        window: bounds (low, high) [GeV], shaded.
        notes: text for each cut, added to its legend entry; none by default.
    """
    if not passing or not np.sum(inclusive) > 0:
        return notice_figure("no cut was applied")
    first, last = np.flatnonzero(inclusive)[[0, -1]]
    with style():
        figure = new_figure(7.0, 6.0)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        text = f"no cut: {int(np.sum(inclusive)):,} events above {edges[0] / GEV_PER_TEV:g} TeV"
        top.stairs(inclusive, edges / GEV_PER_TEV, color=INCLUSIVE, lw=1.6, label=text)
        colors = colors_of([efficiency for efficiency, _ in passing])
        for place, (efficiency, counts) in enumerate(passing):
            color = colors[efficiency]
            label = f"{cut_label(efficiency)}: {int(np.sum(counts)):,}"
            label += f"; {notes[place]}" if place < len(notes) and notes[place] else ""
            top.stairs(counts, edges / GEV_PER_TEV, color=color, lw=1.3, label=label)
            _draw_pass_rate(bottom, edges, inclusive, counts, efficiency, color)
        for axes in (top, bottom):
            shade(axes, window)
        bottom.axhline(1, **REFERENCE_LINE)
        top.set(ylabel=per_bin(edges), yscale="log")
        top.set_ylim(0.5, 10.0 ** (0.7 + 0.32 * (1 + len(passing))) * float(np.max(inclusive)))
        title = f"window {mass_range(*window)} in grey"
        title += r"; $\chi^2$: test of a flat pass rate" if any(notes) else ""
        top.legend(loc="upper right", title=title, title_fontsize=9, alignment="left")
        bottom.set(xlabel=MASS_LABEL, ylabel="pass rate / nominal")
        bottom.set_xlim(edges[first] / GEV_PER_TEV, edges[last + 1] / GEV_PER_TEV)
        bottom.set_ylim(0, max(2.0, min(1.15 * bottom.dataLim.y1, 6.0)))
        for entry in list(bottom.containers):
            point = entry.lines[0]
            mark_points_beyond(bottom, point.get_xdata(), point.get_ydata(), point.get_color())
        bars = f"error bars below: 68% Clopper-Pearson, in bins that expect {_MERGED:.0f} events"
        top.set_title(bars, loc="left", fontsize=8, color="0.25")
    return figure


def _draw_pass_rate(
    axes: Axes,
    edges: np.ndarray,
    inclusive: np.ndarray,
    counts: np.ndarray,
    efficiency: float,
    color: str,
) -> None:
    """Pass rate over the nominal efficiency in merged bins, at the mean mass of their events."""
    starts = _merged(inclusive * efficiency)
    total, passed = (np.add.reduceat(values, starts) for values in (inclusive, counts))
    middle = (edges[1:] + edges[:-1]) / 2
    moment = np.add.reduceat(inclusive * middle, starts)
    seen = total > 0
    total, passed, mean = total[seen], passed[seen], moment[seen] / total[seen]
    bounds = np.stack([edges[starts], np.append(edges[starts[1:]], edges[-1])])[:, seen]
    low = np.nan_to_num(scipy.stats.beta.ppf(ONE_SIGMA, passed, total - passed + 1))
    high = np.nan_to_num(scipy.stats.beta.isf(ONE_SIGMA, passed + 1, total - passed), nan=1.0)
    rate = passed / total
    across = np.stack([mean - bounds[0], bounds[1] - mean]) / GEV_PER_TEV
    errors = np.stack([rate - low, high - rate]) / efficiency
    axes.errorbar(
        mean / GEV_PER_TEV, rate / efficiency, errors, across, fmt="o", ms=2.5, lw=0.9, color=color
    )


def _merged(expected: np.ndarray) -> np.ndarray:
    """First bin of each group of neighbours that expects 50 passing events; the rest joins the
    last."""
    starts, total = [0], 0.0
    for place, value in enumerate(expected):
        if total >= _MERGED:
            starts.append(place)
            total = 0.0
        total += value
    if total < _MERGED / 2 and len(starts) > 1:
        starts.pop()
    return np.array(starts)
