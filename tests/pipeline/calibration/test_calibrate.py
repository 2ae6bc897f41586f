"""A calibration makes its searches once, and judges the p-values that they report."""

import dataclasses
import json

import numpy as np
import pytest

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.pipeline.calibration.calibrate import calibrate
from anode.pipeline.calibration.config import parse_calibrate
from anode.pipeline.calibration.experiments import campaign_of
from anode.regions.windows import Window

SCAN = [
    "data=toy",
    "data.n_background=6000",
    "data.n_signal=600",
    "injection.n_signal=null",
    "preprocessing.logit=false",
    "scan.start=3300",
    "scan.stop=3700",
    "scan.min_events=100",
    "spectrum.low=3000",
    "efficiencies=[0.2,0.1]",
    "split.folds=2",
    "template.n_events=5000",
    "n_toys=100",
    "overdispersion.n_experiments=0",
    "store=null",
    "method=isolation_forest",
    "method.trees=20",
    "method.max_samples=256",
]
QUICK_TRUTH = ["density.hidden_features=16", "trainer.epochs=2", "ensemble.size=1", "store=null"]


@pytest.fixture
def settings(tmp_path):
    raw = compose("calibrate", ["calibration=no_signal"])
    raw.update(
        {
            "runs": str(tmp_path / "runs"),
            "output": str(tmp_path / "out"),
            "source": "file",
            "truth": QUICK_TRUTH,
            "n_events": None,
            "random_score": None,
            "n_experiments": 2,
            "injections": [0, 300],
            "window": [3300.0, 3700.0],
            "overrides": SCAN,
            "n_jobs": 1,
        }
    )
    return parse_calibrate(raw)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", "pseudo"])
def test_a_calibration_judges_its_searches(settings, source, tmp_path, capsys):
    settings = dataclasses.replace(settings, source=source)
    calibrate(settings)
    found = io.read_json(tmp_path / "out" / "calibration.json")
    assert found["source"] == source
    assert found["n"] == found["global"]["n"] == found["z_global"]["n"] == 2
    assert set(found["local"]) == set(found["z_local"]) == {"1", "0.2", "0.1", "categories"}
    for uniformity in (found["global"], *found["local"].values()):
        assert 0 <= uniformity["ks_p_value"] <= 1
    assert 0 <= found["fraction_below_0.05"] <= 1
    assert found["window"] == [3300, 3700]
    assert found["cpu_seconds"] > 0
    for efficiency, response in found["injection"].items():
        assert response["injected"] == [0, 300]
        assert response["n"] == [2, 2]
        assert response["passing"][0] == 0
        # 98.8% of a signal of width 80 GeV lie within 200 GeV of it.
        share = {"1": (0.95, 1), "0.2": (0.1, 1), "0.1": (0.05, 1)}[efficiency]
        assert share[0] * 300 < response["passing"][1] <= share[1] * 300
    figures = {p.stem for p in (tmp_path / "out" / "figures").glob("*.png")}
    assert figures == {"p_global", "p_local_1", "p_local_0.1", "p_local_0.2", "p_local_categories",
                       "injection_1",
                       "injection_0.1", "injection_0.2"}  # fmt: skip
    printed = capsys.readouterr().out
    assert "window finished" not in printed
    assert "| local, efficiency 1e-1 | 2 " in printed
    assert not [
        p for p in (tmp_path / "runs").rglob("*") if p.name in ("checkpoints", "events.h5")
    ]
    _is_made_once(settings, tmp_path, figures, found)


def _is_made_once(settings, tmp_path, figures, found):
    """Nothing is searched again, and figures of former tests go."""
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json")}
    for name in ("p_local_0.001.png", "p_local_0.001.pdf", "mine.png"):
        (tmp_path / "out" / "figures" / name).touch()
    calibrate(settings)
    left = {p.stem for p in (tmp_path / "out" / "figures").iterdir()}
    assert left == figures | {"mine"}
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*.json")} == before
    assert json.loads((tmp_path / "out" / "calibration.json").read_text()) == found


@pytest.mark.slow
def test_the_p_values_that_are_judged_are_those_reported(settings, tmp_path):
    settings = dataclasses.replace(settings, injections=[0])
    calibrate(settings)
    found = io.read_json(tmp_path / "out" / "calibration.json")
    results = [e.result() for e in campaign_of(settings).experiments]
    for name, z in found["z_local"].items():
        of_windows = [r.combined if name == "categories" else r.at(float(name)) for r in results]
        reported = [row.z_local for rows in of_windows for row in rows]
        assert z["mean"] == pytest.approx(np.mean(reported))
        assert z["sd"] == pytest.approx(np.std(reported, ddof=1))
    below = np.mean([result.best.p_global <= 0.05 for result in results])
    assert found["global"]["fraction_below"]["0.05"] == below


def test_pseudo_experiments_share_no_event_and_fluctuate_in_number(settings):
    settings = dataclasses.replace(settings, source="pseudo", n_events=500, n_experiments=6)
    campaign = campaign_of(settings)
    assert campaign.n_background == 500
    tables = [e.labelled() for e in campaign.experiments]
    background = [table.mass[table.label == 0] for table in tables]
    masses = np.concatenate(background)
    assert len(np.unique(masses)) == len(masses)
    numbers = np.array([len(mass) for mass in background])
    assert len(set(numbers)) > 6
    assert np.abs(numbers - 500).max() < 5 * np.sqrt(500)
    for table, experiment in zip(tables, campaign.experiments, strict=True):
        assert table.label.sum() == experiment.n_signal
        again = experiment.labelled()
        assert np.array_equal(again.features, table.features)


def test_other_settings_have_other_folders(settings):
    same = campaign_of(settings).experiments[0].config.run.run_dir
    again = campaign_of(dataclasses.replace(settings, n_jobs=2))
    assert again.experiments[0].config.run.run_dir == same
    for changes in (
        {"n_events": 3000},
        {"overrides": [*SCAN, "method.trees=10"]},
        {"source": "pseudo"},
    ):
        other = campaign_of(dataclasses.replace(settings, **changes))
        assert other.experiments[0].config.run.run_dir != same


def test_one_search_measures_the_overdispersion_of_all(settings):
    plain = [o for o in SCAN if not o.startswith("overdispersion")]
    first, *others = campaign_of(dataclasses.replace(settings, overrides=plain)).experiments
    assert first.config.overdispersion.path is None
    assert {e.config.overdispersion.path for e in others} == {str(first.directory.overdispersion)}
    given = dataclasses.replace(settings, overrides=[*plain, "overdispersion.path=mine.json"])
    assert {e.config.overdispersion.path for e in campaign_of(given).experiments} == {"mine.json"}


@pytest.mark.slow
def test_random_scores_are_searched_without_a_fit(settings, tmp_path):
    settings = dataclasses.replace(settings, random_score=1.2, injections=[0])
    calibrate(settings)
    found = io.read_json(tmp_path / "out" / "calibration.json")
    assert "settings" not in found  # it holds for no method
    assert found["local"]["categories"]["n"] == 2
    for experiment in campaign_of(settings).experiments:
        result = experiment.result()
        assert set(result.overdispersion.f) == {1.2}
        for efficiency in (0.2, 0.1):
            (row,) = result.at(efficiency)
            share = efficiency * row.n_total
            assert abs(row.n_observed - share) < 6 * np.sqrt(share)


def test_moved_signal_is_found_where_it_was_moved(settings):
    moved = dataclasses.replace(
        settings, source="pseudo", injections=[300], shift_signal=[3500.0, 3850.0]
    )
    events = campaign_of(moved).experiments[0].labelled()
    assert np.median(events.mass[events.label == 1]) == pytest.approx(3850, abs=30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "mine"}, "source must be one of pseudo, file"),
        ({"n_events": 0}, "n_events must be at least 1"),
        ({"n_experiments": 1}, "n_experiments must be at least 2"),
        ({"injections": []}, "injections"),
        ({"injections": [-1]}, "injections must not be negative"),
        ({"shift_signal": [3500.0, 3000.0]}, "source=pseudo alone"),
        ({"source": "pseudo", "shift_signal": [3500.0]}, "two masses"),
        ({"random_score": 0.9}, "random_score must lie in 1 to 3"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"window": [3700.0, 3300.0]}, "low < high"),
    ],
)
def test_an_impossible_calibration_is_refused(settings, changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(settings, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": ["scan.start=null"]}, "overrides need scan.start, in GeV, got null"),
        ({"window": [3400.0, 3800.0]}, r"got window=\[3400, 3800\) GeV"),
        ({"overrides": [*SCAN, "injection.n_background=100"]}, "set n_events instead"),
    ],
)
def test_what_would_be_in_vain_is_refused_before_any_search(settings, changes, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        calibrate(dataclasses.replace(settings, **changes))
    assert not list(tmp_path.iterdir())


def test_more_signal_than_there_is_cannot_be_injected(settings):
    greedy = dataclasses.replace(settings, source="pseudo", injections=[601])
    with pytest.raises(DataError, match="601 signal events are to be injected, but 600"):
        campaign_of(greedy).experiments[0].labelled()


@pytest.mark.parametrize(
    "calibration", sorted(p.stem for p in (CONFIG_DIR / "calibration").glob("*.yaml"))
)
def test_calibrations_are_searches(calibration, tmp_path):
    raw = compose(
        "calibrate",
        [f"calibration={calibration}", "n_experiments=2", "source=file", "shift_signal=null"],
    )
    raw.update({"runs": str(tmp_path)})
    config = parse_calibrate(raw)
    experiments = campaign_of(config).experiments
    assert len(experiments) == 2 * len(config.injections)
    assert len({e.config.run.run_dir for e in experiments}) == len(experiments)
    for experiment in experiments:
        assert experiment.config.run.seed == experiment.seed
        assert experiment.config.run.injection.n_signal == experiment.n_signal
        assert not experiment.config.extras
        if any(config.injections):
            assert Window(*config.window) in experiment.config.scan.windows
