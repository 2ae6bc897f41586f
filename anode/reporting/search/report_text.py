"""What a search has found, in sentences and short lines."""

from collections.abc import Sequence

import numpy as np

from anode.reporting.common.number_format import (
    MISSING,
    efficiency_text,
    mass_range,
    p_text,
    rounded,
    window_of,
    with_error,
    with_errors,
    z_text,
)
from anode.reporting.search.warnings import SearchWarning
from anode.statistics.scan.search_result import ScoreMassTest, SearchResult
from anode.statistics.scan.window_result import LargestExcess, WindowTest

Line = tuple[str, str]
"""A quantity and its value."""

_VERDICTS = (
    (5.0, "excess", "an excess that background alone does not explain"),
    (3.0, "evidence", "evidence for a localised excess"),
    (2.0, "watch", "worth watching, no evidence"),
    (-np.inf, "none", "compatible with background"),
)
"""From which global Z on, how it is called, and what it means."""


def verdict_level(search: SearchResult) -> str:
    """One of "untested", "none", "watch", "evidence", "excess"."""
    best = search.best
    if best is None:
        return "untested"
    return _meaning(best)[0]


def verdict(search: SearchResult, raised: Sequence[SearchWarning]) -> str:
    """One sentence: the largest excess, how rare it is over the whole scan, and what limits it."""
    best = search.best
    if best is None:
        return "No window could be tested, so nothing is said about an excess; see the warnings."
    meaning = _meaning(best)[1]
    n_tests = search.toys.n_tests
    about, from_ = "", ""
    if best.p_global_from == "extrapolated":
        about, from_ = "about ", f", extrapolated from {search.toys.n_toys:,} toys"
    sentence = (
        f"The largest of {n_tests:,} tested counts, {window_of(best)}, has a global significance "
        f"of {about}Z = {z_text(best.z_global)} (p = {p_text(best.p_global)}{from_}): "
        f"{meaning}"
    )
    limiting = [warning.kind for warning in raised if warning.kind != "look-elsewhere"]
    if not limiting:
        return f"{sentence}. No warning was raised about how the numbers were made."
    count = "One warning limits" if len(limiting) == 1 else f"{len(limiting)} warnings limit"
    return f"{sentence}. {count} what this means: {', '.join(limiting)}."


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
    """p-value and significance over the whole scan."""
    p = p_text(row.p_global)
    if row.p_global_error:
        p = f"{p} (error {p_text(row.p_global_error)})"
    z = None
    if row.z_global_error:
        z = with_error(row.z_global, row.z_global_error, digits=1)
    where = "from toys" if row.p_global_from == "toys" else "extrapolated beyond the toys"
    return f"p = {p}, Z = {z or z_text(row.z_global)}, {where}"


def strength_text(row: WindowTest) -> str:
    """Fitted signal events with their interval."""
    fitted = row.strength
    return with_errors(fitted.n_signal, fitted.error_low, fitted.error_high)


def independence_text(test: ScoreMassTest) -> str:
    """Test of a pass rate that is flat in the mass inside the window."""
    return (
        f"flat pass rate inside: chi2/ndf = {test.pass_rate_chi2:.1f}/{test.ndf}, "
        f"p = {p_text(test.p_value)}; Pearson {test.pearson:+.3f}"
    )


def resonance_lines(search: SearchResult) -> list[Line]:
    """The fitted resonance; empty without one."""
    fitted = search.resonance
    if fitted is None:
        return []
    return [
        ("mass", f"{with_error(fitted.mass, fitted.mass_error)} GeV"),
        ("events", with_errors(fitted.n_signal, fitted.error_low, fitted.error_high)),
        ("local, at floating mass", f"p = {p_text(fitted.p_value)}, Z = {z_text(fitted.z)}"),
        ("goodness of fit without signal", _goodness(fitted.p_value_background)),
        ("goodness of fit with signal", _goodness(fitted.p_value_with_signal)),
        ("energy scale, resolution", f"{fitted.scale_pull:+.1f}, {fitted.width_pull:+.1f} sigma"),
    ]


def _goodness(p_value: float | None) -> str:
    return "too few events to judge" if p_value is None else f"p = {p_text(p_value)}"


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
    return f"p = {p_text(row.p_local)}, Z = {z_text(row.z_local)}{how}"


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


def _meaning(row: LargestExcess) -> tuple[str, str]:
    """Level and words."""
    return next((level, text) for above, level, text in _VERDICTS if row.z_global >= above)
