"""Point with bars of a method: the same mark and colour in every figure of a study."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.comparison import Group, Interval, summarise
from anode.evaluation.curves import MIN_BACKGROUND
from anode.reporting.common.sic_axes import signal_line
from anode.reporting.common.style import Look, looks
from anode.reporting.common.tables import CEILING_NOTE
from anode.reporting.study.labels import label_of

MARKS = "osD^v>P*Xp<"
"""Marks of variants, in order."""

ROWS_WITH_ROOM, ROW_HEIGHT = 4, 0.19  # of a legend; inches
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


def legend_below(
    figure: Figure,
    entries: dict[str, Artist],
    *,
    columns: int,
    note: str = "",
    title: bool = True,
) -> None:
    """Legend under all panels, where it hides nothing; as its title, unless there is another
    place, what bars are, and an asterisk means."""
    ceiling = CEILING_NOTE if any(label.endswith("*") for label in entries) else ""
    above = "\n".join(text for text in (note, ceiling) if text and title) or None
    n_columns = columns_that_fit(figure, list(entries), columns)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=n_columns,
        fontsize=8,
        title=above,
        title_fontsize=8,
    )
    # A long legend makes the figure longer, not its panels smaller.
    more = -(-len(entries) // n_columns) - ROWS_WITH_ROOM
    figure.set_figheight(figure.get_figheight() + ROW_HEIGHT * max(0, more))


def columns_that_fit(figure: Figure, labels: Sequence[str], most: int) -> int:
    """Columns of a small legend with such labels that the figure has room for."""
    character, handle = 0.066, 0.55  # inches, of small text
    shown = [len(re.sub(r"[${}_^]|\\[a-z]+", "", label)) for label in labels]
    for columns in range(min(most, len(labels)), 1, -1):
        longest = [max(part) for part in np.array_split(shown, columns)]
        if sum(handle + character * length for length in longest) < figure.get_figwidth():
            return columns
    return 1


def looks_of(groups: Sequence[Group], labels: Mapping[str, str] | None = None) -> dict[str, Look]:
    """How each variant looks; ``labels`` are those of the study."""
    shown = looks({group.variant: (group.method, group.uses_truth) for group in groups})
    truth = {group.variant for group in groups if group.uses_truth}
    return {
        name: look._replace(label=label_of(name, labels) + ("*" if name in truth else ""))
        for name, look in shown.items()
    }


def place_of(group: Group, look: Look, labels: Mapping[str, str] | None = None) -> str:
    """Point and variant of a group, as a legend names them."""
    return f"{label_of(group.point, labels)} {look.label}".strip()


def signal_content(groups: Sequence[Group]) -> dict[str, float | None]:
    """S/B and S/sqrt(B) of the signal region, medians over all runs of all groups."""
    content: dict[str, float | None] = {}
    for key in ("s_over_b", "s_over_sqrt_b"):
        found = summarise([value for g in groups for value in g.by_seed(key).values()])
        content[key] = None if found is None else found.median
    return content


def runs_text(counts: Sequence[int]) -> str:
    """How many runs there are a group.

    Example:
        >>> runs_text([5, 5]), runs_text([3, 10]), runs_text([1])
        ('5 runs', '3 to 10 runs', '1 run')
    """
    low, high = min(counts), max(counts)
    return f"{low} run{'s' if low > 1 else ''}" if low == high else f"{low} to {high} runs"


def spread_note(groups: Sequence[Group], quantity: str, what: str = "bars") -> str:
    """What points and bars, or lines and bands, are: medians and intervals over runs."""
    counts = [n for group in groups if (n := len(group.by_seed(quantity)))]
    runs = runs_text(counts or [0])
    return f"{'points' if what == 'bars' else 'lines'}: median over {runs}, {what}: central 68%"


def sample_note(groups: Sequence[Group], quantity: str) -> str:
    """What points and bars are, of which sample, and where SIC is quoted."""
    one = len({group.point for group in groups}) == 1  # points differ in their signal
    content = signal_line(**signal_content(groups)) if one else ""
    cut = f"SIC where at least {MIN_BACKGROUND} test background events pass"
    return f"{spread_note(groups, quantity)}\n{'; '.join(filter(None, (content, cut)))}"
