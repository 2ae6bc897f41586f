"""What came out, in numbers: one run, or the median and 68% interval over several?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Metrics = Mapping[str, Any]
"""Content of one ``metrics.json``."""

MISSING = "-"


class Interval(NamedTuple):
    """Median and central 68% of a quantity over runs.

    Attributes:
        median, low, high: quantiles 50%, 16% and 84%, interpolated between the runs.
        n: runs that have the quantity.
    """

    median: float
    low: float
    high: float
    n: int


def summarise(values: Sequence[float | None]) -> Interval | None:
    """Median and 68% interval of the runs that have a value; None if no run has one.

    Example:
        >>> summarise([1.0, 2.0, 3.0, None])
        Interval(median=2.0, low=1.31731, high=2.68269, n=3)
    """
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    low, median, high = np.quantile(known, (0.158655, 0.5, 0.841345))
    return Interval(
        round(float(median), 12), round(float(low), 12), round(float(high), 12), len(known)
    )


def result_table(metrics: Metrics, *, markdown: bool = False) -> str:
    """The result of one run, a quantity a line.

    Args:
        metrics: content of ``metrics.json``; missing keys and nulls are shown as "-".
        markdown: a markdown table rather than aligned text.
    """
    rows = [
        ("method", str(metrics.get("method", MISSING))),
        ("seed", str(metrics.get("seed", MISSING))),
        ("data events in signal region / sidebands", _counts(metrics, "n_data_sr", "n_data_sb")),
        ("injected signal in signal region", _counts(metrics, "n_injected_sr")),
        ("S/B, S/sqrt(B)", _signal(metrics)),
        ("test signal / background", _counts(metrics, "n_test_signal", "n_test_background")),
        ("events dropped", _counts(metrics, "n_dropped")),
    ]
    if metrics.get("auc") is None:
        rows.append(("AUC, SIC", "no truth labels: no ROC/SIC"))
    else:
        rows += _performance_rows(metrics)
    if metrics.get("seconds") is not None:
        rows.append(("time", f"{_seconds(metrics['seconds']):.0f} s"))
    return table(["quantity", "value"], rows, markdown=markdown)


def comparison_table(groups: Mapping[str, Sequence[Metrics]], *, markdown: bool = False) -> str:
    """Median and 68% interval over the runs of each group, a group a line.

    Args:
        groups: name -> contents of ``metrics.json``, one a run.
        markdown: a markdown table rather than aligned text.
    """
    runs = [metrics for members in groups.values() for metrics in members]
    fprs = list(dict.fromkeys(key for metrics in runs for key in metrics.get("sic_at_fpr") or {}))
    header = [
        "group",
        "runs",
        "AUC",
        "max SIC",
        *(f"SIC at FPR {key}" for key in fprs),
        "time [s]",
    ]
    rows = []
    for name, members in groups.items():
        at_fpr = [
            _interval([(metrics.get("sic_at_fpr") or {}).get(key) for metrics in members], 2)
            for key in fprs
        ]
        times = [metrics.get("seconds") for metrics in members]
        rows.append(
            (
                name,
                str(len(members)),
                _interval([metrics.get("auc") for metrics in members], 3),
                _interval([metrics.get("max_sic") for metrics in members], 2),
                *at_fpr,
                _interval([None if time is None else _seconds(time) for time in times], 0),
            )
        )
    note = "median [16%, 84%] over runs; (n) where only n runs have the value"
    return table(header, rows, markdown=markdown) + f"\n{note}\n"


def _performance_rows(metrics: Metrics) -> list[tuple[str, str]]:
    """AUC, max SIC, and SIC at each FPR, with errors where they are stored."""
    rows = [("AUC", _measured(metrics["auc"], metrics.get("auc_error"), 3))]
    peak = _measured(metrics.get("max_sic"), metrics.get("max_sic_error"), 2)
    if metrics.get("max_sic_fpr") is not None:
        peak += f" at FPR {metrics['max_sic_fpr']:.2g}"
    rows.append(("max SIC", peak))
    errors = metrics.get("sic_at_fpr_error") or {}
    floor = metrics.get("fpr_floor")
    for key, value in (metrics.get("sic_at_fpr") or {}).items():
        below = f"below the floor of {floor:.2g}" if floor is not None else MISSING
        text = below if value is None else _measured(value, errors.get(key), 2)
        rows.append((f"SIC at FPR {key}", text))
    return rows


def _measured(value: float | None, error: float | None, digits: int) -> str:
    """A value with its error."""
    if value is None:
        return MISSING
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _counts(metrics: Metrics, *keys: str) -> str:
    """Event counts, thousands separated."""
    counts = [metrics.get(key) for key in keys]
    return " / ".join(MISSING if count is None else f"{count:,}" for count in counts)


def _signal(metrics: Metrics) -> str:
    """How much signal there was to find."""
    fraction, significance = metrics.get("s_over_b"), metrics.get("s_over_sqrt_b")
    left = MISSING if fraction is None else f"{fraction:.2%}"
    return f"{left}, {MISSING if significance is None else f'{significance:.2f}'}"


def _seconds(seconds: float | Mapping[str, float]) -> float:
    """Total time, whether stored as one number or per stage."""
    return float(sum(seconds.values()) if isinstance(seconds, Mapping) else seconds)


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
