"""Networks of sets: order and padding do not matter, weights do, and a known AUC is reached."""

import dataclasses

import numpy as np
import pytest
import torch

from anode.classifiers.config import SET_CLASSIFIERS, DeepSetConfig, SetConfig, TransformerConfig
from anode.classifiers.fit import (
    ClassifierEvaluateJob,
    evaluate_classifier,
    evaluate_classifiers,
    fit_classifier,
)
from anode.classifiers.job import ClassifierJob, divide
from anode.classifiers.set_networks import (
    UNITS,
    build_set_network,
    masked_mean,
    pair_logarithms,
)
from anode.configuration.builder import build, resolve
from anode.configuration.composition import compose
from anode.errors import ConfigError
from anode.training import checkpoints
from helpers.settings import trainer_config

COMMON = {"validation": 0.25, "members": 20, "ensemble_size": 1}
CONFIGS: dict[str, SetConfig] = {
    "deep_set": DeepSetConfig(
        "deep_set", **COMMON, trainer=trainer_config(), hidden_features=16, hidden_layers=1
    ),
    "transformer": TransformerConfig(
        "transformer", **COMMON, trainer=trainer_config(), width=8, blocks=1, heads=2
    ),
}
EVERY = pytest.mark.parametrize("name", SET_CLASSIFIERS)


def jets(n: int, seed: int, *, width: float = 0.1) -> np.ndarray:
    """(n, 20, 5) rows of one to twenty constituents, harder first."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 20, 5))
    for row in rows:
        count = int(rng.integers(1, 21))
        fraction = np.sort(rng.dirichlet(np.ones(count)))[::-1]
        row[:count, 0] = fraction
        row[:count, 1:3] = rng.normal(0, width, (count, 2))
        row[:count, 3] = np.log(300 * fraction)
        row[:count, 4] = 1
    return rows


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_set_network(100, CONFIGS[name]).eval()


def outputs(module: torch.nn.Module, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.as_tensor(rows.reshape(len(rows), -1)).float()).numpy()


@EVERY
def test_the_order_of_constituents_does_not_matter(name):
    rows, module = jets(50, 1), network(name)
    order = np.random.default_rng(2).permutation(20)
    # float32 sums in another order
    np.testing.assert_allclose(outputs(module, rows[:, order]), outputs(module, rows), atol=1e-5)


@EVERY
def test_the_content_of_empty_slots_does_not_matter(name):
    rows, module = jets(50, 1), network(name)
    filled = rows.copy()
    empty = rows[..., 4] == 0
    filled[empty] = np.random.default_rng(3).normal(0, 1e3, (empty.sum(), 5)) * [1, 1, 1, 1, 0]
    assert np.array_equal(outputs(module, filled), outputs(module, rows))
    filled[empty] = [np.nan, np.nan, np.nan, np.nan, 0]
    assert np.array_equal(outputs(module, filled), outputs(module, rows))


@EVERY
def test_every_column_of_a_constituent_matters(name):
    rows, module = jets(50, 1), network(name)
    for column in range(4):
        moved = rows.copy()
        moved[..., column] *= 1.3
        assert np.abs(outputs(module, moved) - outputs(module, rows)).max() > 1e-4, column
    fewer = rows.copy()
    fewer[:, 1:] = 0
    assert np.abs(outputs(module, fewer) - outputs(module, rows)).max() > 1e-3


@EVERY
def test_gradients_are_finite_even_without_constituents(name):
    rows = np.concatenate([jets(20, 1), np.zeros((2, 20, 5))])
    rows[0, 1, 1:3] = rows[0, 0, 1:3]  # two constituents at one place
    module = network(name).train()
    features = torch.as_tensor(rows.reshape(22, -1)).float()
    module.loss(features, torch.ones(22, 2)).sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert bool(torch.isfinite(parameter.grad).all())


@EVERY
def test_the_loss_is_the_weighted_cross_entropy(name):
    rows, module = jets(6, 1), network(name)
    a = outputs(module, rows).astype(float)
    label, weight = np.array([0, 1, 0, 1, 1, 0]), np.array([1, 2, 0, 0.5, 1, 3])
    context = torch.as_tensor(np.stack([label, weight], axis=1)).float()
    with torch.no_grad():
        found = module.loss(torch.as_tensor(rows.reshape(6, -1)).float(), context).numpy()
    expected = weight * np.log1p(np.exp(np.where(label == 1, -a, a)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pairs_are_as_the_formula_says():
    pt = np.log([50.0, 30.0])  # of a jet of 100 GeV
    rows = [[0.5, 0.0, 0.0, pt[0]], [0.3, 0.3, 0.4, pt[1]]]
    columns = torch.tensor([rows], dtype=torch.float64)
    found = pair_logarithms(columns)[0, 0, 1]
    expected = np.log([0.5, 30 * 0.5, 0.3 / 0.8, 50 * 30 * 0.25])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(UNITS) == 4


def test_the_mean_of_an_empty_set_is_zero():
    found = masked_mean(torch.full((2, 3, 1), 7.0), torch.tensor([[True] * 3, [False] * 3]))
    assert found.tolist() == [[7.0], [0.0]]


def job(directory, name: str, *, n: int = 300, **changes) -> ClassifierJob:
    """Jets of two widths: the closest to the axis tells them apart at once."""
    positive, negative = jets(n, 1, width=0.2), jets(n, 2, width=0.05)
    config = dataclasses.replace(CONFIGS[name], **changes.pop("config", {}))
    flat = (positive.reshape(n, -1), negative.reshape(n, -1))
    return ClassifierJob(directory / "net", *flat, config, seed=1, **changes)


@EVERY
def test_a_fit_separates_what_is_separable_and_is_the_same_again(name, tmp_path):
    recipe = {"trainer": trainer_config(epochs=8, learning_rate=0.01)}
    for folder in ("one", "two"):
        fit_classifier(job(tmp_path / folder, name, config=recipe), threads=1)
    test = np.concatenate([jets(200, 5, width=0.2), jets(200, 6, width=0.05)]).reshape(400, -1)
    one, two = (evaluate_classifier(tmp_path / f / "net", test) for f in ("one", "two"))
    assert np.array_equal(one, two)
    assert np.mean(one[:200, np.newaxis] > one[200:]) > 0.95
    (blocks,) = evaluate_classifiers(
        [ClassifierEvaluateJob(tmp_path / "one/net", test)], n_jobs=1, threads=1
    )
    assert np.array_equal(blocks, one)


@EVERY
def test_weights_take_a_difference_away(name, tmp_path):
    """Both classes are the same mixture of two widths, but for weights that undo one part."""
    wide, narrow = jets(150, 1, width=0.2), jets(150, 2, width=0.05)
    positive = jets(150, 3, width=0.2).reshape(150, -1)
    negative = np.concatenate([wide, narrow]).reshape(300, -1)
    recipe = trainer_config(epochs=20, learning_rate=0.03)
    config = dataclasses.replace(CONFIGS[name], trainer=recipe)
    weight = np.repeat([1.0, 0.0], 150)
    test = np.concatenate([jets(200, 5, width=0.2), jets(200, 6, width=0.05)]).reshape(400, -1)
    spread = []
    for folder, given in (("plain", None), ("weighted", weight)):
        fit_classifier(
            ClassifierJob(tmp_path / folder, positive, negative, config, 1, negative_weight=given),
            threads=1,
        )
        found = evaluate_classifier(tmp_path / folder, test)
        spread.append(abs(found[:200].mean() - found[200:].mean()))
    assert spread[1] < 0.3 * spread[0]


def test_jets_of_one_event_are_not_parted(tmp_path):
    """Three jets an event, in both classes; none is on both sides, whatever the number is."""
    n, event = 301, np.arange(301, dtype=np.uint64) // 3
    rows = np.arange(n, dtype=float)[:, np.newaxis] * np.ones(100)
    made = job(tmp_path, "deep_set")
    for share in (0.1, 0.25, 0.5):
        whole = dataclasses.replace(
            made,
            positive=rows,
            negative=rows + 1000,
            config=dataclasses.replace(made.config, validation=share),
            positive_identity=event,
            negative_identity=event,
        )
        parts = [
            {(label, x % 1000 // 3) for label, x in zip(p.label, p.features[:, 0], strict=True)}
            for p in divide(whole)
        ]
        assert not parts[0] & parts[1]
        assert len(parts[1]) == pytest.approx(2 * 101 * share, abs=3)


def test_another_number_of_features_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="deep_set takes 20 constituents of 5 columns, 100 "):
        build_set_network(6, CONFIGS["deep_set"])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("transformer", {"heads": 3}, "width must be a multiple of classifier.heads, got 8 and 3"),
        ("transformer", {"blocks": 0}, "classifier.blocks must be above 0"),
        ("deep_set", {"hidden_layers": 0}, "classifier.hidden_layers must be above 0"),
        ("deep_set", {"ensemble_size": 9}, "keep must be at least classifier.ensemble_size"),
        ("deep_set", {"validation": 1.0}, r"must lie in \(0, 1\)"),
    ],
)
def test_impossible_settings_of_sets_are_refused(name, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(CONFIGS[name], **change)


@EVERY
def test_settings_come_back_from_the_folder(name, tmp_path):
    fit_classifier(job(tmp_path, name, n=40), threads=1)
    assert checkpoints.read_result(tmp_path / "net").finished
    assert len(evaluate_classifier(tmp_path / "net", jets(3, 9).reshape(3, -1))) == 3


@EVERY
def test_the_files_of_configs_hold_these_settings(name):
    content = resolve(compose("classify", ["data.path=DIR", "output=OUT"]))[name]
    assert build(SET_CLASSIFIERS[name], content, name).name == name
