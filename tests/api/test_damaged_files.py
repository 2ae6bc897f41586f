"""One flipped bit in a file of a run, a search or a saved model is noticed, or changes nothing."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anode import Anode, Events, Model, integrity, io
from anode.api.saving import keep_events
from anode.configuration.composition import compose
from anode.errors import AnodeError, DataError, RunDirectoryError
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring.by_window import load_windows
from anode.pipeline.search.config import load_search, parse_search
from anode.pipeline.search.report import write_report
from anode.pipeline.search.search import find
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.search.window import read_window
from anode.pipeline.studies.compare import find_runs
from anode.training import evaluate
from helpers.api_settings import OVERRIDES, OWN_OVERRIDES, QUICK
from helpers.bit_flips import count_noticed

TOY = ["data=toy", "data.n_background=3000", "data.n_signal=200", "injection.n_signal=null"]
SHORT = ["evaluation.n_bootstrap=5", "evaluation.n_closure=500"]
SEARCH = [
    "data=toy",
    "data.n_background=4000",
    "data.n_signal=300",
    "injection.n_signal=null",
    "method=isolation_forest",
    "method.trees=10",
    "method.max_samples=64",
    "split.folds=2",
    "scan.start=3300",
    "scan.stop=3900",
    "scan.width=200",
    "scan.step=200",
    "spectrum.low=3000",
    "efficiencies=[0.1]",
    "n_toys=100",
    "extras=false",
    "n_jobs=1",
    "store=null",
]
FEW = Events.toy(200, 20, seed=9)
"""Events to score."""

Read = Callable[[Path], Any]


def run_to(path: Path, *overrides: str) -> Path:
    stages.run(compose_run([*TOY, *OVERRIDES, *SHORT, *overrides], path))
    return path


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    return run_to(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    evaluation = {"n_bootstrap": 5, "n_closure": 500}
    Anode(**QUICK, evaluation=evaluation).fit(Events.toy(2000, 100)).save(path)
    return path


@pytest.fixture(scope="module")
def search_dir(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("search") / "search"
    find(parse_search(compose("search", [*SEARCH, f"run_dir={path}"])))
    return path


# --- how files are read ---------------------------------------------------------------------


def again(run: Path) -> Any:
    """``anode run`` once more, and what it shows."""
    stages.run(config_at(run))
    directory = RunDirectory(run)
    return directory.read_metrics(), read_scores(directory.scores)


def compared(run: Path) -> Any:
    """``anode compare``."""
    (found,) = find_runs([str(run)])
    return found.settings, found.metrics, found.curve


def trained(run: Path) -> Any:
    """``anode train`` once more: all fits are there."""
    stages.train(config_at(run))
    content = io.read_json(run / "manifest.json")
    return content["data"]


def scored(run: Path) -> Any:
    """Events scored by ``Model.load`` of a new process."""
    evaluate._recent_density.cache_clear()
    return Model.load(run).score(FEW).score


def config_at(run: Path):
    """Its configuration, and here, if it is a copy."""
    return dataclasses.replace(load_run(run / "config.yaml"), run_dir=str(run))


def reported(folder: Path) -> Any:
    """``anode report output=...``; what stands beside the report."""
    output = folder.parent / "report"
    made = write_report(folder, output)
    names = ("search.json", "top_events.json", "workspace.json")
    return made.verdict, [io.read_json(output / name) for name in names]


def windows(folder: Path) -> Any:
    """What ``anode search`` reads of its windows."""
    found = [read_window(path, [0.1]) for path in sorted((folder / "windows").iterdir())]
    return [(w.cuts, w.event_id, w.score, w.file) for w in found]


def loaded(folder: Path) -> Any:
    """Windows as ``anode score`` of a file takes them, with their fits checked."""
    found = load_windows(folder, SearchDirectory(folder).read_result(), threads=1)
    return [
        (each.window, each.efficiencies.tolist(), each.by_fold.tolist(), each.config.identity)
        for each in found
    ]


# --- runs -----------------------------------------------------------------------------------

OF_A_RUN: list[tuple[str, Read]] = [
    ("config.yaml", again),
    ("config.yaml", compared),
    ("config.yaml", scored),
    ("metrics.json", again),
    ("metrics.json", compared),
    ("scores.h5", again),
    ("scores.h5", compared),
    ("curves.h5", again),
    ("curves.h5", compared),
    ("manifest.json", trained),
    ("checkpoints/background/density.json", scored),
    ("checkpoints/background/fit.json", scored),
    ("checkpoints/background/fit.json", trained),
    ("checkpoints/background/preprocessing.pt", scored),
    ("checkpoints/background/epoch_0003.pt", scored),
    ("checkpoints/data_fold1/epoch_0002.pt", scored),
]
FLIPS = [2, pytest.param(20, marks=pytest.mark.slow)]


@pytest.mark.parametrize("n", FLIPS)
@pytest.mark.parametrize(("name", "read"), OF_A_RUN)
def test_a_flipped_bit_of_a_run_is_noticed(run_dir, name, read, n):
    assert count_noticed(run_dir / name, lambda: read(run_dir), n=n) > n // 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("r_anode", ["signal_fold0_fit1/epoch_0003.pt", "signal_fold1_fit0/fit.json"]),
        ("cathode", ["classifier_fold0/member_001.npz", "classifier_fold0/classifier.json"]),
        ("isolation_forest", ["forest_fold1/forest.npz"]),
        ("combination", ["reference.h5", "cwola/classifier_fold0/member_000.npz"]),
    ],
)
def test_a_flipped_bit_of_other_fits_is_noticed(tmp_path, method, names):
    own = OWN_OVERRIDES.get(method, [])
    run = run_to(tmp_path / "run", f"method={method}", *own)
    for name in names:
        assert count_noticed(run / "checkpoints" / name, lambda: scored(run)) > 10


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/background/fit.json"])
@pytest.mark.parametrize("n", FLIPS)
def test_a_flipped_bit_of_a_saved_model_is_noticed(saved, name, n):
    assert count_noticed(saved / name, lambda: scored(saved), n=n) > n // 2


def test_a_run_whose_scores_are_cut_short_is_no_result(run_dir, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    expected = again(run)
    for share in (0.0, 0.3, 0.99):
        content = (run / "scores.h5").read_bytes()
        (run / "scores.h5").write_bytes(content[: int(share * len(content))])
        capsys.readouterr()
        for command in (again, compared, lambda run: stages.score(config_at(run)),
                        lambda run: stages.evaluate(config_at(run))):  # fmt: skip
            with pytest.raises(DataError, match=r"scores\.h5: .* delete it and .*metrics\.json"):
                command(run)
        assert not capsys.readouterr().out
        for name in ("scores.h5", "metrics.json"):
            (run / name).unlink()
        metrics, scores = again(run)
        assert np.array_equal(scores.score, expected[1].score)
        assert metrics.auc == expected[0].auc


def test_metrics_of_other_scores_are_made_anew(run_dir, tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run_dir, run)
    (run / "figures").mkdir()
    for name in ("roc.png", "closure.pdf", "mine.png"):
        (run / "figures" / name).write_text("of the former scores")
    run_to(other, "ensemble.size=3")
    (run / "scores.h5").write_bytes((other / "scores.h5").read_bytes())
    with pytest.raises(RunDirectoryError, match=r"metrics\.json must be of the scores"):
        compared(run)
    found, expected = again(run)[0], RunDirectory(other).read_metrics()
    assert found.auc == expected.auc != RunDirectory(run_dir).read_metrics().auc
    assert [path.name for path in (run / "figures").iterdir()] == ["mine.png"]
    compared(run)


def test_scores_made_again_leave_no_former_metrics(run_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    before = (run / "scores.h5").read_bytes()
    (run / "scores.h5").unlink()
    stages.score(config_at(run))
    assert (run / "scores.h5").read_bytes() == before
    assert not (run / "metrics.json").exists()
    assert not (run / "curves.h5").exists()


def test_events_kept_for_a_search_are_checked(tmp_path):
    path, table = tmp_path / "events.h5", FEW.with_features(FEW.names)
    keep_events(path, table)
    keep_events(path, table)
    assert count_noticed(path, lambda: keep_events(path, table)) > 10
    path.write_bytes(integrity.read(path))  # as an earlier version wrote it
    keep_events(path, table)
    with pytest.raises(RunDirectoryError, match="holds a search of other events"):
        keep_events(path, table[:100])


def test_an_edited_configuration_is_refused(run_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_dir, run)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("size: 2", "size: 3"))
    (run / "scores.h5").unlink()
    for command in (compared, scored, again):
        with pytest.raises(RunDirectoryError, match=r"config\.yaml must be as it was written"):
            command(run)


# --- searches -------------------------------------------------------------------------------

OF_A_SEARCH: list[tuple[str, Read]] = [
    ("search.json", reported),
    ("spectra.h5", reported),
    ("top_events.json", reported),
    ("workspace.json", reported),
    ("windows/3300_3500/window.json", windows),
    ("windows/3500_3700/selected.h5", windows),
    ("windows/3300_3500/window.json", loaded),
    ("windows/3300_3500/config.yaml", loaded),
    ("windows/3500_3700/checkpoints/sidebands1/forest_fold1/forest.npz", loaded),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "read"), OF_A_SEARCH)
def test_a_flipped_bit_of_a_search_is_noticed(search_dir, name, read):
    assert count_noticed(search_dir / name, lambda: read(search_dir)) > 10


@pytest.mark.parametrize(("name", "read"), OF_A_SEARCH)
def test_a_changed_byte_of_a_search_is_noticed(search_dir, name, read):
    path = search_dir / name
    content = path.read_bytes()
    place = content.index(b"0", len(content) // 3)
    try:
        path.write_bytes(content[:place] + b"1" + content[place + 1 :])
        with pytest.raises(AnodeError, match=path.name) as caught:
            read(search_dir)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(content)


def test_a_damaged_result_of_a_search_is_made_again(search_dir, tmp_path, caplog):
    folder = tmp_path / "search"
    shutil.copytree(search_dir, folder)
    directory = SearchDirectory(folder)
    expected = directory.read_result()
    config = load_search(folder / "config.yaml")
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, run_dir=str(folder)))
    text = directory.result.read_text()
    directory.result.write_text(text.replace("3", "2", 1))
    assert find(config)
    assert "search.json must be as it was written" in caplog.text
    assert directory.read_result().best == expected.best
