"""Classifiers: known log ratios, resumable to the bit, no pickles, balanced; isolation forest."""

import dataclasses
import itertools
import zipfile
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest

from anode.classifiers import boosted_trees as boosting
from anode.classifiers.boosted_trees import Binning
from anode.classifiers.config import CLASSIFIERS, ForestConfig, NeuralConfig, TreesConfig
from anode.classifiers.fit import (
    ClassifierEvaluateJob,
    ClassifierJob,
    evaluate_classifier,
    evaluate_classifiers,
    fit_classifier,
    fit_classifiers,
)
from anode.classifiers.isolation_forest import evaluate_forest, fit_forest
from anode.classifiers.job import divide, log_odds
from anode.classifiers.tree_arrays import (
    Trees,
    from_boosting,
    load_trees,
    save_trees,
    sum_values,
)
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.pipeline.runs import config as configuration
from anode.training import checkpoints, state
from helpers.bit_flips import count_noticed
from helpers.settings import REPOSITORY, trainer_config
from helpers.small_trees import TREES

NETWORK = NeuralConfig(
    name="mlp",
    validation=0.3,
    hidden_features=16,
    hidden_layers=2,
    ensemble_size=2,
    trainer=trainer_config(epochs=4, schedule="constant", final_learning_rate=1.0),
)
LINEAR = dataclasses.replace(NETWORK, hidden_layers=0)  # the truth is in its family
BOTH = pytest.mark.parametrize("config", [TREES, NETWORK], ids=["hgb", "mlp"])
SHIFT = np.array([0.5, -0.5])


def gaussians(n_positive: int, n_negative: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians at +-SHIFT/2: log p_1/p_0 = SHIFT . x."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n_positive, 2)) + SHIFT / 2,
        rng.normal(size=(n_negative, 2)) - SHIFT / 2,
    )


def job(directory, config, *, n_positive=1500, n_negative=1500, **changes) -> ClassifierJob:
    positive, negative = gaussians(n_positive, n_negative)
    return ClassifierJob(directory, positive, negative, config, seed=1, **changes)


def fitted(job: ClassifierJob, features: np.ndarray) -> np.ndarray:
    fit_classifier(job, threads=1)
    return evaluate_classifier(job.directory, features)


TEST = np.concatenate(gaussians(1000, 1000, seed=2))


@pytest.mark.parametrize("n_positive", [20_000, 4000])
@pytest.mark.parametrize(
    ("config", "tolerance"),
    [(dataclasses.replace(TREES, members=10), 0.17), (NETWORK, 0.15), (LINEAR, 0.05)],
)
def test_log_odds_are_the_known_log_ratio_whatever_the_sizes(
    tmp_path, config, tolerance, n_positive
):
    found = fitted(job(tmp_path / "fit", config, n_positive=n_positive, n_negative=20_000), TEST)
    truth = TEST @ SHIFT  # rms 0.75
    assert abs(np.mean(found - truth)) < 0.1  # 0.035 from seed to seed
    assert np.sqrt(np.mean((found - truth) ** 2)) < tolerance
    assert np.corrcoef(found, truth)[0, 1] > 0.98


def test_both_classes_weigh_the_same_in_training_and_in_validation(tmp_path):
    weight = np.linspace(0, 3, 700)
    one = job(tmp_path, TREES, n_positive=700, n_negative=4000, positive_weight=weight)
    train, validation = divide(one, 0)
    for part in (train, validation):
        sums = [part.weight[part.label == label].sum() for label in (0, 1)]
        assert sums == pytest.approx([len(part.label) / 2] * 2)
    assert len(train.label) + len(validation.label) == 4700
    assert validation.label.sum() == 350
    assert not np.array_equal(train.features, divide(one, 1)[0].features)


@BOTH
def test_weights_count_like_repeated_events(tmp_path, config):
    """Doubled weight where x > 0 moves the log ratio by log 2 there, up to the normalisation."""
    positive, negative = gaussians(8000, 8000)
    weight = np.where(positive[:, 0] > 0, 2.0, 1.0)
    twice = np.concatenate([positive, positive[positive[:, 0] > 0]])
    config = dataclasses.replace(config, validation=0.3)
    plain, weighted, repeated = (
        fitted(ClassifierJob(tmp_path / name, p, negative, config, 1, positive_weight=w), TEST)
        for name, p, w in (
            ("plain", positive, None),
            ("weighted", positive, weight),
            ("repeated", twice, None),
        )
    )
    assert np.sqrt(np.mean((weighted - repeated) ** 2)) < 0.2
    step = np.where(TEST[:, 0] > 0, np.log(2), 0) - np.log(weight.mean())
    assert np.corrcoef(weighted - plain, step)[0, 1] > 0.8


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(tmp_path):
    configs = {"a": TREES, "b": TREES, "c": NETWORK}
    outputs = []
    for n_jobs in (1, 2):
        folders = {tmp_path / str(n_jobs) / name: config for name, config in configs.items()}
        jobs = [job(folder, config, n_positive=600) for folder, config in folders.items()]
        results = fit_classifiers(jobs, n_jobs=n_jobs, threads=1)
        assert all(result.finished for result in results)
        assert all(len(r.train_loss) == len(r.validation_loss) > 1 for r in results)
        evaluate = [ClassifierEvaluateJob(folder, TEST) for folder in folders]
        outputs.append(evaluate_classifiers(evaluate, n_jobs=n_jobs, threads=1))
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0][0], outputs[0][1])  # streams carry the folder's name


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killing(original, at_call):
    calls = itertools.count(1)

    def function(*arguments, **options):
        if next(calls) == at_call:
            raise Killed
        return original(*arguments, **options)

    return function


@pytest.mark.parametrize("at_call", [1, 3])
@pytest.mark.parametrize(
    ("config", "module", "name"),
    [
        (TREES, boosting, "save_trees"),
        (TREES, np, "savez_compressed"),
        (NETWORK, checkpoints, "save_tensors"),
    ],
)
def test_a_killed_fit_resumes_to_the_same_predictions(
    tmp_path, monkeypatch, config, module, name, at_call
):
    monkeypatch.setattr(state, "SAVE_EVERY", 0)
    uninterrupted = fitted(job(tmp_path / "whole" / "fit", config), TEST)
    again = job(tmp_path / "killed" / "fit", config)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killing(getattr(module, name), at_call))
        with pytest.raises(Killed):
            fit_classifier(again, threads=1)
    assert not list(again.directory.glob(".*partial*"))
    with pytest.raises(RunDirectoryError):
        evaluate_classifier(again.directory, TEST)
    assert np.array_equal(fitted(again, TEST), uninterrupted)


@BOTH
def test_a_finished_fit_returns_at_once(tmp_path, monkeypatch, config):
    one = job(tmp_path / "fit", config)
    first = fit_classifier(one, threads=1)
    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", killing(None, 1))
    monkeypatch.setattr(torch.Tensor, "backward", killing(None, 1))
    assert fit_classifier(one, threads=1) == first


def test_a_folder_of_other_settings_is_refused(tmp_path):
    fit_classifier(job(tmp_path / "fit", TREES), threads=1)
    other = dataclasses.replace(TREES, learning_rate=0.2)
    with pytest.raises(RunDirectoryError, match=r"must describe .*0\.2"):
        fit_classifier(job(tmp_path / "fit", other), threads=1)


def test_stored_trees_give_what_scikit_learn_gives(tmp_path):
    positive, negative = gaussians(3000, 2000)
    features = np.concatenate([positive, negative])
    features[:, 1] = np.round(features[:, 1], 1)  # many equal values
    binning = Binning.of(features)
    model = HistGradientBoostingClassifier(max_iter=20, early_stopping=False)
    model.fit(binning.codes(features), np.repeat([1, 0], [3000, 2000]))
    baseline = model._baseline_prediction.item()
    expected = model.decision_function(binning.codes(TEST))
    for trees, values in (
        (from_boosting(model), binning.codes(TEST)),
        (binning.physical(from_boosting(model)), TEST),
    ):
        save_trees(tmp_path / "trees.npz", trees, baseline=baseline)
        loaded, more = load_trees(tmp_path / "trees.npz")
        assert np.array_equal(sum_values(loaded, values, more["baseline"].item(), 1), expected)


class NoBinning(NamedTuple):
    """Features as they are: scikit-learn makes its own bins for every member."""

    def codes(self, features: np.ndarray) -> np.ndarray:
        return features

    def physical(self, trees: Trees) -> Trees:
        return trees


@pytest.mark.parametrize("few", [{}, {"features_per_member": 4, "features_always": 2}])
@pytest.mark.parametrize("rounded", [True, False])
def test_bins_that_members_share_give_the_trees_of_each_ones_own(
    tmp_path, monkeypatch, few, rounded
):
    """Equal numbers where features have few values, so that all have the same bins; within what
    another choice of quantiles changes where they are continuous."""
    config = dataclasses.replace(TREES, **few)
    samples = [with_noise(sample, i, 6) for i, sample in enumerate((*gaussians(2000, 2000), TEST))]
    if rounded:
        samples = [np.clip(np.round(5 * sample), -8, 8) for sample in samples]
    *training, test = samples
    weights = [np.random.default_rng(i).uniform(0.5, 1.5, 2000) for i in (0, 1)]
    found = []
    for name, binning in (("shared", None), ("own", NoBinning())):
        if binning is not None:
            monkeypatch.setattr(Binning, "of", lambda *samples: NoBinning())
        directory = tmp_path / name / "fit"  # whose last name is that of random streams
        fit_classifier(ClassifierJob(directory, *training, config, 1, *weights), threads=1)
        found.append(evaluate_classifier(directory, test))
    shared, own = found
    if rounded:
        np.testing.assert_array_equal(shared, own)
    else:
        assert np.corrcoef(shared, own)[0, 1] > 0.97
        truth = test[:, :2] @ SHIFT
        of_shared, of_own = (np.corrcoef(each, truth)[0, 1] for each in (shared, own))
        assert abs(of_shared - of_own) < 0.01


def test_bins_are_made_once_for_all_members_without_labels(tmp_path, monkeypatch):
    made, real = [], Binning.of
    monkeypatch.setattr(Binning, "of", lambda *samples: made.append(real(*samples)) or made[-1])
    samples = gaussians(300, 200)
    fit_classifier(ClassifierJob(tmp_path / "a", *samples, TREES, seed=1), threads=1)
    assert len(made) == 1
    for edges, others in zip(made[0].edges, real(*samples[::-1]).edges, strict=True):
        np.testing.assert_array_equal(edges, others)  # which class is which does not matter
    assert made[0].codes(samples[0]).dtype == np.uint8
    assert made[0].codes(samples[0]).max() <= 254


def with_noise(sample: np.ndarray, seed: int, n: int = 60) -> np.ndarray:
    """The sample's features and n further ones that tell nothing."""
    rng = np.random.default_rng(seed)
    return np.concatenate([sample, rng.normal(size=(len(sample), n))], axis=1)


def test_a_member_sees_the_features_that_it_drew_and_those_of_all(tmp_path):
    config = dataclasses.replace(TREES, features_per_member=5, features_always=2)
    samples = [with_noise(sample, i) for i, sample in enumerate(gaussians(1500, 1500))]
    fit_classifier(ClassifierJob(tmp_path, *samples, config, seed=1), threads=1)
    seen = []
    for member in range(config.members):
        trees, _ = load_trees(tmp_path / f"member_{member:03d}.npz")
        used = set(trees.feature[~trees.is_leaf].tolist())
        assert {0, 1} <= used
        assert 3 <= len(used) <= 7
        seen.append(used)
    assert len(set.union(*seen)) > 14
    test = with_noise(TEST, 9)
    assert np.corrcoef(evaluate_classifier(tmp_path, test), TEST @ SHIFT)[0, 1] > 0.9


def test_runs_of_earlier_versions_have_no_such_keys():
    content = dataclasses.asdict(TREES)
    del content["features_per_member"], content["features_always"]
    assert TreesConfig(**content) == TREES


def test_few_features_a_member_tell_more_among_many_that_tell_nothing(tmp_path):
    """The reason for it: 300 events a class, two good features among 302."""
    samples = [with_noise(sample, i, 300) for i, sample in enumerate(gaussians(300, 300))]
    test, found = with_noise(TEST, 9, 300), {}
    for name, change in (
        ("all", {}),
        ("few", {"features_per_member": 5, "features_always": 2}),
        ("more than there are", {"features_per_member": 500}),
    ):
        config = dataclasses.replace(TREES, members=10, **change)
        one = ClassifierJob(tmp_path / name, *samples, config, seed=1)
        fit_classifier(one, threads=1)
        found[name] = np.corrcoef(evaluate_classifier(tmp_path / name, test), TEST @ SHIFT)[0, 1]
    assert found["few"] > found["all"] + 0.05
    assert found["more than there are"] > 0.3


def test_files_hold_no_pickles(tmp_path):
    fit_classifier(job(tmp_path / "trees", TREES), threads=1)
    fit_forest(tmp_path / "forest", TEST, ForestConfig(10, 64), seed=1)
    paths = sorted(tmp_path.rglob("*.npz"))
    assert len(paths) == TREES.members + 1
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype != object for name in file.files)
        assert all(name.endswith(".npy") for name in zipfile.ZipFile(path).namelist())
    fit_classifier(job(tmp_path / "network", NETWORK), threads=1)
    for path in (tmp_path / "network").glob("*.pt"):
        torch.load(path, weights_only=True)


def test_a_truncated_member_is_an_error(tmp_path):
    one = job(tmp_path / "fit", TREES)
    fit_classifier(one, threads=1)
    path = one.directory / "member_002.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunDirectoryError, match=r"member_002\.npz"):
        evaluate_classifier(one.directory, TEST)


@BOTH
def test_a_flipped_bit_of_a_fit_is_noticed(tmp_path, config):
    one = job(tmp_path / "fit", config, n_positive=200, n_negative=200)
    fit_classifier(one, threads=1)

    def read() -> np.ndarray:
        fit_classifier(one, threads=1)  # once more: it is finished
        return evaluate_classifier(one.directory, TEST[:50])

    of_network = {"epoch_0004.pt"} & {path.name for path in one.directory.iterdir()}
    for name in ("fit.json", "classifier.json", *(of_network or {"member_001.npz"})):
        assert count_noticed(one.directory / name, read) > 10


def test_log_odds_average_probabilities_and_are_stable():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, 100))
    mean = (1 / (1 + np.exp(-outputs))).mean(axis=0)
    assert log_odds(outputs) == pytest.approx(np.log(mean / (1 - mean)), abs=1e-12)
    extreme = np.array([[1e3, -1e3, 1e3], [1e3, -1e3, -1e3]])
    assert log_odds(extreme) == pytest.approx([1e3, -1e3, 0.0])


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (TREES, {"members": 0}, r"classifier\.members must be above 0, got 0"),
        (TREES, {"learning_rate": -0.1}, r"classifier\.learning_rate must be above 0"),
        (TREES, {"max_leaf_nodes": 1}, r"classifier\.max_leaf_nodes must be at least 2"),
        (TREES, {"features_per_member": 0}, "classifier.features_per_member must be above 0"),
        (TREES, {"features_always": -1}, "classifier.features_always must not be negative"),
        (TREES, {"l2_regularization": -1.0}, r"l2_regularization must not be negative"),
        (TREES, {"validation": 1.0}, r"classifier\.validation must lie in \(0, 1\), got 1"),
        (NETWORK, {"hidden_layers": -1}, r"classifier\.hidden_layers must not be negative"),
        (NETWORK, {"ensemble_size": 9}, r"trainer\.keep must be at least classifier\.ensemble"),
    ],
)
def test_impossible_settings_are_refused_by_name(config, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positive": np.zeros((10, 3))}, "same features, got 3 positive and 2 negative"),
        ({"positive": np.zeros((3, 2))}, r"positive events must have shape \(N >= 4, D\)"),
        ({"negative": np.full((5, 2), np.nan)}, "negative features must be finite, but 5"),
        ({"positive_weight": np.ones(3)}, r"positive weights must have shape \(1500,\)"),
        ({"negative_weight": np.full(1500, -1.0)}, "negative weights must be finite and not"),
    ],
)
def test_impossible_events_are_refused(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        dataclasses.replace(job(tmp_path, TREES), **change)


def test_other_features_than_those_of_the_fit_are_refused(tmp_path):
    fit_classifier(job(tmp_path / "fit", TREES), threads=1)
    with pytest.raises(DataError, match=r"must have shape \(N, 2\), got \(5, 3\)"):
        evaluate_classifier(tmp_path / "fit", np.zeros((5, 3)))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_configuration_files_fit_their_dataclasses(name):
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("run", [f"classifier={name}", "run_dir=somewhere"])
    content = configuration.resolve(raw)["classifier"]
    config = configuration.build(CLASSIFIERS[name], content, "classifier")
    assert config.name == name
    if isinstance(config, NeuralConfig):
        trainer = config.trainer
        assert (config.hidden_features, config.hidden_layers) == (64, 3)
        assert (trainer.epochs, trainer.batch_size, trainer.learning_rate) == (100, 128, 1e-3)
        assert trainer.keep == config.ensemble_size == 10


@pytest.mark.parametrize("max_samples", [2, 64, 256])
def test_the_stored_forest_is_that_of_scikit_learn(tmp_path, max_samples):
    features = np.concatenate(gaussians(200, 0))
    folder = tmp_path / "forest"
    fit_forest(folder, features, ForestConfig(30, max_samples), seed=3)
    seed = boosting.stream_seed(3, "forest", "forest") % 2**32
    model = IsolationForest(
        n_estimators=30, max_samples=min(max_samples, 200), random_state=seed
    ).fit(features)
    found = evaluate_forest(folder, TEST)
    assert found == pytest.approx(-model.score_samples(TEST), abs=1e-12)
    far = evaluate_forest(folder, np.array([[9.0, 9.0]]))
    assert far >= np.quantile(found, 0.95)
