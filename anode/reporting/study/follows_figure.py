"""What the score of each variant follows among background: a table of rank correlations."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from anode.evaluation.comparison import Group
from anode.reporting.common.style import feature_label, new_figure, notice_figure, style
from anode.reporting.study.point_style import looks_of, place_of, runs_text

START = "follows."
NAMES = {"mass": r"$m_{JJ}$", "n_particles": "number of\nparticles"}


def follows_figure(groups: Sequence[Group], *, labels: Mapping[str, str] | None = None) -> Figure:
    """Median over the runs of Spearman's correlation of the score with each quantity, a row a
    variant and a column a quantity; what a run does not have is left white.

    Args:
        groups: groups of runs, whose numbers begin with ``follows.``.
        labels: names of variants and points in figures, of the study.
    """
    known = [name for group in groups for name in group.quantities if name.startswith(START)]
    drawn = [g for g in groups if any(name.startswith(START) for name in g.quantities)]
    if not drawn:
        return notice_figure("no run says what its score follows")
    names = sorted(dict.fromkeys(known), key=lambda name: (name != f"{START}mass",))
    shown = looks_of(groups, labels)
    values = np.full((len(drawn), len(names)), np.nan)
    for row, group in enumerate(drawn):
        for column, name in enumerate(names):
            found = group.over_seeds(name)
            values[row, column] = np.nan if found is None else found.median
    with style():
        figure = new_figure(0.95 * len(names) + 4.2, 0.27 * len(drawn) + 1.5)
        axes = figure.add_subplot()
        image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                color = "white" if abs(value) > 0.6 else "black"
                text = f"{value:+.2f}".replace("-", "−")
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(len(names)), [_label(name) for name in names], fontsize=9)
        places = [place_of(group, shown[group.variant], labels) for group in drawn]
        axes.set_yticks(range(len(drawn)), places)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("rank correlation with the score")
        runs = runs_text([group.n_runs for group in drawn])
        axes.set_title(
            f"background of the signal region; Spearman, median over {runs}",
            loc="left",
            fontsize=8,
            color="0.25",
        )
    return figure


def _label(name: str) -> str:
    """Of a column, without a unit: ranks have none."""
    quantity = name.removeprefix(START)
    return NAMES.get(quantity) or feature_label(quantity, "")
