"""Scores as CSV: every event in its line, the bits of the scorer, counts that can be checked."""

import csv
from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.errors import ConfigError
from anode.events.feature_definitions import RAW_COLUMNS
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.scoring.csv_output import write_csv
from anode.pipeline.scoring.score import OtherEnsemble, ScoreConfig, score
from anode.pipeline.scoring.scorer import Scorer
from helpers.bundled_files import bundled_part
from helpers.served_runs import quick_run, raw_rows


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return quick_run(tmp_path_factory.mktemp("csv"))


def data_of(path: Path, **changes: object) -> DataConfig:
    return DataConfig("bundled", str(path), None, None, None, **changes)  # type: ignore[arg-type]


def asked(run: Path, output: Path, data: DataConfig | None) -> ScoreConfig:
    return ScoreConfig(str(run), str(output), 1, 1, OtherEnsemble(None, None), data)


@pytest.fixture(scope="module")
def table(run) -> list[list[str]]:
    score(asked(run, run.parent / "scores.csv", data_of(run.parent / "other.h5")))
    with open(run.parent / "scores.csv", newline="") as file:
        return list(csv.reader(file))


def test_the_columns_are_those_of_the_kept_contract(table):
    assert table[0] == [*RAW_COLUMNS, "label", "anomaly_score"]


def test_every_event_has_its_line_with_the_bits_of_the_scorer(run, table):
    rows = raw_rows(run.parent / "other.h5")
    values = np.array([[float(text or "nan") for text in line] for line in table[1:]])
    assert np.array_equal(values[:, :14], rows)
    expected = Scorer.load(run, thresholds=False).score_array(rows).score
    assert np.array_equal(values[:, 15], expected, equal_nan=True)
    with io.open_hdf5(run.parent / "other.h5") as file:
        assert [int(line[14]) for line in table[1:]] == file["label"][:].tolist()


def test_the_summary_counts_and_orders_the_scores(run, tmp_path):
    summary = write_csv(run, data_of(run.parent / "other.h5"), tmp_path / "s.csv", threads=1)
    there = summary.score[np.isfinite(summary.score)]
    lines = summary.text().splitlines()
    assert lines[0] == f"{len(there)} of 4000 events scored"
    printed = dict(line.split() for line in lines[1:6])
    assert printed == {
        "min": f"{min(there):.6f}",
        "max": f"{max(there):.6f}",
        "mean": f"{sum(there) / len(there):.6f}",
        "median": f"{np.sort(there)[[(len(there) - 1) // 2, len(there) // 2]].mean():.6f}",
        "std": f"{np.mean((there - there.mean()) ** 2) ** 0.5:.6f}",
    }
    best = int(np.nanargmax(summary.score))
    assert lines[7].split() == [str(best), f"{summary.score[best]:.6f}"]
    assert len(lines[7:12]) == 5


def test_flagged_events_are_new_and_beyond_a_threshold_of_others(run, tmp_path):
    summary = write_csv(run, data_of(run.parent / "other.h5"), tmp_path / "s.csv", threads=1)
    assert summary.source == "20000 events drawn from p_bg"
    assert 0 < summary.n_known < np.isfinite(summary.score).sum()
    new = summary.score[1000:]  # the rows behind those of the run
    for each in summary.flagged:
        assert each.n_events == np.sum(new > each.threshold)


def test_the_own_events_of_a_run_are_scored_without_data(run, tmp_path):
    score(asked(run, tmp_path / "own.csv", None))
    lines = (tmp_path / "own.csv").read_text().splitlines()
    assert len(lines) == 9001


def test_without_labels_there_is_no_such_column(run, tmp_path):
    bundled_part(tmp_path / "blind.h5", slice(9000, 10_000), label=None)
    write_csv(run, data_of(tmp_path / "blind.h5"), tmp_path / "s.csv", threads=1)
    head = (tmp_path / "s.csv").read_text().splitlines()[0]
    assert head == ",".join([*RAW_COLUMNS, "anomaly_score"])


def test_a_part_of_a_file_or_another_ensemble_is_refused(run, tmp_path):
    part = DataConfig("bundled", str(run.parent / "other.h5"), None, 100, None)
    with pytest.raises(ConfigError, match=r"give output=FILE\.h5"):
        write_csv(run, part, tmp_path / "s.csv", threads=1)
    other = ScoreConfig(str(run), str(tmp_path / "s.csv"), 1, 1, OtherEnsemble("best", None), None)
    with pytest.raises(ConfigError, match="leave out ensemble"):
        score(other)
    assert not (tmp_path / "s.csv").exists()
