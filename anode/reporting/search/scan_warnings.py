"""Warnings about a search as a whole."""

from collections.abc import Callable

import numpy as np
import scipy

from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_is,
    window_of,
    with_error,
    z_text,
)
from anode.reporting.search.report_text import denied_warning, joined, not_tested_warning
from anode.statistics.calibration.result import Calibration
from anode.statistics.calibration.uniformity import Uniformity
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import CombinedTest, WindowTest
from anode.statistics.scan.working_points import MIN_PASSING

POOR = 0.01
"""A p-value below it is a failed test; many are judged by how many of them fail."""
_DEFICIT = -5.0
"""Local Z of a tested count below which the expectation is wrong, over a whole scan."""


def chance_of(n_failed: int, n_tests: int, rate: float, *, overlap: float = 1.0) -> float:
    """Probability that at least so many tests fail by chance, each at ``rate``.

    Example:
        >>> round(chance_of(5, 100, 0.01), 4), chance_of(0, 100, 0.01)
        (0.0034, 1.0)
    """
    if not n_failed:
        return 1.0
    failed = int(np.ceil(n_failed / overlap))
    return float(scipy.stats.binom.sf(failed - 1, max(failed, round(n_tests / overlap)), rate))


def _overlap(search: SearchResult) -> float:
    """How many windows share an event."""
    return max(1.0, search.scan.width / search.scan.step)


def _sculpted_overall(search: SearchResult) -> str:
    tests = list(search.sculpting)
    failed = [test for test in tests if test.smooth_p_value < POOR]
    chance = chance_of(len(failed), len(tests), POOR, overlap=_overlap(search))
    if chance >= POOR:
        return ""
    worst = min(failed, key=lambda test: test.smooth_p_value)
    return (
        f"Sculpting over the scan: {len(failed)} of {len(tests)} pass rates are not smooth in the "
        f"mass, p < {POOR}, which chance makes with {p_is(chance)}; the worst is "
        f"{window_of(worst)}, {p_is(worst.smooth_p_value)}."
    )


def _not_closed(search: SearchResult) -> str:
    found = search.pulls()
    far, rate = int(np.sum(np.abs(found) > 2)), 2 * scipy.stats.norm.sf(2)
    chance = chance_of(far, len(found), rate, overlap=_overlap(search))
    if chance >= POOR:
        return ""
    return (
        f"Non-closure: in {far} of {len(found)} windows the predictions of fit and template are "
        f"more than two standard deviations apart (chance {p_is(chance)}), the farthest "
        f"{np.max(np.abs(found)):.1f}."
    )


def _fits_above_templates(search: SearchResult) -> str:
    found = search.pulls()
    middle = float(np.median(found)) if len(found) else 0.0  # a single excess moves a mean
    error = np.sqrt(np.pi / 2 * _overlap(search) / max(len(found), 1))
    if abs(middle) <= 3 * error:
        return ""
    rows = [row for row in search.windows if row.pull is not None and row.template is not None]
    ratio = sum(r.n_expected for r in rows) / sum(
        r.template.n_expected for r in rows if r.template
    )
    return (
        f"The predictions of the fits are in total {ratio:.2f} times those of the templates "
        f"(median pull {with_error(middle, error)} over {len(found)} windows): {_why(search)}."
    )


def _why(search: SearchResult) -> str:
    if search.sideband_folds == 1:
        return (
            "sideband events are scored by the density that was fitted on them, and so pass at "
            "another rate than new background (set split.sideband_folds=2)"
        )
    return "templates are drawn from a density that is not quite that of the background"


def _poor_fits(search: SearchResult) -> str:
    rows = [(row, row.fit.p_value) for row in search.windows if row.fit is not None]
    judged = [(row, p) for row, p in rows if p is not None]
    poor = [(row, p) for row, p in judged if p < POOR]
    chance = chance_of(len(poor), len(judged), POOR, overlap=_overlap(search))
    if chance >= POOR:
        return ""
    worst, p_value = min(poor, key=lambda entry: entry[1])
    return (
        f"Poor spectrum fits: {len(poor)} of {len(judged)} have p < {POOR} (chance "
        f"{p_is(chance)}); the worst is {window_of(worst)}, {p_is(p_value)}."
    )


def _untested(search: SearchResult) -> str:
    by_category = search.best is not None and search.best.test == "categories"
    tests: list[WindowTest] | list[CombinedTest]
    if by_category:
        tests = [test for test in search.combined if test.z_local is None]
    else:
        tests = [row for row in search.windows if not row.tested]
    if not tests:
        return ""
    windows = {(test.low, test.high) for test in tests}
    count = "1 window" if len(windows) == 1 else f"{len(windows)} windows"
    where = mass_range(min(windows)[0], max(windows)[1])
    reasons = joined(test.reason for test in tests)
    return f"No part in the largest excess: {count} between {where} ({reasons})."


def windows_not_tested(search: SearchResult) -> list[WindowTest]:
    """A count of each window in which no cut was tested."""
    tested = {(row.low, row.high) for row in search.windows if row.tested and row.efficiency < 1}
    rows = {(row.low, row.high): row for row in search.windows}
    return [row for window, row in rows.items() if window not in tested]


def deepest_deficit(search: SearchResult) -> WindowTest | None:
    """The tested count that lies the farthest below its expectation."""
    rows = [row for row in search.windows if row.tested]
    lowest = min(rows, key=lambda row: row.z_local, default=None)
    return lowest if lowest is not None and lowest.z_local < _DEFICIT else None


def _too_few_events(search: SearchResult) -> str:
    row = deepest_deficit(search)
    if row is None:
        return ""
    expected = with_error(row.n_expected, row.n_expected_error)
    return (
        f"Deficit: {window_of(row)} has {row.n_observed:,} events where {expected} are expected, "
        f"Z = {z_text(row.z_local)}: what is expected is wrong there, as beside a resonance that "
        "lies in the sidebands of the window."
    )


def _skipped(search: SearchResult) -> str:
    skipped = search.skipped
    if not skipped:
        return ""
    low, high = min(w.low for w in skipped), max(w.high for w in skipped)
    return (
        f"{len(skipped)} windows between {mass_range(low, high)} were skipped and say nothing: "
        f"{joined(window.reason for window in skipped)}."
    )


def _not_fixed(search: SearchResult) -> str:
    cuts = search.cuts_not_fixed
    if not cuts:
        return ""
    low, high = min(cut.low for cut in cuts), max(cut.high for cut in cuts)
    tightest = sorted({cut.efficiency for cut in cuts}, reverse=True)
    at = ", ".join(map(efficiency_text, tightest))
    return (
        f"{len(cuts)} cuts at efficiency {at} in windows between {mass_range(low, high)} could "
        f"not be fixed, and no event passes them: fewer than {MIN_PASSING} events of their "
        f"templates, of {min(cut.n_template for cut in cuts):,} events or more, would."
    )


def _dropped(search: SearchResult) -> str:
    n_dropped, n_events = search.n_dropped, search.n_events
    if not n_dropped:
        return ""
    return (
        f"{n_dropped:,} of {n_dropped + n_events:,} events "
        f"({n_dropped / (n_dropped + n_events):.2%}) could not be used and are in no count."
    )


def _copied(search: SearchResult) -> str:
    n_copies, n_events = search.n_copies, search.n_events
    if not n_copies:
        return ""
    return (
        f"Copies: {n_copies:,} of {n_events:,} events ({n_copies / n_events:.2%}) have the mass "
        "and features of an earlier one. Counts take them for events of their own, and so vary "
        "by more than Poisson's errors; remove them and search again."
    )


def not_calibrated(calibration: Calibration) -> str:
    """p-values of background alone that are not uniform: global ones, and local ones by cut."""
    parts = []
    overall = calibration.p_global
    if overall is not None and (failed := _not_uniform(overall)):
        parts.append(f"of {overall.n:,} global ones {failed}")
    for efficiency, local in (calibration.p_local or {}).items():
        if failed := _not_uniform(local):
            at = efficiency_text(float(efficiency))
            parts.append(f"of {local.n:,} local ones at efficiency {at} {failed}")
    if not parts:
        return ""
    return (
        "Not calibrated: the p-values of this method are not uniform where there is no signal: "
        f"{'; '.join(parts)}."
    )


def _not_uniform(p_values: Uniformity) -> str:
    """What is wrong with p-values of background alone; nothing if they may be uniform."""
    parts = []
    for level, fraction in p_values.fraction_below.items():
        error, expected = p_values.error[level], float(level)
        least = np.sqrt(expected * (1 - expected) / max(p_values.n, 1))
        if abs(fraction - expected) > 2 * max(error, least):
            parts.append(f"{with_error(fraction, error)} are below {level}")
    if p_values.ks_p_value < POOR:
        parts.append(f"Kolmogorov-Smirnov {p_is(p_values.ks_p_value)}")
    return ", ".join(parts)


OF_ALL: dict[str, Callable[[SearchResult], str]] = {
    "sculpting overall": _sculpted_overall,
    "non-closure": _not_closed,
    "sideband scores": _fits_above_templates,
    "poor fits": _poor_fits,
    "deficit": _too_few_events,
    "excess not tested": not_tested_warning,
    "excess denied": denied_warning,
    "not tested": _untested,
    "skipped": _skipped,
    "cuts": _not_fixed,
    "dropped": _dropped,
    "copies": _copied,
}
"""What is judged over all windows: a sentence, or nothing."""
