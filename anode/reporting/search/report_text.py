"""What a search has found, in sentences and short lines."""

import numpy as np

from anode.reporting.common.number_format import (
    LARGEST_P,
    MISSING,
    efficiency_text,
    mass_range,
    p_is,
    p_text,
    rounded,
    with_error,
    with_errors,
    z_text,
)
from anode.statistics.counting.significance import z_of_p
from anode.statistics.scan.search_result import ScoreMassTest, SearchResult
from anode.statistics.scan.window_result import LargestExcess, WindowTest

Line = tuple[str, str]
"""A quantity and its value."""

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
