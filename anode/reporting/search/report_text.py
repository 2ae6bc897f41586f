"""What a search has found, in sentences and short lines."""

import re
from collections.abc import Iterable

import numpy as np

from anode.reporting.common.number_format import (
    LARGEST_P,
    MISSING,
    efficiency_text,
    mass_range,
    p_is,
    p_text,
    rounded,
    window_of,
    with_error,
    with_errors,
    z_text,
)
from anode.statistics.counting.significance import z_of_p
from anode.statistics.scan.search_result import ScoreMassTest, SearchResult
from anode.statistics.scan.window_result import LargestExcess, WindowTest

Line = tuple[str, str]
"""A quantity and its value."""

SIGNIFICANT = 3.0
"""Standard deviations beyond which a test says that background alone does not explain the data."""
_DENIED = 1.0
"""Local Z below which a test denies an excess that is seen."""
_WIDEST_Z = 2.0
"""Error of a global Z from which it says nothing."""


def summary_lines(search: SearchResult) -> list[Line]:
    """What a reader in a hurry needs of the largest excess."""
    best = search.best
    if best is None:
        return []
    lines = [
        ("hotspot", f"{mass_range(best.low, best.high)}{_resonance_mass(search)}"),
        ("selection", _selection(best)),
        ("events in it", counts_text(best)),
        ("excess factor", excess_text(best)),
        ("local", _local_text(best)),
        ("global", global_text(best)),
        ("signal events", f"{strength_text(best)}{_limit(best)}"),
    ]
    template = best.template
    if template is not None:
        expected = with_error(template.n_expected, template.n_expected_error)
        lines.append(
            ("expected by the template", f"{expected}, local Z = {z_text(template.z_local)}")
        )
    test = search.independence_in(best)
    if test is not None:
        lines.append(("score against mass", independence_text(test)))
    return lines


def counts_text(row: WindowTest) -> str:
    """Observed and expected events."""
    expected = with_error(row.n_expected, row.n_expected_error)
    return f"{row.n_observed:,.0f} observed, {expected} expected"


def excess_text(row: WindowTest) -> str:
    """n_observed / n_expected with the errors of both; one event stands for the error of none."""
    n, expected, error = row.n_observed, row.n_expected, row.n_expected_error
    if not expected or expected <= 0:
        return MISSING
    factor = n / expected
    return with_error(
        factor, float(np.hypot(np.sqrt(max(n, 1)) / expected, factor * error / expected))
    )


def global_text(row: LargestExcess) -> str:
    """p-value and significance over the whole scan; bounds where they lie above all toys."""
    if row.p_global_from == "above toys":
        step = 10.0 ** (np.floor(np.log10(row.p_global)) - 1)
        p, z = step * np.ceil(row.p_global / step), np.floor(10 * row.z_global) / 10
        return f"p < {p_text(p)}, Z > {z_text(z)}, above all toys"
    if row.p_global > LARGEST_P:
        z = f"Z < {z_text(float(z_of_p(LARGEST_P)))}"
    elif row.z_global_error < _WIDEST_Z and round(row.z_global_error, 1) > 0:
        z = f"Z = {with_error(row.z_global, row.z_global_error, digits=1)}"
    else:
        z = f"Z = {z_text(row.z_global)}"
    where = "from toys" if row.p_global_from == "toys" else "extrapolated beyond the toys"
    return f"{p_is(row.p_global, row.p_global_error)}, {z}, {where}"


def strength_text(row: WindowTest) -> str:
    """Fitted signal events with their interval."""
    fitted = row.strength
    return with_errors(fitted.n_signal, fitted.error_low, fitted.error_high)


def independence_text(test: ScoreMassTest) -> str:
    """Test of a pass rate that is flat in the mass inside the window."""
    return (
        f"flat pass rate inside: chi2/ndf = {test.pass_rate_chi2:.1f}/{test.ndf}, "
        f"{p_is(test.p_value)}; Pearson {test.pearson:+.3f}"
    )


def resonance_lines(search: SearchResult) -> list[Line]:
    """The fitted resonance; empty without one."""
    fitted = search.resonance
    if fitted is None:
        return []
    return [
        ("mass", f"{with_error(fitted.mass, fitted.mass_error)} GeV"),
        ("events", with_errors(fitted.n_signal, fitted.error_low, fitted.error_high)),
        ("local, at floating mass", f"{p_is(fitted.p_value)}, Z = {z_text(fitted.z)}"),
        ("goodness of fit without signal", _goodness(fitted.p_value_background)),
        ("goodness of fit with signal", _goodness(fitted.p_value_with_signal)),
        ("energy scale, resolution", f"{fitted.scale_pull:+.1f}, {fitted.width_pull:+.1f} sigma"),
    ]


def _goodness(p_value: float | None) -> str:
    return "too few events to judge" if p_value is None else p_is(p_value)


def before_after(search: SearchResult) -> list[tuple[str, WindowTest]]:
    """What there is to compare: the largest excess without a cut, the best window without and
    with its cut."""
    best, uncut = search.best, search.best_inclusive
    if best is None:
        return [("largest excess, no cut", uncut)] if uncut is not None else []
    same = [row for row in search.at(1.0) if row.same_window(best)]
    columns: list[tuple[str, WindowTest]] = []
    if uncut is not None:
        columns.append(("largest excess, no cut", uncut))
    if same and (uncut is None or not same[0].same_window(uncut)):
        columns.append(("best window, no cut", same[0]))
    cut = f"best window, {efficiency_text(best.efficiency)}"
    return [*columns, (cut, best)]


def _selection(row: WindowTest) -> str:
    at = efficiency_text(row.efficiency)
    if row.threshold is None:
        return at
    return f"background efficiency {at}, score above {rounded(row.threshold)}"


def _local_text(row: WindowTest) -> str:
    how = ", exact" if row.significance_from == "exact" else ""
    return f"{p_is(row.p_local)}, Z = {z_text(row.z_local)}{how}"


def _limit(row: WindowTest) -> str:
    limit = row.limit
    if limit is None:
        return ""
    observed, expected = rounded(limit.observed), rounded(limit.expected[2])
    return f", below {observed} ({expected} expected) at 95% CL"


def _resonance_mass(search: SearchResult) -> str:
    fitted = search.resonance
    if fitted is None:
        return ""
    return f", fitted mass {with_error(fitted.mass, fitted.mass_error)} GeV"


def excess_not_tested(search: SearchResult) -> WindowTest | None:
    """The count that no fit predicts and that lies the farthest from its template."""
    rows = [row for row in search.windows if not row.tested and row.template is not None]
    worst = max(rows, key=_distance, default=None)
    return worst if worst is not None and _distance(worst) > SIGNIFICANT else None


def _distance(row: WindowTest) -> float:
    return 0.0 if row.template is None else abs(row.template.z_local)


def against_template(row: WindowTest) -> str:
    if row.template is None:
        return MISSING
    expected = with_error(row.template.n_expected, row.template.n_expected_error)
    return (
        f"{row.n_observed:,} events where its template expects {expected}, "
        f"Z = {z_text(row.template.z_local)}"
    )


def excess_denied(search: SearchResult) -> WindowTest | None:
    """The tested count that lies farthest above what the fit beside it expects, by more than three
    standard deviations, while its test of a resonance finds none.

    The function of five parameters can then follow the excess itself, as it can where it is fitted
    in few bins.
    """
    rows = [row for row in search.windows if row.tested and row.z_local < _DENIED]
    worst = max(rows, key=above_expected, default=None)
    return worst if worst is not None and above_expected(worst) > SIGNIFICANT else None


def above_expected(row: WindowTest) -> float:
    """(n - b) / sqrt(b + error of b^2) of a count n, where b are expected."""
    spread = np.hypot(np.sqrt(max(row.n_expected, 1.0)), row.n_expected_error)
    return float((row.n_observed - row.n_expected) / spread)


def not_tested_warning(search: SearchResult) -> str:
    """That an excess is not tested, in words; nothing if there is none."""
    row = excess_not_tested(search)
    if row is None:
        return ""
    return (
        f"Excess not tested: {window_of(row)} has {against_template(row)}, and nothing tests the "
        f"template there ({joined([row.reason])}); start the fit lower (spectrum.low), or scan "
        "where it has room on both sides."
    )


def denied_warning(search: SearchResult) -> str:
    """That a test contradicts what is counted, in words; nothing if none does."""
    row = excess_denied(search)
    if row is None:
        return ""
    expected = with_error(row.n_expected, row.n_expected_error)
    return (
        f"Excess denied: {window_of(row)} has {row.n_observed:,} events where the fit beside it "
        f"expects {expected}, but the test of a resonance at its centre has "
        f"Z = {z_text(row.z_local)}: the background's function follows the excess. Fit a wider "
        "range (spectrum.low, spectrum.high) with more bins, or take windows that have the excess "
        "in their middle (scan.step)."
    )


def joined(reasons: Iterable[str | None]) -> str:
    """Different reasons, in the order they came, without final stops; of those that differ in
    their first number alone, one with the smallest and the largest.

    Example:
        >>> joined(["8 events pass.", None, "5 events pass", "the fit did not converge"])
        '5 to 8 events pass; the fit did not converge'
    """
    numbers: dict[str, list[int]] = {}
    for reason in filter(None, reasons):
        pattern = re.sub(r"\d+", "#", reason.rstrip("."), count=1)
        first = re.search(r"\d+", reason)
        numbers.setdefault(pattern, []).append(int(first[0]) if first else 0)
    found = []
    for pattern, values in numbers.items():
        bounds = dict.fromkeys([min(values), max(values)])
        found.append(pattern.replace("#", " to ".join(map(str, bounds)), 1))
    return "; ".join(found) or "no reason given"
