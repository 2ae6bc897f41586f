"""What a reach study leaves: ``reach.json``, ``reach.md`` and figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anode import io
from anode.evaluation.reach import Experiment, ReachTable
from anode.pipeline.studies.reach.config import ReachStudy
from anode.pipeline.studies.reach.place import OVERDISPERSION
from anode.records import plain
from anode.reporting.common.style import save_figure
from anode.reporting.reach.figures import coverage_figure, reach_figure
from anode.reporting.reach.page import coverage_text, reach_page, reach_summary


class Row(NamedTuple):
    """A search that is done, and the digest of its settings and events."""

    experiment: Experiment
    digest: str


def write(
    study: ReachStudy, rows: Sequence[Row], ceilings: dict[str, dict[float, float] | None]
) -> None:
    """Write and print the tables, and draw the figures.

    Args:
        study: what was made.
        rows: its searches.
        ceilings: signal -> efficiencies of a supervised score, or None.
    """
    output = Path(study.output)
    table = ReachTable(tuple(row.experiment for row in rows), study.n_windows)
    known = {signal: passing for signal, passing in ceilings.items() if passing is not None}
    summary = reach_summary(table, known, study.named)
    figures = []
    if len(study.strengths) > 1:
        for signal in table.signals:
            figures.append(f"reach_{signal}")
            figure = reach_figure(table, signal, known.get(signal), study.named)
            save_figure(figure, output / figures[-1])
    if len(table.signals) > 1:
        figures.append("coverage")
        save_figure(coverage_figure(table, study.named), output / figures[-1])
    for name in study.variants:
        measured = Path(study.runs) / OVERDISPERSION / f"{name}.json"
        if measured.is_file():
            kept = output / OVERDISPERSION / measured.name
            io.write_text(kept, measured.read_text(encoding="utf-8"))
    content = {
        "n_windows": study.n_windows,
        "n_background": study.n_background,
        "signals": plain(study.signals),
        "variants": study.variants,
        "common": study.common,
        "ceilings": {s: {f"{e:g}": v for e, v in own.items()} for s, own in known.items()},
        "summary": summary,
        "searches": [{**plain(row.experiment), "digest": row.digest} for row in rows],
    }
    io.write_json(output / "reach.json", content)
    io.write_text(output / "reach.md", reach_page(table, known, study.named, figures))
    print(coverage_text(table, study.named, markdown=False))
    print(f"tables and figures: {output}")
