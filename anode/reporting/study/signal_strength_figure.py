"""SIC and significance of each method against signal strength: how little signal it finds."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from anode.evaluation.comparison import Group, Interval, summarise, variants_of
from anode.reporting.common.style import REFERENCE_LINE, Look, new_figure, notice_figure, style
from anode.reporting.study.point_style import (
    PUBLISHED_MARK,
    entries_of,
    legend_below,
    looks_of,
    spread_note,
)
from anode.reporting.study.published_results import Published

SIC_AT_LABEL = r"SIC at $\epsilon_B = 10^{-3}$"
_LEVELS = (3, 5)


def scan_figure(
    groups: Sequence[Group],
    published: Published | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Max SIC, SIC at FPR 1e-3, and the significance it achieves, against S/B.

    The significance after a cut is SIC(1e-3) S/sqrt(B), run by run; before it S/sqrt(B). Points
    are medians over seeds, bands central 68% intervals.

    Args:
        groups: one group a method and point; points without signal are left out.
        published: numbers to mark in the first panel.
        labels: names of variants in figures, of the study.
    """
    scanned = [group for group in groups if _s_over_b(group) > 0]
    if not scanned:
        return notice_figure("no runs with signal")
    shown = looks_of(groups, labels)
    quantities: tuple[tuple[str, Callable[[Group], Interval | None]], ...] = (
        ("max SIC", lambda group: group.over_seeds("max_sic")),
        (SIC_AT_LABEL, lambda group: group.over_seeds("sic_at_fpr.1e-3")),
        (
            r"significance, SIC$(10^{-3}) \, S/\sqrt{B}$ [$\sigma$]",
            lambda group: summarise(significances(group)),
        ),
    )
    with style():
        figure = new_figure(11.5, 4.7)
        panels = figure.subplots(1, 3)
        for axes, (text, measure) in zip(panels, quantities, strict=True):
            for variant, members in variants_of(scanned).items():
                _draw_line(axes, shown[variant], members, measure)
            axes.set(xscale="log", xlabel="$S/B$ in the signal region", ylabel=text)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}%"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        _draw_uncut(panels[2], scanned)
        entries = entries_of(*panels)
        if published is not None:
            _mark(panels[0], published, shown, scanned)
            entries[published.source] = panels[0].plot([], [], color="0.4", **PUBLISHED_MARK)[0]
        for axes in panels[:2]:
            axes.set_ylim(0, 1.08 * max(axes.dataLim.y1, 1.0))
        panels[2].set(yscale="log", ylim=(0.1, 1.3 * max(_LEVELS[-1], panels[2].dataLim.y1)))
        _draw_levels(panels[2])
        note = spread_note(scanned, "max_sic", "bands") + "; SIC = 0 lies below a logarithmic axis"
        legend_below(figure, entries, columns=5, note=note)
    return figure


def significances(group: Group) -> list[float]:
    """SIC at FPR 1e-3 times S/sqrt(B), of each run that has both."""
    before = group.by_seed("s_over_sqrt_b")
    after = group.by_seed("sic_at_fpr.1e-3")
    return [sic * before[seed] for seed, sic in after.items() if seed in before]


def _s_over_b(group: Group) -> float:
    interval = group.over_seeds("s_over_b")
    return 0.0 if interval is None else interval.median


def _draw_line(
    axes: Axes,
    look: Look,
    members: Sequence[Group],
    measure: Callable[[Group], Interval | None],
) -> None:
    """Median and band of one method over the points."""
    measured = {_s_over_b(group): measure(group) for group in members}
    known = [(x, y.low, y.median, y.high) for x, y in measured.items() if y is not None]
    if not known:
        return
    x, low, median, high = np.array(sorted(known)).T
    axes.plot(x, median, marker="o", ms=3.5, color=look.color, ls=look.line, label=look.label)
    axes.fill_between(x, low, high, color=look.color, alpha=0.15, lw=0)


def _draw_uncut(axes: Axes, scanned: Sequence[Group]) -> None:
    """S/sqrt(B) against S/B, over all runs of a point."""
    points: dict[str, list[Group]] = {}
    for group in scanned:
        points.setdefault(group.point, []).append(group)
    line = []
    for members in points.values():
        x, y = (
            [value for group in members for value in group.by_seed(name).values()]
            for name in ("s_over_b", "s_over_sqrt_b")
        )
        if y:
            line.append((float(np.median(x)), float(np.median(y))))
    if line:
        axes.plot(*np.array(sorted(line)).T, label=r"no cut, $S/\sqrt{B}$", **REFERENCE_LINE)


def _draw_levels(axes: Axes) -> None:
    for level in _LEVELS:
        axes.axhline(level, color="0.7", lw=0.8, zorder=0)
        place = axes.get_yaxis_transform()
        text = rf"{level}$\sigma$"
        axes.text(0.02, level, text, transform=place, va="bottom", fontsize=8, color="0.4")


def _mark(
    axes: Axes, published: Published, shown: dict[str, Look], scanned: Sequence[Group]
) -> None:
    """Published max SIC, in the colour of the method, for methods that are drawn."""
    look_of = {group.method: shown[group.variant] for group in scanned}
    for s_over_b, found in published.scan.items():
        for method, value in found.items():
            if method in look_of:
                axes.plot(s_over_b, value, color=look_of[method].color, **PUBLISHED_MARK)
