"""A finished scan scores another file: each event by its window, and as that window's own run."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.errors import AnodeError, ConfigError, DataError, RunDirectoryError
from anode.events.readers.lhco_features import read_bundled
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import stages
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring import by_window as score_scan
from anode.pipeline.scoring import score as rescore
from anode.pipeline.scoring.by_window import assign
from anode.pipeline.scoring.scorer import Scorer
from anode.pipeline.search.window import search_scores
from anode.pipeline.search.window_file import WindowFile, WindowTemplate
from anode.regions.windows import Window
from helpers.bundled_files import bundled_part
from helpers.settings import REPOSITORY
from helpers.synthetic_search import make_search

# Two that overlap, a gap from 3600 to 4000, and one more.
WINDOWS = [Window(3000, 3400), Window(3200, 3600), Window(4000, 4400)]
THRESHOLDS = {"0.1": 0.3, "0.01": 0.6, "0.001": 0.9}
QUICK = [
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "split.folds=2",
    "ensemble.size=2",
    "injection.n_signal=null",
    "evaluation.n_bootstrap=5",
    "evaluation.n_closure=1000",
    "n_jobs=1",
    "store=null",
    "tracker=none",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """The file that the scan was fitted on, and another."""
    folder = tmp_path_factory.mktemp("files")
    own = bundled_part(folder / "own.h5", slice(0, 9000))
    return own, bundled_part(folder / "other.h5", slice(9000, 13_000))


def fit_scan(path: Path, file: Path, overrides: list[str], windows: list[Window]) -> Path:
    """Make the directory of a scan, a run a window; returns the last run's."""
    for window in windows:
        low, high = int(window.low), int(window.high)
        run_dir = path / "windows" / f"{low}_{high}"
        regions = [
            f"regions.signal=[{low},{high}]",
            f"regions.sidebands=[[null,{low}],[{high},null]]",
        ]
        asked = [*overrides, *regions, f"data.path={file}", f"run_dir={run_dir}"]
        with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
            raw = compose("run", [*QUICK, *asked])
        stages.train(configuration.from_mapping(configuration.resolve(raw)))
        template = WindowTemplate("sampled", 5000, (0.1, 0.01), (0.004, 0.001))
        content = WindowFile(window.low, window.high, 0.0, THRESHOLDS, template, 900, None)
        io.write_json(run_dir / "window.json", content.to_json())
    shutil.copy(run_dir / "fitted_events.h5", path)
    manifest = io.read_json(run_dir / "manifest.json")
    io.write_json(path / "manifest.json", {"data": manifest["data"]})
    search, _ = make_search()
    rows = [{**search["windows"][0], "low": w.low, "high": w.high} for w in windows]
    io.write_json(path / "search.json", search | {"data": manifest["data"], "windows": rows})
    return run_dir


@pytest.fixture(scope="module")
def scan(tmp_path_factory, files) -> Path:
    path: Path = tmp_path_factory.mktemp("scans") / "scan"
    fit_scan(path, files[0], [], WINDOWS)
    return path


def data_of(path: Path, reader: str = "bundled", **changes: object) -> DataConfig:
    return DataConfig(reader, str(path), None, None, None, **changes)  # type: ignore[arg-type]


def scored_by(run_dir: Path, data: DataConfig | None, output: Path | None, **changes: object):
    """What score.py writes, as a dict of datasets."""
    asked = rescore.ScoreConfig(
        str(run_dir),
        None if output is None else str(output),
        1,
        1,
        rescore.OtherEnsemble(None, None),
        data,
    )
    rescore.score(dataclasses.replace(asked, **changes))
    with io.open_hdf5(output) as file:
        return {name: file[name][:] for name in file}


def masses(path: Path) -> dict[int, float]:
    """Mass of each event by its id."""
    table = read_bundled(path, ["mj1"])
    return dict(zip(table.event_id.tolist(), table.mass.tolist(), strict=True))


@pytest.fixture(scope="module")
def scored(scan, files, tmp_path_factory) -> dict[str, np.ndarray]:
    return scored_by(scan, data_of(files[1]), tmp_path_factory.mktemp("scored") / "scores.h5")


def test_a_scorer_in_memory_has_the_bits_of_the_command(scan, files, scored):
    events = read_bundled(files[1], ["mj1", "delta_mj", "tau21_1", "tau21_2"])
    found = Scorer.load(scan).score(events)
    assert np.array_equal(events.event_id[found.scored], scored["event_id"])
    for name in ("score", "mass", "passed", "outside"):
        assert np.array_equal(getattr(found, name)[found.scored], scored[name])
    assert np.array_equal(found.parts["log_p_data"][found.scored], scored["log_p_data"])
    low = np.array([window.low for window in WINDOWS])
    assert np.array_equal(low[found.window[found.scored]], scored["window_low"])
    assert set(map(found.why_not, np.flatnonzero(~found.scored))) == {
        "mass outside [3000, 3400), [3200, 3600), [4000, 4400) GeV"
    }


def test_every_event_of_a_window_is_scored_once_by_the_nearest(scored, files):
    mass_of = masses(files[1])
    inside = [i for i, m in mass_of.items() if 3000 <= m < 3600 or 4000 <= m < 4400]
    assert scored["event_id"].tolist() == inside  # and in the order of the file
    assert 0 < len(inside) < len(mass_of)
    mass = np.array([mass_of[i] for i in inside])
    assert np.array_equal(scored["mass"], mass)
    # Centres are 3200, 3400, 4200 GeV: that of the second is nearer from 3300 GeV on.
    assert np.array_equal(
        scored["window_low"], np.select([mass <= 3300, mass < 3600], [3000, 3200], 4000)
    )
    assert np.array_equal(scored["window_high"], scored["window_low"] + 400)
    assert {"score", "label", "log_p_data", "log_p_background", "outside"} <= set(scored)


def test_scores_are_those_of_the_window_alone_at_its_centre(scored, scan, files, tmp_path):
    """To the bit, whatever others are scored beside them."""
    for window in WINDOWS:
        directory = RunDirectory(scan / "windows" / f"{window.low:g}_{window.high:g}")
        config = configuration.load_run(directory.config)
        method = stages.method_of(config, directory)
        events = read_bundled(files[1], config.features)
        new = np.zeros(len(events), dtype=bool)
        mine = scored["window_low"] == window.low
        chosen = np.isin(events.event_id, scored["event_id"][mine])
        alone = search_scores(method, events[chosen], window, new[chosen])
        assert np.array_equal(alone, scored["score"][mine])
        beside = search_scores(method, events, window, new)[chosen]
        assert np.array_equal(beside, scored["score"][mine])
        difference = scored["log_p_data"] - scored["log_p_background"]
        assert np.array_equal(difference, scored["score"])


def test_a_score_that_is_not_bound_to_the_mass_is_that_of_the_run(files, tmp_path):
    """Such as that of trees: to the bit that of one fold of the run, picked by the identity."""
    path = tmp_path / "scan"
    own = fit_scan(path, files[0], ["method=isolation_forest", "method.trees=20"], WINDOWS[2:])
    found = scored_by(path, data_of(files[1]), tmp_path / "scan.h5")
    config = configuration.load_run(own / "config.yaml")
    events = read_bundled(files[1], config.features)
    events = events[np.isin(events.event_id, found["event_id"])]
    method = stages.method_of(config, RunDirectory(own))
    alone = method.score(events.without_label(), np.zeros(len(events), dtype=bool))
    assert len(events) > 100
    assert np.array_equal(alone.event_id, found["event_id"])
    assert np.array_equal(alone.score, found["score"])


@pytest.mark.parametrize("extra", ["average", "one_fold"])
def test_events_of_the_scan_are_scored_by_fits_that_have_not_seen_them(files, tmp_path, extra):
    path, forest = tmp_path / "scan", ["method=isolation_forest", "method.trees=20"]
    own = fit_scan(path, files[0], [*forest, f"split.extra={extra}"], WINDOWS[2:])
    skim = bundled_part(tmp_path / "skim.h5", slice(5000, 10_000))  # the last 1000 are new
    found = scored_by(path, data_of(skim), tmp_path / "scores.h5")
    config = configuration.load_run(own / "config.yaml")
    events = read_bundled(skim, config.features)
    events = events[WINDOWS[2].contains(events.mass)].without_label()
    known = events.event_id <= read_bundled(files[0], ["mj1"]).event_id.max()
    expected = stages.method_of(config, RunDirectory(own)).score(events, known)
    assert np.array_equal(found["score"], expected.score)
    assert np.array_equal(found["sample"], np.where(known, 0, 1))
    assert 0 < known.sum() < len(known)


def test_passed_is_the_tightest_cut_of_the_window(scored, scan, files, tmp_path):
    path = tmp_path / "scan"
    shutil.copytree(scan, path)
    cuts = {}
    for low, quantiles in ((3000, (0.5, 0.9)), (3200, (0.7, 0.8))):
        of_window = np.sort(scored["score"][scored["window_low"] == low])
        cuts[low] = [of_window[int(q * len(of_window))] for q in quantiles]  # scores of events
        file = path / "windows" / f"{low}_{low + 400}" / "window.json"
        thresholds = {"0.01": cuts[low][1], "0.1": cuts[low][0]}
        changed = {"thresholds": thresholds, "thresholds_by_fold": {}}
        io.write_json(file, {**io.read_json(file), **changed})
    found = scored_by(path, data_of(files[1]), tmp_path / "scores.h5")
    for low, thresholds in cuts.items():
        score, passed = (found[name][found["window_low"] == low] for name in ("score", "passed"))
        expected = np.select([score > thresholds[1], score > thresholds[0]], [0.01, 0.1], 1)
        assert np.array_equal(passed, expected)
        assert set(passed.tolist()) == {1, 0.1, 0.01}
    with io.open_hdf5(tmp_path / "scores.h5") as file:
        assert file.attrs["method"] == "ANODE"
        assert "threshold" in file.attrs["passed"]


def test_an_event_passes_the_threshold_of_the_fold_that_scored_it(scored, scan, files, tmp_path):
    path = tmp_path / "scan"
    shutil.copytree(scan, path)
    for file in path.glob("windows/*/window.json"):
        # Nothing of fold 1 passes, all of fold 0 the looser cut.
        by_fold = {name: [-1e9 if name == "0.1" else 1e9, 1e9] for name in THRESHOLDS}
        io.write_json(file, {**io.read_json(file), "thresholds_by_fold": by_fold})
    found = scored_by(path, data_of(files[1]), tmp_path / "scores.h5")
    assert set(found["passed"]) == {0.1, 1.0}
    assert 0.4 < np.mean(found["passed"] == 0.1) < 0.6
    assert np.array_equal(found["score"], scored["score"])


def test_blocks_and_processes_change_no_score(scored, scan, files, tmp_path, monkeypatch, caplog):
    heavy = bundled_part(tmp_path / "sorted.h5", slice(9000, 13_000))
    order = np.argsort(list(masses(heavy).values()))
    with io.open_hdf5(heavy) as file:
        columns = {name: file[name][:][order] for name in file}
    io.write_hdf5(heavy, columns)  # by mass, so that whole blocks lie outside all windows
    monkeypatch.setattr(score_scan, "ROWS", 300)
    with caplog.at_level("INFO"):
        blocks = scored_by(scan, data_of(heavy), tmp_path / "blocks.h5", n_jobs=2)
    n_scored = len(scored["score"])
    assert f"{n_scored} of 4000 events lie in one of the 3 windows" in caplog.text
    assert f"the other {4000 - n_scored} are not" in caplog.text
    again = np.argsort(blocks["event_id"])
    for name, values in scored.items():
        np.testing.assert_allclose(blocks[name][again], values, atol=1e-5, err_msg=name)


def test_files_without_labels_and_black_boxes_are_scored_alike(scored, scan, files, tmp_path):
    blind = bundled_part(tmp_path / "blind.h5", slice(9000, 13_000), label=None)
    jets = io_black_box(files[1], tmp_path)
    for number, data in enumerate([data_of(blind), jets]):
        found = scored_by(scan, data, tmp_path / f"{number}.h5")
        assert set(scored) - set(found) == {"label"}
        assert np.array_equal(found["score"], scored["score"])
        assert np.array_equal(found["event_id"], scored["event_id"])


def io_black_box(path: Path, folder: Path) -> DataConfig:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose(
            "score",
            [
                "run_dir=x",
                "data=blackbox",
                f"data.path={path}",
                f"data.cache={folder}",
            ],
        )
    data = rescore.parse_score(raw).data
    assert data is not None
    return data


def test_files_that_are_read_at_once_are_scored_too(scored, scan, files, tmp_path):
    """Capped files and arrays, even if the first window of the scan has none of their events."""
    n_background = int((scored_label(files[1]) == 0).sum())
    capped = dataclasses.replace(data_of(files[1]), n_background=n_background)
    found = scored_by(scan, capped, tmp_path / "capped.h5")
    assert np.array_equal(found["score"], scored["score"])
    table = read_bundled(files[1], ["mj1", "delta_mj", "tau21_1", "tau21_2"])
    table = table[table.mass >= 4000]
    columns = [table.mass / 1000, table.features[:, 0] / 1000, table.features[:, 1] / 1000]
    np.save(tmp_path / "a.npy", np.column_stack([*columns, table.features[:, 2:]]))
    arrays = scored_by(scan, data_of(tmp_path / "a.npy", "arrays"), tmp_path / "arrays.h5")
    assert set(arrays["window_low"]) == {4000}
    last = scored["window_low"] == 4000
    # Ids are row numbers there, and so pick other folds.
    assert len(arrays["score"]) == last.sum()
    assert np.corrcoef(arrays["score"], scored["score"][last])[0, 1] > 0.5


def scored_label(path: Path) -> np.ndarray:
    with io.open_hdf5(path) as file:
        label: np.ndarray = file["label"][:]
    return label


def test_windows_share_events_by_the_nearest_centre():
    windows = [Window(2500 + 100 * k, 2900 + 100 * k) for k in range(20)]
    mass = np.random.default_rng(1).uniform(2000, 5500, 10_000)
    number = assign(mass, windows)
    for place, window in enumerate(windows):
        inside = number == place
        assert window.contains(mass[inside]).all()
        if 0 < place < len(windows) - 1:
            assert np.abs(mass[inside] - (window.low + 200)).max() <= 50
    assert np.array_equal(number == -1, (mass < 2500) | (mass >= 4800))
    # A tie goes to the lower, bounds are half-open, and a near centre must contain the event.
    ends = np.array([2499.9, 2500, 2750, 2750.1, 4799.9, 4800])
    assert assign(ends, windows).tolist() == [-1, 0, 0, 1, 19, -1]
    narrow = [Window(2000, 3000), Window(3000, 3100)]
    assert assign(np.array([2999.0, 3000.0]), narrow).tolist() == [0, 1]


def nan_in_row_7(values: np.ndarray) -> None:
    values[7] = np.nan


def light(values: np.ndarray) -> None:
    values /= 10


def heavy_jets(values: np.ndarray) -> None:
    values += 3000


MOMENTA = [f"{name}j{jet}" for jet in (1, 2) for name in ("px", "py", "pz", "m")]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (slice(9000, 9300), {"tau2j1": None}, "tau2j1"),
        (slice(9000, 9300), {"tau2j1": nan_in_row_7}, "tau2j1.*row 7"),
        (slice(0, 0), {}, "at least one, got 0"),
        (
            slice(9000, 9300),
            dict.fromkeys(MOMENTA, light),
            "none of its 300 events lies in one of the 3 windows",
        ),
        (slice(9000, 9300), {"mj1": heavy_jets}, "outside the range"),
    ],
)
def test_files_that_cannot_be_scored_are_refused(scan, tmp_path, rows, changes, message):
    path = bundled_part(tmp_path / "bad.h5", rows, **changes)
    with pytest.raises(DataError, match=message) as caught:
        scored_by(scan, data_of(path), tmp_path / "scores.h5")
    assert "bad.h5" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.h5"]


def test_the_file_that_the_scan_was_fitted_on_is_refused(scan, files, tmp_path):
    copy = shutil.copy(files[0], tmp_path / "renamed.h5")
    for data in (data_of(files[0]), data_of(copy)):
        with pytest.raises(DataError, match=r"was fitted on.*windows"):
            scored_by(scan, data, tmp_path / "scores.h5")
    assert not (tmp_path / "scores.h5").exists()


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (False, {}, "is a scan: to score a file by it give data"),
        (True, {"output": None}, "output=PATH"),
        (True, {"ensemble": rescore.OtherEnsemble("best", None)}, "thresholds of a scan"),
    ],
)
def test_what_a_scan_cannot_do_is_refused(scan, files, tmp_path, data, changes, message):
    with pytest.raises(ConfigError, match=message):
        scored_by(
            scan,
            data_of(files[1]) if data else None,
            **{"output": tmp_path / "scores.h5", **changes},
        )


def edited(**changes: object):
    def change(path: Path) -> None:
        file = path / "windows" / "3200_3600" / "window.json"
        io.write_json(file, {**io.read_json(file), **changes})

    return change


def other_seed(path: Path) -> None:
    file = path / "windows" / "3200_3600" / "config.yaml"
    config = dataclasses.replace(configuration.load_run(file), seed=2)
    io.write_text(file, config.to_yaml())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: (path / "search.json").unlink(), "has not finished"),
        (lambda path: shutil.rmtree(path / "windows" / "4000_4400"), r"lacks \[4000, 4400\)"),
        (lambda path: shutil.rmtree(path / "windows"), r"lacks \[3000, 3400\), "),
        (lambda path: (path / "windows/3200_3600/config.yaml").unlink(), "config.yaml"),
        (edited(low=3300), "must agree"),
        (edited(low="x"), r"window\.json: low must be a number, got 'x'"),
        (edited(low=3700), "must have low < high"),
        (edited(thresholds=None), r"window\.json: thresholds must be a group of keys, got None"),
        (edited(thresholds={"loose": 1.0}), "thresholds by efficiency"),
        (
            edited(thresholds={"0.1": 2.0, "0.01": 1.0}, thresholds_by_fold={}),
            "rise as the efficiency falls",
        ),
        (edited(thresholds_by_fold={"0.1": [1.0]}), "scores for each of the cuts"),
        (other_seed, "same features in the same way"),
    ],
)
def test_a_broken_scan_is_refused(scan, files, tmp_path, change, message):
    path = tmp_path / "scan"
    shutil.copytree(scan, path)
    change(path)
    with pytest.raises(AnodeError, match=message) as caught:
        scored_by(path, data_of(files[1]), tmp_path / "scores.h5")
    assert isinstance(caught.value, RunDirectoryError | ConfigError | DataError)
    assert not (tmp_path / "scores.h5").exists()
