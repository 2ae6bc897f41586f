"""Saved models are run directories, and run directories of commands are models."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from anode import Anode, Events, IsolationForest, Model, RAnode, Supervised, io
from anode.configuration.composition import compose
from anode.errors import ConfigError, RunDirectoryError
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring.score import parse_score, score
from anode.pipeline.studies.compare import find_runs
from helpers.api_settings import OVERRIDES, QUICK

SHORT = {"evaluation": {"n_bootstrap": 5, "n_closure": 500}}
FILES = {"config.yaml", "manifest.json", "scores.h5", "metrics.json", "curves.h5", "checkpoints"}


@pytest.fixture(scope="module")
def events() -> Events:
    return Events.toy(3000, 200)


@pytest.fixture(scope="module")
def model(events) -> Anode:
    return Anode(**QUICK, **SHORT).fit(events)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "run"
    model.save(path)
    return path


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


# --- saved ----------------------------------------------------------------------------------


def test_a_saved_model_is_a_run_directory(events, model, saved):
    there = {p.name for p in saved.iterdir() if not p.name.startswith(".")}
    assert there == {*FILES, "events.h5", "fitted_events.h5"}
    assert not list(saved.parent.glob(".*"))
    expected = model.score(events)
    found = read_scores(saved / "scores.h5")
    assert np.array_equal(found.score, expected.score[expected.scored])
    metrics = io.read_json(saved / "metrics.json")
    assert metrics["n_data_sr"] == expected.scored.sum()
    assert metrics["auc"] is not None
    manifest = io.read_json(saved / "manifest.json")
    assert manifest["data"]["files"] == ["events.h5"]
    assert manifest["seconds"]["train"] > 0
    assert len(find_runs([str(saved)])) == 1


def test_without_labels_there_are_scores_and_no_curve(events, tmp_path):
    blind = Events(events.features, events.mass, events.names)
    model = IsolationForest(signal=(3400, 3600), folds=2, trees=5, **SHORT).fit(blind)
    model.save(tmp_path / "run")
    assert io.read_json(tmp_path / "run" / "metrics.json")["auc"] is None
    assert not (tmp_path / "run" / "curves.h5").exists()


def test_a_command_scores_another_file_by_a_saved_model(model, saved, tmp_path):
    new = Events.toy(1000, 50, seed=8)
    np.savez(tmp_path / "new.npz", m=new.mass, **dict(zip(new.names, new.features.T, strict=True)))
    asked = [
        f"run_dir={saved}",
        "data=table",
        f"data.path={tmp_path / 'new.npz'}",
        "data.columns={mass: m, features: {x1: x1, x2: x2, x3: x3, x4: x4}}",
        f"output={tmp_path / 'scores.h5'}",
        "n_jobs=1",
    ]
    score(parse_score(compose("score", asked)))
    expected = model.score(new)
    found = read_scores(tmp_path / "scores.h5")
    assert np.array_equal(found.event_id, expected.event_id[expected.scored])
    np.testing.assert_allclose(found.score, expected.score[expected.scored], atol=2e-5)


def test_a_saved_model_comes_back_wherever_it_has_been_moved(events, model, saved, tmp_path):
    shutil.copytree(saved, tmp_path / "elsewhere")
    loaded = Anode.load(tmp_path / "elsewhere")
    new = Events.toy(300, 10, seed=9)
    for table in (events, new):
        expected, found = model.score(table), loaded.score(table)
        assert equal(found.score, expected.score)
        assert np.array_equal(found.seen, expected.seen)
    assert repr(loaded) == repr(model)
    assert loaded.settings == model.settings
    loaded.save(tmp_path / "again")
    assert equal(Model.load(tmp_path / "again").score(new).score, model.score(new).score)


def test_simulation_is_saved_and_known_again(events, tmp_path):
    simulation = Events.toy(800, 400, seed=8)
    model = Supervised(**QUICK, **SHORT).fit(events, simulation=simulation)
    model.save(tmp_path / "run")
    loaded = Model.load(tmp_path / "run")
    assert isinstance(loaded, Supervised)
    for table in (events, simulation):
        assert equal(loaded.score(table).score, model.score(table).score)
    assert loaded.score(simulation).seen.any()


def test_nothing_is_overwritten_and_nothing_half_written(model, tmp_path, monkeypatch):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(RunDirectoryError, match="must be a new or empty folder"):
        model.save(tmp_path)
    with pytest.raises(RunDirectoryError, match="must be a new or empty folder"):
        model.save(tmp_path / "note")
    with pytest.raises(RunDirectoryError, match="is not fitted"):
        Anode(**QUICK).save(tmp_path / "run")

    def full_disk(config):
        raise OSError("no space left")

    monkeypatch.setattr(stages, "run", full_disk)
    with pytest.raises(OSError, match="no space"):
        model.save(tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["note"]


def test_nothing_is_printed_by_saving(model, tmp_path, capfd):
    model.save(tmp_path / "run")
    assert capfd.readouterr() == ("", "")


# --- made by commands -----------------------------------------------------------------------


def run(run_dir: Path, *overrides: str) -> Events:
    """A run of a command up to its scores; its data sample."""
    toy = ["data=toy", "data.n_background=3000", "data.n_signal=600", "injection.n_signal=200"]
    config = compose_run([*toy, *OVERRIDES, *overrides], run_dir)
    for stage in (stages.train, stages.score):
        stage(config)
    return Events.toy(3000, 600, seed=config.seed)


@pytest.mark.parametrize(
    "distortion",
    [[], ["distortion.noise_features=1", "distortion.shift={x1:0.01}", "distortion.smear={x2:1}"]],
    ids=["plain", "distorted"],
)
def test_a_run_of_a_command_is_a_model_that_knows_its_events(tmp_path, distortion):
    everything = run(tmp_path / "run", *distortion)
    model = Anode.load(tmp_path / "run")
    found = model.score(everything)
    expected = read_scores(tmp_path / "run" / "scores.h5")
    data = expected.sample == 0
    assert found.seen.sum() == data.sum()
    rows = expected.event_id[data]  # of the toy, numbered by row
    np.testing.assert_allclose(found.score[rows], expected.score[data], atol=2e-5)
    # Signal that was not injected is new to every fold.
    assert not found.seen[expected.event_id[~data]].any()


def test_a_model_is_loaded_as_the_class_of_its_method(tmp_path):
    run(tmp_path / "run", "method=isolation_forest", "method.trees=5")
    assert isinstance(Model.load(tmp_path / "run"), IsolationForest)
    with pytest.raises(ConfigError, match="method=isolation_forest, not of RAnode"):
        RAnode.load(tmp_path / "run")
    with pytest.raises(ConfigError, match="is this a run directory"):
        Model.load(tmp_path)


def test_fitted_events_are_known_where_their_file_is_gone(events, saved, tmp_path):
    shutil.copytree(saved, tmp_path / "run", ignore=shutil.ignore_patterns("events.h5"))
    config = load_run(tmp_path / "run" / "config.yaml")
    data = dataclasses.replace(config.data, path=str(tmp_path / "gone.h5"))
    text = dataclasses.replace(config, data=data).to_yaml()
    (tmp_path / "run" / "config.yaml").write_text(text)
    found = Model.load(tmp_path / "run").score(events)
    assert equal(found.score, Model.load(saved).score(events).score)
