"""Figures of a reach study: share found and significance by strength, and by signal."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.comparison import Interval, summarise
from anode.evaluation.reach import ReachTable, share_found
from anode.reporting.common.heat_map import FROM_ZERO, draw_heat_map
from anode.reporting.common.style import (
    FURTHER,
    METHOD_COLORS,
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    style,
)
from anode.reporting.reach.page import LEVELS, Named, Passing, ceiling_z


def reach_figure(found: ReachTable, signal: str, ceiling: Passing | None, named: Named) -> Figure:
    """Share found at 3 and 5 sigma, and median significance, against the injected strength.

    Args:
        found: all experiments.
        signal: signal that is shown.
        ceiling: efficiencies of a supervised score.
        named: names in the legend.
    """
    with style():
        figure = new_figure(11.0, 4.2)
        panels = figure.subplots(1, 3)
        for variant, color in _colors(found.variants).items():
            z = found.z(signal, variant)
            for axes, level in zip(panels, LEVELS, strict=False):
                _draw(axes, {s: share_found(own, level) for s, own in z.items()}, color, None)
            _draw(panels[2], _bands(z), color, named(variant))
        first = found.variants[0]
        inclusive = _bands(found.z(signal, first, inclusive=True))
        _draw(panels[2], inclusive, "0.45", "without a cut", line=":")
        strengths = list(found.of(signal, first))
        if ceiling is not None:
            best = [ceiling_z(found, signal, s, ceiling) for s in strengths]
            panels[2].plot(strengths, best, "k--", lw=1.2, label="ceiling (labels)")
        for axes, level in zip(panels, LEVELS, strict=False):
            axes.set_ylabel(rf"share of searches with global $Z \geq {level:g}$")
            axes.set_ylim(-0.03, 1.03)
            axes.axhline(0.5, **REFERENCE_LINE)
        panels[2].set_ylabel("global $Z$")
        for level in LEVELS:
            panels[2].axhline(level, **REFERENCE_LINE)
        for axes in panels:
            axes.set_xlabel(r"injected $S/\sqrt{B}$ in the window")
        panels[2].legend(fontsize=8)
        n = min(len(own) for own in found.of(signal, first).values())
        figure.suptitle(
            f"{named(signal)}; {n} experiments a point; bands: central 68%, of a share "
            "(Clopper-Pearson) or over the experiments",
            fontsize=9,
        )
    return figure


def coverage_figure(found: ReachTable, named: Named) -> Figure:
    """Share of searches with global Z of at least 3, signals against variants, a panel a strength.

    Args:
        found: all experiments.
        named: names of rows and columns.
    """
    signals, variants, strengths = found.signals, found.variants, found.strengths
    with style():
        width = 2.6 + len(strengths) * (0.75 * len(variants) + 0.6)
        figure = new_figure(width, 1.8 + 0.42 * len(signals))
        panels = figure.subplots(1, len(strengths), squeeze=False, sharey=True)[0]
        for axes, strength in zip(panels, strengths, strict=True):
            z = [[found.z(s, v).get(strength, []) for v in variants] for s in signals]
            cells = [[share_found(own, LEVELS[0]) if own else None for own in row] for row in z]
            texts = [[_said(own) for own in row] for row in z]
            shown = draw_heat_map(axes, cells, colors=FROM_ZERO, texts=texts)
            axes.set_aspect("auto")
            axes.set_title(rf"$S/\sqrt{{B}} = {strength:g}$")
            axes.set_xticks(
                range(len(variants)), [named(v) for v in variants], rotation=40, ha="right"
            )
            axes.tick_params(length=0, labelsize=8)
        panels[0].set_yticks(range(len(signals)), [named(s) for s in signals])
        figure.colorbar(
            shown, ax=list(panels), shrink=0.9, pad=0.02,
            label=r"share with global $Z \geq 3$,"
            "\nhow many of how many, median $Z$",
        )  # fmt: skip
    return figure


def _said(z: Sequence[float]) -> str:
    """How many of the significances reach 3, and their median."""
    median = f"{np.median(z):.1f}" if len(z) and np.median(z) > 0 else "below 0"
    return f"{sum(each >= LEVELS[0] for each in z)} of {len(z)}\n{median}"


def _bands(z: Mapping[float, Sequence[float]]) -> dict[float, Interval]:
    summaries = {strength: summarise(list(own)) for strength, own in z.items()}
    return {strength: each for strength, each in summaries.items() if each is not None}


def _draw(
    axes: Axes, bands: Mapping[float, Interval], color: str, label: str | None, line: str = "-"
) -> None:
    place = list(bands)
    median = [each.median for each in bands.values()]
    axes.plot(place, median, line, marker="o", ms=3.5, color=color, label=label)
    low, high = ([getattr(each, end) for each in bands.values()] for end in ("low", "high"))
    axes.fill_between(place, low, high, color=color, alpha=0.13, lw=0)


def _colors(variants: Sequence[str]) -> dict[str, str]:
    """Those of methods where a variant is named like one, others of the palette that are free."""
    own = {v: METHOD_COLORS[v] for v in variants if v in METHOD_COLORS}
    free = iter([c for c in (*PALETTE, *FURTHER) if c not in own.values()])
    return {v: own.get(v) or next(free) for v in variants}
