"""Every method through the stages of a run: blind to the data's labels, other files scored."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.density.physical import PhysicalDensity
from anode.errors import SamplingError
from anode.methods.build import METHODS
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import evaluate as judge
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring import blocks as stream
from anode.regions.injection import InjectionConfig
from anode.training.checkpoints import read_result
from helpers.chain import QUICK, _lhco_file, composed_content

SMALL = [
    *(o for o in QUICK if not o.startswith(("data", "injection", "density", "trainer", "fig"))),
    "density=made_mog",
    "density.hidden_features=16",
    "density.n_components=3",
    "trainer.epochs=2",
    "ensemble.size=2",
    "classifier.members=2",
    "classifier.max_iter=15",
    "injection.n_signal=150",
    "injection.n_background=4500",
    "tracker=none",
]
R_ANODE = ["fits=2", "density.hidden_features=16", "density.n_components=3", "trainer.epochs=2"]
OPTIONS = {
    "r_anode": [f"method.{key}" for key in R_ANODE],
    "isolation_forest": ["method.trees=20"],
    "autoencoder": ["representation=vae", "representation.trainer.epochs=2"],
    "single_feature": ["method.feature=delta_mj"],
    "combination": [f"method.members.r_anode.{key}" for key in R_ANODE],
}
FINDINGS = {
    "anode": {"likelihood_gain"},
    "r_anode": {
        "likelihood_gain",
        "signal_fraction",
        "signal_fraction_error",
        "signal_fraction_by_fold",
    },
}
TRUTHFUL = ("iad", "supervised")
every_method = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return _lhco_file(tmp_path_factory.mktemp("data") / "events.h5")


def config_of(path: Path, run_dir: Path, name: str, *more: str) -> RunConfig:
    asked = ["data=lhco_features", f"data.path={path}", f"method={name}", *OPTIONS.get(name, [])]
    content = composed_content(*SMALL, *asked, *more)
    return configuration.from_mapping({**content, "run_dir": str(run_dir)})


def run(config: RunConfig, prepared: Prepared | None = None) -> Path:
    """The stages of a run, figures made but not written, which takes longer than all the rest."""
    prepared = prepared or prepare(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "save_figure", lambda figure, path: None)
        for stage in (stages.train, stages.score, stages.evaluate):
            stage(config, prepared)
    return Path(config.run_dir)


@pytest.fixture(scope="module")
def finished(path, tmp_path_factory):
    """Runs by method, each made once."""
    root = tmp_path_factory.mktemp("runs")

    def of(name: str) -> RunConfig:
        config = config_of(path, root / name, name)
        if not (root / name).is_dir():
            run(config)
        return config

    return of


@every_method
def test_a_run_ends_with_its_metrics(finished, name):
    config = finished(name)
    metrics = io.read_json(Path(config.run_dir) / "metrics.json")
    assert metrics["method"] == name
    assert metrics["uses_truth"] == (name in TRUTHFUL)
    assert FINDINGS.get(name, set()) <= metrics.keys()
    assert ("signal_fraction" in metrics) == (name == "r_anode")
    assert {"mass", *config.features} == metrics["follows"].keys()
    if name == "single_feature":  # the score is the feature
        assert metrics["follows"]["delta_mj"] == 1
    counts = metrics["n_injected_sr"], metrics["n_data_sr"]
    assert metrics["true_signal_fraction"] == pytest.approx(counts[0] / counts[1])
    if name != "single_feature":  # which fits nothing, in no time
        assert metrics["seconds"] > 0
        assert metrics["cpu_seconds"] > 0
    densities = ("anode", "r_anode", "cathode", "lacathode", "combination")
    assert (metrics["closure"] is not None) == (name in densities)
    held_out = metrics.get("held_out_loss", {})
    assert ("p_bg" in held_out) == (name in densities)
    if name == "anode":
        fit = read_result(Path(config.run_dir) / "checkpoints" / "background")
        losses = [checkpoint.validation_loss for checkpoint in fit.select("last", 2)]
        assert held_out["p_bg"] == pytest.approx(np.mean(losses))


@every_method
def test_every_event_outside_the_sidebands_is_scored_once(finished, name):
    config = finished(name)
    prepared = prepare(config)
    scored = read_scores(Path(config.run_dir) / "scores.h5")
    data = prepared.data[prepared.in_signal_region()]
    extra = prepared.extra_in_signal_region()
    expected = np.concatenate([data.event_id, extra.event_id])
    assert np.array_equal(scored.event_id, expected)
    assert np.isfinite(scored.score).all()


@every_method
def test_poisoned_labels_of_the_data_change_no_score(path, finished, tmp_path, name):
    honest = finished(name)
    config = dataclasses.replace(honest, run_dir=str(tmp_path / "poisoned"))
    prepared = prepare(config)
    wrong = np.random.default_rng(0).permutation(prepared.data.label)
    assert not np.array_equal(wrong, prepared.data.label)
    data = dataclasses.replace(prepared.data, label=wrong)
    for stage in (stages.train, stages.score):
        stage(config, prepared._replace(data=data))
    true, false = (read_scores(Path(c.run_dir) / "scores.h5") for c in (honest, config))
    assert not np.array_equal(true.label, false.label)
    assert np.array_equal(true.score, false.score)


@pytest.mark.parametrize("name", TRUTHFUL)
def test_labels_of_simulation_do_matter_to_ceilings(finished, tmp_path, name):
    honest = finished(name)
    config = dataclasses.replace(honest, run_dir=str(tmp_path / "poisoned"))
    prepared = prepare(config)
    wrong = np.random.default_rng(0).permutation(prepared.extra.label)
    prepared = prepared._replace(extra=dataclasses.replace(prepared.extra, label=wrong))
    for stage in (stages.train, stages.score):
        stage(config, prepared)
    true, false = (read_scores(Path(c.run_dir) / "scores.h5") for c in (honest, config))
    assert not np.array_equal(true.score, false.score)


@every_method
def test_another_file_is_scored(finished, tmp_path, monkeypatch, name):
    config = finished(name)
    other = _lhco_file(tmp_path / "other.h5", seed=5, n=2000, with_label=False)
    asked = dataclasses.replace(
        config,
        data=DataConfig("lhco_features", str(other), None, None, None),
        injection=InjectionConfig(None, None),
    )
    directory = stages.RunDirectory(config.run_dir)
    scores = []
    for rows in (100_000, 700):
        monkeypatch.setattr(stream, "BLOCK_ROWS", rows)
        stream.score_file(asked, directory, tmp_path / f"{rows}.h5")
        scores.append(read_scores(tmp_path / f"{rows}.h5"))
    whole, blocks = scores
    assert len(whole.score) > 300
    assert np.isfinite(whole.score).all()
    assert np.array_equal(whole.event_id, blocks.event_id)
    np.testing.assert_allclose(blocks.score, whole.score, atol=1e-3)


@pytest.mark.parametrize("name", ["r_anode", "combination", *TRUTHFUL])
def test_a_holdout_leaves_out_what_it_has_trained_on(path, tmp_path, name):
    config = config_of(path, tmp_path / "run", name, "split=holdout", "split.folds=1")
    scored = read_scores(run(config) / "scores.h5")
    prepared = prepare(config)
    data, extra = prepared.data[prepared.in_signal_region()], prepared.extra_in_signal_region()
    method = stages.method_of(config, stages.RunDirectory(config.run_dir))
    for number, (table, fitted) in enumerate([(data, True), (extra, name in TRUTHFUL)]):
        unseen = method.unseen(table, np.full(len(table), fitted))
        assert unseen.all() != fitted
        expected = table.event_id[unseen]
        assert np.array_equal(scored.event_id[scored.sample == number], expected)


def test_a_copied_background_is_paid_for_in_the_metrics(path, tmp_path):
    costs = []
    for name in ("first", "second"):
        asked = f"store={tmp_path / 'store'}"
        folder = run(config_of(path, tmp_path / name, "cathode", asked))
        metrics, manifest = (io.read_json(folder / f) for f in ("metrics.json", "manifest.json"))
        own = {k: manifest[k]["train"] + manifest[k]["score"] for k in ("seconds", "cpu_seconds")}
        costs.append({k: metrics[k] - own[k] for k in own})
    assert max(costs[0].values()) == pytest.approx(0, abs=0.02)
    (kept,) = (tmp_path / "store").glob("*/cost.json")
    content = io.read_json(kept)
    for key, cost in costs[1].items():
        assert cost == pytest.approx(content[key], abs=0.02)
        assert cost > 0


def test_a_run_of_ceilings_without_events_outside_the_data_is_refused(path, tmp_path):
    asked = ["injection.n_signal=null", "injection.n_background=null"]
    config = config_of(path, tmp_path / "run", "iad", *asked)
    with pytest.raises(stages.DataError, match=r"method=iad needs labelled events .* data\.extra"):
        stages.run(config)
    assert not (tmp_path / "run").exists()


def test_a_run_whose_density_draws_no_events_has_metrics_without_closure(
    path, tmp_path, monkeypatch, caplog
):
    def overflows(density, mass, seed):
        raise SamplingError("1 of 10 are not finite")

    monkeypatch.setattr(PhysicalDensity, "generate", overflows)
    with caplog.at_level("WARNING"):
        done = run(config_of(path, tmp_path / "run", "anode"))
    assert io.read_json(done / "metrics.json")["closure"] is None
    assert "closure was not tested: 1 of 10 are not finite" in caplog.text
