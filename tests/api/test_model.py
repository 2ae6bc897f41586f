"""Models on arrays: the scripts' numbers, cross-fitted by content, blind, whole when copied."""

import copy
import gc
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from threadpoolctl import threadpool_info

from anode import Anode, Events, IsolationForest, Model, RAnode, Supervised
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.events.simulation.toy import Toy
from anode.methods.build import METHODS
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.score_file import read_scores
from anode.regions.splits import fold_of
from anode.seeding import stream
from helpers.api_settings import OVERRIDES, OWN, OWN_OVERRIDES, QUICK

N_BACKGROUND, N_SIGNAL = 3000, 200
CLASSES = {cls.method: cls for cls in Model.__subclasses__()}
SEARCHES = [name for name, entry in METHODS.items() if not entry.method.uses_truth]


@pytest.fixture(scope="module")
def events() -> Events:
    toy = Toy().sample(N_BACKGROUND, N_SIGNAL, stream(QUICK["seed"], "toy"))
    return Events.of_table(toy)


@pytest.fixture(scope="module")
def fitted(events) -> Anode:
    return Anode(**QUICK).fit(events)


def in_region(events: Events) -> np.ndarray:
    low, high = QUICK["signal"]
    return (events.mass >= low) & (events.mass < high)


# --- the numbers of the scripts -------------------------------------------------------------


def test_every_method_has_a_class():
    assert set(CLASSES) == set(METHODS)


@pytest.mark.parametrize("name", SEARCHES)
def test_scores_are_those_of_a_run_to_the_last_digit(tmp_path, events, name):
    counts = [f"data.n_background={N_BACKGROUND}", f"data.n_signal={N_SIGNAL}"]
    overrides = ["data=toy", *counts, "injection.n_signal=null", f"method={name}", *OVERRIDES]
    config = compose_run([*overrides, *OWN_OVERRIDES.get(name, [])], tmp_path)
    for stage in (stages.train, stages.score):
        stage(config)
    expected = read_scores(tmp_path / "scores.h5")
    found = CLASSES[name](**QUICK, **OWN.get(name, {})).fit(events).score(events)
    assert np.array_equal(found.event_id[found.scored], expected.event_id)
    assert np.array_equal(found.score[found.scored], expected.score)
    assert found.parts.keys() == expected.parts.keys()
    for key, part in expected.parts.items():
        assert np.array_equal(found.parts[key][found.scored], part)


# --- which events are scored, by which fits -------------------------------------------------


def test_events_outside_the_signal_region_have_no_score(events, fitted):
    scores = fitted.score(events)
    assert np.array_equal(scores.scored, in_region(events))
    assert np.array_equal(np.isfinite(scores.score), scores.scored)
    assert np.array_equal(scores.mass, events.mass)
    with pytest.raises(
        DataError, match=r"all fits of ANODE have seen \d+ in their sidebands, first"
    ):
        fitted.score(events, any_mass=True)
    folded = Anode(**QUICK, split={"sideband_folds": 2}).fit(events)
    everywhere = folded.score(events, any_mass=True)
    assert everywhere.scored.all()
    assert np.isfinite(everywhere.score).all()


def test_scores_of_any_mass_do_not_hang_on_the_mass(events, fitted):
    moved = Events(events.features, np.full(len(events), 4000.0), events.names)
    found = fitted.score(moved, any_mass=True)
    assert not found.seen.any()
    same = Events(events.features, np.full(len(events), 3100.0), events.names)
    np.testing.assert_allclose(fitted.score(same, any_mass=True).score, found.score, atol=2e-5)


def test_fitted_events_are_known_by_their_content_and_not_by_their_place(events, fitted):
    before = fitted.score(events)
    order = np.random.default_rng(1).permutation(len(events))[:1500]
    again = Events(events.features[order], events.mass[order], events.names)
    after = fitted.score(again)
    assert np.array_equal(after.seen, before.seen[order])
    assert np.array_equal(after.score, before.score[order], equal_nan=True)


def test_the_fit_of_an_events_own_fold_scores_it_and_new_events_get_the_average(events, fitted):
    inside = events[in_region(events)]
    seen = fitted.score(inside)
    moved = Events(inside.features + 1e-3, inside.mass, inside.names)  # no event of the fit
    new = fitted.score(moved)
    assert seen.seen.all()
    assert not new.seen.any()
    method = fitted._run.method

    def by_fold(these: Events) -> list[np.ndarray]:
        of_fold = (method.fits.load(f"data_fold{k}") for k in range(2))
        return [density.evaluate(these.features.copy(), these.mass.copy()) for density in of_fold]

    identity = inside.with_features(inside.names).identity
    own = np.where(fold_of(identity, 2, QUICK["seed"]) == 0, *by_fold(inside))
    assert np.array_equal(seen.log_p_data, own)
    average = np.logaddexp(*by_fold(moved)) - np.log(2)
    np.testing.assert_allclose(new.log_p_data, average, atol=1e-12)


def test_an_event_given_twice_has_one_score(events, fitted):
    inside = events[in_region(events)]
    rows = np.array([4, 4, 7, 4])
    scores = fitted.score(Events(inside.features[rows], inside.mass[rows], inside.names))
    assert scores.seen.all()
    assert scores.score[0] == scores.score[1] == scores.score[3] != scores.score[2]


def test_no_event_gives_no_score(events, fitted):
    assert len(fitted.score(events[:0])) == 0
    below = fitted.score(events[events.mass < 3400])
    assert not below.scored.any()
    assert below.extra == {}


def test_a_holdout_scores_what_it_has_not_seen(events):
    model = IsolationForest(signal=(3400, 3600), split="holdout", trees=10).fit(events)
    scores = model.score(events)
    share = scores.scored[in_region(events)].mean()
    assert 0.4 < share < 0.6
    assert np.isnan(scores.score[~scores.scored]).all()
    assert model.score(Events.toy(500, 0, seed=9)[:100]).scored.sum() > 5


# --- blind ----------------------------------------------------------------------------------


def test_labels_never_reach_a_fit(events, fitted):
    poison = np.random.default_rng(5).integers(0, 2, len(events))
    for label in (poison, None, 1 - np.asarray(events.label)):
        other = Events(events.features, events.mass, events.names, label=label)
        assert np.array_equal(
            Anode(**QUICK).fit(other).score(other).score,
            fitted.score(events).score,
            equal_nan=True,
        )


def test_a_method_is_given_tables_without_labels(events, monkeypatch):
    given = []
    honest = METHODS["isolation_forest"].method.fit

    def fit(self, region_events):
        given.append(region_events)
        honest(self, region_events)

    monkeypatch.setattr(METHODS["isolation_forest"].method, "fit", fit)
    IsolationForest(signal=(3400, 3600), folds=2, trees=5).fit(events)
    (found,) = given
    assert found.signal_region.label is None
    assert found.sidebands.label is None
    assert found.simulation is None


def test_truth_is_for_those_that_use_it(events):
    simulation = Events.toy(500, 500, seed=8)
    with pytest.raises(DataError, match="must not see labelled events"):
        Anode(**QUICK).fit(events, simulation=simulation)
    supervised = Supervised(**QUICK)
    with pytest.raises(DataError, match=r"fit\(events, simulation=.*got no simulation"):
        supervised.fit(events)
    unlabelled = Events(simulation.features, simulation.mass, simulation.names)
    with pytest.raises(DataError, match="got simulation without labels"):
        supervised.fit(events, simulation=unlabelled)
    with pytest.raises(DataError, match="have the mass and features of an event in events"):
        supervised.fit(events, simulation=events)
    with pytest.raises(DataError, match="simulation in the signal region, got none"):
        supervised.fit(events, simulation=simulation[simulation.mass < 3300])


def test_simulation_is_cross_fitted_too(events):
    simulation = Events.toy(1500, 500, seed=8)
    model = Supervised(**QUICK).fit(events, simulation=simulation)
    assert model.score(simulation).seen.sum() == in_region(simulation).sum()
    assert not model.score(Events.toy(500, 500, seed=9)).seen.any()


# --- an object like any other ---------------------------------------------------------------


def test_copies_and_pickles_carry_the_fit_along(events):
    model = Anode(**QUICK).fit(events)
    expected = model.score(events).score
    other, copied = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)
    folder = model._run.path
    del model
    gc.collect()
    assert not folder.exists()
    for one in (other, copied):
        assert np.array_equal(one.score(events).score, expected, equal_nan=True)
    assert repr(other) == "Anode(signal=(3400, 3600), folds=2, seed=3, fitted)"


def test_a_model_can_be_fitted_again_to_other_events(events):
    model = Anode(**QUICK).fit(events)
    folder = model._run.path
    first = events[: len(events) // 2]
    model.fit(first)
    gc.collect()
    assert not folder.exists()
    assert not model.score(events[len(events) // 2 :]).seen.any()


def test_what_is_not_fitted_says_so(events):
    with pytest.raises(RunDirectoryError, match=r"is not fitted; call fit\(events\) first"):
        Anode(**QUICK).score(events)


def test_the_background_is_a_density_in_physical_units(events, fitted):
    scores = fitted.score(events)
    log_p = fitted.background.log_prob(events.features, events.mass)
    np.testing.assert_allclose(
        log_p[scores.scored], scores.log_p_background[scores.scored], atol=2e-5
    )
    assert fitted.background.sample(events.mass[:7], seed=1).shape == (7, 4)
    forest = IsolationForest(signal=(3400, 3600), folds=2, trees=5).fit(events)
    with pytest.raises(ConfigError, match="fits no density of the background"):
        _ = forest.background


def test_some_of_the_features_can_be_chosen(events):
    model = Anode(**QUICK, features=["x3", "x1"]).fit(events)
    expected = Events(events.features[:, [2, 0]], events.mass, ["x3", "x1"])
    assert np.array_equal(model.score(events).score, model.score(expected).score, equal_nan=True)
    with pytest.raises(DataError, match="no feature 'x3'"):
        model.score(Events(events.features[:, :2], events.mass, ["x1", "x2"]))


def test_any_numbers_can_be_features(fitted):
    """Heavy tails on both sides, where the logit of the default is no natural choice."""
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.standard_cauchy(2000), rng.normal(size=2000), rng.uniform(size=2000)])
    events = Events(x, rng.uniform(2000, 5000, 2000))
    quick = {**QUICK, "signal": (3000, 4000)}
    quick.pop("logit")
    scores = Anode(**quick).fit(events).score(events)
    assert np.isfinite(scores.score[scores.scored]).all()
    assert abs(np.median(scores.score[scores.scored])) < 0.5


# --- the process it works in ----------------------------------------------------------------


def test_threads_and_hydra_of_the_caller_are_left_alone(events):
    torch.set_num_threads(2)
    hydra = object()
    GlobalHydra.instance().hydra = hydra
    before = [library["num_threads"] for library in threadpool_info()]
    try:
        model = IsolationForest(signal=(3400, 3600), folds=2, trees=5, seed=77)
        model.fit(events).score(events)
        assert torch.get_num_threads() == 2
        assert GlobalHydra.instance().hydra is hydra
        assert [library["num_threads"] for library in threadpool_info()] == before
    finally:
        torch.set_num_threads(1)
        GlobalHydra.instance().hydra = None


def test_nothing_is_printed_and_nothing_written_where_one_works(
    events, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    Anode(**QUICK).fit(events).score(events)
    assert not list(Path(tmp_path).iterdir())
    assert capfd.readouterr() == ("", "")


def test_the_signal_fraction_of_r_anode_comes_with_the_scores(events):
    model = RAnode(**QUICK, **OWN["r_anode"]).fit(events)
    extra = model.score(events).extra
    assert 0 < extra["signal_fraction"] < 0.5
    assert extra["signal_fraction_error"] > 0
    assert model.score(Events.toy(100, 100, seed=5)).extra == {}
