"""Tables and figures of a reach study: what is found, at which strength, of which signal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.comparison import Interval, summarise
from anode.evaluation.reach import ReachTable, best_z, global_z, share_found
from anode.records import plain
from anode.reporting.common.heat_map import FROM_ZERO, draw_heat_map
from anode.reporting.common.style import (
    FURTHER,
    METHOD_COLORS,
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    style,
)
from anode.reporting.common.tables import MISSING, table

LEVELS = (3.0, 5.0)
"""Global significances, evidence and discovery."""

Passing = Mapping[float, float]
"""Background efficiency of a cut -> signal efficiency."""

Named = Callable[[str], str]
"""Variant or signal -> its name in tables and figures."""

_EXPLANATION = """\
# Which signal strength does a search find?

Each experiment is a sample of its own: background drawn by the seed, and signal such that S/√B is
expected in the signal's window, without any cut. The search sees no label, and no mass is told but
that of the window it is in. Its significance, that of all score categories of the window
together, is made global with the trials of a scan of {n_windows} windows,
p = 1 - (1 - p_local)^{n_windows}. *Found* is the share of the experiments at or above a global
significance, with its central 68% (Clopper-Pearson). Samples of different seeds share background
events where they draw from one file, so that these intervals are somewhat too small.

*Without a cut* is the bump hunt in the spectrum of all events. *Ceiling* is what counting the
categories of a supervised score would have on average with an exactly known background: no search
can do better. CPU time is that of one window of a scan, its fits and scores; what samples share is
counted where it was made.
"""


def reach_summary(
    found: ReachTable, ceilings: Mapping[str, Passing], named: Named
) -> list[dict[str, Any]]:
    """A row a signal, variant and strength, as ``reach.json`` has it.

    Args:
        found: all experiments.
        ceilings: signal -> efficiencies of a supervised score.
        named: names in tables.
    """
    rows = []
    for signal in found.signals:
        for variant in found.variants:
            halves = {level: found.half(signal, variant, level) for level in LEVELS}
            for strength, z in found.z(signal, variant).items():
                own = found.of(signal, variant)[strength]
                rows.append(
                    {
                        "signal": signal,
                        "variant": variant,
                        "name": named(variant),
                        "strength": strength,
                        "n": len(z),
                        "z_global": plain(summarise(z)),
                        "found": {f"{x:g}": plain(share_found(z, x)) for x in LEVELS},
                        "half_found": {f"{x:g}": plain(h) for x, h in halves.items()},
                        "ceiling": _ceiling(found, signal, strength, ceilings.get(signal)),
                        "cpu_seconds": float(np.median([e.cpu_seconds for e in own])),
                    }
                )
    return rows


def reach_page(
    found: ReachTable, ceilings: Mapping[str, Passing], named: Named, figures: Sequence[str]
) -> str:
    """The whole result as Markdown.

    Args:
        found: all experiments.
        ceilings: signal -> efficiencies of a supervised score.
        named: names in tables.
        figures: names of the figures beside the page.
    """
    parts = [_EXPLANATION.format(n_windows=found.n_windows)]
    if len(found.strengths) > 1:
        parts += ["## Strength at which half of the searches find the signal\n"]
        parts += [_half_table(found, named), ""]
    for strength in found.strengths:
        parts += [f"## S/√B = {strength:g}\n"]
        parts += [_strength_table(found, strength, ceilings, named), ""]
    parts += [f"![{name}]({name}.png)\n" for name in figures]
    return "\n".join(parts)


def coverage_text(found: ReachTable, named: Named, *, markdown: bool) -> str:
    """Signals against variants: share of the searches with global Z of at least 3, by strength."""
    header = ["signal", "S/√B", *(named(v) for v in found.variants)]
    rows = []
    for signal in found.signals:
        for strength in found.strengths:
            cells = [found.z(signal, v).get(strength) for v in found.variants]
            if any(cells):
                text = [MISSING if not z else _share(share_found(z, LEVELS[0])) for z in cells]
                rows.append([named(signal), f"{strength:g}", *text])
    return table(header, rows, markdown=markdown)


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
            best = [_ceiling(found, signal, s, ceiling) for s in strengths]
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
            cells = [
                [
                    share_found(z, LEVELS[0]) if (z := found.z(s, v).get(strength)) else None
                    for v in variants
                ]
                for s in signals
            ]
            shown = draw_heat_map(axes, cells, colors=FROM_ZERO)
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
            "\n± half of the central 68%",
        )  # fmt: skip
    return figure


def _half_table(found: ReachTable, named: Named) -> str:
    header = ["signal", "search", *(f"global Z {x:g}" for x in LEVELS), "CPU s a window"]
    rows = []
    for signal in found.signals:
        for variant in found.variants:
            halves = [found.half(signal, variant, level) for level in LEVELS]
            own = [e for rows in found.of(signal, variant).values() for e in rows]
            cost = f"{np.median([e.cpu_seconds for e in own]):.0f}" if own else MISSING
            text = [MISSING if half is None else str(half) for half in halves]
            rows.append([named(signal), named(variant), *text, cost])
    return table(header, rows, markdown=True)


def _strength_table(
    found: ReachTable, strength: float, ceilings: Mapping[str, Passing], named: Named
) -> str:
    header = ["signal", "search", "n", "S", "B", "without a cut", "global Z", "Z of a scan >= 3"]
    header += [">= 5", "ceiling"]
    rows = []
    for signal in found.signals:
        for variant in found.variants:
            own = found.of(signal, variant).get(strength)
            if not own:
                continue
            z = found.z(signal, variant)[strength]
            inclusive = found.z(signal, variant, inclusive=True)[strength]
            best = _ceiling(found, signal, strength, ceilings.get(signal))
            rows.append(
                [
                    named(signal),
                    named(variant),
                    str(len(own)),
                    f"{np.median([e.n_signal for e in own]):.0f}",
                    f"{np.median([e.n_background for e in own]):,.0f}",
                    _interval(summarise(inclusive)),
                    _interval(summarise(z)),
                    *(_share(share_found(z, level)) for level in LEVELS),
                    MISSING if best is None else f"{best:.1f}",
                ]
            )
    return table(header, rows, markdown=True)


def _ceiling(
    found: ReachTable, signal: str, strength: float, passing: Passing | None
) -> float | None:
    """Global significance that counting the categories of the ceiling has on average."""
    if passing is None:
        return None
    inside = [e.n_background for e in found.experiments if e.signal == signal]
    return global_z(best_z(strength, int(np.median(inside)), passing), found.n_windows)


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


def _share(share: Interval) -> str:
    return f"{share.median:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _interval(band: Interval | None) -> str:
    return MISSING if band is None else f"{band.median:.1f} [{band.low:.1f}, {band.high:.1f}]"
