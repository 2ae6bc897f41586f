"""Scores of a file as CSV: the 14 published columns, the label and the score, a line an event.

All events stand there in their order; those without a score have an empty last column. What is
printed beside it: a summary of the scores, and how many events exceed thresholds of background
that were taken from other events.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from anode import io, progress
from anode.errors import ConfigError, DataError
from anode.events.feature_definitions import RAW_COLUMNS
from anode.events.readers.dijet_files import DijetFile, dijet_file
from anode.events.readers.lhco_features import LABEL, stored_rows
from anode.events.readers.tables.config import TableConfig
from anode.methods.range_check import check_fraction_outside, judged
from anode.parallel import prepare_process
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.scoring.scorer import ScoredEvents, Scorer

SCORE = "anomaly_score"
N_TOP = 5


class Flagged(NamedTuple):
    """Events beyond a threshold.

    Attributes:
        efficiency: fraction of background that is to exceed it.
        threshold: score; None of a scan, whose windows have one each.
        n_events: number of new events that do.
    """

    efficiency: float
    threshold: float | None
    n_events: int


class CsvSummary(NamedTuple):
    """What a file of scores says.

    Attributes:
        n_events: number of events of the file.
        score: (N,) score of each, NaN where there is none.
        n_known: number of scored events that the fits were given.
        flagged: counts of the others beyond each threshold, the loosest first.
        source: events that the thresholds were made of.
    """

    n_events: int
    score: np.ndarray
    n_known: int
    flagged: list[Flagged]
    source: str

    def text(self) -> str:
        """Lines to print."""
        there = self.score[np.isfinite(self.score)]
        numbers = {
            "min": there.min(), "max": there.max(), "mean": there.mean(),
            "median": np.median(there), "std": there.std(),
        }  # fmt: skip
        lines = [f"{len(there)} of {self.n_events} events scored"]
        lines += [f"  {name:<7}{value:.6f}" for name, value in numbers.items()]
        top = np.argsort(np.where(np.isfinite(self.score), -self.score, np.inf), kind="stable")
        lines += [f"top {min(N_TOP, len(there))}: event, score"]
        lines += [f"  {row:<9}{self.score[row]:.6f}" for row in top[: min(N_TOP, len(there))]]
        n_new = len(there) - self.n_known
        if self.flagged:
            lines += [
                f"background efficiency, threshold from {self.source}, of {n_new} new events"
            ]
        for each in self.flagged:
            cut = "of its window" if each.threshold is None else f"{each.threshold:.6f}"
            lines.append(
                f"  {each.efficiency:<9g}{cut:<15}{each.n_events} flagged, "
                f"{each.efficiency * n_new:.1f} expected of background"
            )
        return "\n".join(lines)


def is_csv(output: str | None) -> bool:
    """Whether an output is to be CSV."""
    return output is not None and Path(output).suffix == ".csv"


def write_csv(run_dir: Path, data: DataConfig, output: Path, *, threads: int) -> CsvSummary:
    """Score the events of a file by a run or scan, into CSV.

    Args:
        run_dir: directory of the run or scan.
        data: settings of the file.
        output: file to write.
        threads: number of threads.

    Raises:
        ConfigError: the file has not the 14 columns.
        DataError: no event has a score, or too many lie outside the fitted range.
    """
    prepare_process(threads)
    file, blind = _file(data)
    scorer = Scorer.load(run_dir)
    names = [name for name in (*RAW_COLUMNS, LABEL) if name in file.columns]
    names = [name for name in names if name != LABEL or not blind]
    if missing := [name for name in RAW_COLUMNS if name not in names]:
        raise DataError(f"{file.name}: missing column {', '.join(missing)}, which the CSV holds")
    with io.atomic_path(output) as temporary, open(temporary, "w", newline="") as stream:
        blocks = list(_written(scorer, file, names, stream))
        label = np.concatenate([block.label for block in blocks]) if LABEL in names else None
        summary = _summary(scorer, [block.scored for block in blocks])
        if not np.isfinite(summary.score).any():
            raise DataError(f"{file.name}: none of its events has a score; nothing was written")
        counted = judged(label, summary.n_events)
        outside = np.concatenate([block.scored.outside for block in blocks])
        n_judged = int((counted & np.isfinite(summary.score)).sum())
        check_fraction_outside(int((outside & counted).sum()), n_judged, file.name)
    return summary


class _Block(NamedTuple):
    scored: ScoredEvents
    label: np.ndarray


def _file(data: DataConfig) -> tuple[DijetFile, bool]:
    """The file that holds the columns, and whether its labels must not be read."""
    source = open_data(data, seed=0, n_jobs=1)
    path = source.features_file or source.path
    limited = data.n_background is not None or data.n_signal is not None
    no_columns = limited or isinstance(data, TableConfig)
    if path is None or path.suffix not in (".h5", ".hdf5") or no_columns:
        raise ConfigError(
            "output=FILE.csv holds the 14 published columns, which whole files of "
            "data=bundled|lhco_features|lhco_raw|blackbox have; give output=FILE.h5"
        )
    return dijet_file(path), source.blind


def _written(
    scorer: Scorer, file: DijetFile, names: list[str], stream: TextIO
) -> Iterator[_Block]:
    """Score and write block by block."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, SCORE])
    with progress.task("score", total=file.count(), unit="events") as bar:
        for rows in stored_rows(file.location, bundled=file.bundled):
            found = scorer.score_columns(rows.columns, source=file.name)
            columns = [rows.columns[name].tolist() for name in names if name != LABEL]
            label = rows.columns[LABEL].astype(np.int64) if LABEL in names else np.empty(0)
            if LABEL in names:
                columns.append(label.tolist())
            score = ["" if value != value else value for value in found.score.tolist()]
            writer.writerows(zip(*columns, score, strict=True))
            bar.update(len(found))
            yield _Block(found, label)


def _summary(scorer: Scorer, blocks: list[ScoredEvents]) -> CsvSummary:
    score, passed, fitted = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("score", "passed", "fitted")
    )
    thresholds = scorer.thresholds
    cuts = thresholds.score.tolist() or [None] * len(scorer.efficiencies)
    flagged = [
        Flagged(efficiency, cut, int(np.sum(~fitted & (passed <= efficiency))))
        for efficiency, cut in zip(scorer.efficiencies, cuts, strict=True)
    ]
    words = {
        "p_bg": f"{thresholds.n_events} events drawn from p_bg",
        "data": f"the {thresholds.n_events} events of the run, signal among them included",
        "": "the templates of the scan",
    }
    n_known = int(np.sum(fitted & np.isfinite(score)))
    return CsvSummary(len(score), score, n_known, flagged, words[thresholds.source])
