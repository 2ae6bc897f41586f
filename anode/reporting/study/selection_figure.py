"""Spread of the events that each method selects, in the space of features."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anode.evaluation.comparison import Group, Interval, summarise
from anode.reporting.common.style import (
    DATA,
    SIGNAL,
    feature_label,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.study.point_style import looks_of, place_of

SELECTED = "selection.1e-2"


def selection_figure(
    groups: Sequence[Group], *, labels: Mapping[str, str] | None = None, columns: int = 2
) -> Figure:
    """Median and 68% interval of every feature among the selected, a line a method; the band is
    that of all data, and the hatched one that of true signal, where there is any.

    Args:
        groups: one group a method; numbers are medians over its seeds.
        labels: names of variants and points in figures, of the study.
        columns: number of panels side by side.
    """
    features = list(
        dict.fromkeys(
            name.split(".")[2]
            for group in groups
            for name in group.quantities
            if name.startswith(f"{SELECTED}.")
        )
    )
    drawn = [group for group in groups if _spread(group, SELECTED, features[:1])]
    if not features or not drawn:
        return notice_figure("no selected events in these runs")
    shown = looks_of(groups, labels)
    names = [place_of(group, shown[group.variant], labels) for group in drawn]
    rows = -(-len(features) // columns)
    with style():
        figure = new_figure(3.6 * columns + 1.2, (0.26 * len(drawn) + 1.1) * rows)
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, feature in zip(panels.flat, features, strict=False):
            for key, color, text, hatch in (
                ("selection.all", DATA, "all data, central 68%", None),
                ("selection.signal", SIGNAL, "true signal, central 68%", "////"),
            ):
                bands = [band for group in drawn for band in _spread(group, key, [feature])]
                if bands:
                    low, high = bands[0].low, bands[0].high
                    axes.axvspan(low, high, color=color, alpha=0.15, lw=0, hatch=hatch, label=text)
            for place, group in enumerate(drawn):
                for found in _spread(group, SELECTED, [feature]):
                    axes.errorbar(
                        [found.median],
                        [place],
                        xerr=[[found.median - found.low], [found.high - found.median]],
                        fmt="o",
                        ms=5,
                        color=shown[group.variant].color,
                    )
            axes.set_xlabel(feature_label(feature))
            axes.set_yticks(range(len(drawn)), names)
            axes.set_ylim(len(drawn) - 0.4, -0.6)
            axes.tick_params(axis="y", which="both", length=0)
        for axes in list(panels.flat)[len(features) :]:
            axes.remove()
        text = "the 1% with the highest scores, median and central 68%"
        selected = Line2D([], [], color="0.3", marker="o", ms=5, label=text)
        handles = [selected, *panels.flat[0].get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _spread(group: Group, key: str, features: Sequence[str]) -> list[Interval]:
    """Median, low and high of each feature that the group has."""
    found = []
    for feature in features:
        keys = [f"{key}.{feature}.{name}" for name in ("median", "low", "high")]
        each = [summarise(list(group.by_seed(name).values())) for name in keys]
        if None not in each:
            median, low, high = (one.median for one in each if one is not None)
            found.append(Interval(median, low, high, len(group.by_seed(keys[0]))))
    return found
