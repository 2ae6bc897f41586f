"""A search of the toy finds it, resumes, repeats, reads no label, refuses what is impossible."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy
from hydra import compose, initialize_config_dir

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable
from anode.methods.outliers.isolation_forest import Isolation
from anode.methods.sideband_folds import SidebandFolds
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search import search as pipeline
from anode.pipeline.search import window
from anode.pipeline.search.config import SearchConfig, load_search, parse_search
from anode.pipeline.search.search import find, search
from anode.regions.windows import Window, scan_windows
from anode.seeding import stream
from helpers.bundled_files import bundled_part
from helpers.settings import REPOSITORY

# Three windows of [3200, 4000); the toy, of [3000, 4200), has nothing beside the two others.
SCAN = [
    "data=toy",
    "data.n_background=6000",
    "data.n_signal=600",
    "injection.n_signal=null",
    "preprocessing.logit=false",
    "scan.start=3000",
    "scan.stop=4200",
    "scan.step=200",
    "scan.share=1",
    "scan.min_events=100",
    "spectrum.low=3000",
    "efficiencies=[0.1,0.02]",
    "split.folds=2",
    "template.n_events=5000",
    "n_toys=100",
    "overdispersion.n_experiments=0",
    "n_jobs=1",
    "store=null",
    "tracker=none",
]
SMALL_ANODE = [
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "ensemble.size=1",
]
FOREST = ["extras=false", "method=isolation_forest", "method.trees=20", "method.max_samples=256"]
WINDOWS = ["3200_3600", "3400_3800", "3600_4000"]
ROW = {"low", "high", "efficiency", "n_observed", "n_expected", "n_expected_error", "p_local",
       "z_local"}  # fmt: skip
GLOBAL = {"p_global", "p_global_error", "z_global", "z_global_error"}


def configuration(run_dir: Path, *overrides: str) -> SearchConfig:
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        return parse_search(compose("search", [*SCAN, *overrides, f"run_dir={run_dir}"]))


def result_of(run_dir: Path) -> dict:
    """``search.json`` without what may differ."""
    result = io.read_json(run_dir / "search.json")
    return {k: v for k, v in result.items() if k not in ("seconds", "cpu_seconds")}


def times(folder: Path, pattern: str) -> dict[Path, int]:
    found = {p: p.stat().st_mtime_ns for p in folder.rglob(pattern) if p.is_file()}
    assert found
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A search by ANODE."""
    run_dir = tmp_path_factory.mktemp("search") / "anode"
    search(configuration(run_dir, *SMALL_ANODE))
    return run_dir


@pytest.fixture(scope="module")
def forest(tmp_path_factory) -> Path:
    """A search by a method without densities: quick."""
    run_dir = tmp_path_factory.mktemp("search") / "forest"
    assert find(configuration(run_dir, *FOREST))
    return run_dir


def test_a_search_leaves_what_the_contract_promises(finished):
    result = io.read_json(finished / "search.json")
    assert len(result["windows"]) == 3 * 3  # no cut and two cuts
    for row in result["windows"]:
        assert set(row) > ROW
        assert row["efficiency"] in (1.0, 0.1, 0.02)
        assert row["n_observed"] <= row["n_total"]
    assert set(result["best"]) > ROW | GLOBAL
    assert result["global"]["n_tests"] == 3  # a window with all its categories is one
    assert result["global"]["n_toys"] == 100
    assert result["n_events"] == 6600
    assert result["template_source"] == "sampled"
    assert result["data"]["n_data_signal"] is None  # a search does not know
    for name in ("report.html", "report.md", "spectra.h5", "config.yaml", "manifest.json",
                 "top_events.json", "workspace.json"):  # fmt: skip
        assert (finished / name).stat().st_size > 0
    assert sorted(p.name for p in (finished / "windows").iterdir()) == WINDOWS
    assert load_search(finished / "config.yaml") == configuration(finished, *SMALL_ANODE)
    assert not list(finished.rglob("*.partial*"))


def test_the_largest_excess_is_the_most_significant_window(finished):
    """The toy's spectrum is no longer than three resonances: there is little power in it."""
    result = io.read_json(finished / "search.json")
    best = result["best"]
    assert best["efficiency"] < 1
    assert best["test"] == "categories"
    assert best["z_test"] == max(t["z_local"] for t in result["combined"])
    assert best["p_test"] == pytest.approx(float(scipy.stats.norm.sf(best["z_test"])))
    own = [r for r in result["windows"] if r["low"] == best["low"] and r["efficiency"] < 1]
    assert best["z_local"] == max(r["z_local"] for r in own)
    assert 0 < best["p_global"] < 1
    assert result["best_other"]["test"] == "cuts"
    assert result["best_inclusive"]["efficiency"] == 1


def test_counts_are_those_of_selected_events(finished):
    data = Toy().sample(6000, 600, stream(1, "toy"))
    result = io.read_json(finished / "search.json")
    for name in WINDOWS:
        described = io.read_json(finished / "windows" / name / "window.json")
        low, high = described["low"], described["high"]
        with io.open_hdf5(finished / "windows" / name / "selected.h5") as file:
            event_id, mass, level = (file[k][:] for k in ("event_id", "mass", "level"))
        assert np.array_equal(mass, data.mass[np.searchsorted(data.event_id, event_id)])
        inside = (mass >= low) & (mass < high)
        rows = {r["efficiency"]: r for r in result["windows"] if r["low"] == low}
        for cut, (efficiency, threshold) in enumerate(described["thresholds"].items()):
            row = rows[float(efficiency)]
            assert row["threshold"] == threshold
            assert row["n_observed"] == np.sum(inside & (level > cut))
            assert row["template"]["efficiency"] == float(efficiency)
        total = np.sum((data.mass >= low) & (data.mass < high))
        assert {r["n_total"] for r in rows.values()} == {total}
        assert rows[1.0]["n_observed"] == described["n_total"] == total


def test_windows_without_events_beside_them_are_skipped_with_a_reason(finished):
    first, last = io.read_json(finished / "search.json")["skipped"]
    assert (first["low"], first["high"]) == (3000, 3400)
    assert first["reason"] == "has 0 events below it, a density needs 10"
    assert (last["low"], last["high"]) == (3800, 4200)
    assert last["reason"] == "has 0 events above it, a density needs 10"
    assert "has 0 events above it" in (finished / "report.md").read_text()


def test_the_same_command_fits_nothing_and_changes_nothing(finished):
    before = times(finished / "windows", "*") | times(finished, "*.json")
    script = REPOSITORY / "scripts" / "search.py"
    done = subprocess.run(
        [sys.executable, str(script), *SCAN, *SMALL_ANODE, f"run_dir={finished}"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "largest excess" in done.stdout
    assert str(finished) in done.stdout
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_an_interrupted_search_ends_with_the_same_result(finished, tmp_path):
    """A window lost its result, another its last fit, and there is no ``search.json``."""
    run_dir = tmp_path / "again"
    shutil.copytree(finished, run_dir)
    (run_dir / "search.json").unlink()
    first, second, third = (run_dir / "windows" / name for name in WINDOWS)
    (first / "window.json").unlink()
    (second / "window.json").unlink()
    (second / "selected.h5").unlink()
    shutil.rmtree(second / "checkpoints" / "sidebands1")
    kept = times(first / "checkpoints", "*.pt") | times(third, "*")
    find(configuration(run_dir, *SMALL_ANODE))
    assert result_of(run_dir) == result_of(finished)
    assert {p: p.stat().st_mtime_ns for p in kept if p.name != ".lock"} == {
        p: t for p, t in kept.items() if p.name != ".lock"
    }


def test_a_search_stopped_between_windows_resumes_in_two_processes(forest, tmp_path, monkeypatch):
    run_dir = tmp_path / "stopped"
    made = []

    def stop(job: window.WindowJob) -> Path:
        if made:
            raise KeyboardInterrupt
        made.append(window.search_window(job))
        return made[0]

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "search_window", stop)
        with pytest.raises(KeyboardInterrupt):
            find(configuration(run_dir, *FOREST))
    assert not (run_dir / "search.json").exists()
    before = times(run_dir / "windows", "window.json")
    assert len(before) == 1
    find(configuration(run_dir, *FOREST, "n_jobs=2"))
    assert result_of(run_dir) == result_of(forest)
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_windows_made_one_by_one_give_the_same_result(forest, tmp_path, caplog):
    run_dir = tmp_path / "one_by_one"
    for number in (3, 0, 1, 2):  # in any order; the first has no events beside it
        find(configuration(run_dir, *FOREST, f"scan.window={number}"))
        assert not (run_dir / "search.json").exists()
        assert (run_dir / "windows" / WINDOWS[2]).is_dir()
    assert "[3000, 3400) GeV has too few events" in caplog.text
    before = times(run_dir / "windows", "window.json")
    assert sorted(p.parent.name for p in before) == WINDOWS
    find(configuration(run_dir, *FOREST))
    assert result_of(run_dir) == result_of(forest)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    with pytest.raises(ConfigError, match=r"scan\.window must be null or lie in 0 to 4, got 5"):
        configuration(run_dir, *FOREST, "scan.window=5")


def test_a_folder_of_another_search_is_refused(forest):
    before = result_of(forest)
    with pytest.raises(RunDirectoryError, match=r"scan\.step"):
        find(configuration(forest, *FOREST, "scan.step=100", "scan.window=1"))
    with pytest.raises(RunDirectoryError, match=r"run\.seed"):
        find(configuration(forest, *FOREST, "seed=2"))
    assert result_of(forest) == before


def test_more_toys_need_no_new_fit(forest, tmp_path, monkeypatch):
    shutil.copytree(forest, tmp_path / "again")
    monkeypatch.setattr(stages, "train_window", None)
    find(configuration(tmp_path / "again", *FOREST, "n_toys=200"))
    found, before = result_of(tmp_path / "again"), result_of(forest)
    assert (found["global"]["n_toys"], before["global"]["n_toys"]) == (200, 100)
    assert found["windows"] == before["windows"]


@pytest.mark.parametrize("label", ["flipped", "removed"])
def test_a_search_reads_no_label(forest, tmp_path, monkeypatch, label):
    honest = Toy.sample

    def poisoned(self, *arguments, **options):
        events = honest(self, *arguments, **options)
        return dataclasses.replace(events, label=1 - events.label if label == "flipped" else None)

    monkeypatch.setattr(Toy, "sample", poisoned)
    find(configuration(tmp_path, *FOREST))
    assert result_of(tmp_path) == result_of(forest)


def test_labels_are_gone_before_a_window_is_fitted(tmp_path, monkeypatch):
    """What is trained on, whatever the method."""
    seen = []

    def record(config, prepared) -> None:
        seen.append(prepared)
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "train_window", record)
    with pytest.raises(KeyboardInterrupt):
        find(configuration(tmp_path, *FOREST, "injection.n_signal=300"))
    assert seen[0].data.label is None
    assert seen[0].extra is None
    assert len(seen[0].data) == 6300


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=iad"], "iad uses truth labels and cannot search"),
        (["method=supervised"], "supervised uses truth labels"),
        (["method=combination", "+method.members.ceiling={name: iad}"], "iad uses truth labels"),
        (["split=holdout"], "split=kfold, got split=holdout"),
        (["scan.start=3010"], r"scan\.start=3010 must be a multiple of spectrum\.bin_width=50"),
        (["scan.width=410"], r"scan\.width=410"),
        (["scan.step=75"], r"scan\.step=75"),
        (["scan.step=0"], r"scan\.step must be above 0"),
        (["scan.stop=3300"], "room for one window"),
        (["scan.sideband=0"], r"scan\.sideband must be above 0"),
        (["scan.min_events=1"], r"scan\.min_events must be at least 10"),
        (["scan.window=-1"], r"scan\.window must be null or lie in"),
        (["efficiencies=[0.01,0.1]"], r"must descend within \(0, 1\)"),
        (["efficiencies=[1.0,0.1]"], r"must descend within \(0, 1\)"),
        (["efficiencies=[]"], "must descend"),
        (["template.source=guess"], r"template\.source must be one of"),
        (["template.n_events=5"], r"template\.n_events must be at least 100"),
        (["template.source=sampled", "template.n_events=200"], r"at 0\.02 needs 5 events"),
        (["spectrum.bin_width=0"], r"spectrum\.bin_width must be above 0"),
        (["spectrum.test=both"], r"spectrum\.test must be one of categories, cuts"),
        (["spectrum.luminosity=30"], r"need spectrum\.luminosity and spectrum\.efficiency"),
        (["spectrum.min_bins=0"], r"spectrum\.min_bins must be at least 1"),
        (["n_toys=10"], "n_toys must be at least 100"),
        (["split.sideband_folds=0"], "sideband_folds must be at least 1"),
        (["+scan.widht=400"], r"unknown key scan\.widht"),
    ],
)
def test_an_impossible_search_is_refused(tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        configuration(tmp_path, *overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["scan.start=5000", "scan.stop=6000"],
         r"has 0 events in it.*m_jj from 300\d\.\d to 41\d\d\.\d GeV; check the unit"),
        (["scan.min_events=6000"], "has .* events in it, a density needs 6000"),
        (["spectrum.low=4100", "spectrum.high=3500"], r"spectrum\.low below spectrum\.high"),
        (["data.n_background=0", "data.n_signal=0"], "has none of the 0 events"),
    ],
)  # fmt: skip
def test_a_search_of_nothing_is_refused_before_a_fit(tmp_path, monkeypatch, overrides, message):
    monkeypatch.setattr(stages, "train_window", None)
    with pytest.raises(DataError, match=message):
        find(configuration(tmp_path / "run", *FOREST, *overrides))
    assert not (tmp_path / "run").exists()


def test_a_spectrum_without_a_start_is_refused_before_a_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "train_window", None)
    honest = Toy.sample

    def steps(self, *arguments, **options):
        events = honest(self, *arguments, **options)
        return dataclasses.replace(events, mass=400 * np.floor(events.mass / 400) + 10)

    monkeypatch.setattr(Toy, "sample", steps)
    with pytest.raises(DataError, match=r"bins with events, got .*or give spectrum\.low"):
        find(configuration(tmp_path / "run", *FOREST, "spectrum.low=null"))
    assert not (tmp_path / "run").exists()


def not_a_number(values: np.ndarray) -> None:
    values[17] = np.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mj1": not_a_number}, "mj1.*finite.*row 17|row 17.*mj1"),
        ({"tau2j1": None}, "tau2j1"),
    ],
)
def test_a_broken_file_is_refused_before_a_fit(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(stages, "train_window", None)
    file = bundled_part(tmp_path / "events.h5", slice(0, 3000), **changes)
    scan = [o for o in SCAN if not o.startswith("data")]
    own = ["data=bundled", f"data.path={file}", f"run_dir={tmp_path / 'run'}"]
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        raw = compose("search", [*scan, *FOREST, *own])
    with pytest.raises(DataError, match=message):
        search(parse_search(raw))
    assert not (tmp_path / "run").exists()


def test_a_search_of_a_file_that_has_changed_is_refused(forest, monkeypatch):
    honest = Toy.sample

    def other(self, *arguments, **options):
        events = honest(self, *arguments, **options)
        return dataclasses.replace(events, mass=events.mass + 0.5)

    monkeypatch.setattr(Toy, "sample", other)
    with pytest.raises(RunDirectoryError, match="toy has changed since this run began"):
        find(configuration(forest, *FOREST))


def test_a_window_at_the_edge_has_a_template_and_no_test(forest, tmp_path):
    """Fitted from 3300 GeV on, [3200, 3600) begins too low and [3400, 3800) has two bins below."""
    find(configuration(tmp_path, *FOREST, "spectrum.low=3300"))
    result = io.read_json(tmp_path / "search.json")
    assert result["fit_range"][0] == 3300
    rows = {(row["low"], row["efficiency"]): row for row in result["windows"]}
    for low, reason in ((3200, "begins in the trigger turn-on"), (3400, "has 2 bins")):
        assert (low, 1.0) not in rows  # nothing predicts it
        for efficiency in (0.1, 0.02):
            row = rows[low, efficiency]
            assert not row["tested"]
            assert row["fit"] is None
            assert reason in row["reason"]
            assert row["expected_from"] == "template"
        row = rows[low, 0.1]
        assert row["n_expected"] == row["template"]["n_expected"]
    assert result["best"]["low"] == 3600
    tested = [row for row in result["windows"] if row["tested"]]
    assert {row["low"] for row in tested} == {3600}
    assert result["global"]["n_tests"] == sum(row["efficiency"] < 1 for row in tested) > 0


def test_a_search_in_which_nothing_can_be_tested_says_so(forest, tmp_path, capsys):
    search(configuration(tmp_path, *FOREST, "spectrum.min_bins=50"))
    result = io.read_json(tmp_path / "search.json")
    assert result["best"] is result["best_inclusive"] is result["resonance"] is None
    assert result["global"]["n_tests"] == 0
    assert result["bump_hunter"] == {}
    assert (tmp_path / "report.html").is_file()
    assert "no window" in capsys.readouterr().out.lower()


def test_a_search_without_extras_has_a_report(forest, tmp_path):
    run_dir = tmp_path / "reported"
    shutil.copytree(forest, run_dir)
    io.write_text(run_dir / "figures" / "limits.png", "of a search with extras")
    search(configuration(run_dir, *FOREST))
    result = io.read_json(run_dir / "search.json")
    assert result["best"]["limit"] is result["resonance"] is None
    assert "Upper limits" not in (run_dir / "report.md").read_text()
    assert "limits.png" not in {p.name for p in (run_dir / "figures").iterdir()}


PROPOSE = ["propose=true", "spectrum.low=null", "spectrum.min_bins=1"]


def test_a_scan_begins_where_the_fit_has_enough_bins_below(tmp_path):
    start = ["scan.start=null", "spectrum.low=2850", "spectrum.min_bins=5"]
    assert find(configuration(tmp_path, *FOREST, *start))
    result = result_of(tmp_path)
    assert result["scan"]["start"] == 3200  # 2850 and 5 bins of 50 GeV, on a grid of 200
    assert sorted(p.name for p in (tmp_path / "windows").iterdir()) == WINDOWS
    assert find(configuration(tmp_path, *FOREST, *start, "n_toys=200"))  # nothing is fitted again


def test_masses_in_tev_are_refused_where_no_start_is_given(tmp_path, monkeypatch):
    config = configuration(tmp_path, *FOREST, "scan.start=null", "spectrum.low=null")
    prepared = pipeline.sample_of(config)
    in_tev = dataclasses.replace(prepared.data, mass=prepared.data.mass / 1000)
    monkeypatch.setattr(pipeline, "sample_of", lambda _: prepared._replace(data=in_tev))
    with pytest.raises(DataError, match=r"got 0\. It holds .*check the unit of the masses"):
        find(config)


def test_a_scan_is_proposed_without_a_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stages, "train_window", None)
    assert not find(configuration(tmp_path, *FOREST, *PROPOSE))
    assert "a scan may run from scan.start=" in capsys.readouterr().out
    endings = ("png", "pdf", "json")
    assert {p.name for p in tmp_path.iterdir()} == {f"proposal.{ending}" for ending in endings}


def test_a_proposal_leaves_its_folder_free_for_a_search_with_other_settings(tmp_path, forest):
    assert not find(configuration(tmp_path, *FOREST, *PROPOSE, "scan.step=100"))
    assert find(configuration(tmp_path, *FOREST))
    assert result_of(tmp_path) == result_of(forest)
    with pytest.raises(RunDirectoryError, match=r"another configuration \(scan.step"):
        find(configuration(tmp_path, *FOREST, *PROPOSE, "scan.step=100"))


def test_a_proposal_is_not_written_among_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        find(configuration(tmp_path, *FOREST, *PROPOSE))
    assert {p.name for p in tmp_path.iterdir()} == {"thesis.tex"}


def test_a_template_is_drawn_from_the_fits_that_do_not_score_it(tmp_path, monkeypatch):
    def draw(self, identity, mass, seed):
        drawn.append((identity, drawer(self, identity, mass, seed)))
        return drawn[-1][1]

    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    drawer = SidebandFolds.draw_background
    monkeypatch.setattr(SidebandFolds, "draw_background", draw)
    assert not find(configuration(tmp_path, *SMALL_ANODE, "scan.window=2"))
    ((identity, features),) = drawn
    assert len(np.unique(identity)) == 5000
    window_run = load_run(tmp_path / "windows" / "3400_3800" / "config.yaml")
    directory = RunDirectory(tmp_path / "windows" / "3400_3800")
    method = stages.method_of(dataclasses.replace(window_run, n_jobs=1), directory)
    mass = np.full(5000, 3600.0)  # the window's centre, where ANODE scores
    ids, names = np.arange(5000), window_run.seen_features
    table = EventTable(ids, mass, features, names, ("",) * 4, None, "drawn", identity=identity)
    score = method.score(table, np.zeros(5000, dtype=bool)).score
    described = io.read_json(directory.path / "window.json")
    assert described["template"]["n_events"] == 5000
    assert described["template"]["efficiency"] == [0.1, 0.02]
    assert described["template"]["n_pooled"] == [0, 0]
    fold = method.fold(table)
    assert set(fold.tolist()) == {0, 1}  # a fold of the window for either of the sidebands
    for efficiency, thresholds in described["thresholds_by_fold"].items():
        passing = [np.sum(score[fold == k] > thresholds[k]) for k in range(2)]
        nominal = float(efficiency) * (np.bincount(fold) + 1)
        assert (np.abs(passing - nominal) <= 1).all()
    with io.open_hdf5(directory.path / "selected.h5") as file:
        found, level, above = (file[name][:] for name in ("event_id", "level", "score"))
    data = Toy().sample(6000, 600, stream(1, "toy"))
    own = method.fold(data[np.searchsorted(data.event_id, found)])
    by_fold = np.array([*described["thresholds_by_fold"].values()])
    assert np.array_equal(level, (above > by_fold[:, own]).sum(axis=0))


def test_sidebands_are_the_template_of_a_method_without_a_density(forest):
    assert io.read_json(forest / "search.json")["template_source"] == "sidebands"
    described = io.read_json(forest / "windows" / "3400_3800" / "window.json")
    mass = Toy().sample(6000, 600, stream(1, "toy")).mass
    beside = ((mass >= 3000) & (mass < 3400)) | ((mass >= 3800) & (mass < 4200))
    assert described["template"]["n_events"] == beside.sum()
    assert (np.array(described["template"]["efficiency"]) <= [0.1, 0.02]).all()


def test_cuts_that_a_small_template_cannot_fix_end_no_scan(tmp_path):
    config = configuration(tmp_path, *FOREST, "efficiencies=[0.1,0.0001]")
    search(config)
    result = io.read_json(tmp_path / "search.json")
    assert [cut["efficiency"] for cut in result["cuts_not_fixed"]] == [0.0001] * 3
    assert {row["efficiency"] for row in result["windows"]} == {1.0, 0.1}
    report = (tmp_path / "report.md").read_text()
    assert "3 cuts at efficiency 1e-4 in windows between 3.2-4.0 TeV could not be fixed" in report


def test_cuts_that_no_window_can_fix_leave_the_spectrum(tmp_path):
    config = configuration(tmp_path, *FOREST, "efficiencies=[0.0001]")
    search(config)
    result = io.read_json(tmp_path / "search.json")
    assert {row["efficiency"] for row in result["windows"]} == {1.0}
    assert result["best"] is None
    assert io.read_json(tmp_path / "top_events.json")["overall"] == []


def test_one_score_for_all_events_ends_no_scan(tmp_path, monkeypatch):
    def constant(self, events, fitted):
        scores = scored(self, events, fitted)
        return scores._replace(score=np.zeros(len(events)))

    scored = Isolation.score
    monkeypatch.setattr(Isolation, "score", constant)
    search(configuration(tmp_path, *FOREST))
    result = io.read_json(tmp_path / "search.json")
    assert result["independence"] == result["sculpting"] == []
    assert result["best"] is None
    assert [row["n_observed"] for row in result["windows"] if row["efficiency"] < 1] == [0] * 6


def test_a_template_cannot_be_sampled_without_a_density(tmp_path):
    with pytest.raises(DataError, match=r"template\.source=sampled needs a method with p_bg"):
        find(configuration(tmp_path, *FOREST, "template.source=sampled"))


def test_a_window_is_a_run_of_its_own_sidebands(tmp_path):
    find(configuration(tmp_path, *FOREST, "scan.sideband=200", "split.sideband_folds=1"))
    run = load_run(tmp_path / "windows" / "3400_3800" / "config.yaml")
    assert run.regions.signal == [3400, 3800]
    assert run.regions.sidebands == [[3200, 3400], [3800, 4000]]
    checkpoints = RunDirectory(tmp_path / "windows" / "3400_3800").checkpoints
    assert sorted(p.name for p in checkpoints.iterdir()) == ["forest_fold0", "forest_fold1"]


@pytest.mark.parametrize("store", ["null", "kept"])
def test_neighbouring_windows_share_p_bg_which_has_seen_neither(tmp_path, store):
    share = ["scan.start=3200", "scan.stop=4100", "scan.step=100", "scan.share=2"]
    kept = "null" if store == "null" else str(tmp_path / store)
    folder = tmp_path / "search"
    assert find(configuration(folder, *SMALL_ANODE, *share, f"store={kept}", "extras=false"))
    seen = {}
    for name, sidebands in {
        "3200_3600": [3200, 3700], "3300_3700": [3200, 3700],
        "3400_3800": [3400, 3900], "3500_3900": [3400, 3900],
    }.items():  # fmt: skip
        run = RunDirectory(folder / "windows" / name)
        low, high = sidebands
        assert load_run(run.config).regions.sidebands == [[None, low], [high, None]]
        fits = sorted(run.checkpoints.rglob("background/epoch_*.pt"))
        assert len(fits) == 2  # of two sideband folds
        seen[name] = [io.sha256_file(path) for path in fits]
    assert seen["3200_3600"] == seen["3300_3700"] != seen["3400_3800"] == seen["3500_3900"]
    assert not (folder / "shared_fits").exists()


@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        (["scan.share=3", "scan.step=200"], [2, 2, 2, 2, 1]),  # three would be two widths wide
        (["scan.share=2", "scan.step=400"], [1, 1, 1]),  # windows that share no event
        (["scan.share=2", "scan.step=200", "method=cwola"], [1] * 5),  # which fits beside each
    ],
)
def test_windows_share_p_bg_within_one_and_a_half_widths(tmp_path, overrides, sizes):
    config = configuration(tmp_path, "scan.stop=4200", *overrides)
    windows = config.scan.windows
    assert [len(config.group(window)) for window in windows] == sizes


def test_no_window_shares_with_less_than_one(tmp_path):
    with pytest.raises(ConfigError, match=r"scan.share must be at least 1, got 0"):
        configuration(tmp_path, "scan.share=0")


def test_scores_are_taken_at_the_centre_where_they_hang_on_the_mass(finished):
    """Of the search's own method, reloaded: the mass of an event makes no difference."""
    run = load_run(finished / "windows" / "3400_3800" / "config.yaml")
    method = stages.method_of(run, RunDirectory(finished / "windows" / "3400_3800"))
    events = Toy().sample(200, 20, np.random.default_rng(1)).without_label()
    moved = dataclasses.replace(events, mass=events.mass[::-1].copy())
    fitted = np.zeros(len(events), dtype=bool)
    at = Window(3400, 3800)
    scores = window.search_scores(method, events, at, fitted)
    assert np.array_equal(window.search_scores(method, moved, at, fitted), scores)
    assert not np.array_equal(method.score(moved, fitted).score, scores)
    nothing = window.search_scores(method, events[:0], at, fitted[:0])
    assert len(nothing) == 0


def test_the_toy_experiment_is_a_search_too(tmp_path):
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        raw = compose("search", ["experiment=toy", f"run_dir={tmp_path}"])
    config = parse_search(raw)
    assert config.run.data.reader == "toy"
    assert config.run.features == ["x1", "x2", "x3", "x4"]
    assert config.run.split.sideband_folds == 2
    assert config.scan.start is None
    assert config.scan.begun(2850.0).windows == scan_windows(2900, 6000, width=400, step=100)
    with pytest.raises(ConfigError, match=r"scan\.start must be given here, in GeV, got null"):
        _ = config.scan.windows
