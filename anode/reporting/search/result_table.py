"""What a search has found, in a sentence, its verdict, and a few lines for the screen."""

from collections.abc import Sequence

import numpy as np

from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_is,
    rounded,
    window_of,
    with_error,
    with_errors,
    z_text,
)
from anode.reporting.common.tables import MISSING, table
from anode.reporting.search.report_text import (
    SIGNIFICANT,
    above_expected,
    against_template,
    excess_denied,
    excess_not_tested,
    global_text,
)
from anode.reporting.search.scan_warnings import (
    deepest_deficit,
    windows_not_tested,
)
from anode.reporting.search.warnings import SearchWarning
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import LargestExcess

_VERDICTS = (
    (5.0, "excess", "an excess that background alone does not explain"),
    (3.0, "evidence", "evidence for a localised excess"),
    (2.0, "watch", "worth watching, no evidence"),
    (-np.inf, "none", "compatible with background"),
)
"""From which global Z on, how it is called, and what it means."""
_BEYOND = "beyond", "rarer than the toys can say; more of them (n_toys) say how rare"
_UNEXPLAINED = "unexplained", "no excess by this test, but others are beyond 3 sigma"
_INCOMPLETE = "incomplete", "no excess where the scan could test, which is not everywhere"


def verdict_level(search: SearchResult) -> str:
    """How a search is called: "untested" without a test; by the global Z "none", "watch",
    "evidence" or "excess", or "beyond" the toys; where that is below 3, "unexplained" if another
    test is beyond 3 sigma, and instead of "none" "incomplete" if windows were not tested."""
    return "untested" if search.best is None else _meaning(search, search.best)[0]


def verdict(search: SearchResult, raised: Sequence[SearchWarning]) -> str:
    """The largest excess, how rare it is over the whole scan, what else was seen or was not
    tested, and what limits it."""
    best = search.best
    if best is None:
        seen = "".join(f"; {reason}" for reason in _unexplained(search))
        return f"No window could be tested, so nothing is said about an excess{seen}."
    level, meaning = _meaning(search, best)
    reasons = {"unexplained": _unexplained(search), "incomplete": _not_tested(search)}.get(
        level, []
    )
    because = f" ({'; '.join(reasons)})" if reasons else ""
    sentence = (
        f"The largest of {search.toys.n_tests:,} tested {_tests_of(best)} within "
        f"{mass_range(search.scan.start, search.scan.stop)}, {window_of(best)}, has a global "
        f"significance of {global_text(best)}: {meaning}{because}"
    )
    limiting = [warning.kind for warning in raised if warning.kind != "look-elsewhere"]
    if not limiting:
        return f"{sentence}. No warning was raised about how the numbers were made."
    count = "One warning limits" if len(limiting) == 1 else f"{len(limiting)} warnings limit"
    return f"{sentence}. {count} what this means: {', '.join(limiting)}."


def _tests_of(best: LargestExcess) -> str:
    return "windows" if best.test == "categories" else "counts"


def search_table(search: SearchResult) -> str:
    """The largest excess with and without a cut, and the scan, a quantity a line.

    Args:
        search: result of the search.
    """
    rows = [
        ("method", search.title),
        ("events", f"{search.n_events:,}"),
        ("tests", f"{search.toys.n_tests} of {_n_tests(search)}"),
    ]
    rows += _excess("largest excess", search.best)
    rows += _excess("without a cut", search.best_inclusive)
    resonance = search.resonance
    if resonance is not None:
        mass = with_error(resonance.mass, resonance.mass_error)
        n_signal = with_errors(resonance.n_signal, resonance.error_low, resonance.error_high)
        rows.append(("fitted resonance", f"{mass} GeV, {n_signal} events"))
    rows.append(("time", f"{rounded(search.seconds)} s"))
    return table(["quantity", "value"], rows, markdown=False)


def _n_tests(search: SearchResult) -> int:
    """Windows, or windows at cuts where each cut is a test of its own."""
    by_cut = search.best is None or search.best.test == "cuts"
    rows = sum(row.efficiency < 1 for row in search.windows)
    return rows if by_cut or not search.combined else len(search.combined)


def _excess(name: str, best: LargestExcess | None) -> list[tuple[str, str]]:
    if best is None:
        return [(name, MISSING)]
    cut = "" if best.efficiency >= 1 else f" at efficiency {efficiency_text(best.efficiency)}"
    expected = with_error(best.n_expected, best.n_expected_error)
    local = f"{p_is(best.p_of_test)}, Z = {z_text(best.z_of_test)}"
    if best.test == "categories":
        local += f", all score categories; this cut alone Z = {z_text(best.z_local)}"
    return [
        (name, f"{mass_range(best.low, best.high)}{cut}"),
        ("  observed, expected", f"{best.n_observed:,}, {expected}"),
        ("  local", local),
        ("  global", global_text(best)),
    ]


def _meaning(search: SearchResult, best: LargestExcess) -> tuple[str, str]:
    """Level and words."""
    of_best = next((name, text) for z, name, text in _VERDICTS if best.z_global >= z)
    if best.p_global_from == "above toys" and best.z_global < SIGNIFICANT:
        return _BEYOND
    if best.z_global < SIGNIFICANT and _unexplained(search):
        return _UNEXPLAINED
    return _INCOMPLETE if of_best[0] == "none" and _not_tested(search) else of_best


def _unexplained(search: SearchResult) -> list[str]:
    """What background alone does not explain, in words, though no test of it competes."""
    found = []
    if row := excess_not_tested(search):
        found.append(f"{window_of(row)}, not tested, has {against_template(row)}")
    if row := excess_denied(search):
        expected = with_error(row.n_expected, row.n_expected_error)
        found.append(
            f"{window_of(row)} has {row.n_observed:,} events where {expected} are expected beside "
            f"it, {above_expected(row):.1f} standard deviations, but a local Z = "
            f"{z_text(row.z_local)}"
        )
    fitted = search.resonance
    if fitted is not None and fitted.z > SIGNIFICANT:
        n_signal = with_errors(fitted.n_signal, fitted.error_low, fitted.error_high)
        found.append(
            f"the fitted resonance at {fitted.mass / 1000:.2f} TeV has {n_signal} events, local "
            f"Z = {z_text(fitted.z)}"
        )
    uncut = search.best_inclusive
    if uncut is not None and uncut.z_global > SIGNIFICANT:
        found.append(
            f"{window_of(uncut)} has a local Z = {z_text(uncut.z_local)}, global "
            f"{z_text(uncut.z_global)}"
        )
    if row := deepest_deficit(search):
        found.append(f"{window_of(row)} has a local Z = {z_text(row.z_local)}")
    return found


def _not_tested(search: SearchResult) -> list[str]:
    """Windows of the scan in which no count was tested, in words."""
    found = []
    for name, windows in (
        ("not tested", windows_not_tested(search)),
        ("skipped", search.skipped),
    ):
        if windows:
            low, high = min(w.low for w in windows), max(w.high for w in windows)
            where = f"between {mass_range(low, high)}"
            count = "1 window" if len(windows) == 1 else f"{len(windows)} windows"
            found.append(f"{count} {where} {'was' if len(windows) == 1 else 'were'} {name}")
    return found
