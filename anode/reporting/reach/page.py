"""Tables of a reach study: what is found, at which strength, of which signal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from anode.evaluation.comparison import Interval, summarise
from anode.evaluation.reach import ReachTable, best_z, global_z, share_found
from anode.records import plain
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

*Without a cut* is the global Z of the bump hunt in the spectrum of all events, *local Z* that of
the window, before trials: at S/√B = 0, if that was tried, it is to scatter about 0 with a spread
of 1. *Ceiling* is what counting the categories of a supervised score would have on average with an
exactly known background: no search can do better. CPU time is that of one window of a scan, its
fits and scores; what samples share is counted where it was made.
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
                        "ceiling": ceiling_z(found, signal, strength, ceilings.get(signal)),
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
    header = ["signal", "search", "n", "S", "B", "without a cut", "local Z", "global Z"]
    header += ["global Z >= 3", ">= 5", "ceiling"]
    rows = []
    for signal in found.signals:
        for variant in found.variants:
            own = found.of(signal, variant).get(strength)
            if not own:
                continue
            z = found.z(signal, variant)[strength]
            inclusive = found.z(signal, variant, inclusive=True)[strength]
            best = ceiling_z(found, signal, strength, ceilings.get(signal))
            rows.append(
                [
                    named(signal),
                    named(variant),
                    str(len(own)),
                    f"{np.median([e.n_signal for e in own]):.0f}",
                    f"{np.median([e.n_background for e in own]):,.0f}",
                    _interval(summarise(inclusive)),
                    _interval(summarise([e.z_local or 0.0 for e in own])),
                    _interval(summarise(z)),
                    *(_share(share_found(z, level)) for level in LEVELS),
                    MISSING if best is None else f"{best:.1f}",
                ]
            )
    return table(header, rows, markdown=True)


def ceiling_z(
    found: ReachTable, signal: str, strength: float, passing: Passing | None
) -> float | None:
    """Global significance that counting the categories of the ceiling has on average.

    Args:
        found: all experiments.
        signal, strength: signal and its S/sqrt(B).
        passing: efficiencies of a supervised score; None, of no ceiling, gives None.
    """
    if passing is None:
        return None
    inside = [e.n_background for e in found.experiments if e.signal == signal]
    return global_z(best_z(strength, int(np.median(inside)), passing), found.n_windows)


def _share(share: Interval) -> str:
    return f"{share.median:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _interval(band: Interval | None) -> str:
    return MISSING if band is None else f"{band.median:.1f} [{band.low:.1f}, {band.high:.1f}]"
