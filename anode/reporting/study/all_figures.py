"""Table of the figures that a comparison draws, with their file names."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from anode.evaluation.comparison import Group
from anode.evaluation.curves import SicCurve
from anode.reporting.study.claims_figure import claims_figure
from anode.reporting.study.comparison_figures import comparison_figure, roc_comparison_figure
from anode.reporting.study.follows_figure import follows_figure
from anode.reporting.study.method_figures import (
    cost_figure,
    fraction_figure,
    gain_figure,
    robustness_figure,
)
from anode.reporting.study.point_style import looks_of, signal_content
from anode.reporting.study.published_results import Published
from anode.reporting.study.selection_figure import selection_figure
from anode.reporting.study.signal_strength_figure import scan_figure

FIGURES = (
    "sic",
    "roc",
    "scan",
    "cost",
    "fraction",
    "robustness",
    "selection",
    "gain",
    "claims",
    "follows",
)
"""What can be asked for; "scan" and "robustness" are over the points of a study."""

_CURVES = (("sic", "comparison", comparison_figure), ("roc", "roc", roc_comparison_figure))


def study_figures(
    names: Sequence[str],
    groups: Sequence[Group],
    curves: Mapping[str, Sequence[SicCurve]],
    published: Published | None = None,
    labels: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Name of the file, without suffix, and figure; of curves there is one for each point.

    Args:
        names: names out of ``FIGURES``.
        groups: groups of runs, as in ``comparison.json``.
        curves: name of the group -> curves of its runs.
        published: numbers of others, marked in "scan", "robustness" and "claims".
        labels: names of variants and points in figures.
    """
    for point in dict.fromkeys(group.point for group in groups):
        members = [group for group in groups if group.point == point]
        known = {group.variant: curves[group.name] for group in members}
        ending = f"-{point}" if point else ""
        for name, stem, draw in _CURVES:
            if name in names:
                signal = signal_content(members)
                yield (
                    stem + ending,
                    draw(known, looks_of(groups, labels), **signal),
                )
    if "scan" in names:
        yield "scan", scan_figure(groups, published, labels=labels)
    if "cost" in names:
        yield "cost", cost_figure(groups, labels=labels)
    if "fraction" in names:
        yield "fraction", fraction_figure(groups, labels=labels)
    if "robustness" in names:
        yield "robustness", robustness_figure(groups, published, labels=labels)
    if "gain" in names:
        yield "gain", gain_figure(groups, labels=labels)
    if "claims" in names:
        yield "claims", claims_figure(groups, published, labels=labels)
    if "follows" in names:
        yield "follows", follows_figure(groups, labels=labels)
    if "selection" in names:
        yield "selection", selection_figure(groups, labels=labels)
