"""How is one method a point with bars, the same mark and colour in every figure of a study?"""

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.comparison import Group, Interval
from anode.reporting.common.style import Look, looks
from anode.reporting.common.tables import CEILING_NOTE

MARKS = "osD^v>P*Xp<"
"""Marks of variants, in order."""

PUBLISHED_MARK: dict[str, Any] = {"marker": "d", "ms": 7, "mfc": "none", "mew": 1.3, "ls": ""}
"""Numbers of others: hollow."""


def draw_point(
    axes: Axes,
    look: Look,
    mark: str,
    x: Interval | float,
    y: Interval,
    *,
    label: str | None = None,
) -> None:
    """Median and 68% bars; hollow for a user of truth labels."""
    across = x if isinstance(x, Interval) else Interval(x, x, x, 1)
    axes.errorbar(
        [across.median],
        [y.median],
        yerr=[[y.median - y.low], [y.high - y.median]],
        xerr=[[across.median - across.low], [across.high - across.median]],
        fmt=mark,
        ms=6,
        lw=1.3,
        color=look.color,
        mfc="white" if look.line == "--" else look.color,
        label=label,
    )


def entries_of(*panels: Axes) -> dict[str, Artist]:
    """Legend entries of all panels, each label once."""
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def legend_below(figure: Figure, entries: dict[str, Artist], *, columns: int) -> None:
    """Legend under all panels, where it hides nothing, and what an asterisk means."""
    title = CEILING_NOTE if any(label.endswith("*") for label in entries) else None
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        title=title,
        title_fontsize=8,
    )


def looks_of(groups: Sequence[Group]) -> dict[str, Look]:
    """How each variant looks."""
    return looks({group.variant: (group.method, group.uses_truth) for group in groups})
