"""Tables of results: one run, or the median and 68% interval over several."""

from collections.abc import Callable, Mapping, Sequence

from anode.evaluation.comparison import summarise
from anode.evaluation.run_metrics import RunMetrics

MISSING = "-"
CEILING_NOTE = "* uses truth labels: a ceiling, not a search"


def result_table(metrics: RunMetrics, *, markdown: bool = False) -> str:
    """The result of one run, a quantity a line.

    Args:
        metrics: numbers of the run; those that are None are shown as "-".
        markdown: True for a markdown table rather than aligned text.
    """
    rows = [
        ("method", metrics.method),
        ("seed", str(metrics.seed)),
        (
            "data events in signal region / sidebands",
            _counts(metrics.n_data_sr, metrics.n_data_sb),
        ),
        ("injected signal in signal region", _counts(metrics.n_injected_sr)),
        ("S/B, S/sqrt(B)", _signal(metrics)),
        ("test signal / background", _counts(metrics.n_test_signal, metrics.n_test_background)),
        ("events dropped", _counts(metrics.n_dropped)),
    ]
    if metrics.n_copies:
        rows.append(("copies of events", _counts(metrics.n_copies)))
    if metrics.auc is None:
        rows.append(("AUC, SIC", "no truth labels: no ROC/SIC"))
    else:
        rows += _performance_rows(metrics)
    if metrics.signal_fraction is not None:
        rows.append(("signal fraction, fitted", _fraction(metrics)))
    densities = {n: x for n, x in (metrics.held_out_loss or {}).items() if n.startswith("p_")}
    if densities:
        rows.append(
            (
                f"-log p of held-out events: {', '.join(densities)}",
                ", ".join(f"{loss:.3f}" for loss in densities.values()),
            )
        )
    if metrics.seconds is not None:
        rows.append(("time", f"{metrics.seconds:.0f} s"))
    return table(["quantity", "value"], rows, markdown=markdown)


def comparison_table(groups: Mapping[str, Sequence[RunMetrics]], *, markdown: bool = False) -> str:
    """Median and 68% interval over the runs of each group, a group a line.

    CPU seconds have a column if a run has them, and per unit of max SIC another if there are
    several methods. An asterisk marks a method that uses truth labels.

    Args:
        groups: name -> numbers of its runs.
        markdown: True for a markdown table rather than aligned text.
    """
    runs = [metrics for members in groups.values() for metrics in members]
    columns = _columns(runs)
    rows = [
        (
            f"{name}*" if any(metrics.uses_truth for metrics in members) else name,
            str(len(members)),
            *(text(members) for text in columns.values()),
        )
        for name, members in groups.items()
    ]
    notes = ["median [16%, 84%] over runs; (n) where only n runs have the value"]
    if any(metrics.uses_truth for metrics in runs):
        notes.append(rf"\{CEILING_NOTE}" if markdown else CEILING_NOTE)  # or it is a bullet
    lines = "\n\n".join(notes) if markdown else "\n".join(notes)
    return table(("group", "runs", *columns), rows, markdown=markdown) + f"\n{lines}\n"


_Cell = Callable[[Sequence[RunMetrics]], str]
"""From the runs of a group to a cell."""


def _columns(runs: Sequence[RunMetrics]) -> dict[str, _Cell]:
    """The columns that these runs have something for, after name and number of runs."""
    methods = {metrics.method for metrics in runs}
    fprs = dict.fromkeys(key for metrics in runs for key in metrics.sic_at_fpr or {})
    columns = {
        "S/B [%]": _column(_percent_signal, 2),
        "AUC": _column(lambda m: m.auc, 3),
        "max SIC": _column(lambda m: m.max_sic, 2),
    }
    for key in fprs:
        columns[f"SIC at FPR {key}"] = _column(_sic_at(key), 2)
    if any(_sculpting(metrics) is not None for metrics in runs):
        columns["chi2/ndf of pass rate at 1%"] = _column(_sculpting, 1)
    if len(methods) == 1 and any(metrics.likelihood_gain for metrics in runs):
        columns["gain in log p [1e-3]"] = _column(_gain, 2)
    columns["lowest FPR (test background)"] = _statistics
    if any(metrics.cpu_seconds is not None for metrics in runs):
        columns["CPU [s]"] = _column(lambda m: m.cpu_seconds, 0)
        if len(methods) > 1:
            columns["CPU [s] / max SIC"] = _column(_cost, 1)
    columns["time [s]"] = _column(lambda m: m.seconds, 0)
    return columns


def _column(value: Callable[[RunMetrics], float | None], digits: int) -> _Cell:
    return lambda members: _interval([value(metrics) for metrics in members], digits)


def _sic_at(key: str) -> Callable[[RunMetrics], float | None]:
    return lambda metrics: (metrics.sic_at_fpr or {}).get(key)


def _cost(metrics: RunMetrics) -> float | None:
    """CPU seconds per unit of max SIC."""
    seconds, peak = metrics.cpu_seconds, metrics.max_sic
    return seconds / peak if seconds is not None and peak else None


def _sculpting(metrics: RunMetrics) -> float | None:
    """chi2/ndf of a pass rate that is the same at every mass, for a cut that keeps 1%."""
    test = metrics.sculpting.get("1e-2")
    return None if test is None else test.chi2 / test.ndf


def _gain(metrics: RunMetrics) -> float | None:
    """Mean of log p_data - log p_bg of unseen data, in thousandths."""
    gain = metrics.likelihood_gain
    return None if gain is None else 1e3 * gain


def _percent_signal(metrics: RunMetrics) -> float | None:
    return None if metrics.s_over_b is None else 100 * metrics.s_over_b


def _statistics(members: Sequence[RunMetrics]) -> str:
    """The cut on statistics: lowest FPR at which SIC is quoted, and the events behind it."""
    floors = [metrics.fpr_floor for metrics in members if metrics.fpr_floor is not None]
    counts = [metrics.n_test_background for metrics in members]
    known = sorted({count for count in counts if count is not None})
    if not floors or not known:
        return MISSING
    events = f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
    return f"{max(floors):.1e} ({events})"


def _performance_rows(metrics: RunMetrics) -> list[tuple[str, str]]:
    """AUC, max SIC, and SIC at each FPR, with errors where they are stored."""
    rows = [("AUC", _measured(metrics.auc, metrics.auc_error, 3))]
    peak = _measured(metrics.max_sic, metrics.max_sic_error, 2)
    if metrics.max_sic_fpr is not None:
        peak += f" at FPR {metrics.max_sic_fpr:.2g}"
    rows.append(("max SIC", peak))
    errors = metrics.sic_at_fpr_error or {}
    floor = metrics.fpr_floor
    for key, value in (metrics.sic_at_fpr or {}).items():
        below = f"below the floor of {floor:.2g}" if floor is not None else MISSING
        text = below if value is None else _measured(value, errors.get(key), 2)
        rows.append((f"SIC at FPR {key}", text))
    return rows


def _fraction(metrics: RunMetrics) -> str:
    """Fitted signal fraction of the signal region, and the true one where it is known."""
    fitted, error = metrics.signal_fraction, metrics.signal_fraction_error
    text = f"{fitted:.2%}" + ("" if error is None else f" ± {error:.2%}")
    true = metrics.true_signal_fraction
    return text if true is None else f"{text} (true {true:.2%})"


def _measured(value: float | None, error: float | None, digits: int) -> str:
    """A value with its error."""
    if value is None:
        return MISSING
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _counts(*counts: int | None) -> str:
    """Event counts, thousands separated."""
    return " / ".join(MISSING if count is None else f"{count:,}" for count in counts)


def _signal(metrics: RunMetrics) -> str:
    """How much signal there was to find."""
    fraction, significance = metrics.s_over_b, metrics.s_over_sqrt_b
    left = MISSING if fraction is None else f"{fraction:.2%}"
    return f"{left}, {MISSING if significance is None else f'{significance:.2f}'}"


def _interval(values: Sequence[float | None], digits: int) -> str:
    """Median and interval as text; a single run has no interval."""
    summary = summarise(values)
    if summary is None:
        return MISSING
    text = f"{summary.median:.{digits}f}"
    if summary.n > 1:
        text += f" [{summary.low:.{digits}f}, {summary.high:.{digits}f}]"
    return text if summary.n == len(values) else f"{text} ({summary.n})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """Aligned columns; with bars they are markdown."""
    lines = [list(header), *(list(row) for row in rows)]
    if markdown:
        lines = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        for line in [lines[0], rule, *lines[1:]]
    ]
    if markdown:
        return "".join(f"| {' | '.join(line)} |\n" for line in padded)
    return "".join("  ".join(line).rstrip() + "\n" for line in padded)
