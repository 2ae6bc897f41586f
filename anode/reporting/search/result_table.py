"""What a search has found, in a few lines for the screen."""

from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_text,
    rounded,
    with_error,
    with_errors,
    z_text,
)
from anode.reporting.common.tables import MISSING, table
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import LargestExcess


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
    local = f"p = {p_text(best.p_of_test)}, Z = {z_text(best.z_of_test)}"
    if best.test == "categories":
        local += f", all score categories; this cut alone Z = {z_text(best.z_local)}"
    extrapolated = best.p_global_from == "extrapolated"
    p_global = (
        f"{p_text(best.p_global)} (extrapolated)"
        if extrapolated
        else with_error(best.p_global, best.p_global_error)
    )
    return [
        (name, f"{mass_range(best.low, best.high)}{cut}"),
        ("  observed, expected", f"{best.n_observed:,}, {expected}"),
        ("  local", local),
        ("  global", f"p = {p_global}, Z = {z_text(best.z_global)}"),
    ]
