"""Card of a data set: what a person should know before using it, on one page."""

from collections.abc import Mapping, Sequence

from anode.evaluation.description.column_summary import QUANTILES, ColumnSummary
from anode.evaluation.description.describe import N_EXAMPLES, Description, Repeats
from anode.evaluation.description.region_comparison import Correlation, Distance
from anode.reporting.common.tables import MISSING, table


def card(
    description: Description,
    origin: Mapping[str, str],
    figures: Sequence[str] = (),
    *,
    markdown: bool = True,
) -> str:
    """The data card.

    Args:
        description: description of the data set.
        origin: origin of the data, name -> value.
        figures: files to show.
        markdown: markdown rather than aligned text for a screen.
    """
    heading = "## " if markdown else ""
    sections = {
        "": table(["quantity", "value"], list(origin.items()), markdown=markdown),
        "Events": _events(description, markdown),
        "Faults": _faults(description, markdown),
        "Columns as they stand in the file": _columns(description.stored, markdown),
        "m_jj and features": _columns(description.derived, markdown),
        "Signal region against sidebands": _regions(description, markdown),
    }
    parts = ["# Data card" if markdown else "Data card"]
    for title, text in sections.items():
        if text:
            parts += [heading + title, text.rstrip("\n")] if title else [text.rstrip("\n")]
    if markdown:
        parts += [f"![{name.rsplit('.', 1)[0]}]({name})" for name in figures]
    parts.append(_sampling(description))
    return "\n\n".join(parts) + "\n"


def _events(description: Description, markdown: bool) -> str:
    rows = [
        [
            entry.region,
            entry.window,
            f"{entry.n:,}",
            f"{entry.share:.2%}",
            _count(entry.n_background),
            _count(entry.n_signal),
            _signal_share(entry.n_background, entry.n_signal),
        ]
        for entry in description.regions
    ]
    header = ["region", "m_jj [GeV]", "events", "share", "background", "signal", "S/B"]
    text = table(header, rows, markdown=markdown)
    if len(description.files) > 1:
        files = [[name, f"{n:,}"] for name, n in description.files.items()]
        text += "\n" + table(["file", "rows"], files, markdown=markdown)
    return text if description.labelled else text + "\nWithout truth labels.\n"


def _faults(description: Description, markdown: bool) -> str:
    lines = [
        f"{description.n_faulty:,} of {description.n_rows:,} rows break a rule"
        + ("; they are left out above and below." if description.n_faulty else ".")
    ]
    if description.faults:
        rows = [
            [fault.source, fault.column, fault.rule, f"{fault.n:,}", _listed(fault.rows, fault.n)]
            for fault in description.faults
        ]
        header = ["file", "column", "rule", "rows", f"which (the first {N_EXAMPLES})"]
        lines.append(table(header, rows, markdown=markdown).rstrip("\n"))
    lines.append(_repeats("rows repeat all values of an earlier one", description.repeated_rows))
    if description.repeated_ids is not None:
        lines.append(_repeats("event ids occurred before", description.repeated_ids))
    return "\n\n".join(lines)


def _repeats(what: str, repeats: Repeats) -> str:
    text = f"{repeats.n:,} {what}"
    if not repeats.n:
        return text + "."
    pairs = ", ".join(f"{copy} = {first}" for copy, first in repeats.examples)
    return f"{text} (row = earlier row): {pairs}" + (" ..." if repeats.n > N_EXAMPLES else "")


def _columns(columns: Sequence[ColumnSummary], markdown: bool) -> str:
    if not columns:
        return ""
    header = ["column", "unit", "missing", "infinite", "lowest"]
    header += [f"{level:.0%}" for level in QUANTILES] + ["highest", "mean"]
    rows = [
        [
            column.name,
            column.unit,
            f"{column.n_missing:,}",
            f"{column.n_infinite:,}",
            _number(column.low),
            *(map(_number, column.quantiles) if column.quantiles else [MISSING] * len(QUANTILES)),
            _number(column.high),
            _number(column.mean),
        ]
        for column in columns
    ]
    return table(header, rows, markdown=markdown)


def _regions(description: Description, markdown: bool) -> str:
    rows = [
        [
            feature.name,
            *_distance(feature.all_events),
            *(_distance(feature.background) if description.labelled else []),
            *_correlation(feature.correlation),
        ]
        for feature in description.features
    ]
    header = ["feature", "KS", "noise", "p-value"]
    if description.labelled:
        header += ["KS background", "noise", "p-value"]
    header += ["Pearson", "Spearman", "error"]
    kind = "the background events" if description.labelled else "all events"
    return table(header, rows, markdown=markdown) + (
        "\nKS: largest difference of the cumulative distributions in signal region and sidebands; "
        "noise: what it\nstays below in 68% of the cases if they are one. Correlations with m_jj "
        f"are of {kind} in the sidebands.\n"
    )


def _sampling(description: Description) -> str:
    return (
        "Counts, ranges, means, spectrum, faults and repetitions are of every row. Quantiles, "
        f"distances,\ncorrelations and figures of features are of at most "
        f"{description.sample_size:,} rows drawn at random, and as many of\neither region "
        f"(seed {description.seed}, streams explore/stored, derived, signal region, sidebands)."
    )


def _distance(distance: Distance | None) -> list[str]:
    if distance is None:
        return [MISSING] * 3
    p_value = "< 1e-300" if distance.p_value < 1e-300 else f"{distance.p_value:.2g}"
    return [f"{distance.ks:.4f}", f"{distance.noise:.4f}", p_value]


def _listed(rows: Sequence[int], n: int) -> str:
    return ", ".join(map(str, rows)) + (" ..." if n > len(rows) else "")


def _count(n: int | None) -> str:
    return MISSING if n is None else f"{n:,}"


def _signal_share(n_background: int | None, n_signal: int | None) -> str:
    if not n_background or n_signal is None:
        return MISSING
    return f"{n_signal / n_background:.2%}"


def _correlation(correlation: Correlation | None) -> list[str]:
    if correlation is None:
        return [MISSING] * 3
    values = (correlation.pearson, correlation.spearman)
    return [*(f"{value:+.3f}" for value in values), f"{correlation.error:.4f}"]


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"
