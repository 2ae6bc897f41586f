"""Warnings: what a careful colleague would object to, given the numbers of a search."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_is,
    p_text,
    rounded,
    with_error,
    z_text,
)
from anode.reporting.search.scan_warnings import OF_ALL, POOR, not_calibrated
from anode.statistics.calibration.result import Calibration
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.trust import SMALL_SHARE
from anode.statistics.scan.window_result import LargestExcess

FEW = 10.0
"""Expected events below which counts are low."""


class SearchWarning(NamedTuple):
    """One objection.

    Attributes:
        kind: name of the warning, the same for every search.
        text: sentence with the numbers that raised it.
    """

    kind: str
    text: str


_NOT_MEASURED = (
    "Over-dispersion: how much more than Poisson counts those of cross-fitted events spread was "
    "not measured; they are taken as Poisson counts, and significances are somewhat too large."
)
_UNKNOWN = (
    "Not calibrated: no calibration of these settings is given; anode calibrate searches samples "
    "without signal, and anode report calibrated=FILE says what they found."
)
_OTHER_SETTINGS = (
    "Not calibrated: the calibration that is given was made with other settings of the search."
)


def warnings(
    search: SearchResult,
    calibration: Calibration | None = None,
    *,
    settings: str | None = None,
) -> list[SearchWarning]:
    """Every objection that the numbers raise, the gravest about the best window first.

    Tests of many windows are judged together: so many failures or more are a warning where chance
    makes them with less than 1% probability. Neighbouring windows share events, so n windows that
    overlap k-fold count as n / k independent ones.

    Args:
        search: result of the search.
        calibration: calibration of its method; None where there is none.
        settings: key of the settings of the search, which a calibration must have too; None where
            it is not known, and a calibration is not asked for.
    """
    found: list[SearchWarning] = []
    best = search.best
    if best is not None:
        for kind, judge in _OF_THE_BEST.items():
            if text := judge(search, best):
                found.append(SearchWarning(kind, text))
    for kind, of_all in OF_ALL.items():
        if text := of_all(search):
            found.append(SearchWarning(kind, text))
    if search.overdispersion is None and search.combined:
        found.append(SearchWarning("over-dispersion", _NOT_MEASURED))
    if calibration is not None and (text := not_calibrated(calibration)):
        found.append(SearchWarning("not calibrated", text))
    if settings is not None and (text := _of_settings(calibration, settings)):
        found.append(SearchWarning("not calibrated", text))
    return found


def _of_settings(calibration: Calibration | None, settings: str) -> str:
    if calibration is None:
        return _UNKNOWN
    return "" if calibration.settings in (None, settings) else _OTHER_SETTINGS


def _spurious(_: SearchResult, best: LargestExcess) -> str:
    if best.spurious <= SMALL_SHARE:
        return ""
    statistical = best.z_of_test * float(np.hypot(1.0, best.spurious))
    return (
        "Spurious signal: a background of another shape makes as much signal in the best window "
        f"as {best.spurious:.1f} of its statistical error. With that in the error the local Z is "
        f"{z_text(best.z_of_test)}, without {z_text(statistical)}."
    )


def _low_counts(_: SearchResult, best: LargestExcess) -> str:
    if best.n_expected >= FEW and best.significance_from != "exact":
        return ""
    expected = with_error(best.n_expected, best.n_expected_error)
    how = _SOURCES[best.significance_from]
    return (
        f"Low counts: the best window has {best.n_observed:,.0f} events where {expected} are "
        f"expected; its local p-value comes from {how}, and a handful of events decides it."
    )


def _extrapolated(search: SearchResult, best: LargestExcess) -> str:
    if best.p_global_from != "extrapolated":
        return ""
    return (
        f"The global p-value {p_text(best.p_global)} is extrapolated: none or too few of "
        f"{search.toys.n_toys:,} toys reach the local Z = {z_text(best.z_local)}."
    )


def _above_toys(search: SearchResult, best: LargestExcess) -> str:
    if best.p_global_from != "above toys":
        return ""
    return (
        f"Above all toys: none of {search.toys.n_toys:,} has an excess as large, so that the "
        "global p and Z are bounds, at 95%; more toys (n_toys) reach farther."
    )


def _look_elsewhere(search: SearchResult, best: LargestExcess) -> str:
    local, over_all = best.z_of_test, best.z_global
    if best.p_global_from == "above toys" or local < 2 or local - over_all < 0.5:
        return ""
    return (
        f"Look-elsewhere: the local Z = {z_text(local)} is the largest of "
        f"{search.toys.n_tests:,} tests; the global Z is {z_text(over_all)}."
    )


def _expectations_differ(_: SearchResult, best: LargestExcess) -> str:
    distance = best.pull
    other = best.template
    if distance is None or other is None or abs(distance) <= 2:
        return ""
    of_fit = with_error(best.n_expected, best.n_expected_error)
    of_template = with_error(other.n_expected, other.n_expected_error)
    return (
        f"In the best window the fit predicts {of_fit} events and the template {of_template}, "
        f"{abs(distance):.1f} standard deviations apart; against the template the "
        f"local Z would be {z_text(other.z_local)}."
    )


def _best_fit_poor(_: SearchResult, best: LargestExcess) -> str:
    fit = best.fit
    if fit is None:
        return ""
    if fit.p_value is not None and fit.p_value < POOR:
        return (
            f"The fit that gives the best window's expectation describes the spectrum poorly: "
            f"deviance {rounded(fit.deviance)} for {fit.ndf} degrees of freedom, "
            f"{p_is(fit.p_value)}."
        )
    if fit.p_value_with_signal is None or fit.p_value_with_signal >= POOR:
        return ""
    return (
        "Neither background alone nor a resonance upon it describes the spectrum of the best "
        f"window, {p_is(fit.p_value_with_signal)} with signal: what is seen there is not of the "
        "shape that was looked for (spectrum.signal_shape)."
    )


def _best_sculpted(search: SearchResult, best: LargestExcess) -> str:
    tests = [test for test in search.sculpting if test.same_window(best)]
    failed = [test for test in tests if test.smooth_p_value < POOR]
    if not failed:
        return ""
    worst = min(failed, key=lambda test: test.smooth_p_value)
    return (
        f"Sculpting: with the model of the best window the pass rate outside it is not smooth in "
        f"the mass, at efficiency {efficiency_text(worst.efficiency)} "
        f"{p_is(worst.smooth_p_value)} ({len(failed)} of {len(tests)} cuts)."
    )


def _score_follows_mass(search: SearchResult, best: LargestExcess) -> str:
    test = search.independence_in(best)
    if test is None or test.p_value >= POOR:
        return ""
    return (
        f"Inside the best window the score depends on the mass: pass rate chi2/ndf = "
        f"{test.pass_rate_chi2:.1f}/{test.ndf}, {p_is(test.p_value)}, Pearson "
        f"{test.pearson:+.3f}. A resonance does this as well as a score that follows the mass."
    )


def _neighbours(search: SearchResult, best: LargestExcess) -> str:
    """Windows beside a clear excess have it in their sidebands: fits and densities see it."""
    if best.z_local < 3:
        return ""
    center, width = (best.low + best.high) / 2, best.high - best.low
    near = [
        row
        for row in search.at(best.efficiency)
        if not row.low <= center < row.high
        and abs((row.low + row.high) / 2 - center) <= 1.5 * width
        and row.z_local is not None
    ]
    if not near:
        return ""
    lowest = min(near, key=lambda row: row.z_local)
    return (
        f"The excess of the best window (local Z = {z_text(best.z_local)}) lies in the "
        f"sidebands of {len(near)} windows within {rounded(1.5 * width)} GeV, whose expectations "
        f"it raises; the lowest of them is {mass_range(lowest.low, lowest.high)} with "
        f"Z = {z_text(lowest.z_local)}."
    )


def _at_the_edge(search: SearchResult, best: LargestExcess) -> str:
    tested = [row for row in search.at(best.efficiency) if row.tested]
    first, last = tested[0], tested[-1]
    at = [
        name
        for name, row in (("lowest", first), ("highest", last))
        if len(tested) > 1 and row.same_window(best)
    ]
    if not at:
        return ""
    return (
        f"The best window is the {at[0]} of {len(tested)} tested windows "
        f"({mass_range(first.low, last.high)}): the excess may go on beyond the scan, and "
        "its sideband there is short."
    )


_SOURCES = {
    "asymptotic": "the asymptotic formula",
    "exact": "exact Poisson probabilities",
    "toys": "toys of its spectrum",
    "above toys": "the asymptotic formula, shifted as toys of its spectrum say",
}
"""Where a local significance comes from, in words."""

_OF_THE_BEST: dict[str, Callable[[SearchResult, LargestExcess], str]] = {
    "look-elsewhere": _look_elsewhere,
    "low counts": _low_counts,
    "extrapolated": _extrapolated,
    "above toys": _above_toys,
    "spurious signal": _spurious,
    "two expectations": _expectations_differ,
    "poor fit": _best_fit_poor,
    "sculpting": _best_sculpted,
    "score and mass": _score_follows_mass,
    "edge": _at_the_edge,
    "neighbours": _neighbours,
}
