"""Tables of a search report: their rows and columns."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events.feature_definitions import FEATURES
from anode.reporting.common.number_format import (
    MISSING,
    efficiency_text,
    mass_range,
    p_text,
    rounded,
    with_error,
    z_text,
)
from anode.reporting.search.report_text import (
    Line,
    before_after,
    excess_text,
    global_text,
    strength_text,
)
from anode.reporting.search.spectrum_figures import CutSpectrum
from anode.statistics.counting.significance import local_significance
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.top_events import TopEvent
from anode.statistics.scan.window_result import CombinedTest, LargestExcess, WindowTest

FEATURE_NAMES = {
    "mj1": "mJ1", "mj2": "mJ2", "pt_1": "pT1", "pt_2": "pT2", "tau21_1": "tau21 J1",
    "tau21_2": "tau21 J2", "delta_r": "delta R", "delta_eta": "delta eta",
}  # fmt: skip
"""Columns of the tables of events, where the data have them."""

_EDGE = 1e-6  # GeV, within which edges are equal

MAX_OWN = 8
"""Further columns, for features that a table of one's own names."""


class Table(NamedTuple):
    """ScanTests as text.

    Attributes:
        header: name of each column.
        rows: cells of each row, as many as ``header``.
        marked: places of rows to stand out.
        caption: description of the rows; may be empty.
        words: True if the cells are text rather than numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()
    caption: str = ""
    words: bool = False


def lines_table(lines: Sequence[Line], caption: str = "") -> Table:
    """A quantity a row."""
    return Table(("quantity", "value"), lines, caption=caption, words=True)


def before_after_table(search: SearchResult) -> Table:
    """The largest excess without a cut beside the best window without and with its cut."""
    columns = before_after(search)
    quantities = {
        "window": lambda row: mass_range(row.low, row.high),
        "events": lambda row: f"{row.n_observed:,.0f}",
        "expected": _expected,
        "excess factor": excess_text,
        "local p at this cut": lambda row: p_text(row.p_local),
        "local Z at this cut": lambda row: z_text(row.z_local),
        "local Z of all categories": _z_of_test,
        "global": lambda row: global_text(row) if isinstance(row, LargestExcess) else MISSING,
        "fitted signal events": strength_text,
    }
    rows = [(name, *(cell(row) for _, row in columns)) for name, cell in quantities.items()]
    return Table(("quantity", *(name for name, _ in columns)), rows, words=True)


def scan_table(search: SearchResult, efficiency: float) -> Table:
    """All windows at one efficiency."""
    header = ("window", "total", "passing", "expected", "excess factor", "local p", "local Z")
    best = search.best_inclusive if efficiency >= 1 else search.best
    rows, marked = [], []
    for place, row in enumerate(search.at(efficiency)):
        if best is not None and row.same_window(best) and row.efficiency == best.efficiency:
            marked.append(place)
        rows.append(
            (
                mass_range(row.low, row.high),
                f"{row.n_total:,.0f}",
                f"{row.n_observed:,.0f}",
                _expected(row),
                excess_text(row),
                p_text(row.p_local),
                z_text(row.z_local),
                _notes(row, place in marked),
            )
        )
    cut = efficiency_text(efficiency)
    caption = "No cut" if efficiency >= 1 else f"Background efficiency {cut}"
    return Table((*header, "note"), rows, marked, caption)


def combined_table(search: SearchResult) -> Table:
    """All windows, their score categories in one test."""
    cuts = sorted(search.efficiencies, reverse=True)
    ends = [*cuts[1:], 0.0]
    names = [
        f"{efficiency_text(a)} to {efficiency_text(b)}" if b else f"below {efficiency_text(a)}"
        for a, b in zip(cuts, ends, strict=True)
    ]
    header = ("window", *(f"{name}: events / expected, Z" for name in names), "p", "Z", "note")
    best = search.best
    rows, marked = [], []
    for place, test in enumerate(search.combined):
        is_best = best is not None and best.test == "categories" and test.same_window(best)
        if is_best:
            marked.append(place)
        rows.append(
            (
                mass_range(test.low, test.high),
                *(_category(test, efficiency) for efficiency in cuts),
                MISSING if test.p_local is None else p_text(test.p_local),
                MISSING if test.z_local is None else z_text(test.z_local),
                "largest excess" if is_best else "not tested" if test.reason else "",
            )
        )
    caption = "Score categories, by background efficiency, and all of them in one test"
    return Table(header, rows, marked, caption)


def _category(test: CombinedTest, loosest: float) -> str:
    """Counts of the category that begins at a cut; joined ones stand where they begin."""
    for category in test.categories:
        if np.isclose(category.loosest, loosest):
            expected = with_error(category.n_expected, category.n_expected_error)
            return f"{category.n_observed:,} / {expected}, {z_text(category.z_local)}"
    return MISSING


def bins_table(selected: CutSpectrum, inclusive: CutSpectrum) -> Table:
    """The largest excess bin by bin: what is expected, with the error of the fit, and how far the
    count is from it, beside the excess factor over the mean pass rate of the window.

    The mean rate is that of the window itself, signal and all, so that factors average to 1 by
    construction, weighted with events: they show where a window has more, not whether it has.

    Args:
        selected: spectrum after the cut.
        inclusive: spectrum without a cut, in the same bins.
    """
    low, high = selected.window
    edges = selected.edges
    within = np.flatnonzero((edges[:-1] > low - _EDGE) & (edges[1:] < high + _EDGE))
    mean = selected.counts[within].sum() / max(inclusive.counts[within].sum(), 1)
    rows = []
    for b in within:
        n, total = int(selected.counts[b]), int(inclusive.counts[b])
        expected, error = float(selected.expected[b]), float(selected.expected_error[b])
        known = np.isfinite(expected + error)
        local = local_significance(n, expected, error) if known else None
        rows.append(
            (
                mass_range(edges[b], edges[b + 1]),
                f"{total:,}",
                f"{n:,}",
                with_error(expected, error) if known else MISSING,
                MISSING if local is None else p_text(local.p_local),
                MISSING if local is None else z_text(local.z_local),
                f"{n / (total * mean):.2f}" if total and mean else MISSING,
            )
        )
    header = ("bin", "total", "passing", "expected", "local p", "local Z", "over mean rate")
    caption = (
        "Bins of the window; errors of the fit are common to them, and p is that of a bin looked "
        "at alone. The last column averages to 1 whatever is there"
    )
    return Table(header, rows, caption=caption)


def limits_table(search: SearchResult, efficiency: float) -> Table:
    """Upper limits of all windows at one efficiency."""
    header = ("window", "fitted signal", "limit", "expected limit", "68% of limits", "95%")
    rows = []
    for row in search.at(efficiency):
        if row.limit is None:
            continue
        expected = [rounded(value) for value in row.limit.expected]
        rows.append(
            (
                mass_range(row.low, row.high),
                strength_text(row),
                rounded(row.limit.observed),
                expected[2],
                f"{expected[1]} to {expected[3]}",
                f"{expected[0]} to {expected[4]}",
            )
        )
    cut = efficiency_text(efficiency)
    return Table(header, rows, caption=f"Signal events that pass {cut}, 95% CL")


def events_table(events: Sequence[TopEvent], units: Mapping[str, str]) -> Table:
    """The highest-scoring events, the rarest score first.

    Raises:
        DataError: an event is there twice.
    """
    ids = [event.event_id for event in events]
    if repeated := sorted({i for i in ids if ids.count(i) > 1}):
        raise DataError(
            f"top events must name every event once, but event {repeated[0]} is there "
            f"{ids.count(repeated[0])} times; write top_events.json again"
        )
    own = [name for event in events[:1] for name in event.features if name not in FEATURES]
    shown = (*FEATURE_NAMES, *own[:MAX_OWN])
    known = [name for name in shown if all(name in event.features for event in events)]
    header = ["event", "window", "score", "log10 rarity", "mJJ [GeV]"]
    header += [_named(name, units.get(name, "")) for name in known]
    rows = [
        [
            str(event.event_id),
            mass_range(*event.window),
            f"{event.score:.2f}",
            _rarity(event.log10_efficiency),
            f"{event.mass:.0f}",
            *(_feature(name, event.features[name], units.get(name, "")) for name in known),
        ]
        for event in events
    ]
    return Table(header, rows)


def bump_hunter_table(search: SearchResult) -> Table:
    """What BumpHunter makes of the spectra."""
    rows = [
        (
            name,
            "none" if hunt.low is None or hunt.high is None else mass_range(hunt.low, hunt.high),
            p_text(hunt.p_global),
            z_text(hunt.z_global),
        )
        for name, hunt in search.bump_hunter.items()
    ]
    return Table(("spectrum", "bump", "global p", "global Z"), rows)


def _z_of_test(row: WindowTest) -> str:
    if isinstance(row, LargestExcess) and row.test == "categories":
        return z_text(row.z_of_test)
    return MISSING


def _expected(row: WindowTest) -> str:
    return with_error(row.n_expected, row.n_expected_error)


def _notes(row: WindowTest, best: bool) -> str:
    notes = ["largest excess"] if best else []
    if row.expected_from == "template":
        notes.append("template")
    if not row.tested:
        notes.append("not tested")
    if row.significance_from != "asymptotic":
        notes.append(row.significance_from)
    return ", ".join(notes)


def _named(name: str, unit: str) -> str:
    shown = FEATURE_NAMES.get(name, name)
    return f"{shown} [{unit}]" if unit else shown


def _feature(name: str, value: float, unit: str) -> str:
    if name not in FEATURES:
        return f"{value:.4g}"
    return f"{value:.0f}" if unit else f"{value:.2f}"


def _rarity(log10_efficiency: float) -> str:
    """Beyond what a template of some 1e5 events shows, only that it is rarer.

    Example:
        >>> _rarity(-3.52), _rarity(-41.2)
        ('-3.5', '< -5')
    """
    return "< -5" if log10_efficiency < -5 else f"{log10_efficiency:.1f}"
