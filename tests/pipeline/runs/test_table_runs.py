"""The commands on a table of one's own: run, score, search, report and explore."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.configuration.builder import resolve
from anode.errors import DataError
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.explore import describe, parse_explore
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, from_mapping
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring import blocks
from anode.pipeline.scoring.score import parse_score, score
from anode.pipeline.search.config import parse_search
from anode.pipeline.search.search import find
from anode.pipeline.search.search_directory import SearchDirectory
from anode.reporting.search.report_tables import events_table
from anode.statistics.scan.top_events import TopEvents
from helpers.settings import REPOSITORY
from helpers.sources import WRITERS, write_csv

QUICK = [
    "density=made_mog",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "trainer.batch_size=512",
    "trainer.keep=2",
    "ensemble.size=2",
    "split.folds=2",
    "preprocessing.logit=false",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=500",
    "n_jobs=1",
    "store=null",
    "figures=false",
]
COLUMNS = "data.columns={mass: m_jj, features: {alpha: alpha}, label: null, event_id: null}"
FEATURES = "{alpha: alpha, other: beta}"
ALL = f"data.columns={{mass: m_jj, features: {FEATURES}, label: truth, event_id: id}}"


def columns(n: int = 4000, seed: int = 1) -> dict[str, np.ndarray]:
    """A falling spectrum and a resonance at 3.5 TeV with a shifted feature."""
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(size=n) < 0.1).astype(int)
    mass = np.where(truth == 1, rng.normal(3500, 60, n), 2500 + rng.exponential(900, n))
    return {
        "id": 5 + 7 * np.arange(n) + seed * 10**6,
        "m_jj": mass,
        "alpha": rng.normal(0, 1, n) + 2 * truth,
        "beta": rng.normal(0, 1, n),
        "truth": truth,
    }


def composed(command: str, *overrides: str):
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return compose(command, [*overrides])


def config(path: Path, named: str, run_dir: Path, *overrides: str) -> RunConfig:
    asked = ["data=table", f"data.path={path}", named, *QUICK, *overrides]
    return from_mapping(resolve(composed("run", *asked, f"run_dir={run_dir}")))


def test_a_run_on_one_column_of_a_table_scores_every_event(tmp_path):
    """The command of the documentation, to the letter but for a quick recipe."""
    path = write_csv(tmp_path / "events.csv", columns())
    asked = config(path, COLUMNS, tmp_path / "run", "features=[alpha]")
    stages.run(asked)
    scored = read_scores(tmp_path / "run/scores.h5")
    mass = columns()["m_jj"]
    inside = (mass >= 3300) & (mass < 3700)
    assert np.array_equal(np.sort(scored.event_id), np.flatnonzero(inside))
    assert scored.label is None
    metrics = io.read_json(tmp_path / "run/metrics.json")
    assert metrics["auc"] is None
    truth = columns()["truth"][scored.event_id]
    assert scored.score[truth == 1].mean() > scored.score[truth == 0].mean()
    stages.run(asked)  # what is finished is recognised


@pytest.mark.parametrize(("method", "told"), [("anode", True), ("cwola", False)])
def test_values_that_many_share_matter_to_densities_alone(tmp_path, caplog, method, told):
    table = columns()
    table["alpha"] = np.round(table["alpha"])
    path = write_csv(tmp_path / "events.csv", table)
    with caplog.at_level(logging.WARNING):
        prepare(config(path, COLUMNS, tmp_path / "run", f"method={method}"))
    assert ("that many share" in caplog.text) == told


@pytest.mark.parametrize("kind", ["h5", "npz", "parquet"])
def test_all_kinds_of_files_give_the_same_run(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    text = write_csv(tmp_path / "events.csv", columns())
    other = WRITERS[kind](tmp_path / f"events.{kind}", columns())
    first, second = (prepare(config(path, ALL, tmp_path)) for path in (text, other))
    assert first.data.names == ("alpha", "other")
    assert np.array_equal(first.data.event_id, second.data.event_id)
    assert np.array_equal(first.data.features, second.data.features)
    assert np.array_equal(first.data.mass, second.data.mass)


def test_further_tables_serve_the_test_and_one_that_repeats_an_event_is_refused(tmp_path):
    path = write_csv(tmp_path / "events.csv", columns())
    other = write_csv(tmp_path / "other.csv", columns(500, seed=2))
    background = {name: values[:300] for name, values in columns(3000, seed=3).items()}
    background["truth"] = np.zeros(300, dtype=int)
    spare = write_csv(tmp_path / "spare.csv", background)
    asked = [f"data.extra=[{other}]", f"data.extra_background={spare}", "injection.n_signal=0"]
    prepared = prepare(config(path, ALL, tmp_path, *asked))
    n_signal = columns()["truth"].sum() + columns(500, seed=2)["truth"].sum()
    assert prepared.extra.label.sum() == n_signal
    assert len(prepared.extra) == columns()["truth"].sum() + 500 + 300
    assert prepared.files == [path, spare, other]
    with pytest.raises(DataError, match=r"events\.csv: an event of data\.extra must occur once"):
        prepare(config(path, ALL, tmp_path, f"data.extra=[{path}]"))


def test_labelled_events_are_injected_and_another_table_is_scored(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "events.csv", columns())
    run = config(path, ALL, tmp_path / "run", "injection.n_signal=100", "density=maf")
    run = dataclasses.replace(run, features=["alpha"])
    prepared = prepare(run)
    assert prepared.data.label.sum() == 100
    assert prepared.extra.label.sum() == columns()["truth"].sum() - 100
    stages.run(run)
    assert io.read_json(tmp_path / "run/metrics.json")["auc"] is not None
    new = write_csv(tmp_path / "new.csv", columns(3000, seed=2))
    asked = ["data=table", ALL, f"run_dir={tmp_path / 'run'}", "n_jobs=1"]
    given = [*asked, f"data.path={new}", f"output={tmp_path / 'new.h5'}"]
    score(parse_score(composed("score", *given)))
    with io.open_hdf5(tmp_path / "new.h5") as file:
        scores = {name: file[name][:] for name in file}
    mass = columns(3000, seed=2)["m_jj"]
    inside = (mass >= 3300) & (mass < 3700)
    assert np.array_equal(scores["event_id"], columns(3000, seed=2)["id"][inside])
    assert np.array_equal(scores["label"], columns(3000, seed=2)["truth"][inside])
    monkeypatch.setattr(blocks.in_blocks, "__kwdefaults__", {"rows": 333})
    given[-1] = f"output={tmp_path / 'blocks.h5'}"
    score(parse_score(composed("score", *given)))
    with io.open_hdf5(tmp_path / "blocks.h5") as file:
        np.testing.assert_allclose(file["score"][:], scores["score"], atol=1e-5)
    with pytest.raises(DataError, match="was fitted on"):
        score(parse_score(composed("score", *asked, f"data.path={path}", f"output={tmp_path}/x")))


def test_a_search_on_a_table_names_its_top_events_with_all_their_features(tmp_path):
    path = write_csv(tmp_path / "events.csv", columns(6000))
    quick = [override for override in QUICK if not override.startswith("figures")]
    asked = ["data=table", f"data.path={path}", ALL, *quick, "features=[alpha]", "n_toys=100"]
    scan = ["scan.start=3300", "scan.stop=3700", "split.sideband_folds=1", "extras=false"]
    scan.append("overdispersion.n_experiments=0")
    found = parse_search(composed("search", *asked, *scan, f"run_dir={tmp_path / 'search'}"))
    assert find(found)
    directory = SearchDirectory(tmp_path / "search")
    top = TopEvents.from_json(io.read_json(directory.top_events), directory.top_events)
    known = columns(6000)
    for event in top.overall:
        (row,) = np.flatnonzero(known["id"] == event.event_id)
        assert event.mass == known["m_jj"][row]
        features = {"alpha": known["alpha"][row], "other": known["beta"][row]}
        assert event.features == features
    shown = events_table(top.overall, top.units)
    assert list(shown.header[-2:]) == ["alpha", "other"]
    assert shown.rows[0][-1] == f"{top.overall[0].features['other']:.4g}"


def test_a_table_is_explored_with_all_its_features(tmp_path):
    values = columns()
    values["beta"][17] = np.nan
    path = write_csv(tmp_path / "events.csv", values)
    asked = parse_explore(composed("explore", "data=table", f"data.path={path}", ALL, "output=x"))
    source = open_data(asked.data, seed=1, n_jobs=1)
    card = describe(asked, source, asked.regions.regions())
    assert (card.n_rows, card.n_faulty, card.repeated_ids.n) == (4000, 1, 0)
    (fault,) = card.faults
    assert (fault.source, fault.column, fault.rows) == (str(path), "beta", [17])
    assert [(entry.name, entry.unit) for entry in card.stored] == [
        ("m_jj", "GeV"),
        ("alpha", ""),
        ("beta", ""),
    ]
    assert [entry.name for entry in card.derived] == ["mjj", "alpha", "other"]
