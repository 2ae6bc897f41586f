"""Excesses of a search that its largest excess says nothing about: counts that no fit tests, and
counts that the test of a resonance takes for background."""

import re
from collections.abc import Iterable

import numpy as np

from anode.reporting.common.number_format import MISSING, window_of, with_error, z_text
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import WindowTest

SIGNIFICANT = 3.0
"""Standard deviations beyond which a test says that background alone does not explain the data."""
_DENIED = 1.0
"""Local Z below which a test denies an excess that is seen."""


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
