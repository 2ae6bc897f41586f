"""What would a careful colleague object to about a scan as a whole?"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import scipy

from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_text,
    window_of,
    with_error,
)
from anode.statistics.scan.search_result import Search, pull, pulls
from anode.statistics.scan.working_points import MIN_PASSING

POOR = 0.01
"""A p-value below it is a failed test; many tests are judged by how many of them fail."""


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


def _overlap(search: Search) -> float:
    """How many windows share an event."""
    scan = search["scan"]
    return max(1.0, float(scan["width"]) / float(scan["step"]))


def _sculpted_overall(search: Search) -> str:
    tests = list(search["sculpting"])
    failed = [test for test in tests if test["smooth_p_value"] < POOR]
    chance = chance_of(len(failed), len(tests), POOR, overlap=_overlap(search))
    if chance >= POOR:
        return ""
    worst = min(failed, key=lambda test: test["smooth_p_value"])
    return (
        f"Sculpting over the scan: {len(failed)} of {len(tests)} pass rates are not smooth in the "
        f"mass, p < {POOR}, which chance makes with p = {p_text(chance)}; the worst is "
        f"{window_of(worst)}, p = {p_text(worst['smooth_p_value'])}."
    )


def _not_closed(search: Search) -> str:
    found = pulls(search)
    far = int(np.sum(np.abs(found) > 2))
    chance = chance_of(far, len(found), 2 * scipy.stats.norm.sf(2), overlap=_overlap(search))
    if chance >= POOR:
        return ""
    return (
        f"Non-closure: in {far} of {len(found)} windows the predictions of fit and template are "
        f"more than two standard deviations apart (chance p = {p_text(chance)}), the farthest "
        f"{np.max(np.abs(found)):.1f}."
    )


def _fits_above_templates(search: Search) -> str:
    """A common offset of all windows, as scores of events that a density was fitted on make."""
    found = pulls(search)
    if not len(found):
        return ""
    middle = float(np.median(found))  # a single excess moves a mean
    error = np.sqrt(np.pi / 2 * _overlap(search) / len(found))
    if abs(middle) <= 3 * error:
        return ""
    rows = [row for row in search["windows"] if pull(row) is not None]
    ratio = sum(row["n_expected"] for row in rows) / sum(
        row["template"]["n_expected"] for row in rows
    )
    return (
        f"The predictions of the fits are in total {ratio:.2f} times those of the templates "
        f"(median pull {with_error(middle, error)} over {len(found)} windows): {_why(search)}."
    )


def _why(search: Search) -> str:
    if search["sideband_folds"] == 1:
        return (
            "sideband events are scored by the density that was fitted on them, and so pass at "
            "another rate than new background (set split.sideband_folds=2)"
        )
    return (
        "the density that templates are drawn from is not quite that of the background in the "
        "windows; the fits, which decide on an excess, do not depend on it"
    )


def _poor_fits(search: Search) -> str:
    rows = [row for row in search["windows"] if row["fit"] is not None]
    rows = [row for row in rows if row["fit"]["p_value"] is not None]
    poor = [row for row in rows if row["fit"]["p_value"] < POOR]
    chance = chance_of(len(poor), len(rows), POOR, overlap=_overlap(search))
    if chance >= POOR:
        return ""
    worst = min(poor, key=lambda row: row["fit"]["p_value"])
    return (
        f"Poor spectrum fits: {len(poor)} of {len(rows)} have p < {POOR} (chance "
        f"p = {p_text(chance)}); the worst is {window_of(worst)}, "
        f"p = {p_text(worst['fit']['p_value'])}."
    )


def _untested(search: Search) -> str:
    rows = [row for row in search["windows"] if not row["tested"]]
    if not rows:
        return ""
    windows = sorted({(row["low"], row["high"]) for row in rows})
    n_template = sum(row["expected_from"] == "template" for row in rows)
    reasons = _joined(row["reason"] for row in rows)
    return (
        f"{len(windows)} windows between {mass_range(windows[0][0], windows[-1][1])} do not "
        f"compete for the largest excess ({len(rows)} counts, {n_template} with the template's "
        f"expectation): {reasons}."
    )


def _skipped(search: Search) -> str:
    skipped = search["skipped"]
    if not skipped:
        return ""
    low, high = min(w["low"] for w in skipped), max(w["high"] for w in skipped)
    return (
        f"{len(skipped)} windows between {mass_range(low, high)} were skipped and say nothing: "
        f"{_joined(window['reason'] for window in skipped)}."
    )


def _not_fixed(search: Search) -> str:
    cuts = search.get("cuts_not_fixed")
    if not cuts:
        return ""
    low, high = min(cut["low"] for cut in cuts), max(cut["high"] for cut in cuts)
    tightest = sorted({cut["efficiency"] for cut in cuts}, reverse=True)
    at = ", ".join(map(efficiency_text, tightest))
    return (
        f"{len(cuts)} cuts at efficiency {at} in windows between {mass_range(low, high)} could "
        f"not be fixed, and no event passes them: fewer than {MIN_PASSING} events of their "
        f"templates, of {min(cut['n_template'] for cut in cuts):,} events or more, would."
    )


def _dropped(search: Search) -> str:
    n_dropped, n_events = search["n_dropped"], search["n_events"]
    if not n_dropped:
        return ""
    return (
        f"{n_dropped:,} of {n_dropped + n_events:,} events "
        f"({n_dropped / (n_dropped + n_events):.2%}) could not be used and are in no count."
    )


def not_calibrated(calibration: Mapping[str, Any]) -> str:
    """p-values of background alone that are not uniform: global ones, and local ones by cut."""
    parts = []
    if failed := _not_uniform(calibration):
        parts.append(f"of {calibration['n']:,} global ones {failed}")
    for efficiency, found in calibration.get("local", {}).items():
        flat = {f"fraction_below_{k}": v for k, v in found["fraction_below"].items()}
        flat |= {f"error_{k}": v for k, v in found["error"].items()}
        if failed := _not_uniform({**flat, "n": found["n"], "ks_p_value": found["ks_p_value"]}):
            at = efficiency_text(float(efficiency))
            parts.append(f"of {found['n']:,} local ones at efficiency {at} {failed}")
    if not parts:
        return ""
    return (
        "Not calibrated: the p-values of this method are not uniform where there is no signal: "
        f"{'; '.join(parts)}."
    )


def _not_uniform(found: Mapping[str, Any]) -> str:
    """What is wrong with p-values of background alone; nothing if they may be uniform."""
    parts = []
    for level in ("0.05", "0.01"):
        fraction, error = found[f"fraction_below_{level}"], found[f"error_{level}"]
        expected = float(level)
        least = np.sqrt(expected * (1 - expected) / max(found["n"], 1))
        if abs(fraction - expected) > 2 * max(error, least):
            parts.append(f"{with_error(fraction, error)} are below {level}")
    if found["ks_p_value"] < POOR:
        parts.append(f"Kolmogorov-Smirnov p = {p_text(found['ks_p_value'])}")
    return ", ".join(parts)


def _joined(reasons: Iterable[str | None]) -> str:
    """Different reasons, in the order they came, without final stops; of those that differ in
    their first number alone, one with the smallest and the largest.

    Example:
        >>> _joined(["8 events pass.", None, "5 events pass", "the fit did not converge"])
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


OF_ALL: dict[str, Callable[[Search], str]] = {
    "sculpting overall": _sculpted_overall,
    "non-closure": _not_closed,
    "sideband scores": _fits_above_templates,
    "poor fits": _poor_fits,
    "not tested": _untested,
    "skipped": _skipped,
    "cuts": _not_fixed,
    "dropped": _dropped,
}
"""What is judged over all windows: a sentence, or nothing."""
