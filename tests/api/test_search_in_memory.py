"""A search on arrays: the numbers of the command, blind, kept or not."""

import gc
import tempfile
from pathlib import Path

import numpy as np
import pytest

from anode import Anode, Events, IsolationForest, io, search
from anode.api import search as api_search
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.pipeline.search.config import parse_search
from anode.pipeline.search.search import find

SCAN = {"start": 3300, "stop": 3900, "width": 200, "step": 200, "min_events": 100}
QUICK = {
    **SCAN,
    "efficiencies": [0.1],
    "n_toys": 100,
    "extras": False,
    "spectrum": {"low": 3000},
    "overdispersion": {"n_experiments": 0},
}
FOREST = {"folds": 2, "trees": 10, "max_samples": 64, "seed": 4}
TIMES = ("seconds", "cpu_seconds", "data")


@pytest.fixture(scope="module")
def events() -> Events:
    return Events.toy(6000, 150)


@pytest.fixture(scope="module")
def kept(events, tmp_path_factory) -> Path:
    """A search that was to be kept; its report takes far longer than all the rest."""
    run_dir = tmp_path_factory.mktemp("search") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_search, "write_report", without_figures)
        search(events, IsolationForest(**FOREST), **QUICK, save=run_dir)
    return run_dir


def without_figures(folder: Path) -> None:
    (folder / "report.html").write_text("a report")


def numbers(path: Path) -> dict:
    content = io.read_json(path / "search.json")
    return {key: value for key, value in content.items() if key not in TIMES}


def test_the_result_is_that_of_the_command(events, kept, tmp_path):
    columns = dict(zip(events.names, events.features.T, strict=True))
    np.savez(tmp_path / "events.npz", m=events.mass, y=events.label, **columns)
    asked = [
        "data=table",
        f"data.path={tmp_path / 'events.npz'}",
        "data.columns={mass: m, features: {x1: x1, x2: x2, x3: x3, x4: x4}, label: y}",
        "method=isolation_forest",
        "method.trees=10",
        "method.max_samples=64",
        "split.folds=2",
        "seed=4",
        *(f"scan.{key}={value}" for key, value in SCAN.items()),
        "efficiencies=[0.1]",
        "n_toys=100",
        "extras=false",
        "overdispersion.n_experiments=0",
        "spectrum.low=3000",
        "injection.n_signal=null",
        "n_jobs=1",
        "store=null",
        f"run_dir={tmp_path / 'run'}",
    ]
    find(parse_search(compose("search", asked)))
    assert numbers(tmp_path / "run") == numbers(kept)


def test_a_kept_search_has_its_report_and_goes_on_where_it_was(events, kept, monkeypatch):
    monkeypatch.setattr(api_search, "write_report", without_figures)
    for name in ("report.html", "search.json", "events.h5", "spectra.h5", "top_events.json"):
        assert (kept / name).is_file()
    before = {p: p.stat().st_mtime_ns for p in kept.rglob("window.json")}
    assert len(before) == 3
    (kept / "search.json").unlink()
    search(events, IsolationForest(**FOREST), **QUICK, save=kept)
    assert (kept / "search.json").is_file()
    assert {p: p.stat().st_mtime_ns for p in before} == before
    with pytest.raises(RunDirectoryError, match="a search of other events; choose another"):
        search(events[1:], IsolationForest(**FOREST), **QUICK, save=kept)


def test_no_label_is_read_and_nothing_is_left(events, kept, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    poison = np.random.default_rng(1).integers(0, 2, len(events))
    other = Events(events.features, events.mass, events.names, label=poison)
    forest = IsolationForest(signal=(1, 2), **FOREST)  # whose region has no say
    result = search(other, forest, **QUICK)
    gc.collect()
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    stored = numbers(kept)
    assert result.best.z_global == stored["best"]["z_global"]
    assert result.best.mass == (stored["best"]["low"] + stored["best"]["high"]) / 2
    assert [w.n_observed for w in result.windows] == [w["n_observed"] for w in stored["windows"]]


def test_a_method_is_a_model_a_class_or_a_name(events, kept):
    best = numbers(kept)["best"]["z_local"]
    for method in (IsolationForest, "isolation_forest"):
        found = search(events, method, **FOREST, **QUICK).best
        assert found.z_local == best
    other = search(events, IsolationForest(**{**FOREST, "trees": 3}), **QUICK, trees=10).best
    assert other.z_local == best


def test_anode_searches_arrays(events):
    model = Anode(
        folds=2,
        density={"name": "made_mog", "hidden_features": 16, "n_components": 3},
        epochs=2,
        ensemble=1,
        logit=False,
    )
    scan = {**QUICK, "start": 3400, "stop": 3600}
    result = search(events, model, **scan, template={"n_events": 2000})
    assert result.method == "anode"
    assert result.template_source == "sampled"
    assert len(result.at(0.1)) == 1


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"step": 30}, ConfigError, r"scan\.step=30 must be a multiple"),
        ({"n_toys": 1}, ConfigError, "n_toys must be at least 100"),
        ({"spectrum": {"lwo": 3}}, ConfigError, r"unknown key spectrum\.lwo, .*did you mean low"),
        ({"trees": 10, "wdith": 3}, ConfigError, r"no setting 'wdith'"),
        ({"split": "holdout"}, ConfigError, "split=kfold"),
        ({"start": 8000, "stop": 9000}, DataError, "a scan needs a window with enough events"),
        ({"features": ["x9"]}, DataError, "no feature 'x9'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_kept(
    events, tmp_path, settings, error, message
):
    with pytest.raises(error, match=message):
        search(events, "isolation_forest", **{**QUICK, **settings}, save=tmp_path / "run")
    assert not list(tmp_path.rglob("*.json"))
    with pytest.raises(ConfigError, match="uses truth labels and cannot search"):
        search(events, "supervised", **QUICK)
