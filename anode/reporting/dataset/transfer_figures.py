"""Figures of classifiers of dark-sector jets: pairs of signals, matched pT, each parameter."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from anode.evaluation.comparison import Interval
from anode.evaluation.dark_sector.published_transfer import PUBLISHED_AUC
from anode.evaluation.dark_sector.transfer import TransferTable, sensitivities
from anode.events.dark_sector.names import number_text
from anode.reporting.common.heat_map import draw_heat_map
from anode.reporting.common.style import (
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.dataset.transfer_page import MATCHING_TEXT, signal_labels

BANDS = "points: medians over the seeds; bands and bars: their central 68%"


def transfer_figure(table: TransferTable, matching: str) -> Figure:
    """AUC of each pair of signals as a heat map, a panel a classifier, and the published one.

    Args:
        table: all pairs.
        matching: one of its matchings.
    """
    points, labels = table.points, list(signal_labels(table.points).values())
    panels = {
        name: {pair: each.auc for pair, each in table.of(name, matching).items()}
        for name in table.classifiers
    }
    published = {
        (row, column): Interval(value, value, value, 1)
        for row in points
        for column in points
        if (value := PUBLISHED_AUC.get((row, column))) is not None
    }
    if matching == "none" and published:
        panels["published (other splits, see text)"] = published
    n, columns = len(points), min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with style():
        figure = new_figure(columns * (0.62 * n + 0.9) + 2.4, rows * (0.62 * n + 0.5) + 2.0)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, (name, values) in zip(grid.flat, panels.items(), strict=False):
            shown = draw_heat_map(axes, [[values.get((r, c)) for c in points] for r in points])
            axes.set_title(name)
            axes.set_xticks(range(n), labels, rotation=60, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(n), labels)
            axes.tick_params(labelbottom=True, length=0, labelsize=8)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        figure.colorbar(
            shown, ax=list(grid.flat[: len(panels)]), label="AUC", shrink=0.8, pad=0.02
        )
        figure.suptitle(MATCHING_TEXT[matching])
        figure.supxlabel("tested on", fontsize=11)
        figure.supylabel("trained on", fontsize=11)
    return figure


def matching_figure(table: TransferTable) -> Figure:
    """AUC of each signal by the classifier that has learned it, a panel a matching of pT.

    Args:
        table: all pairs.
    """
    points, labels = table.points, list(signal_labels(table.points).values())
    with style():
        figure = new_figure(1.2 + len(table.matchings) * (0.55 * len(points) + 0.6), 4.6)
        panels = figure.subplots(1, len(table.matchings), squeeze=False, sharey=True)[0]
        for axes, matching in zip(panels, table.matchings, strict=True):
            values = {
                name: [table.of(name, matching)[p, p].auc for p in points]
                for name in table.classifiers
            }
            _draw_points(axes, values)
            if matching == "none":
                known = {
                    i: PUBLISHED_AUC[p, p] for i, p in enumerate(points) if (p, p) in PUBLISHED_AUC
                }
                if known:
                    axes.plot(
                        list(known), list(known.values()), "_", ms=22, mew=1.5, color="0.3",
                        label="published", zorder=1,
                    )  # fmt: skip
            axes.set_xticks(range(len(points)), labels, rotation=60, ha="right", fontsize=8)
            axes.set_title(MATCHING_TEXT[matching].replace(", ", ",\n"))
        panels[0].set_ylabel("AUC, trained and tested on the signal")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        figure.supxlabel(BANDS, fontsize=9)
    return figure


def sensitivity_figure(table: TransferTable) -> Figure:
    """AUC as one parameter varies: trained on each value, and on one signal alone.

    Args:
        table: all pairs; its first matching is drawn.
    """
    families, matching = sensitivities(table.points), table.matchings[0]
    if not families:
        return notice_figure("no two signals differ in one parameter alone")
    with style():
        figure = new_figure(0.8 + 3.0 * len(families), 4.0)
        panels = figure.subplots(1, len(families), squeeze=False, sharey=True)[0]
        for axes, each in zip(panels, families, strict=True):
            points, place = list(each.values.values()), np.arange(len(each.values))
            for name, color in zip(table.classifiers, PALETTE, strict=False):
                pairs = table.of(name, matching)
                own = [pairs[p, p].auc for p in points]
                fixed = [pairs[each.trained_on, p].auc for p in points]
                _draw_band(axes, place, own, color, "-", name)
                _draw_band(axes, place, fixed, color, ":", None)
            axes.axhline(0.5, **REFERENCE_LINE)
            axes.set_xticks(place, [number_text(value) for value in each.values])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel(each.param)
            axes.set_title(f"dotted: trained on {number_text(each.trained_on.value(each.param))}")
        panels[0].set_ylabel(f"AUC, {MATCHING_TEXT[matching]}")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        figure.supxlabel(BANDS, fontsize=9)
    return figure


def _draw_points(axes: Axes, values: Mapping[str, Sequence[Interval]]) -> None:
    """Medians with their bands, side by side."""
    for number, (name, own) in enumerate(values.items()):
        shift = 0.16 * (number - (len(values) - 1) / 2)
        place = np.arange(len(own)) + shift
        median = np.array([each.median for each in own])
        below = median - [each.low for each in own]
        above = [each.high for each in own] - median
        color = PALETTE[number % len(PALETTE)]
        axes.errorbar(
            place, median, yerr=[below, above], fmt="o", ms=4, capsize=2, lw=1.2, color=color,
            label=name,
        )  # fmt: skip
    axes.axhline(0.5, **REFERENCE_LINE)
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_band(
    axes: Axes,
    place: np.ndarray,
    values: Sequence[Interval],
    color: str,
    line: str,
    label: str | None,
) -> None:
    axes.plot(
        place, [v.median for v in values], line, marker="o", ms=3.5, color=color, label=label
    )
    low, high = [v.low for v in values], [v.high for v in values]
    axes.fill_between(place, low, high, color=color, alpha=0.15, lw=0)
