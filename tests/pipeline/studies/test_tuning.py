"""Tuning: objectives that know no label, trials that resume, a best trial that runs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from anode import io
from anode.commands.aliases import translate
from anode.configuration.composition import compose
from anode.errors import ConfigError, RunDirectoryError
from anode.pipeline.runs import stages
from anode.pipeline.studies.tuning.config import Range, TuneConfig, parse_tune
from anode.pipeline.studies.tuning.objectives import argos, events_of, objective_of
from anode.pipeline.studies.tuning.summary import Trial, best_of
from anode.pipeline.studies.tuning.tune import trials_of, tune

pytest.importorskip("optuna")

OVERRIDES = [
    "data=toy", "data.n_background=3000", "data.n_signal=600", "injection.n_signal=100",
    "method=autoencoder", "representation=ae", "representation.trainer.epochs=2",
    "representation.network.hidden=[8]", "evaluation.n_bootstrap=5", "store=null",
]  # fmt: skip


def config(output: Path, **changes) -> TuneConfig:
    values = {
        "output": str(output),
        "overrides": OVERRIDES,
        "space": {"representation.network.n_latent": Range(low=1, high=3, integer=True)},
        "objective": "validation_loss",
        "n_trials": 3,
        "n_startup": 3,
        "prune": True,
        "seed": 1,
        "n_jobs": 1,
    }
    return TuneConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> TuneConfig:
    asked = config(tmp_path_factory.mktemp("tune"))
    tune(asked)
    return asked


def test_the_best_trial_has_the_lowest_loss_and_runs_again(tuned, tmp_path):
    content = io.read_json(Path(tuned.output) / "trials.json")
    losses = {trial["number"]: trial["objective"] for trial in content["trials"]}
    assert content["best"] == min(losses, key=losses.__getitem__)
    best = yaml.safe_load((Path(tuned.output) / "best.yaml").read_text())
    assert {"override /representation": "ae"} in best["defaults"]
    assert 1 <= best["representation"]["network"]["n_latent"] <= 3


def test_a_finished_tuning_is_not_made_again(tuned):
    before = [trial.number for trial in trials_of(tuned)]
    tune(tuned)
    assert [trial.number for trial in trials_of(tuned)] == before


def test_more_trials_go_on_where_the_others_ended(tuned):
    more = dataclasses.replace(tuned, n_trials=4)
    tune(more)
    assert len(trials_of(more)) == 4


def test_a_folder_of_another_tuning_is_refused(tuned):
    with pytest.raises(RunDirectoryError, match="another output"):
        tune(dataclasses.replace(tuned, seed=2))


@pytest.mark.parametrize("objective", ["validation_loss", "argos"])
def test_poisoned_labels_change_no_objective(tmp_path, objective):
    run = config(tmp_path).run([], str(tmp_path / "run"))
    prepared, held_out = events_of(run)
    stages.train(run, prepared)
    data = prepared.data
    poisoned = prepared._replace(data=dataclasses.replace(data, label=1 - data.label))
    honest = objective_of(objective, run, prepared, held_out)
    assert objective_of(objective, run, poisoned, held_out) == honest
    assert not np.isin(held_out.identity, data.identity).any()  # no fit has seen them
    assert held_out.label is None


def test_argos_of_a_perfect_cut():
    """Signal above all background: eps_SR / sqrt(eps_BT) - sqrt(eps_BT) at 25 template events."""
    template = np.linspace(0, 1, 10_000)
    data = np.concatenate([template, np.full(100, 2.0)])
    passing = 25 / 10_000
    expected = (25 + 100) / 10_100 / np.sqrt(passing) - np.sqrt(passing)
    assert argos(data, template) == pytest.approx(expected, rel=1e-6)


def test_argos_grows_with_the_signal_and_is_small_without():
    rng = np.random.default_rng(1)
    template, background = rng.normal(size=20_000), rng.normal(size=20_000)
    values = [
        argos(np.concatenate([background, rng.normal(3, 1, n)]), template) for n in (0, 100, 400)
    ]
    assert values[0] < 0.03
    assert values[0] < values[1] < values[2]


def test_pruned_trials_have_no_value_and_are_no_candidates():
    trials = [Trial(0, (), 2.0, "a"), Trial(1, (), 1.0, "b")]
    lowest = config(Path("x"))
    assert best_of(lowest, trials).number == 1
    assert best_of(dataclasses.replace(lowest, objective="argos"), trials).number == 0


@pytest.mark.parametrize(
    "bad", [{}, {"low": 1.0}, {"low": 2.0, "high": 1.0}, {"low": 0.0, "high": 1.0, "log": True}]
)
def test_impossible_ranges_are_refused(bad):
    with pytest.raises(ConfigError, match="space"):
        Range(**bad)


def test_every_space_is_one_of_keys_that_runs_have():
    for name in ("ae", "vae", "cae", "unet"):
        asked = parse_tune(compose("tune", [f"space={name}", "output=x"]))
        assert "representation.network.n_latent" in asked.space or name == "unet"


def test_words_of_the_earlier_code_are_understood():
    words = translate("train", ["--model", "vae", "--data", "hlf"])
    assert words[0] == "run"
    assert "representation=vae" in words
    tuning = translate("tune", ["--model", "unet"])
    assert tuning[:2] == ["tune", "space=unet"]
    assert translate("tune", ["output=x"]) == ["tune", "output=x"]
    with pytest.raises(SystemExit):
        translate("train", ["--model", "unet", "--data", "hlf"])
