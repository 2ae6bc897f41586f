"""Figures of anomaly scores on dark-sector jets: each score on each signal, each parameter."""

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from anode.evaluation.dark_sector.detection import KNOWLEDGE, DetectionTable
from anode.evaluation.dark_sector.transfer import sensitivities
from anode.events.dark_sector.names import number_text
from anode.reporting.common.heat_map import AROUND_HALF, FROM_ZERO, draw_heat_map
from anode.reporting.common.style import (
    FURTHER,
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.reporting.dataset.detection_page import MATCHING_TEXT
from anode.reporting.dataset.transfer_figures import BANDS
from anode.reporting.dataset.transfer_page import signal_labels

_LINES = {"nothing": ":", "background": "-", "mixture": "--", "labels": "-."}
"""What a score knows -> how its line is drawn."""


def detection_figure(table: DetectionTable, matching: str) -> Figure:
    """AUC and efficiency of each score on each signal as heat maps.

    Args:
        table: all scores.
        matching: one of its matchings.
    """
    found, points, names = table.of(matching), table.points, table.detectors
    labels = list(signal_labels(points).values())
    with style():
        width = 2 * (0.75 * len(points) + 0.6) + 2.8
        figure = new_figure(width, 0.5 * len(names) + 2.4)
        panels = figure.subplots(1, 2, sharey=True)
        most = max(each.efficiency.median for each in found.values())
        for axes, title, of, looks in (
            (panels[0], "AUC", "auc", (AROUND_HALF, 1.0)),
            (panels[1], "efficiency at 1% background", "efficiency", (FROM_ZERO, max(most, 0.05))),
        ):
            cells = [[getattr(found[name, p], of) for p in points] for name in names]
            shown = draw_heat_map(axes, cells, colors=looks[0], high=looks[1])
            axes.set_aspect("auto")
            axes.set_title(title)
            axes.set_xticks(range(len(points)), labels, rotation=60, ha="right", fontsize=8)
            axes.tick_params(length=0)
            figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
        panels[0].set_yticks(range(len(names)), names, fontsize=8)
        figure.suptitle(MATCHING_TEXT[matching])
    return figure


def parameter_figure(table: DetectionTable) -> Figure:
    """AUC as one parameter of the dark sector varies, a line a score.

    Args:
        table: all scores; its last matching is drawn.
    """
    families, matching = sensitivities(table.points), table.matchings[-1]
    if not families:
        return notice_figure("no two signals differ in one parameter alone")
    found = table.of(matching)
    with style():
        figure = new_figure(2.6 + 2.8 * len(families), 4.2)
        panels = figure.subplots(1, len(families), squeeze=False, sharey=True)[0]
        for axes, each in zip(panels, families, strict=True):
            place = range(len(each.values))
            for name, color in zip(table.detectors, (*PALETTE, *FURTHER), strict=False):
                own = [found[name, point].auc for point in each.values.values()]
                line = _LINES[KNOWLEDGE[name]]
                axes.plot(
                    place, [a.median for a in own], line, marker="o", ms=3.5, color=color,
                    label=name,
                )  # fmt: skip
                low, high = [a.low for a in own], [a.high for a in own]
                axes.fill_between(place, low, high, color=color, alpha=0.12, lw=0)
            axes.axhline(0.5, **REFERENCE_LINE)
            axes.set_xticks(place, [number_text(value) for value in each.values])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel(each.param)
        panels[0].set_ylabel(f"AUC, {MATCHING_TEXT[matching]}")
        figure.suptitle(BANDS, fontsize=9)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center", fontsize=8)
    return figure
