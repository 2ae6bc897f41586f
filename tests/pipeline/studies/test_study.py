"""Studies: what is missing is made, what failed is named, and the rest is compared."""

import dataclasses
import json
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.errors import AnodeError, ConfigError, RunDirectoryError
from anode.evaluation.comparison import Comparison
from anode.events.feature_definitions import RAW_COLUMNS
from anode.pipeline.runs import evaluate as judge
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.studies import compare, reproduce, study
from anode.pipeline.studies.settings import Study
from anode.pipeline.studies.study import Failure, study_runs
from helpers.settings import REPOSITORY
from helpers.synthetic_runs import METHODS, synthetic_study, write_run, write_runs

CONFIGS = REPOSITORY / "configs"
QUICK = [
    "data=toy",
    "data.n_background=3000",
    "data.n_signal=600",
    "injection.n_signal=200",
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=8",
    "trainer.epochs=1",
    "ensemble.size=1",
    "split.folds=2",
    "evaluation.n_bootstrap=5",
    "evaluation.n_closure=500",
    "tracker=none",
]


def write_dijets(path: Path, *, n: int, label: int, seed: int) -> None:
    """A file of the bundled layout, of one class."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(1.0, 2.0, n) for name in RAW_COLUMNS}
    labels = np.full(n, label, np.int8)
    io.write_hdf5(
        path, {"event_id": np.arange(n), **columns, "label": labels}, {"format_version": 1}
    )


def quick_study(folder: Path, **changes: object) -> Study:
    """Two variants of one method over two seeds."""
    settings = {
        "seeds": [1, 2],
        "common": QUICK,
        "variants": {"default": [], "wide": ["density.hidden_features=12"]},
        "figures": ["sic"],
    }
    return synthetic_study(folder, **{**settings, **changes})


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Variant and seed of each run that was made, in order: no fits, but made-up results."""
    runs: list[str] = []

    def run(config) -> None:
        run_dir = Path(config.run_dir)
        if not (run_dir / "metrics.json").is_file():
            runs.append(f"{run_dir.parent.name} {config.seed}")
            print("a table that nobody wants")
            write_run(run_dir, "anode", config.seed)

    monkeypatch.setattr(stages, "run", run)
    return runs


def test_files_are_joined_before_the_runs_and_again_where_a_part_changed(tmp_path, made):
    for label, name in enumerate(("qcd", "ttbar")):
        write_dijets(tmp_path / f"{name}.h5", n=40, label=label, seed=label)
    parts = [str(tmp_path / f"{name}.h5") for name in ("qcd", "ttbar")]
    joined = tmp_path / "joined" / "ttbar.h5"
    asked = quick_study(tmp_path, joined={str(joined): parts})
    compare.compare(compare.CompareConfig(None, None, None, ["sic"], 1, asked))
    with io.open_hdf5(joined) as file:
        label, masses = file["label"][:], file["mj1"][:]
    with io.open_hdf5(parts[1]) as file:
        np.testing.assert_array_equal(masses[label == 1], file["mj1"][:])
    assert np.sum(label == 0) == 40
    write_dijets(tmp_path / "ttbar.h5", n=30, label=1, seed=3)
    compare.compare(compare.CompareConfig(None, None, None, ["sic"], 1, asked))
    with io.open_hdf5(joined) as file:
        assert np.sum(file["label"][:]) == 30
    missing = quick_study(tmp_path, joined={str(joined): [parts[0], str(tmp_path / "no.h5")]})
    with pytest.raises(AnodeError, match=r"no\.h5"):
        compare.compare(compare.CompareConfig(None, None, None, ["sic"], 1, missing))
    with pytest.raises(ConfigError, match="file of background, file of signal"):
        quick_study(tmp_path, joined={str(joined): parts[:1]})


def test_runs_lie_by_point_variant_and_seed_and_a_seed_is_made_by_one_process(tmp_path):
    asked = quick_study(
        tmp_path,
        points={"a": ["injection.n_signal=100"], "b": []},
        ensembles=["default last 1"],
    )
    cells = study_runs(asked)
    assert len({cell.run_dir for cell in cells}) == 2 * 2 * 3
    assert [cell.seed for cell in cells] == [1] * 6 + [2] * 6
    assert cells[0].run_dir == tmp_path / "runs" / "a" / "default" / "seed=1"
    assert cells[0].overrides == (
        "figures=false",
        *QUICK,
        "injection.n_signal=100",
        "seed=1",
        "n_jobs=1",
    )
    assert [cell.variant for cell in cells[:3]] == ["default", "wide", "default-last-1"]
    assert cells[2].source == cells[0].run_dir
    flat = study_runs(dataclasses.replace(asked, points={}))
    assert flat[0].run_dir == tmp_path / "runs" / "default" / "seed=1"


def test_what_is_missing_is_made_and_what_is_finished_is_kept(tmp_path, made, capsys):
    asked = quick_study(tmp_path)
    assert compare.compare_study(asked, n_jobs=1) == []
    assert made == ["default 1", "wide 1", "default 2", "wide 2"]
    assert "nobody wants" not in capsys.readouterr().out
    before = (tmp_path / "compared" / "comparison.json").read_bytes()
    made.clear()
    (tmp_path / "runs" / "wide" / "seed=1" / "metrics.json").unlink()
    assert compare.compare_study(asked, n_jobs=1) == []
    assert made == ["wide 1"]
    assert (tmp_path / "compared" / "comparison.json").read_bytes() == before


def test_a_run_that_fails_keeps_no_other_from_being_made_and_compared(
    tmp_path, made, monkeypatch, caplog
):
    honest = stages.run

    def run(config) -> None:
        if config.run_dir.endswith("wide/seed=1"):
            raise ZeroDivisionError("a bug in one method")
        honest(config)

    monkeypatch.setattr(stages, "run", run)
    asked = quick_study(tmp_path)
    config = compare.CompareConfig(None, None, None, [], 1, asked)
    with pytest.raises(RunDirectoryError, match=r"1 run\(s\) failed.*\n.*wide/seed=1: ZeroDiv"):
        compare.compare(config)
    assert made == ["default 1", "default 2", "wide 2"]
    content = io.read_json(tmp_path / "compared" / "comparison.json")
    assert {name: group["n_runs"] for name, group in content.items()} == {"default": 2, "wide": 1}
    assert "Traceback" in caplog.text
    monkeypatch.setattr(stages, "run", honest)
    compare.compare(config)
    assert made[3:] == ["wide 1"]


def test_chosen_variants_alone_are_made_and_an_unknown_one_is_refused(tmp_path, made):
    asked = quick_study(tmp_path, labels={"wide": "wide window"})
    compare.compare(compare.CompareConfig(None, None, None, [], 1, asked, only=["default"]))
    assert made == ["default 1", "default 2"]
    assert [*io.read_json(tmp_path / "compared" / "comparison.json")] == ["default"]
    wrong = compare.CompareConfig(None, None, None, [], 1, asked, only=["narrow"])
    with pytest.raises(ConfigError, match=r"only must name .* default, wide; got \['narrow'\]"):
        compare.compare(wrong)
    with pytest.raises(ConfigError, match="give study=NAME"):
        compare.CompareConfig(["a"], "b", None, [], 1, None, only=["default"])


def test_a_killed_process_is_reported(tmp_path, monkeypatch):
    def killed(*_arguments, **_options):
        raise BrokenProcessPool

    monkeypatch.setattr(study, "stream_jobs", killed)
    failures = study.make(quick_study(tmp_path, seeds=[1]), n_jobs=2)
    assert [failure.run_dir.parent.name for failure in failures] == ["default", "wide"]
    assert "killed" in failures[0].reason


@pytest.mark.slow
def test_two_processes_make_what_is_possible_of_a_grid(tmp_path, capfd):
    points = {"some": [], "none": ["data.n_signal=100"]}
    asked = quick_study(tmp_path, points=points, variants={"default": []})
    config = compare.CompareConfig([str(tmp_path / "mine")], None, None, [], 2, asked)
    with pytest.raises(RunDirectoryError, match=r"2 run\(s\) failed") as caught:
        compare.compare(config)
    assert "injection.n_signal=200" in str(caught.value)
    (group,) = io.read_json(tmp_path / "compared" / "comparison.json").values()
    assert (group["point"], group["n_runs"]) == ("some", 2)
    for seed in (1, 2):
        run_dir = tmp_path / "mine" / "some" / "default" / f"seed={seed}"
        assert load_run(run_dir / "config.yaml").seed == seed
    assert (tmp_path / "compared" / "comparison-some.png").is_file()
    shown = capfd.readouterr().out
    assert "max SIC" in shown
    assert "AUC, SIC" not in shown


def test_points_and_other_ensembles_are_groups_beside_their_variant(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "save_figure", lambda figure, path: None)
    points = {"some": [], "most": ["injection.n_signal=500"]}
    asked = quick_study(
        tmp_path,
        seeds=[1],
        points=points,
        variants={"default": []},
        ensembles=["default best 1"],
    )
    assert compare.compare_study(asked, n_jobs=1) == []
    content = io.read_json(tmp_path / "compared" / "comparison.json")
    assert list(content) == [
        "some/default",
        "some/default-best-1",
        "most/default",
        "most/default-best-1",
    ]
    some, most = (content[f"{point}/default"]["s_over_b"]["median"] for point in points)
    assert most > 2 * some


def test_runs_are_in_order_of_their_seeds_however_they_are_found(tmp_path):
    write_runs(synthetic_study(tmp_path, variants={"anode": []}, seeds=[10, 2, 1]))
    runs = compare.find_runs([f"{tmp_path}/runs/*/*"])
    ((name, found),) = compare.group_runs(runs, None).items()
    assert name == "all runs"
    assert [run.metrics.seed for run in found] == [1, 2, 10]
    (group,) = Comparison.of({"all": found}).groups
    assert list(group.by_seed("auc")) == ["1", "2", "10"]


def test_groups_are_named_by_what_differs_and_a_choice_implies_its_settings(tmp_path):
    for name, overrides in {
        "mixture": ["density=made_mog"],
        "maf": ["density=maf"],
        "long": ["density=maf", "trainer.epochs=40"],
        "wide": ["density=maf", "density.hidden_features=32"],
    }.items():
        config = compose_run(overrides, "x")
        write_run(tmp_path / name, "anode", 1)
        io.write_text(tmp_path / name / "config.yaml", config.to_yaml())
    runs = {run.path.name: run for run in compare.find_runs([f"{tmp_path}/*"])}
    three = [runs[name] for name in ("mixture", "maf", "long")]
    assert list(compare.group_runs(three, None)) == [
        "density.name=made_mog, trainer.epochs=20",
        "density.name=maf, trainer.epochs=20",
        "density.name=maf, trainer.epochs=40",
    ]
    assert list(compare.group_runs([runs["maf"], runs["wide"]], None)) == [
        "density.hidden_features=64",
        "density.hidden_features=32",
    ]
    assert list(compare.group_runs(three, ["density.name"])) == [
        "density.name=made_mog",
        "density.name=maf",
    ]


def test_comparison_json_holds_what_the_figures_need(tmp_path):
    asked = synthetic_study(tmp_path, points={"default": [], "shifted": []})
    write_runs(asked)
    runs = {f"{c.point}/{c.variant}": (c.point, c.variant) for c in study_runs(asked)}
    groups = {name: compare.find_runs([f"{asked.runs}/{name}/*"]) for name in runs}
    content = Comparison.of(groups, runs).to_json()
    compared = Comparison.from_json(json.loads(json.dumps(content)), "comparison.json")
    assert compared == Comparison.of(groups, runs)
    read = {group.name: group for group in compared.groups}
    assert len(read) == 2 * len(METHODS)
    supervised, fitted = read["shifted/supervised"], read["default/r_anode"]
    assert (supervised.point, supervised.variant) == ("shifted", "supervised")
    assert supervised.uses_truth
    assert not fitted.uses_truth
    assert set(fitted.by_seed("signal_fraction")) == {"1", "2", "3", "10"}
    assert supervised.by_seed("signal_fraction") == {}
    peaks = [run.metrics.max_sic for run in groups["default/r_anode"]]
    assert fitted.over_seeds("max_sic").median == pytest.approx(np.median(peaks))
    assert content["shifted/supervised"]["max_sic minus first group"] is None
    assert content["shifted/iad"]["max_sic minus first group"]["n"] == 4


def test_an_old_comparison_is_still_read():
    for path in (REPOSITORY / "results" / "reference" / "anode").glob("*/comparison.json"):
        for group in Comparison.from_json(io.read_json(path), path).groups:
            assert group.over_seeds("max_sic").n == len(group.by_seed("max_sic"))
            assert (group.point, group.variant, group.uses_truth) == ("", group.name, False)


# --- configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": []}, r"study\.seeds must be named once each"),
        ({"seeds": [1, 1]}, r"study\.seeds must be named once each"),
        ({"variants": {}}, r"study\.variants must name"),
        ({"variants": {"a/b": []}}, "names a folder, got 'a/b'"),
        ({"points": {"..": []}}, r"names a folder, got '\.\.'"),
        ({"ensembles": ["default best"]}, "must be 'variant mode size', got 'default best'"),
        ({"ensembles": ["other last 1"]}, "no variant 'other'"),
        ({"figures": ["sic", "pie"]}, r"study\.figures must be out of sic, .*got \['pie'\]"),
        ({"published": "rumour"}, r"study\.published must be 2109\.00546, write_ups or null"),
    ],
)
def test_an_impossible_study_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        quick_study(tmp_path, **changes)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.epoch_count=3", "epoch_count"),
        ("trainer.epochs=0", r"trainer\.epochs must be above 0"),
        ("density=glow", "glow"),
    ],
)
def test_a_wrong_override_is_refused_before_any_run_is_made(tmp_path, made, override, message):
    asked = quick_study(tmp_path, variants={"default": [], "wrong": [override]})
    with pytest.raises(ConfigError, match=rf"(?s)wrong: .*{message}"):
        compare.compare(compare.CompareConfig(None, None, None, [], 1, asked))
    assert made == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"needs runs=.*or study=NAME; got runs=None and output=None"),
        (["runs=[a/*]"], r"got runs=\['a/\*'\] and output=None"),
        (["study=full", "group_by=[seed]"], "grouped by its variants"),
        (["study=full", "runs=[a,b]"], "one folder"),
        (["runs=[a]", "output=b", "figures=[scan]"], "scan need the points of a study"),
        (["study=full", "n_jobs=0"], "n_jobs must be at least 1"),
        (["study=full", "study.seeds=[]"], r"study\.seeds"),
    ],
)
def test_a_comparison_of_nothing_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parsed(*overrides)


def test_a_study_on_the_command_line_can_be_changed():
    config = parsed("study=full", "study.seeds=[7]", "runs=elsewhere", "output=there")
    assert config.study is not None
    assert (config.runs, config.output) == (["elsewhere"], "there")
    assert config.study.seeds == [7]
    assert config.study.output == "results/reference/anode/full"


@pytest.mark.parametrize("name", reproduce.study_names())
def test_every_study_composes(name):
    asked = reproduce.read_study(name)
    anode = ("ablation", "full", "main_job", "regularisation", "tuning")
    home = "anode" if name in anode else "family"
    assert asked.output in (f"results/reference/{home}/{name}", f"results/reference/{name}")
    first = (CONFIGS / "study" / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# anode compare study={name}"
    study.check(asked)


@pytest.mark.parametrize("name", reproduce.OF_SEARCHES)
def test_every_study_of_searches_composes(name):
    asked = reproduce.read_reach(name, 1).study
    assert asked.output == f"results/reference/{name}"
    first = (CONFIGS / "study" / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# anode compare study={name}"
    if name in reproduce.NEEDS:
        paths = [signal.path for signal in asked.signals.values()]
        assert reproduce.NEEDS[name] in [asked.background, *paths]


def test_the_signal_of_the_scan_is_what_its_points_say():
    """0.748 of the bundled signal and 0.142 of the background lie in the signal region."""
    asked = reproduce.read_study("scan")
    for point, (override,) in asked.points.items():
        n_signal = int(override.partition("=")[2])
        assert 0.74776 * n_signal / (0.142158 * 250_000) == pytest.approx(float(point), rel=0.02)


def parsed(*overrides: str) -> compare.CompareConfig:
    with initialize_config_dir(str(CONFIGS), version_base=None):
        return compare.parse_compare(compose("compare", list(overrides)))


def test_reproduce_names_the_studies_it_knows():
    with initialize_config_dir(str(CONFIGS), version_base=None):
        raw = compose("reproduce", ["only=[full,half]"])
    with pytest.raises(ConfigError, match=r"some of ablation, .*got \['half'\]"):
        reproduce.parse_reproduce(raw)


def test_reproduce_makes_every_study_and_complains_at_the_end(tmp_path, monkeypatch):
    done = []

    def compared(asked, *, n_jobs):
        done.append((asked.output.rpartition("/")[2], n_jobs))
        return [Failure(Path("a/run"), "it was late", "")] if len(done) == 1 else []

    monkeypatch.setattr(compare, "compare_study", compared)
    with pytest.raises(RunDirectoryError, match="a/run: it was late"):
        reproduce.reproduce(reproduce.ReproduceConfig(2, ["full", "ablation"]))
    assert done == [("full", 2), ("ablation", 2)]


@pytest.mark.parametrize("name", ["family", "scan", "robustness", "no_signal"])
def test_a_study_runs_on_the_downloaded_sample_too(name):
    ours = reproduce.read_study(name)
    theirs = reproduce.read_study(f"lhco_rd/{name}")
    assert set(theirs.variants) == set(ours.variants)
    assert "data=lhco_rd" in theirs.common
    assert "results/lhco_rd" in theirs.runs
    study.check(theirs)


def test_what_needs_events_that_are_not_there_is_left_out_with_a_word(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    assert set(reproduce.NEEDS) <= set(reproduce._everything())
    reproduce.reproduce(reproduce.ReproduceConfig(n_jobs=1, only=["representations"]))
    assert "configs/study/representations.yaml has the command" in caplog.text
    wanted = reproduce.read_study("representations").common
    assert f"data.path={reproduce.NEEDS['representations']}" in wanted
