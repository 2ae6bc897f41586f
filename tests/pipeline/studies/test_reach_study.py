"""``anode compare study=reach``: what is injected is found, nothing is made twice or mixed up."""

import json
import re

import numpy as np
import pytest

from anode import io
from anode.configuration.composition import as_word, compose
from anode.errors import AnodeError, ConfigError, DataError, RunDirectoryError
from anode.events.feature_definitions import RAW_COLUMNS
from anode.pipeline.studies import compare as compare_module
from anode.pipeline.studies.compare import compare, parse_compare
from anode.pipeline.studies.reach import study as study_module
from anode.regions.windows import Window

QUICK = [
    "overdispersion.n_experiments=0",
    "efficiencies=[0.1]",
    "split.folds=2",
    "store=null",
    "tracker=none",
    "features=[mj1,delta_mj]",
]
FOUND, NOT_FOUND = "delta_mj", "minus"


def events(n: int, label: int, seed: int, delta: float) -> dict[str, np.ndarray]:
    """Two central jets back to back, falling in m_jj or at 3.5 TeV."""
    rng = np.random.default_rng(seed)
    mass = rng.normal(3500, 40, n) if label else 2000 + rng.exponential(600, n)
    angle, tau = rng.uniform(-np.pi, np.pi, n), rng.uniform(0.1, 0.3, n)
    light = rng.uniform(50, 150, n)
    heavy = light + (rng.normal(delta, 30, n) if label else rng.exponential(100, n))
    columns = {}
    for jet, turn, m in ((1, 0.0, heavy), (2, np.pi, light)):
        columns[f"pxj{jet}"] = mass / 2 * np.cos(angle + turn)
        columns[f"pyj{jet}"] = mass / 2 * np.sin(angle + turn)
        columns[f"pzj{jet}"] = np.zeros(n)
        columns[f"mj{jet}"] = m
        for number, factor in ((1, 1.0), (2, 0.6), (3, 0.4)):
            columns[f"tau{number}j{jet}"] = factor * tau
    kept = {name: columns[name] for name in RAW_COLUMNS}
    return {"event_id": np.arange(n), **kept, "label": np.full(n, label, np.int8)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach, it's")
    io.write_hdf5(folder / "background.h5", events(20_000, 0, 1, 0), {"format_version": 1})
    io.write_hdf5(folder / "signal.h5", events(1500, 1, 2, 500), {"format_version": 1})
    return folder


def config(files, runs, *overrides: str):
    given = [
        "study=reach",
        f"runs=[{as_word(runs)}]",
        f"output={as_word(runs / 'out')}",
        f"study.background={as_word(files / 'background.h5')}",
        f"study.signals.wprime_500_100.path={as_word(files / 'signal.h5')}",
        "study.n_background=15000",
        "study.seeds=[1,2]",
        "study.strengths=[0,3]",
        'study.ceiling=["classifier.members=1","features=[mj1,delta_mj]","split.folds=2"]',
        f"study.common={QUICK}",
        f'+study.variants.up=["method=single_feature","method.feature={FOUND}"]',
        f'+study.variants.down=["method=single_feature","method.feature={FOUND}","method.sign=-1"]',
        "only=[up,down]",
        "n_jobs=1",
        *overrides,
    ]
    return parse_compare(compose("compare", given))


@pytest.fixture(scope="module")
def made(files, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    compare(config(files, runs))
    return runs


def test_the_right_score_finds_the_signal_and_the_wrong_one_does_not(made):
    content = json.loads((made / "out/reach.json").read_text())
    rows = {(r["variant"], r["strength"], r["seed"]): r for r in content["searches"]}
    assert len(rows) == 8
    for seed in (1, 2):
        for variant in ("up", "down"):
            none, some = rows[variant, 0, seed], rows[variant, 3, seed]
            assert none["n_injected"] == 0
            assert none["n_background"] == some["n_background"]
            wanted = 3 * np.sqrt(some["n_background"])
            assert some["n_signal"] == pytest.approx(wanted, abs=4 * np.sqrt(wanted))
        assert rows["up", 3, seed]["z_local"] > rows["down", 3, seed]["z_local"] + 3
        assert rows["up", 3, seed]["z_inclusive"] == rows["down", 3, seed]["z_inclusive"]
        assert abs(rows["up", 0, seed]["z_local"]) < 4
    assert rows["up", 0, 1]["n_background"] != rows["up", 0, 2]["n_background"]  # drawn anew
    by_name = {(r["variant"], r["strength"]): r for r in content["summary"]}
    assert by_name["up", 3]["found"]["3"]["median"] == 1
    page = (made / "out/reach.md").read_text()
    assert re.search(r"\| up +\| [\d.]+ \[", page)
    for suffix in ("png", "pdf"):
        assert (made / f"out/reach_wprime_500_100.{suffix}").stat().st_size > 5000
    assert not list(made.glob("wprime_500_100/3/up/seed=1/"))  # fits are not kept


def test_finished_searches_are_not_made_again(made, files, monkeypatch):
    monkeypatch.setattr(study_module, "find", None)
    before = (made / "out/reach.json").read_bytes()
    compare(config(files, made))
    assert (made / "out/reach.json").read_bytes() == before


def test_seeds_are_added_to_a_former_table(made, files, tmp_path, monkeypatch):
    table = made / "out/reach.json"
    io.write_text(made / "out/overdispersion/up.json", "measured")
    asked = []
    monkeypatch.setattr(study_module, "_search_all", lambda job: asked.append(job) or [])
    more = ["study.seeds=[1,2,3]", "study.ceiling=null", f"study.former=[{as_word(table)}]"]
    compare(config(files, tmp_path, *more))
    assert [(job.place.seed, job.place.strength, job.variants) for job in asked] == [
        (3, 0, ("up", "down")),
        (3, 3, ("up", "down")),
    ]
    found = json.loads((tmp_path / "out/reach.json").read_text())["searches"]
    before = json.loads(table.read_text())["searches"]
    key = lambda row: (row["variant"], row["strength"], row["seed"])  # noqa: E731
    assert sorted(found, key=key) == sorted(before, key=key)
    for folder in (tmp_path, tmp_path / "out"):  # taken over, and kept again
        assert (folder / "overdispersion/up.json").read_text() == "measured"


@pytest.mark.parametrize("change", ["study.strengths=[0,3,4]", "study.n_background=14000"])
def test_a_former_table_of_other_samples_is_refused(made, files, tmp_path, change):
    former = f"study.former=[{as_word(made / 'out/reach.json')}]"
    with pytest.raises(RunDirectoryError, match="must have searches of the settings and events"):
        compare(config(files, tmp_path, former, change))


def test_a_former_table_that_cannot_be_judged_is_refused(made, files, tmp_path):
    content = json.loads((made / "out/reach.json").read_text())
    for row in content["searches"]:
        del row["digest"]
    io.write_json(tmp_path / "old.json", content)
    for name, message in (("old.json", "with a digest of each search"), ("no.json", "no.json")):
        former = f"study.former=[{as_word(tmp_path / name)}]"
        with pytest.raises(AnodeError, match=message):
            compare(config(files, tmp_path, former))


def test_searches_of_other_settings_are_refused_before_any_work(made, files, monkeypatch):
    monkeypatch.setattr(study_module, "_search_all", None)
    changed = f"study.common={[*QUICK, 'spectrum.bin_width=100']}"
    with pytest.raises(RunDirectoryError, match=r"seed=1\.json must be of the settings"):
        compare(config(files, made, changed))
    with pytest.raises(RunDirectoryError, match="settings and events of this study"):
        compare(config(files, made, "study.n_background=14000"))


def test_the_ceiling_is_a_supervised_score_of_the_same_features(made):
    content = json.loads((made / "out/reach.json").read_text())
    passing = content["ceilings"]["wprime_500_100"]
    # delta_mj of the signal is 500 +- 30 GeV, that of 5% of the background above 300
    assert passing["1"] == 1
    assert passing["0.01"] > 0.6
    (row,) = (r for r in content["summary"] if (r["variant"], r["strength"]) == ("up", 3))
    assert row["ceiling"] > row["z_global"]["median"]


def test_a_missing_file_is_refused_before_any_work(files, tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "_search_all", None)
    missing = "study.signals.wprime_500_100.path=none.h5"
    with pytest.raises(DataError, match=r"wprime_500_100\.path must be a file .* no none\.h5"):
        compare(config(files, tmp_path, missing))


def test_strengths_share_their_background_and_samples_say_what_they_are(made):
    with io.open_hdf5(made / "samples/wprime_500_100/seed=1.h5") as file:
        label, ids = file["label"][:], file["event_id"][:]
        assert int((label == 0).sum()) == file.attrs["n_background"] == 15_000
    assert np.array_equal(ids, np.arange(len(ids)))


def test_a_wrong_override_names_its_variant(files, tmp_path):
    wrong = '+study.variants.bad=["method.feture=mj1"]'
    with pytest.raises(ConfigError, match=r"variant bad: .*feture"):
        compare(config(files, tmp_path, wrong, "only=[bad]"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("study.strengths=[2,1]", "must rise"),
        ("study.seeds=[1,1]", "once each"),
        ("study.common=['spectrum.test=cuts']", "spectrum.test is given by the study itself"),
        ("study.common=['seed=3']", "seed is given by the study itself"),
        ("study.common=['data.path=x.h5']", "data.path is given by the study itself"),
        ("study.signals.wprime_500_100.window=[3700,3300]", "rising"),
        ("study.n_windows=0", "at least 1"),
        ("only=[nothing]", "only must name variants of the study, .*anode"),
        ("group_by=[seed]", "leave group_by out"),
    ],
)
def test_impossible_studies_are_refused(files, tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        config(files, tmp_path, override)


def test_what_a_file_lacks_is_said_and_the_rest_is_done(files, tmp_path):
    with pytest.raises(RunDirectoryError, match=r"lower study\.strengths or study\.n_background"):
        compare(config(files, tmp_path, "study.n_background=30000"))
    with pytest.raises(RunDirectoryError, match=r"holds none; its median mass is 3\d\d\d"):
        compare(config(files, tmp_path, "study.signals.wprime_500_100.window=[5000,5400]"))


def test_a_window_at_the_edge_of_the_spectrum_is_a_failure_and_no_search(files, tmp_path):
    low = events(300, 1, 3, 500)
    low |= {name: low[name] * 2250 / 3500 for name in ("pxj1", "pyj1", "pxj2", "pyj2")}
    io.write_hdf5(tmp_path / "low.h5", low, {"format_version": 1})
    at_the_edge = [
        "study.signals.wprime_500_100.window=[2100,2400]",
        f"study.signals.wprime_500_100.path={as_word(tmp_path / 'low.h5')}",
    ]
    with pytest.raises(RunDirectoryError, match=r"2100, 2400\) GeV cannot be tested"):
        compare(config(files, tmp_path, *at_the_edge, "study.seeds=[1]", "study.strengths=[1]"))
    assert not list(tmp_path.glob("wprime*/*/*/*.json"))


def test_a_study_of_runs_is_none_of_searches():
    assert isinstance(
        parse_compare(compose("compare", ["study=scan"])), compare_module.CompareConfig
    )
    assert Window(*config_window()).contains(np.array([3500.0]))[0]


def config_window() -> list[float]:
    study = parse_compare(compose("compare", ["study=reach"])).study
    return study.signals["wprime_500_100"].window
