"""SIC and ROC curves of groups of runs, with bands: whether they differ by more than seeds do."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.curves import MIN_BACKGROUND, SicCurve
from anode.reporting.common.sic_axes import NO_LABELS, TPR_LABEL, finish_sic, sic_axes, signal_line
from anode.reporting.common.style import (
    REFERENCE_LINE,
    Look,
    looks,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.common.tables import CEILING_NOTE
from anode.reporting.study.point_style import entries_of, legend_below, runs_text

MANY = 12  # groups, above which bands would hide each other
FEW = 3  # groups, up to which the legend fits beside the curves
_QUANTILES = (0.158655, 0.5, 0.841345)

Groups = Mapping[str, Sequence[SicCurve]]


def comparison_figure(
    groups: Groups,
    shown: Mapping[str, Look] | None = None,
    *,
    s_over_b: float | None = None,
    s_over_sqrt_b: float | None = None,
) -> Figure:
    """Median SIC and 68% band over the runs (seeds, injections) of each group.

    A point is drawn where every run of the group has one, so that no run drops out of the median
    on the way. A group of one run is a line without a band, and so is each of many groups.

    Args:
        groups: name -> SIC curves, one a run; runs without a point, and groups without such
            runs, are left out.
        shown: name -> how it looks; chosen by order if None.
        s_over_b, s_over_sqrt_b: signal content of the signal region, for the annotation.
    """
    drawn = _drawn(groups)
    if not drawn:
        return notice_figure(NO_LABELS)
    with style():
        floor = min(curve.fpr[0] for curves in drawn.values() for curve in curves)
        figure, left, right = sic_axes(floor)
        for look, curves in _looking(drawn, groups, shown):
            for axes, x in ((left, "tpr"), (right, "fpr")):
                starts = max(getattr(curve, x)[0] for curve in curves)
                grid = np.linspace(starts, 1, 400) if x == "tpr" else np.geomspace(starts, 1, 400)
                sic = [np.interp(grid, getattr(curve, x), curve.sic) for curve in curves]
                _draw(axes, look, grid, np.array(sic), banded=len(drawn) <= MANY)
        lines = _lines(drawn, groups, shown, s_over_b, s_over_sqrt_b)
        few = len(drawn) <= FEW
        finish_sic(left, right, lines if few else [])
        if not few:  # legend and lines would lie on the curves
            left.legend_ = None
            left.set_ylim(0, 1.05 * left.dataLim.y1)
            _describe_above(left, lines)
            legend_below(figure, entries_of(left), columns=4, title=False)
    return figure


def roc_comparison_figure(
    groups: Groups,
    shown: Mapping[str, Look] | None = None,
    *,
    s_over_b: float | None = None,
    s_over_sqrt_b: float | None = None,
) -> Figure:
    """Median background rejection 1/FPR against TPR, and 68% band over the runs of each group.

    Drawn, as SIC is, where at least 25 test background events pass in every run.

    Args:
        groups, shown, s_over_b, s_over_sqrt_b: arguments as for ``comparison_figure``.
    """
    drawn = _drawn(groups)
    if not drawn:
        return notice_figure(NO_LABELS)
    with style():
        figure = new_figure(6.2, 5.4 if len(drawn) > FEW else 4.6)
        axes = figure.add_subplot()
        for look, curves in _looking(drawn, groups, shown):
            grid = np.linspace(max(curve.tpr[0] for curve in curves), 1, 400)
            # Straight in log(FPR), as the axis is.
            rates = [np.interp(grid, curve.tpr, np.log(curve.fpr)) for curve in curves]
            _draw(axes, look, grid, np.exp(-np.array(rates)), banded=len(drawn) <= MANY)
        highest = max(1 / curve.fpr[0] for curves in drawn.values() for curve in curves)
        line = np.geomspace(1 / highest, 1, 200)
        axes.plot(line, 1 / line, label="random score", **REFERENCE_LINE)
        axes.set(xlabel=TPR_LABEL, ylabel=r"background rejection $1 / \epsilon_B$ (1/FPR)")
        axes.set(yscale="log", xlim=(0, 1), ylim=(1, 1.3 * highest))
        # Every corner of the axes may hold a curve, so the sample is described on top.
        _describe_above(axes, _lines(drawn, groups, shown, s_over_b, s_over_sqrt_b))
        legend_below(figure, entries_of(axes), columns=4, title=False)
    return figure


def _drawn(groups: Groups) -> dict[str, list[SicCurve]]:
    """Runs that have a point, of groups that have such runs."""
    kept = {name: [curve for curve in curves if len(curve.fpr)] for name, curves in groups.items()}
    return {name: curves for name, curves in kept.items() if curves}


def _looks(groups: Groups, shown: Mapping[str, Look] | None) -> Mapping[str, Look]:
    return looks(dict.fromkeys(groups, (None, False))) if shown is None else shown


def _looking(
    drawn: Mapping[str, list[SicCurve]], groups: Groups, shown: Mapping[str, Look] | None
) -> Iterator[tuple[Look, list[SicCurve]]]:
    """Look and curves of each group, the number of its runs in the label where they differ."""
    known = _looks(groups, shown)
    counts = {len(curves) for curves in drawn.values()}
    for name, curves in drawn.items():
        look = known[name]
        count = f" ({runs_text([len(curves)])})" if len(counts) > 1 else ""
        yield look._replace(label=look.label + count), curves


def _draw(axes: Axes, look: Look, x: np.ndarray, y: np.ndarray, *, banded: bool) -> None:
    """Median and band of (R, G) runs on a grid (G,)."""
    low, median, high = np.quantile(y, _QUANTILES, axis=0)
    axes.plot(x, median, color=look.color, ls=look.line, label=look.label)
    if len(y) > 1 and banded:
        axes.fill_between(x, low, high, color=look.color, alpha=0.2, lw=0)


def _lines(
    drawn: Groups,
    groups: Groups,
    shown: Mapping[str, Look] | None,
    s_over_b: float | None,
    s_over_sqrt_b: float | None,
) -> list[str]:
    """What is drawn, of which sample, and under which cut."""
    known = _looks(groups, shown)
    ceiling = any(known[name].label.endswith("*") for name in drawn)
    runs = runs_text([len(curves) for curves in drawn.values()])
    spread = "line: median" if len(drawn) > MANY else "line: median, band: central 68%"
    return [
        signal_line(s_over_b, s_over_sqrt_b),
        "one run each, no band" if runs == "1 run" else f"{spread} over {runs}",
        f"drawn where at least {MIN_BACKGROUND} background events pass",
        CEILING_NOTE if ceiling else "",
    ]


def _describe_above(axes: Axes, lines: list[str]) -> None:
    axes.set_title("\n".join(filter(None, lines)), loc="left", fontsize=8, color="0.25")
