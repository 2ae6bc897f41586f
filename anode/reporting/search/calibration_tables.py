"""What a calibration says, whether all that must hold does, and how far fits are trusted, in
tables."""

from anode.reporting.common.number_format import efficiency_text, p_text, rounded, with_error
from anode.reporting.common.tables import MISSING, table
from anode.reporting.search.report_tables import Table
from anode.statistics.calibration.acceptance import Acceptance, Check
from anode.statistics.calibration.result import Calibration, InjectionSummary
from anode.statistics.calibration.uniformity import LEVELS, Spread, Uniformity
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.scan.trust import Trust


def calibration_table(result: Calibration) -> str:
    """Uniformity of p-values without signal, and the response to injected signal, as Markdown.

    Args:
        result: content of ``calibration.json``.
    """
    parts = []
    uniform = [("global", result.p_global, result.z_global)]
    spreads = result.z_local or {}
    for name, p_values in (result.p_local or {}).items():
        uniform.append((f"local, {test_label(name)}", p_values, spreads.get(name)))
    rows = [_uniform(name, p, z) for name, p, z in uniform if p is not None]
    if rows:
        below = [f"below {level:g}" for level in LEVELS]
        header = ("p-values", "n", *below, "KS p", "mean Z", "sd of Z")
        parts.append(table(header, rows, markdown=True))
    injected = [
        row for name, each in (result.injection or {}).items() for row in _injected(name, each)
    ]
    if injected:
        header = ("test", "injected", "n", "passing", "Z", "fitted - true", "pull", "coverage")
        parts.append(table(header, injected, markdown=True))
    return "\n".join(parts) if parts else "no test could be made\n"


def test_label(name: str) -> str:
    """Words for the name of a test in ``calibration.json``: its efficiency, if it has one."""
    try:
        efficiency = float(name)
    except ValueError:
        return name
    return "no cut" if efficiency >= 1 else f"efficiency {efficiency_text(efficiency)}"


def _uniform(name: str, p: Uniformity, z: Spread | None) -> tuple[str, ...]:
    below = [_percent(p.fraction_below[k], p.error[k]) for k in (f"{e:g}" for e in LEVELS)]
    of_z = [MISSING, MISSING]
    if z is not None:
        of_z = [with_error(z.mean, z.mean_error), with_error(z.sd, z.sd_error)]
    return (name, str(p.n), *below, p_text(p.ks_p_value), *of_z)


def _percent(fraction: float, error: float) -> str:
    return f"{with_error(100 * fraction, 100 * error)}%"


def _injected(name: str, each: InjectionSummary) -> list[tuple[str, ...]]:
    return [
        (
            test_label(name),
            f"{amount:g}",
            str(each.n[i]),
            f"{each.passing[i]:.1f}",
            f"{each.z[i]:.1f} [{each.z_low[i]:.1f}, {each.z_high[i]:.1f}]",
            with_error(each.bias[i], each.bias_error[i]),
            with_error(each.pull_mean[i], each.pull_mean_error[i]),
            with_error(each.coverage[i], each.coverage_error[i]),
        )
        for i, amount in enumerate(each.injected)
    ]


def acceptance_table(acceptance: Acceptance) -> str:
    """Numbers with errors, demands and costs of all rows that were made, as Markdown.

    Args:
        acceptance: content of ``acceptance.json``.
    """
    parts = []
    for row in acceptance.rows.values():
        cells = [
            (
                check.what,
                _number(check),
                _demand(check),
                f"{check.n:,}",
                "yes" if check.passed else "**no**",
            )
            for check in row.checks
        ]
        cost = "" if row.cpu_seconds is None else f", {_time(row.cpu_seconds)} of CPU"
        parts.append(f"### {row.name}. {row.title}\n\n`{row.command}`{cost}\n")
        parts.append(table(("number", "is", "must be", "n", "holds"), cells, markdown=True))
        if row.note:
            parts.append(f"{row.note}\n")
    return "\n".join(parts) if parts else "no row has been made\n"


def _number(check: Check) -> str:
    if check.error is None:
        return p_text(check.value) if 0 < check.value < 0.01 else f"{check.value:.3g}"
    return with_error(check.value, check.error)


def _demand(check: Check) -> str:
    low, high = (None if bound is None else f"{bound:.3g}" for bound in (check.low, check.high))
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"{low} to {high}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def spurious_table(trust: Trust) -> Table:
    """Signals that backgrounds of other shapes make."""
    rows = [
        (one.background, f"{one.n_signal:+.2g}", f"{one.sigma:+.2f}") for one in trust.spurious
    ]
    header = ("background", "spurious signal events", "over statistical error")
    return Table(header, rows, caption="Fits to spectra of another function, without fluctuations")


def bias_table(trust: Trust) -> Table:
    """Strengths of injected signal in toys of other functions."""
    rows = [
        (
            one.background,
            f"{one.mass:,.0f}",
            rounded(one.injected),
            rounded(one.spread),
            with_error(one.bias, one.bias_error),
        )
        for one in trust.biases
    ]
    header = ("background", "mass [GeV]", "injected events", "spread of fits", "bias over spread")
    return Table(header, rows, caption="Bias of the strength in toys")


def overdispersion_table(found: Overdispersion) -> Table:
    """Spread of counts over Poisson's."""
    ends = [*found.efficiencies[1:], 0.0]
    rows = [
        (
            f"{efficiency_text(a)} to {efficiency_text(b)}"
            if b
            else f"below {efficiency_text(a)}",
            with_error(f, error),
        )
        for a, b, f, error in zip(found.efficiencies, ends, found.f, found.f_error, strict=True)
    ]
    n, size = found.n_experiments, found.n_events
    caption = f"Spread of cross-fitted counts over Poisson's, {n} samples of {size:,} events"
    return Table(("score category", "f"), rows, caption=caption)
