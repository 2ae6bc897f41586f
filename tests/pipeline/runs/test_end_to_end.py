"""The whole chain on the toy: right, repeatable, resumable, and careful with bad input."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from anode import io
from anode.errors import AnodeError, DataError, RunDirectoryError
from anode.events.readers.lhco_features import BUNDLED_PATH, count_events
from anode.events.simulation.toy import Toy
from anode.methods import anode
from anode.methods import density_fits as fits
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import DataConfig
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring import blocks as stream
from anode.pipeline.scoring import score as rescore
from anode.pipeline.studies.compare import find_runs, group_runs
from anode.regions.injection import InjectionConfig
from anode.training import store
from anode.training.evaluate import Evaluation
from helpers.chain import QUICK, _lhco_file, composed_content
from helpers.settings import REPOSITORY

FILES = {"config.yaml", "manifest.json", "scores.h5", "metrics.json", "curves.h5"}
FIGURES = {"roc", "sic", "scores", "mass", "losses", "closure"}


def script(name: str, *overrides: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / f"{name}.py"), *overrides],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def comparable(run_dir: Path) -> dict:
    metrics = io.read_json(run_dir / "metrics.json")
    for key in ("seconds", "cpu_seconds"):  # what may differ
        del metrics[key]
    return metrics


def config_of(run_dir: Path) -> configuration.RunConfig:
    return configuration.load_run(run_dir / "config.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("runs") / "first"
    done = script("run", *QUICK, "figures=true", f"run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    assert "max SIC" in done.stdout
    assert str(run_dir) in done.stdout
    return run_dir


def test_a_run_leaves_what_the_contract_promises(finished):
    assert {p.name for p in finished.iterdir() if not p.name.startswith(".")} == {
        *FILES,
        "checkpoints",
        "figures",
        "fitted_events.h5",
    }
    drawn = {p.name for p in (finished / "figures").iterdir()}
    assert drawn == {f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")}
    metrics = io.read_json(finished / "metrics.json")
    for key in ("auc", "max_sic", "max_sic_error", "s_over_b", "n_dropped", "fpr_floor"):
        assert metrics[key] is not None
    manifest = io.read_json(finished / "manifest.json")
    assert {"train", "score", "evaluate"} == set(manifest["seconds"])
    assert manifest["data"]["sha256"]
    assert manifest["packages"]["torch"]


def test_figures_are_drawn_later_where_a_run_left_none(finished, tmp_path, capsys):
    config = replace(config_of(finished), run_dir=str(tmp_path / "run"), figures=False)
    stages.run(config)
    assert "\nresults: " in capsys.readouterr().out
    assert not (tmp_path / "run" / "figures").exists()
    assert comparable(tmp_path / "run") == comparable(finished)
    before = (tmp_path / "run" / "scores.h5").read_bytes()
    stages.evaluate(replace(config, figures=True))
    drawn = {p.name for p in (tmp_path / "run" / "figures").iterdir()}
    assert drawn == {p.name for p in (finished / "figures").iterdir()}
    assert (tmp_path / "run" / "scores.h5").read_bytes() == before
    assert comparable(tmp_path / "run") == comparable(finished)


def test_scores_are_the_difference_of_their_parts_and_have_every_event_once(finished):
    scored = read_scores(finished / "scores.h5")
    difference = scored.parts["log_p_data"] - scored.parts["log_p_background"]
    assert np.array_equal(scored.score, difference)
    prepared = prepare(config_of(finished))
    in_region = prepared.regions.in_signal_region
    expected = np.concatenate(
        [t.event_id[in_region(t.mass)] for t in (prepared.data, prepared.extra)]
    )
    assert np.array_equal(np.sort(scored.event_id), np.sort(expected))
    injected = (scored.sample == 0) & (scored.label == 1)
    assert injected.sum() == io.read_json(finished / "metrics.json")["n_injected_sr"]


def test_a_second_call_finishes_at_once_and_changes_nothing(finished):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.*") if p.name != ".lock"}
    done = script("run", *QUICK, f"run_dir={finished}")
    assert done.returncode == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_the_same_command_gives_the_same_metrics_whatever_the_number_of_jobs(finished, tmp_path):
    done = script("run", *QUICK, "n_jobs=2", f"run_dir={tmp_path / 'again'}")
    assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "again") == comparable(finished)


@pytest.mark.parametrize(
    "after",
    [
        "background/state.pt",
        pytest.param("data_fold1/state.pt", marks=pytest.mark.slow),
        pytest.param("scores.h5", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_same_metrics(finished, tmp_path, after):
    run_dir = tmp_path / "killed"
    command = [sys.executable, str(REPOSITORY / "scripts/run.py"), *QUICK, f"run_dir={run_dir}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    awaited = run_dir / ("" if after == "scores.h5" else "checkpoints") / after
    while process.poll() is None and not awaited.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run_dir / "metrics.json").exists()
    done = script("run", *QUICK, f"run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    assert comparable(run_dir) == comparable(finished)
    assert not list(run_dir.rglob("*.partial*"))


def test_poisoned_labels_leave_every_score_unchanged(tmp_path, monkeypatch):
    """Labels taken at random, nothing injected by them: fits and scores must not notice."""
    base = [o for o in QUICK if not o.startswith("injection")] + ["injection.n_signal=null"]
    raw = composed_content(*base, "trainer.epochs=1", "ensemble.size=1")
    config = configuration.from_mapping({**raw, "run_dir": str(tmp_path / "true")})
    for stage in (stages.train, stages.score):
        stage(config)
    honest = Toy.sample

    def poisoned(self, *arguments, **options):
        events = honest(self, *arguments, **options)
        object.__setattr__(events, "label", np.random.default_rng(0).permutation(events.label))
        return events

    monkeypatch.setattr(Toy, "sample", poisoned)
    config = configuration.from_mapping({**raw, "run_dir": str(tmp_path / "poisoned")})
    for stage in (stages.train, stages.score):
        stage(config)
    true, false = (read_scores(tmp_path / n / "scores.h5") for n in ("true", "poisoned"))
    assert not np.array_equal(true.label, false.label)
    assert np.array_equal(true.score, false.score)


def test_a_fit_refuses_labelled_events(tmp_path):
    raw = composed_content(*QUICK)
    config = configuration.from_mapping({**raw, "run_dir": str(tmp_path)})
    events = prepare(config)
    method = stages.method_of(config, stages.RunDirectory(tmp_path))
    with pytest.raises(DataError, match="labels never reach a fit"):
        method.fit(events.for_fits()._replace(signal_region=events.data))


def test_no_event_is_scored_by_a_fit_that_saw_it(tmp_path, monkeypatch):
    """Record which events each fit of p_data saw, then which it scored."""
    for split in ("kfold", "holdout"):
        seen, scored = {}, {}

        def record_fit(jobs, seen=seen, **_):
            for job in jobs:
                ids = np.concatenate([job.train.event_id, job.validation.event_id])
                seen[job.directory.name] = set(ids.tolist())
            return [None] * len(jobs)

        def record_score(jobs, scored=scored, **_):
            for job in jobs:
                scored |= {folder.name: job.mass for folder in job.directories}
            return [Evaluation(np.zeros(len(j.mass)), np.zeros(len(j.mass), bool)) for j in jobs]

        for module in (fits, store):
            monkeypatch.setattr(module, "fit_all", record_fit)
        monkeypatch.setattr(anode, "evaluate_all", record_score)
        raw = composed_content(
            *QUICK,
            f"split={split}",
            f"split.folds={2 if split == 'kfold' else 1}",
            "ensemble.seeds=2",
        )
        config = configuration.from_mapping({**raw, "run_dir": str(tmp_path)})
        prepared = prepare(config)
        method = stages.method_of(config, stages.RunDirectory(tmp_path))
        method.fit(prepared.for_fits())
        region = prepared.data[prepared.in_signal_region()].without_label()
        region = region[method.unseen(region, np.ones(len(region), dtype=bool))]
        method.score(region, np.ones(len(region), dtype=bool))
        id_of = dict(zip(region.mass.tolist(), region.event_id.tolist(), strict=True))
        counted = 0
        for name, masses in scored.items():
            ids = {id_of[mass] for mass in masses.tolist()}
            if name.startswith("data") and "seed" not in name:
                counted += len(ids)
            assert not ids & seen[name], (split, name)
        assert len(scored) == len(seen) == 2 * (1 + config.split.folds)
        assert counted == len(region)


def test_columns_of_a_growing_file_must_match(tmp_path):
    def grow(name: str, *blocks: dict) -> None:
        with io.growing_hdf5(tmp_path / name, {"unit": "GeV"}) as append:
            for block in blocks:
                append(block)

    first = {"x": np.arange(3), "y": np.zeros(3)}
    grow("grown.h5", first, {"x": np.arange(3, 5), "y": np.ones(2)})
    with io.open_hdf5(tmp_path / "grown.h5") as file:
        assert file["x"][:].tolist() == [0, 1, 2, 3, 4]
        assert file.attrs["unit"] == "GeV"
    for wrong in ({"x": np.arange(2)}, {"x": np.ones(2), "y": np.ones(2)}):
        with pytest.raises(DataError, match="must have the columns"):
            grow("broken.h5", first, wrong)
    assert [p.name for p in tmp_path.iterdir()] == ["grown.h5"]


def test_a_repeated_id_is_found_wherever_it_is(tmp_path):
    with h5py.File(BUNDLED_PATH) as file:
        columns = {name: file[name][:50] for name in file}
    io.write_hdf5(tmp_path / "twice.h5", {n: np.tile(c, 2) for n, c in columns.items()})
    with pytest.raises(DataError, match="must occur once"):
        count_events(tmp_path / "twice.h5", bundled=True)
    assert count_events(BUNDLED_PATH, bundled=True) == 600_000


def test_files_without_labels_run_to_the_end(tmp_path):
    path = _lhco_file(tmp_path / "events.h5", with_label=False)
    run_dir = tmp_path / "run"
    done = script(
        "run", *_on_file(path), "injection.n_signal=null", "figures=true", f"run_dir={run_dir}"
    )
    assert done.returncode == 0, done.stderr
    metrics = io.read_json(run_dir / "metrics.json")
    assert metrics["auc"] is metrics["max_sic"] is metrics["s_over_b"] is None
    assert "no truth labels" in done.stdout
    with io.open_hdf5(run_dir / "scores.h5") as file:
        assert "label" not in file
    assert (run_dir / "figures" / "sic.png").exists()


def test_another_file_and_another_ensemble_are_scored_by_a_finished_run(tmp_path, monkeypatch):
    path = _lhco_file(tmp_path / "events.h5")
    run_dir = tmp_path / "run"
    done = script("run", *_on_file(path), "injection.n_signal=100", f"run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    other = _lhco_file(tmp_path / "other.h5", seed=5, n=3000, with_label=False)
    done = script("score", f"run_dir={run_dir}", *_scores_of(other, tmp_path / "scores.h5"))
    assert done.returncode == 0, done.stderr
    scored = read_scores(tmp_path / "scores.h5")
    assert len(scored.score) > 500
    assert np.isfinite(scored.score).all()
    monkeypatch.setattr(stream, "BLOCK_ROWS", 700)
    config = replace(
        config_of(run_dir),
        data=DataConfig("lhco_features", str(other), None, None, None),
        injection=InjectionConfig(None, None),
    )
    stream.score_file(config, stages.RunDirectory(run_dir), tmp_path / "blocks.h5")
    blocks = read_scores(tmp_path / "blocks.h5")
    assert np.array_equal(blocks.event_id, scored.event_id)
    # Other block sizes group other events in one product: float32 rounding, no more.
    np.testing.assert_allclose(blocks.score, scored.score, atol=1e-4)
    # A small last block of events that all lie outside the fitted range is no reason to refuse.
    tail = _lhco_file(tmp_path / "tail.h5", seed=5, n=701, with_label=False, change=_strange_last)
    at_tail = replace(config, data=replace(config.data, path=str(tail)))
    stream.score_file(at_tail, stages.RunDirectory(run_dir), tmp_path / "tail_scores.h5")
    assert read_scores(tmp_path / "tail_scores.h5").outside[-1]
    light = _lhco_file(tmp_path / "light.h5", seed=6, n=300, change=_lower_momenta)
    with pytest.raises(DataError, match="lies in the signal region"):
        _score(run_dir, *_scores_of(light, tmp_path / "none.h5"))
    assert not list(tmp_path.glob("*none*"))
    with pytest.raises(AnodeError, match="cross-fitted scores"):
        _score(run_dir, *_scores_of(path, tmp_path / "own.h5"))
    best = tmp_path / "best"
    _score(run_dir, "ensemble.mode=best", "figures=false", f"output={best}")
    assert comparable(best)["max_sic"] is not None
    assert config_of(best).ensemble.mode == "best"
    done = script("score", f"run_dir={run_dir}", "ensemble.size=50", f"output={tmp_path / 'x'}")
    assert done.returncode == 2
    assert "trainer.keep" in done.stderr


def _scores_of(path: Path, output: Path) -> list[str]:
    return ["data=lhco_features", f"data.path={path}", f"output={output}", "n_jobs=1"]


def _score(run_dir: Path, *overrides: str) -> None:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("score", overrides=[f"run_dir={run_dir}", *overrides])
    rescore.score(rescore.parse_score(raw))


def test_a_multirun_gives_one_folder_a_seed_and_compare_joins_them(tmp_path):
    sweep = tmp_path / "sweep"
    done = script(
        "run",
        "--multirun",
        *QUICK,
        "trainer.epochs=1",
        "ensemble.size=1",
        f"run_dir={sweep}",
        "seed=1,2",
    )
    assert done.returncode == 0, done.stderr
    runs = sorted(p.parent for p in sweep.glob("*/metrics.json"))
    assert len(runs) == 2
    assert {config_of(run).seed for run in runs} == {1, 2}
    done = script("compare", f"runs=[{sweep}/*]", f"output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    content = io.read_json(tmp_path / "out" / "comparison.json")
    (group,) = content.values()
    values = [io.read_json(run / "metrics.json")["auc"] for run in runs]
    assert group["auc"]["median"] == pytest.approx(np.median(values))
    assert (tmp_path / "out" / "comparison.png").exists()


@pytest.mark.slow
def test_a_sweep_by_joblib_over_choices_is_grouped_by_them(tmp_path):
    """With processes of their own in those of joblib."""
    sweep = tmp_path / "sweep"
    quick = [o for o in QUICK if not o.startswith("density")]
    choices = ["density=made_mog,maf", "density.hidden_features=16"]
    options = [
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "trainer.epochs=1",
        "ensemble.size=1",
        "n_jobs=2",
    ]
    done = script("run", "--multirun", *quick, *choices, *options, f"run_dir={sweep}")
    assert done.returncode == 0, done.stderr
    names = [path.name for path in sweep.iterdir() if path.is_dir()]
    assert sorted(names) == ["density=made_mog", "density=maf"]
    done = script("compare", f"runs=[{sweep}/*]", f"output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    groups = set(io.read_json(tmp_path / "out" / "comparison.json"))
    assert groups == {"density.name=made_mog", "density.name=maf"}
    assert (tmp_path / "out" / "roc.png").is_file()
    assert set(group_runs(find_runs([f"{sweep}/*"]), ["density.name"])) == groups


@pytest.mark.slow
def test_submitit_spreads_a_sweep(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    sweep = tmp_path / "sweep"
    options = [
        "hydra/launcher=submitit_local",
        "trainer.epochs=1",
        "ensemble.size=1",
        f"run_dir={sweep}",
        "seed=1,2",
    ]
    done = script("run", "--multirun", *QUICK, *options)
    assert done.returncode == 0, done.stderr
    assert len(list(sweep.glob("*/metrics.json"))) == 2


# --- bad input ------------------------------------------------------------------------------


def _lower_momenta(table: dict) -> None:
    for name in table:
        if name.startswith("p"):
            table[name] = table[name] / 10


def _strange_last(table: dict) -> None:
    """The last event lies in the signal region, with a tau21 that no training event has."""
    for jet, sign in ((1, 1), (2, -1)):
        momentum = {"px": sign * 1750.0, "py": 0.0, "pz": 0.0, "m": 50.0}
        for name, value in momentum.items():
            table[f"{name}j{jet}"][-1] = value
        table[f"tau2j{jet}"][-1] = 5 * table[f"tau1j{jet}"][-1]


def _on_file(path: Path) -> list[str]:
    mine = [o for o in QUICK if not o.startswith(("data", "injection"))]
    return [*mine, "data=lhco_features", f"data.path={path}"]


def _set(column: str, value: float, row: int = 7):
    def change(table):
        table[column][row] = value

    return change


def _drop(column: str):
    return lambda table: table.pop(column)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("tau2j1", np.nan), ["tau2j1", "row 7"]),
        (_set("mj2", np.inf), ["mj2", "row 7"]),
        (_set("tau1j1", -0.3), ["tau1j1", "row 7"]),
        (_set("mj1", -50.0), ["mj1", "row 7"]),
        (_set("label", 2.0), ["label", "row 7"]),
        (_drop("tau2j2"), ["tau2j2"]),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(tmp_path, change, message):
    path = _lhco_file(tmp_path / "events.h5", n=500, change=change)
    _refused(tmp_path, _on_file(path), [path.name, *message])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["regions.signal=[3300,3300]"], ["regions.signal", "empty"]),
        (["regions.sidebands=[[null,3400],[3700,null]]"], ["overlap"]),
        (
            ["regions.signal=[9000,9500]", "regions.sidebands=[[null,3300]]"],
            ["signal region", "none"],
        ),
        (["injection.n_signal=999999"], ["injection.n_signal=999999", "more signal"]),
        (["+trainer.speed=3"], ["trainer.speed"]),
        (["trainer.speed=3"], ["trainer.speed"]),
        (["features=[mj1,beauty]"], ["beauty"]),
        (["data.path=nowhere.h5"], ["nowhere.h5", "no such file"]),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(tmp_path, overrides, message):
    path = _lhco_file(tmp_path / "events.h5", n=500)
    _refused(tmp_path, [*_on_file(path), "injection.n_signal=5", *overrides], message)


def test_a_truncated_file_is_named(tmp_path):
    path = _lhco_file(tmp_path / "events.h5", n=500)
    path.write_bytes(path.read_bytes()[:5000])
    _refused(tmp_path, _on_file(path), ["events.h5", "truncated"])


def _refused(tmp_path: Path, overrides: list[str], message: list[str]) -> None:
    run_dir = tmp_path / "run"
    with pytest.raises((AnodeError, ConfigCompositionException)) as caught:
        _run(overrides, run_dir)
    for part in message:
        assert part in str(caught.value)
    assert not run_dir.exists() or not any(run_dir.iterdir())


def _run(overrides: list[str], run_dir: Path) -> None:
    content = composed_content(*overrides)
    stages.run(configuration.from_mapping({**content, "run_dir": str(run_dir)}))


def test_the_command_line_shows_an_error_in_one_line(tmp_path):
    done = script("run", *QUICK, "injection.n_signal=999999", f"run_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: toy: injection.n_signal=999999")
    assert "Traceback" not in done.stderr


def test_a_run_directory_of_another_configuration_is_refused(finished):
    before = (finished / "config.yaml").read_bytes()
    done = script("run", *QUICK, "trainer.epochs=4", f"run_dir={finished}")
    assert done.returncode == 2
    assert "trainer.epochs: 3 there, 4 now" in done.stderr
    assert (finished / "config.yaml").read_bytes() == before


def test_a_folder_that_is_no_run_directory_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    done = script("run", *QUICK, f"run_dir={tmp_path}")
    assert done.returncode == 2
    assert "not a run directory" in done.stderr
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["precious.txt"]


def test_changed_data_are_noticed(finished, tmp_path):
    run_dir = tmp_path / "copy"
    shutil.copytree(finished, run_dir)
    manifest = io.read_json(run_dir / "manifest.json")
    manifest["data"]["sha256"] = "0" * 64
    io.write_json(run_dir / "manifest.json", manifest)
    with pytest.raises(RunDirectoryError, match="has changed since this run began"):
        stages.train(configuration.from_mapping({**_yaml(run_dir), "run_dir": str(run_dir)}))


def _yaml(run_dir: Path) -> dict:
    return OmegaConf.to_container(OmegaConf.load(run_dir / "config.yaml"))


def test_two_processes_do_not_share_a_run_directory(finished):
    directory = stages.RunDirectory(finished)
    with directory.locked():
        done = script("evaluate", *QUICK, f"run_dir={finished}")
    assert done.returncode == 2
    assert "another process" in done.stderr


def test_a_full_disk_leaves_no_half_written_result(finished, tmp_path, monkeypatch):
    run_dir = tmp_path / "copy"
    shutil.copytree(finished, run_dir)
    for name in ("metrics.json", "scores.h5"):
        (run_dir / name).unlink()
    content = {**_yaml(run_dir), "run_dir": str(run_dir), "figures": False}
    config = configuration.from_mapping(content)

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "create_dataset", full)
        with pytest.raises(OSError, match="No space left"):
            stages.score(config)
    assert not (run_dir / "scores.h5").exists()
    assert not list(run_dir.glob("*.partial*"))
    stages.run(config)
    assert comparable(run_dir) == comparable(finished)


def test_extra_background_and_spare_events_serve_the_test_only(tmp_path):
    path = _lhco_file(tmp_path / "events.h5")
    extra = _lhco_file(tmp_path / "extra.h5", n=2000, seed=3, with_label=False)
    asked = ["injection.n_signal=50", "injection.n_background=4000"]
    content = composed_content(*_on_file(path), *asked, f"data.extra_background={extra}")
    prepared = prepare(configuration.from_mapping(content))
    assert (prepared.data.label == 1).sum() == 50
    assert (prepared.data.label == 0).sum() == 4000
    with h5py.File(path) as file:
        truth = file["df/block0_values"][:, -1]
    assert (prepared.extra.label == 1).sum() == truth.sum() - 50
    assert (prepared.extra.label == 0).sum() == (truth == 0).sum() - 4000 + 2000
    ids = np.concatenate([prepared.data.event_id, prepared.extra.event_id])
    assert len(np.unique(ids)) == len(ids)


def test_extra_background_with_signal_in_it_is_refused(tmp_path):
    path = _lhco_file(tmp_path / "events.h5")
    extra = _lhco_file(tmp_path / "extra.h5", n=2000, seed=3)
    overrides = [*_on_file(path), "injection.n_signal=50", f"data.extra_background={extra}"]
    _refused(tmp_path, overrides, ["extra.h5", "background alone"])


def test_duplicate_event_ids_are_refused(tmp_path):
    path = tmp_path / "own.h5"
    with h5py.File(_lhco_file(tmp_path / "events.h5", n=500)) as file:
        values, names = file["df/block0_values"][:], file["df/block0_items"].asstr()[:]
    with h5py.File(path, "w") as file:
        for name, column in zip(names, values.T, strict=True):
            file[name] = column
        file["event_id"] = np.append(np.arange(499), 7)
    mine = [o for o in QUICK if not o.startswith("data")]
    _refused(tmp_path, [*mine, f"data.path={path}"], ["own.h5", "unique", "first 7"])
