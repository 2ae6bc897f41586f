"""Training: resumable to the bit, deterministic, honest about failures."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from anode.density.build import build_density
from anode.density.ensemble import EnsembleConfig
from anode.errors import ConfigError, RunDirectoryError, TrainingError
from anode.regions.preprocessing import PreprocessingConfig
from anode.training import checkpoints, evaluate, state
from anode.training.checkpoints import Checkpoint, FitResult, read_result
from anode.training.densities import FitJob, fit_all, fit_densities, load_density
from anode.training.evaluate import EvaluateJob, latent_all
from anode.training.loop import fit, mean_loss
from anode.training.optimiser import Adam
from anode.training.state import Fit, Sample
from anode.training.trackers import build_tracker
from helpers.bit_flips import count_noticed
from helpers.interrupted import (
    MIXTURE,
    Killed,
    assert_same_weights,
    killing,
    save_every,
    table,
    weights,
)
from helpers.settings import flow_config, trainer_config


def gaussian(n: int, seed: int) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    context = torch.randn(n, 1, generator=generator)
    return Sample(0.5 * torch.randn(n, 2, generator=generator) + context, context)


def train(directory, *, seed=1, flow=None, tracker="none", **recipe):
    density = build_density(flow or flow_config(batch_norm=True), 2, 1, seed=3)
    one = Fit(density, gaussian(500, 1), gaussian(200, 2), seed, directory)
    return fit([one], config=trainer_config(**recipe), tracker=tracker)[0], density


@pytest.mark.parametrize("epochs", [0, 2])  # with 2, weights of others wait in memory
@pytest.mark.parametrize("moment", ["save_tensors", "write_result", "prune"])
@pytest.mark.parametrize("at_call", [1, 3, 4])
def test_a_fit_killed_at_any_moment_resumes_to_the_same_weights(
    tmp_path, monkeypatch, moment, at_call, epochs
):
    save_every(monkeypatch, epochs)
    recipe = {"epochs": 8, "keep": 3}
    expected, _ = train(tmp_path / "whole", **recipe)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, moment, killing(getattr(checkpoints, moment), at_call))
        with pytest.raises(Killed):
            train(tmp_path / "killed", **recipe)
    resumed, _ = train(tmp_path / "killed", **recipe)
    assert resumed.validation_loss == expected.validation_loss
    assert resumed.checkpoints == expected.checkpoints
    assert_same_weights(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


def mixtures(root, n_events=(500, 500)) -> list[Fit]:
    return [
        Fit(
            build_density(MIXTURE, 2, 1, seed=number),
            gaussian(n, 10 + number),
            gaussian(200, 20 + number),
            seed=number,
            directory=root / str(number),
        )
        for number, n in enumerate(n_events)
    ]


@pytest.mark.parametrize("moment", ["save_tensors", "write_result", "prune"])
@pytest.mark.parametrize("at_call", [1, 4, 6])
def test_fits_at_once_killed_at_any_moment_resume_to_the_same_weights(
    tmp_path, monkeypatch, moment, at_call
):
    monkeypatch.setattr(state, "SAVE_EVERY", 0.0)
    expected = fit(mixtures(tmp_path / "whole"), config=trainer_config())
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, moment, killing(getattr(checkpoints, moment), at_call))
        with pytest.raises(Killed):
            fit(mixtures(tmp_path / "killed"), config=trainer_config())
    resumed = fit(mixtures(tmp_path / "killed"), config=trainer_config())
    assert [r.validation_loss for r in resumed] == [r.validation_loss for r in expected]
    for name in ("0", "1"):
        assert_same_weights(
            weights(tmp_path / "killed" / name), weights(tmp_path / "whole" / name)
        )


def test_fits_at_once_are_those_one_after_another(tmp_path):
    # 503 events make longer batches than 497, in as many.
    together = fit(mixtures(tmp_path / "together", (503, 497, 500)), config=trainer_config())
    alone = [
        fit([one], config=trainer_config())[0]
        for one in mixtures(tmp_path / "alone", (503, 497, 500))
    ]
    for one, other in zip(together, alone, strict=True):
        # Rounding, after 24 steps.
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-4)
        assert one.validation_loss == pytest.approx(other.validation_loss, abs=1e-4)


def test_a_quick_fit_writes_once_and_no_epoch_that_nobody_asks_for(tmp_path, monkeypatch):
    written = []
    original = checkpoints.save_tensors
    monkeypatch.setattr(state, "SAVE_EVERY", math.inf)
    monkeypatch.setattr(
        checkpoints,
        "save_tensors",
        lambda path, content: written.append(path.name) or original(path, content),
    )
    result, _ = train(tmp_path, epochs=6, keep=1)
    assert written == [*(c.path for c in result.checkpoints), "state.pt"]


def test_the_likelihood_of_a_gaussian_is_reached(tmp_path):
    result, density = train(
        tmp_path, epochs=40, learning_rate=2e-2, flow=flow_config(hidden_features=16)
    )
    # Entropy of N(m, 0.5^2) in two dimensions; 0.06 covers 500 training events.
    expected = 2 * 0.5 * np.log(2 * np.pi * np.e * 0.25)
    assert mean_loss(density, gaussian(20_000, 9)) == pytest.approx(expected, abs=0.06)
    assert result.finished


def test_epochs_are_stored_and_selected_by_number(tmp_path):
    result, _ = train(tmp_path, epochs=6, keep=2)
    assert [c.epoch for c in result.select("last", 2)] == [5, 6]
    best = np.argsort(result.validation_loss, kind="stable")[:2] + 1
    assert [c.epoch for c in result.select("best", 2)] == sorted(best)
    on_disk = {path.name for path in tmp_path.glob("epoch_*.pt")}
    assert on_disk == {c.path for c in result.checkpoints}
    for checkpoint in result.checkpoints:
        density = build_density(flow_config(batch_norm=True), 2, 1, seed=0)
        density.load_state_dict(checkpoints.load_tensors(tmp_path / checkpoint.path))
        loss = mean_loss(density, gaussian(200, 2))
        assert loss == checkpoint.validation_loss  # the weights of that very epoch


def test_best_epochs_break_ties_by_the_earlier():
    made = tuple(Checkpoint(e, loss, str(e)) for e, loss in [(1, 2.0), (2, 1.0), (3, 1.0)])
    assert [c.epoch for c in FitResult(checkpoints=made).select("best", 1)] == [2]


def test_early_stopping_waits_for_patience(tmp_path):
    result, _ = train(tmp_path, epochs=50, patience=2, learning_rate=0.05, schedule="constant")
    losses = result.validation_loss
    assert len(losses) < 50
    assert len(losses) - 1 - int(np.argmin(losses)) == 2


def test_seeds_differ_and_repeat(tmp_path):
    first, _ = train(tmp_path / "a", seed=1)
    again, _ = train(tmp_path / "b", seed=1)
    other, _ = train(tmp_path / "c", seed=2)
    assert first.validation_loss == again.validation_loss != other.validation_loss


def test_a_loss_that_is_not_finite_stops_with_the_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "SAVE_EVERY", 0.0)
    with pytest.raises(TrainingError, match=r"epoch 1 is not finite.*learning_rate"):
        train(tmp_path, learning_rate=1e30, schedule="constant", gradient_clip=None)
    assert not (tmp_path / "fit.json").exists()


def test_too_few_events_are_refused(tmp_path):
    density = build_density(flow_config(), 2, 1, seed=0)
    with pytest.raises(TrainingError, match="at least 2 train events, got 1"):
        fit([Fit(density, gaussian(1, 0), gaussian(9, 0), 1, tmp_path)], config=trainer_config())


def test_jsonl_history_has_one_line_an_epoch_after_a_resume(tmp_path):
    train(tmp_path, epochs=3, tracker="jsonl")
    tracker = build_tracker("jsonl", tmp_path, epochs_done=2)  # as a kill before epoch 3's state
    tracker.log({"epoch": 3})
    tracker.close()
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_a_truncated_checkpoint_is_named(tmp_path):
    result, _ = train(tmp_path)
    path = tmp_path / result.checkpoints[-1].path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunDirectoryError, match=path.name):
        checkpoints.load_tensors(path)


def test_a_flipped_bit_of_a_state_is_no_start(tmp_path):
    expected, _ = train(tmp_path)
    for path in (tmp_path / "state.pt", tmp_path / "fit.json"):

        def resume(path=path):
            result = train(tmp_path)[0] if path.name == "state.pt" else read_result(tmp_path)
            assert result == expected
            return [value.numpy() for one in weights(tmp_path).values() for value in one.values()]

        assert count_noticed(path, resume) > 10


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    torch.save({"weights": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(RunDirectoryError, match=r"evil\.pt"):
        checkpoints.load_tensors(tmp_path / "evil.pt")


def job(directory, **changes) -> FitJob:
    settings = {
        "directory": directory,
        "train": table(300, 1),
        "validation": table(100, 2),
        "density": flow_config(),
        "preprocessing": PreprocessingConfig(logit=True, standardise=True),
        "trainer": trainer_config(),
        "seed": 1,
    }
    return FitJob(**{**settings, **changes})


def test_a_density_folder_gives_the_same_log_prob_when_loaded(tmp_path, last_two):
    fit_densities([job(tmp_path / "p")])
    events = table(50, 3)
    first = load_density([tmp_path / "p"], last_two).evaluate(events.features, events.mass)
    again = load_density([tmp_path / "p"], last_two).evaluate(events.features, events.mass)
    assert np.array_equal(first, again)
    one = load_density([tmp_path / "p"], EnsembleConfig("last", 1, 1))
    assert not np.array_equal(first, one.evaluate(events.features, events.mass))


def test_latent_values_are_the_densities_own_whatever_the_processes(
    tmp_path, last_two, monkeypatch
):
    monkeypatch.setattr(evaluate, "BLOCK", 70)
    folders = [tmp_path / "flow", tmp_path / "mixture"]
    fit_densities([job(folders[0])])
    fit_densities([job(folders[1], density=MIXTURE)])
    samples = [table(150, 3), table(40, 4)]
    jobs = [
        EvaluateJob([folder], last_two, events.features, events.mass)
        for folder, events in zip(folders, samples, strict=True)
    ]
    for n_jobs in (1, 2):
        found = latent_all(jobs, n_jobs=n_jobs, threads=1)
        for folder, events, latent in zip(folders, samples, found, strict=True):
            whole = load_density([folder], last_two).to_latent(events.features, events.mass)
            assert latent == pytest.approx(whole, abs=1e-4)


def test_results_do_not_depend_on_the_number_of_processes(tmp_path):
    for n_jobs in (1, 2):
        folder = tmp_path / str(n_jobs)
        jobs = [job(folder / "small"), job(folder / "large", train=table(600, 4))]
        results = fit_all(jobs, n_jobs=n_jobs, threads=1)
        assert len(results) == 2
    assert_same_weights(weights(tmp_path / "1" / "small"), weights(tmp_path / "2" / "small"))
    assert_same_weights(weights(tmp_path / "1" / "large"), weights(tmp_path / "2" / "large"))


def test_which_densities_are_fitted_at_once_depends_on_the_jobs_alone(tmp_path):
    trainer = trainer_config(at_once=2)
    for n_jobs in (1, 2):
        folder = tmp_path / str(n_jobs)
        settings = {"density": MIXTURE, "trainer": trainer}
        jobs = [job(folder / str(seed), seed=seed, **settings) for seed in range(3)]
        jobs.append(job(folder / "larger", train=table(600, 4), **settings))
        fit_all(jobs, n_jobs=n_jobs, threads=1)
        assert len(list(folder.glob("*/state.pt"))) == 3  # 0 with 1, 2 alone, and the larger
    for name in ("0", "1", "2", "larger"):
        assert_same_weights(weights(tmp_path / "1" / name), weights(tmp_path / "2" / name))


def test_the_state_of_other_fits_or_another_recipe_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "SAVE_EVERY", 0.0)
    fit(mixtures(tmp_path), config=trainer_config())
    with pytest.raises(RunDirectoryError, match="must hold the state of"):
        fit(mixtures(tmp_path)[:1], config=trainer_config())
    with pytest.raises(RunDirectoryError, match=r"'epochs': 2.*'epochs': 3"):
        fit(mixtures(tmp_path), config=trainer_config(epochs=2))


def test_fits_at_once_of_which_one_was_deleted_are_made_again(tmp_path):
    expected = fit(mixtures(tmp_path), config=trainer_config())
    before = weights(tmp_path / "1")
    shutil.rmtree(tmp_path / "1")
    again = fit(mixtures(tmp_path), config=trainer_config())
    assert [r.validation_loss for r in again] == [r.validation_loss for r in expected]
    assert_same_weights(weights(tmp_path / "1"), before)


def test_fits_at_once_take_the_steps_that_the_largest_needs(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(Adam, "step", lambda self, pace: steps.append(self))
    fits = mixtures(tmp_path, (500, 300))
    fit(fits, config=trainer_config(epochs=1))
    needed = trainer_config().n_batches(500)
    assert [steps.count(each) for each in dict.fromkeys(steps)] == [needed] * len(fits)


def test_a_batch_of_one_event_is_refused(tmp_path):
    density = build_density(flow_config(), 2, 1, seed=0)
    one = Fit(density, gaussian(3, 0), gaussian(9, 0), 1, tmp_path)
    with pytest.raises(TrainingError, match="at least 2 events, got 3 in 2 batches"):
        fit([one], config=trainer_config(batch_size=2))


def test_densities_that_end_apart_are_not_fitted_at_once():
    with pytest.raises(ConfigError, match=r"patience must be null where trainer\.at_once"):
        trainer_config(at_once=2, patience=3)


def test_warm_start_begins_at_the_other_density(tmp_path):
    fit_densities([job(tmp_path / "from")])
    slow = trainer_config(epochs=1, learning_rate=1e-12, schedule="constant")
    fit_densities([job(tmp_path / "to", start_from=tmp_path / "from", trainer=slow)])
    last = EnsembleConfig("last", 1, 1)
    events = table(50, 3)
    before = load_density([tmp_path / "from"], last).evaluate(events.features, events.mass)
    after = load_density([tmp_path / "to"], last).evaluate(events.features, events.mass)
    assert after == pytest.approx(before, abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_fits_on_a_gpu_are_those_on_a_cpu(tmp_path):
    on_cpu = fit(mixtures(tmp_path / "cpu"), config=trainer_config())
    on_gpu = fit(mixtures(tmp_path / "gpu"), config=trainer_config(), device="cuda")
    for one, other in zip(on_cpu, on_gpu, strict=True):
        # Rounding, after 24 steps.
        assert one.validation_loss == pytest.approx(other.validation_loss, abs=1e-3)
