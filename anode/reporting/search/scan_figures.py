"""What does one look at to judge a search: p-values, limits, spectra, sculpting, calibration?

Every function takes arrays and returns a matplotlib ``Figure``. Spectra are drawn in
``spectrum_figures.py``, calibration in ``calibration_figures.py``, and imported from here too.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anode.reporting.common.style import (
    DATA,
    GEV_PER_TEV,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.search.spectrum_figures import colors_of, cut_label

CENTER_LABEL = r"centre of the window in $m_{JJ}$ [TeV]"
SIGMAS = (1, 2, 3, 4, 5)
_BANDS = ("#F0E442", "#8FD0B8")
"""Expected limits within two and one standard deviation."""


class ScanLine(NamedTuple):
    """Local p-values of all windows at one efficiency.

    Attributes:
        efficiency: of background; 1 is no cut.
        center: (W,) of the windows [GeV], rising.
        p_local: (W,); NaN where there is none.
        tested: (W,) bool, whether the window competes for the largest excess.
    """

    efficiency: float
    center: np.ndarray
    p_local: np.ndarray
    tested: np.ndarray


class LimitLine(NamedTuple):
    """Upper limits on signal events that pass one cut.

    Attributes:
        efficiency: of background; 1 is no cut.
        center: (W,) of the windows [GeV], rising.
        observed: (W,) events.
        expected: (W, 5) events, at -2, -1, 0, 1, 2 standard deviations.
    """

    efficiency: float
    center: np.ndarray
    observed: np.ndarray
    expected: np.ndarray


def local_p_figure(lines: Sequence[ScanLine], levels: Mapping[int, float]) -> Figure:
    """Local p-value against the centre of the window, a line an efficiency, the inclusive grey.

    Windows that do not compete are hollow, on a dotted line, and triangles where they are below
    the axis. Grey bands are where the largest excess of the whole scan has a global significance
    of one, two, three standard deviations.

    Args:
        lines: an efficiency each.
        levels: global standard deviations -> local significance that they need.
    """
    finite = [p for line in lines for p in line.p_local[np.isfinite(line.p_local)]]
    if not finite:
        return notice_figure("no window has a p-value")
    # Windows that do not compete may be far off: those below the axis are drawn at its edge.
    known = [p for line in lines for p in line.p_local[line.tested & np.isfinite(line.p_local)]]
    known = known or finite
    needed = [float(scipy.stats.norm.sf(z)) for z in levels.values()]
    bottom = max(min(0.2 * min(known), 0.2 * min(needed, default=1), 3e-4), 1e-300)
    with style():
        figure = new_figure(7.4, 4.7)
        axes = figure.add_subplot()
        axes.set(xlabel=CENTER_LABEL, ylabel="local $p$-value", yscale="log", ylim=(bottom, 1.3))
        _draw_sigmas(axes, bottom)
        _draw_global(axes, levels, bottom)
        colors = colors_of([line.efficiency for line in lines])
        for line in lines:
            _draw_scan_line(axes, line, colors[line.efficiency])
        entries: list[Line2D | Patch] = [
            Line2D([], [], color=colors[e], marker="o", ms=4, label=cut_label(e)) for e in colors
        ]
        if not all(line.tested.all() for line in lines):
            hollow = Line2D([], [], color="0.3", ls=":", marker="o", ms=4, mfc="white")
            hollow.set_label("not tested")
            entries.append(hollow)
        figure.legend(handles=entries, loc="outside upper center", ncols=5)
    return figure


def limits_figure(lines: Sequence[LimitLine]) -> Figure:
    """Observed and expected 95% CLs upper limits on signal events, a panel an efficiency."""
    drawn = [line for line in lines if np.isfinite(line.expected).any()]
    if not drawn:
        return notice_figure("no limits")
    columns = min(2, len(drawn))
    rows = -(-len(drawn) // columns)
    with style():
        figure = new_figure(4.4 * columns + 0.6, 2.9 * rows + 0.7)
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for place, line in enumerate(drawn):
            axes = panels.flat[place]
            _draw_limits(axes, line)
            axes.set_title(cut_label(line.efficiency))
            if place + columns >= len(drawn):
                axes.set_xlabel(CENTER_LABEL)
                axes.tick_params(labelbottom=True)
        for axes in list(panels.flat)[len(drawn) :]:
            axes.remove()
        figure.supylabel("95% CL upper limit [signal events]", fontsize=11)
        entries = [
            Line2D([], [], color=DATA, marker="o", ms=3, lw=1.1, label="observed"),
            Line2D([], [], color="0.25", ls="--", lw=1.2, label="expected without signal"),
            Patch(color=_BANDS[1], label=r"$\pm 1\sigma$"),
            Patch(color=_BANDS[0], label=r"$\pm 2\sigma$"),
        ]
        figure.legend(handles=entries, loc="outside upper center", ncols=4)
    return figure


def _draw_limits(axes: Axes, line: LimitLine) -> None:
    center = line.center / GEV_PER_TEV
    for (low, high), color in zip(((0, 4), (1, 3)), _BANDS, strict=True):
        axes.fill_between(center, line.expected[:, low], line.expected[:, high], color=color, lw=0)
    axes.plot(center, line.expected[:, 2], color="0.25", ls="--", lw=1.2)
    axes.plot(center, line.observed, color=DATA, marker="o", ms=3, lw=1.1)
    axes.set(yscale="log")


def _draw_scan_line(axes: Axes, line: ScanLine, color: str) -> None:
    """Full points where the window competes, hollow ones elsewhere."""
    center, p = line.center / GEV_PER_TEV, np.minimum(line.p_local, 1.0)
    bottom = axes.get_ylim()[0]
    below, p = p < bottom, np.maximum(p, 1.6 * bottom)
    axes.plot(center, p, color=color, lw=0.8, ls=":")
    axes.plot(center, np.where(line.tested, p, np.nan), color=color, lw=1.4)
    hollow = ~line.tested & ~below
    for shown, face, marker in (
        (line.tested, color, "o"),
        (hollow, "white", "o"),
        (~line.tested & below, "white", "v"),
    ):
        axes.plot(center[shown], p[shown], marker, ms=4, color=color, mfc=face)


def _draw_sigmas(axes: Axes, bottom: float) -> None:
    """Dotted lines at local significances, named on the right."""
    for sigma in SIGMAS:
        p = float(scipy.stats.norm.sf(sigma))
        if p > bottom:
            axes.axhline(p, **{**REFERENCE_LINE, "linestyle": ":"}, zorder=0.5)
            place = axes.get_yaxis_transform()
            text = rf"{sigma}$\sigma$"
            axes.text(1.01, p, text, transform=place, va="center", fontsize=9, color="0.35")


def _draw_global(axes: Axes, levels: Mapping[int, float], bottom: float) -> None:
    """Bands below the local p-value that a global significance needs, named inside."""
    ordered = sorted(levels.items())
    for place, (sigma, z) in enumerate(ordered):
        high = float(scipy.stats.norm.sf(z))
        low = (
            float(scipy.stats.norm.sf(ordered[place + 1][1]))
            if place + 1 < len(ordered)
            else bottom
        )
        shade = str(0.97 - 0.025 * place)
        axes.axhspan(low, high, color=shade, lw=0, zorder=0)
        axes.axhline(high, color="0.6", lw=0.8, zorder=0.4)
        at = axes.get_yaxis_transform()
        text = rf"global {sigma}$\sigma$"
        name = axes.text(0.985, high * 0.85, text, transform=at, ha="right", va="top", fontsize=8)
        name.set_bbox({"facecolor": shade, "edgecolor": "none", "pad": 1.0})
