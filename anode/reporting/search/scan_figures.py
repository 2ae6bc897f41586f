"""Figures to judge a search by: p-values, limits, spectra, sculpting, calibration.

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
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from anode.reporting.common.style import (
    DATA,
    GEV_PER_TEV,
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.search.spectrum_figures import ALL, colors_of, cut_label

CENTER_LABEL = r"centre of the window in $m_{JJ}$ [TeV]"
SIGMAS = (1, 2, 3, 4, 5)
_BANDS = ("#F0E442", "#8FD0B8")
"""Expected limits within two and one standard deviation."""


class ScanLine(NamedTuple):
    """Local p-values of all windows at one efficiency.

    Attributes:
        efficiency: fraction of background that passes; 1 is no cut.
        center: (W,) centres of the windows [GeV], rising.
        p_local: (W,) p-values; NaN where there is none.
        tested: (W,) True for windows that compete for the largest excess.
    """

    efficiency: float
    center: np.ndarray
    p_local: np.ndarray
    tested: np.ndarray


class LimitLine(NamedTuple):
    """Upper limits on signal events that pass one cut.

    Attributes:
        efficiency: fraction of background that passes; 1 is no cut.
        center: (W,) centres of the windows [GeV], rising.
        observed: (W,) observed limits [events].
        expected: (W, 5) expected limits at -2, -1, 0, 1, 2 standard deviations [events].
        error: (W,) errors of the expected background over its Poisson error sqrt(b), which the
            expected limit follows.
        n_parameters: (W,) numbers of parameters of the di-jet function that gave the background; 0
            for the template.
    """

    efficiency: float
    center: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    error: np.ndarray
    n_parameters: np.ndarray


def local_p_figure(lines: Sequence[ScanLine], levels: Mapping[int, float]) -> Figure:
    """Local p-value against the centre of the window, a line an efficiency, the inclusive grey.

    Windows that do not compete are hollow, on a dotted line, and triangles where they are below
    the axis. Grey bands are where the largest excess of the whole scan has a global significance
    of one, two, three standard deviations.

    Args:
        lines: p-values at each efficiency.
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
        for marker, label, drawn in (
            ("o", "not tested", not all(line.tested.all() for line in lines)),
            ("v", "below the axis", any((line.p_local < bottom).any() for line in lines)),
        ):
            if drawn:
                shown = Line2D([], [], color="0.3", ls=":", marker=marker, ms=4, mfc="white")
                shown.set_label(label)
                entries.append(shown)
        if levels:
            text = "bands: global significance of the largest excess"
            entries.append(Patch(color="0.92", label=text))
        figure.legend(handles=entries, loc="outside upper center", ncols=3)
    return figure


def limits_figure(lines: Sequence[LimitLine]) -> Figure:
    """Observed and expected 95% CLs upper limits on signal events, a panel an efficiency.

    Below each, why the expected limit is as high as it is: the error of the expected background
    over sqrt(b), by the function it comes from. It jumps where the F-test chooses another number
    of parameters, or where functions that describe the spectrum as well predict another number.
    """
    drawn = [line for line in lines if np.isfinite(line.expected).any()]
    if not drawn:
        return notice_figure("no limits")
    columns = min(2, len(drawn))
    rows = -(-len(drawn) // columns)
    with style():
        figure = new_figure(4.4 * columns + 0.6, 3.9 * rows + 1.0)
        grid = figure.add_gridspec(2 * rows, columns, height_ratios=(3, 1) * rows)
        first = None
        for place, line in enumerate(drawn):
            row, column = 2 * (place // columns), place % columns
            axes = figure.add_subplot(grid[row, column], sharex=first)
            below = figure.add_subplot(grid[row + 1, column], sharex=axes)
            first = first or axes
            _draw_limits(axes, line)
            _draw_errors(below, line)
            axes.set_title(cut_label(line.efficiency))
            axes.tick_params(labelbottom=False)
            if column == 0:
                axes.set_ylabel("95% CL$_s$ upper limit\n[signal events that pass]")
                below.set_ylabel(r"$\sigma_b / \sqrt{b}$")
            if place + columns >= len(drawn):
                below.set_xlabel(CENTER_LABEL)
        figure.align_ylabels()
        _legends_of_limits(figure, {int(n) for line in drawn for n in line.n_parameters})
    return figure


def _legends_of_limits(figure: Figure, functions: set[int]) -> None:
    """What lines and bands are above, and what marks mean below."""
    entries = [
        Line2D([], [], color=DATA, marker="o", ms=3, lw=1.1, label="observed"),
        Line2D([], [], color="0.25", ls="--", lw=1.2, label="median expected without signal"),
        Patch(color=_BANDS[1], label=r"expected $\pm 1\sigma$"),
        Patch(color=_BANDS[0], label=r"expected $\pm 2\sigma$"),
    ]
    figure.legend(handles=entries, loc="outside upper center", ncols=3)
    marks = [
        Line2D([], [], ls="", marker=_mark(n), color=_mark_color(n), ms=5, label=_function(n))
        for n in sorted(functions)
    ]
    title = (
        r"small panels: error $\sigma_b$ of the expected background $b$, and where $b$ comes from."
        "\nThe expected limit follows it."
    )
    figure.legend(
        handles=marks, loc="outside lower center", ncols=len(marks), title=title, title_fontsize=9
    )


def _function(n_parameters: int) -> str:
    if n_parameters == 0:
        return "template, no fit"
    return f"di-jet function, {n_parameters} parameters"


def _mark(n_parameters: int) -> str:
    return "xosD^v"[n_parameters % 6]


def _mark_color(n_parameters: int) -> str:
    return "0.45" if n_parameters == 0 else PALETTE[n_parameters % len(PALETTE)]


def _draw_limits(axes: Axes, line: LimitLine) -> None:
    center = line.center / GEV_PER_TEV
    for (low, high), color in zip(((0, 4), (1, 3)), _BANDS, strict=True):
        axes.fill_between(center, line.expected[:, low], line.expected[:, high], color=color, lw=0)
    axes.plot(center, line.expected[:, 2], color="0.25", ls="--", lw=1.2)
    axes.plot(center, line.observed, color=DATA, marker="o", ms=3, lw=1.1)
    axes.set(yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_errors(axes: Axes, line: LimitLine) -> None:
    """Error of the expected background over sqrt(b), a mark for each kind of function."""
    center = line.center / GEV_PER_TEV
    axes.plot(center, line.error, color="0.75", lw=0.8, zorder=1)
    for n in np.unique(line.n_parameters):
        chosen = line.n_parameters == n
        mark, color = _mark(int(n)), _mark_color(int(n))
        axes.plot(center[chosen], line.error[chosen], mark, ms=4, color=color)
    axes.set_ylim(0, 1.2 * max(float(np.nanmax(line.error)), 0.5))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.minorticks_off()


def _draw_scan_line(axes: Axes, line: ScanLine, color: str) -> None:
    """Full points where the window competes, hollow ones elsewhere."""
    center, p = line.center / GEV_PER_TEV, np.minimum(line.p_local, 1.0)
    bottom = axes.get_ylim()[0]
    below, p = p < bottom, np.maximum(p, 1.6 * bottom)
    axes.plot(center, p, color=color, lw=0.8, ls=":")
    width = 2.4 if line.efficiency == ALL else 1.4
    axes.plot(center, np.where(line.tested, p, np.nan), color=color, lw=width)
    hollow = ~line.tested & ~below
    for shown, face, marker in (
        (line.tested, color, "o"),
        (hollow, "white", "o"),
        (~line.tested & below, "white", "v"),
    ):
        axes.plot(center[shown], p[shown], marker, ms=4, color=color, mfc=face)


def _draw_sigmas(axes: Axes, bottom: float) -> None:
    """Dotted lines at local significances, named in the first column on the right."""
    levels = {f"{sigma}": float(scipy.stats.norm.sf(sigma)) for sigma in SIGMAS}
    shown = {text: p for text, p in levels.items() if p > bottom}
    for p in shown.values():
        axes.axhline(p, **{**REFERENCE_LINE, "linestyle": ":"}, zorder=0.5)
    _column(axes, "local", shown, 1.015)


def _draw_global(axes: Axes, levels: Mapping[int, float], bottom: float) -> None:
    """Bands below the local p-value that a global significance needs, named in the second."""
    ordered = sorted(levels.items())
    needed = {str(sigma): float(scipy.stats.norm.sf(z)) for sigma, z in ordered}
    ends = [*needed.values(), bottom][1:]
    for place, (high, low) in enumerate(zip(needed.values(), ends, strict=True)):
        axes.axhspan(low, high, color=str(0.97 - 0.025 * place), lw=0, zorder=0)
        axes.axhline(high, color="0.6", lw=0.8, zorder=0.4)
    _column(axes, "global", needed, 1.085)


def _column(axes: Axes, title: str, levels: Mapping[str, float], x: float) -> None:
    """Standard deviations right of the frame at their p-values, those too close left out."""
    if not levels:
        return
    place = axes.get_yaxis_transform()
    axes.text(x, 1.045, title, transform=axes.transAxes, fontsize=9, color="0.35")
    bottom, top = np.log(axes.get_ylim())
    last = np.inf
    for text, p in levels.items():
        if last - np.log(p) > 0.035 * (top - bottom):
            name = rf"{text}$\sigma$"
            axes.text(x, p, name, transform=place, va="center", fontsize=9, color="0.35")
            last = np.log(p)
