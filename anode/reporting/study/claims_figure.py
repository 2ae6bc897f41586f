"""AUC and SIC of every variant beside what was published of the like: one figure of a study."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from anode.evaluation.comparison import Group, Interval
from anode.reporting.common.style import REFERENCE_LINE, new_figure, notice_figure, style
from anode.reporting.common.tables import CEILING_NOTE
from anode.reporting.study.point_style import (
    PUBLISHED_MARK,
    draw_point,
    entries_of,
    legend_below,
    looks_of,
    place_of,
    sample_note,
)
from anode.reporting.study.published_results import Published

PANELS = {"auc": "AUC", "max_sic": "max SIC", "sic_at_fpr.1e-2": r"SIC at $\epsilon_B = 10^{-2}$"}
RANDOM = {"auc": 0.5, "max_sic": 1.0, "sic_at_fpr.1e-2": 0.1}
"""Of a score that knows nothing."""


def claims_figure(
    groups: Sequence[Group],
    published: Published | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """A row a variant: medians and 68% intervals of ours, hollow marks of what was published.

    Args:
        groups: groups of runs; those without truth labels are left out.
        published: numbers of others, on other events, by the names of variants.
        labels: names of variants and points in figures, of the study.
    """
    drawn = [group for group in groups if group.over_seeds("auc") is not None]
    if not drawn:
        return notice_figure("no run has truth labels")
    shown = looks_of(groups, labels)
    with style():
        figure = new_figure(10.5, 0.25 * len(drawn) + 2.0)
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, (name, text) in zip(panels, PANELS.items(), strict=True):
            axes.axvline(RANDOM[name], **REFERENCE_LINE, label="random score")
            for place, group in enumerate(drawn):
                found = group.over_seeds(name)
                if found is not None:
                    height = Interval(place, place, place, 1)
                    draw_point(axes, shown[group.variant], "o", found, height)
                if published is not None and name in published.variants.get(group.variant, {}):
                    value = published.variants[group.variant][name]
                    axes.plot(value, place, color="k", label=published.source, **PUBLISHED_MARK)
            axes.set_xlabel(text)
            axes.grid(axis="y", color="0.92", lw=0.6)
        panels[0].set_yticks(
            range(len(drawn)), [place_of(g, shown[g.variant], labels) for g in drawn]
        )
        panels[0].set_ylim(len(drawn) - 0.4, -0.6)
        for axes in panels:
            axes.tick_params(axis="y", which="both", length=0)
        legend_below(figure, entries_of(*panels), columns=2, note=_note(drawn))
    return figure


def _note(groups: Sequence[Group]) -> str:
    """As of all points, and what an asterisk of the rows means."""
    ceiling = [CEILING_NOTE] if any(group.uses_truth for group in groups) else []
    return "\n".join([sample_note(groups, "auc"), *ceiling])
