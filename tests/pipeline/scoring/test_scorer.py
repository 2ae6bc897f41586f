"""A run in memory scores as the command does, to the last bit, whoever asks and however many."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.events.table import EventTable
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring.score import OtherEnsemble, ScoreConfig, score
from anode.pipeline.scoring.scorer import Scorer
from helpers.bundled_files import bundled_part
from helpers.served_runs import quick_run, raw_rows


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return quick_run(tmp_path_factory.mktemp("scorer"))


def scored_by_command(run: Path, file: Path) -> dict[str, np.ndarray]:
    """What ``anode score`` writes."""
    output = run.parent / "scores.h5"
    data, ensemble = DataConfig("bundled", str(file), None, None, None), OtherEnsemble(None, None)
    score(ScoreConfig(str(run), str(output), 1, 1, ensemble, data))
    with io.open_hdf5(output) as content:
        return {name: content[name][:] for name in content}


@pytest.fixture(scope="module")
def written(run) -> dict[str, np.ndarray]:
    return scored_by_command(run, run.parent / "other.h5")


@pytest.fixture(scope="module")
def scorer(run) -> Scorer:
    return Scorer.load(run)


@pytest.fixture(scope="module")
def rows(run) -> np.ndarray:
    return raw_rows(run.parent / "other.h5")


def test_scores_have_the_bits_of_the_command(scorer, rows, written):
    found = scorer.score_array(rows)
    assert 0 < found.scored.sum() < len(rows)
    assert np.array_equal(found.score[found.scored], written["score"])
    assert np.array_equal(found.mass[found.scored], written["mass"])
    assert np.array_equal(found.outside[found.scored], written["outside"])
    for name in scorer.part_names:
        assert np.array_equal(found.parts[name][found.scored], written[name])


def test_events_of_the_fit_are_scored_by_the_fold_that_has_not_seen_them(scorer, rows, written):
    found = scorer.score_array(rows)
    assert found.fitted.any()
    assert np.array_equal(found.fitted[found.scored], written["sample"] == 0)
    assert not found.fitted[1000:].any()  # the rows behind those of the run


def test_an_event_alone_has_the_bits_it_has_among_others(scorer, rows):
    together = scorer.score_array(rows[:400])
    for row in np.flatnonzero(together.scored)[:20]:
        alone = scorer.score_array(rows[row : row + 1])
        assert alone.score[0] == together.score[row]
    assert np.array_equal(
        scorer.score_array(rows[:400][::-1]).score, together.score[::-1], equal_nan=True
    )


def test_no_events_have_no_scores(scorer):
    assert len(scorer.score_array(np.empty((0, 14)))) == 0


def test_threads_get_the_same_scores(scorer, rows):
    expected = scorer.score_array(rows).score
    wrong: list[int] = []

    def ask(number: int) -> None:
        part = slice(300 * number, 300 * number + 700)
        for _ in range(3):
            got = scorer.score_array(rows[part]).score
            if not np.array_equal(got, expected[part], equal_nan=True):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_folder_may_go_once_it_is_loaded(run, rows, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    scorer = Scorer.load(tmp_path / "copy", thresholds=False)
    expected = Scorer.load(run, thresholds=False).score_array(rows[:50])
    shutil.rmtree(tmp_path / "copy")
    assert np.array_equal(scorer.score_array(rows[:50]).score, expected.score, equal_nan=True)


def test_events_without_a_score_have_a_reason(scorer, rows):
    found = scorer.score_array(rows)
    without = np.flatnonzero(~found.scored)
    assert {found.why_not(row) for row in without} == {"mass outside [3300, 3700) GeV"}
    assert np.isnan(found.score[without]).all()
    assert np.isnan(found.passed[without]).all()
    assert {found.why_not(row) for row in np.flatnonzero(found.scored)} == {None}


def test_thresholds_let_the_fraction_of_background_pass_that_they_name(run, scorer):
    """Of other draws from p_bg than those the thresholds are made of."""
    assert (scorer.thresholds.source, scorer.efficiencies) == ("p_bg", [0.1, 0.01, 0.001])
    mass = np.random.default_rng(5).uniform(3300, 3700, 5000)
    config = load_run(run / "config.yaml")
    density = stages.method_of(config, RunDirectory(run)).background_density()
    drawn, names = density.generate(mass, seed=99), tuple(config.features)
    events = EventTable(np.arange(5000), mass, drawn, names, ("",) * 4)
    found = scorer.score(events)
    n_passing = [int(np.sum(found.passed <= each)) for each in scorer.efficiencies]
    expected = 5000 * np.array(scorer.efficiencies)
    assert np.all(np.abs(n_passing - expected) < 4 * np.sqrt(expected) + 1)
    threshold = scorer.thresholds.score[0]
    assert np.array_equal(found.passed <= 0.1, found.score > threshold)


def test_named_columns_are_as_good_as_an_array(scorer, rows):
    columns = dict(zip(scorer.input.names, rows[:200].T, strict=True))
    expected = scorer.score_array(rows[:200]).score
    del columns["tau3j1"], columns["tau3j2"]  # which no feature needs
    got = scorer.score_columns(columns | {"label": np.zeros(200)}).score
    assert np.array_equal(got, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :13], r"must have 14 numbers, pxj1, .*got an array of shape \(5, 13\)"),
        (lambda x: np.where(np.arange(14) == 3, np.nan, x), "'mj1' must be finite, but row 0"),
        (lambda x: x * (np.arange(14) > 1), "'pxj1' and py must not both be zero, but row 0"),
    ],
)
def test_impossible_events_are_refused_by_row_and_column(scorer, rows, change, message):
    with pytest.raises(DataError, match=message):
        scorer.score_array(change(rows[:5]))


def test_a_missing_column_is_named(scorer):
    with pytest.raises(DataError, match="but pxj1 missing"):
        scorer.score_columns(dict.fromkeys(scorer.input.names[1:], np.ones(2)))


def test_an_unfinished_run_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="is this a run directory"):
        Scorer.load(tmp_path)
    shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "checkpoints" / "data_fold1")
    with pytest.raises(RunDirectoryError, match="data_fold1"):
        Scorer.load(tmp_path / "copy")


@pytest.mark.parametrize("overrides", [["density=made_mog"], ["method=cwola"], ["split=holdout"]])
def test_other_runs_have_the_bits_of_the_command_too(tmp_path, overrides):
    run = quick_run(tmp_path, *overrides)
    bundled_part(tmp_path / "new.h5", slice(9000, 11_000))
    found = Scorer.load(run).score_array(raw_rows(tmp_path / "new.h5"))
    output = scored_by_command(run, tmp_path / "new.h5")
    assert np.array_equal(found.score[found.scored], output["score"])


def test_events_that_every_fit_has_seen_are_not_scored(tmp_path):
    run = quick_run(tmp_path, "split=holdout")
    found = Scorer.load(run).score_array(raw_rows(tmp_path / "own.h5"))
    seen = found.reason == 2
    assert {found.why_not(row) for row in np.flatnonzero(seen)} == {
        "every fit has seen this event"
    }
    share = seen.sum() / (seen | found.scored).sum()
    assert share == pytest.approx(0.5, abs=0.1)  # split.test
