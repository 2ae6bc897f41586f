"""The detector keeps scikit-learn's contract, for few events and for many."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from anode import Anode, Events
from anode.api.few_events import Gaussian, GaussianAnode
from anode.errors import ConfigError
from anode.sklearn import AnodeDetector, FewEventsWarning, _table
from helpers.api_settings import QUICK

FLOWS = {key: QUICK[key] for key in ("density", "epochs", "batch_size", "ensemble", "logit")}
few = pytest.mark.filterwarnings("ignore::anode.sklearn.FewEventsWarning")


def as_matrix(events: Events) -> np.ndarray:
    return np.column_stack([events.mass, events.features])


@pytest.fixture(scope="module")
def events() -> Events:
    return Events.toy(5000, 300)


@pytest.fixture(scope="module")
def fitted(events) -> AnodeDetector:
    """With flows."""
    return AnodeDetector(signal=(3400, 3600), folds=2, settings=FLOWS).fit(as_matrix(events))


@few
@pytest.mark.filterwarnings("ignore:Estimator AnodeDetector:UserWarning")
def test_the_estimator_checks_pass():
    results = check_estimator(AnodeDetector(), on_fail=None, on_skip=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 40


def test_flows_are_fitted_where_there_are_events_for_them(events, fitted):
    X = as_matrix(events)
    as_a_search = {"trainer": "search", "split": {"sideband_folds": 2}}
    model = Anode(**{**QUICK, "seed": 1, **as_a_search}).fit(Events(events.features, events.mass))
    expected = model.score(Events(events.features, events.mass), any_mass=True).score
    assert np.array_equal(fitted.anomaly_score(X), expected)
    assert fitted.signal_ == (3400, 3600)


def test_signs_are_those_of_scikit_learn_and_of_a_physicist(events, fitted):
    X = as_matrix(events)
    score = fitted.anomaly_score(X)
    inside = (events.mass >= 3400) & (events.mass < 3600)
    signal = events.label == 1
    assert score[inside & signal].mean() > score[inside & ~signal].mean() + 0.05
    assert np.array_equal(fitted.score_samples(X), -score)
    assert np.array_equal(fitted.decision_function(X), -score - fitted.offset_)
    outliers = fitted.predict(X) == -1
    assert outliers.sum() == round(0.01 * len(X))
    assert score[outliers].min() > score[~outliers].max()


def test_rows_and_their_order_do_not_matter_to_flows(events, fitted):
    X = as_matrix(events)
    rows = np.random.default_rng(1).permutation(len(X))[:500]
    # Other batches: float32 rounding.
    np.testing.assert_allclose(
        fitted.anomaly_score(X[rows]), fitted.anomaly_score(X)[rows], atol=5e-5
    )


def test_flows_are_pickled(events, fitted):
    X = as_matrix(events)[:200]
    assert np.array_equal(
        pickle.loads(pickle.dumps(fitted)).anomaly_score(X), fitted.anomaly_score(X)
    )


def test_few_events_are_said_to_be_few():
    X = as_matrix(Events.toy(400, 30))
    with pytest.warns(FewEventsWarning, match=r"events in the window and .* Gaussian densities"):
        detector = AnodeDetector(signal=(3400, 3600)).fit(X)
    assert isinstance(detector.model_, GaussianAnode)


@few
def test_gaussians_of_few_events_find_a_shift_and_follow_the_mass():
    toy = Events.toy(1200, 60, seed=3)
    detector = AnodeDetector(signal=(3450, 3550), random_state=2).fit(as_matrix(toy))
    assert isinstance(detector.model_, GaussianAnode)
    other = Events.toy(500, 500, seed=4)
    score = detector.anomaly_score(as_matrix(other))
    assert score[other.label == 1].mean() > score[other.label == 0].mean() + 0.2


def test_a_gaussian_is_the_least_squares_fit():
    rng = np.random.default_rng(1)
    m = rng.normal(size=20_000)
    x = np.column_stack([1 + 2 * m, -m]) + rng.normal(size=(len(m), 2)) @ [[1.0, 0.5], [0.0, 1.0]]
    covariance = np.array([[1.0, 0.5], [0.5, 1.25]])
    left = x[:50] - np.column_stack([1 + 2 * m, -m])[:50]
    truth = -0.5 * np.einsum("ni,ij,nj->n", left, np.linalg.inv(covariance), left)
    truth -= 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    np.testing.assert_allclose(Gaussian(x, m).log_prob(x[:50], m[:50]), truth, atol=0.6)


@few
def test_no_few_events_are_scored_by_a_fit_that_has_seen_them():
    X = as_matrix(Events.toy(200, 20))
    X = np.concatenate([X, X[:30]])[np.random.default_rng(1).permutation(250)]
    detector = AnodeDetector(signal=(3400, 3600), folds=5).fit(X)
    model, events = detector.model_, _table(X)
    fold, inside = model._fold(events), (events.mass >= 3400) & (events.mass < 3600)
    x, m = model._scaled(events.features, events.mass)
    centre = model._scaled(events.features, np.full(len(X), 3500.0))[1]
    found = detector.anomaly_score(X)
    for k in range(5):
        own = fold == k
        assert not np.isin(events.identity[own], events.identity[~own]).any()  # copies too
        data, background = (
            Gaussian(x[side & ~own], m[side & ~own]).log_prob(x[own], centre[own])
            for side in (inside, ~inside)
        )
        np.testing.assert_allclose(found[own], data - background, rtol=1e-9)


@few
def test_it_works_in_a_pipeline_and_a_search_of_parameters():
    X = as_matrix(Events.toy(300, 40))
    pipeline = make_pipeline(AnodeDetector(contamination=0.05)).fit(X)
    assert (pipeline.predict(X) == -1).sum() == 17
    search = GridSearchCV(
        AnodeDetector(), {"folds": [2, 3]}, scoring=lambda e, X, y=None: e.offset_, cv=2
    ).fit(X)
    assert search.best_params_["folds"] in (2, 3)
    assert clone(search.best_estimator_).get_params()["method"] == "anode"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"contamination": 0.0}, ValueError, r"contamination must lie in \(0, 0.5\]"),
        (
            {"signal": (9000, 9500)},
            ValueError,
            "at least 2 different events must lie in the",
        ),
        (
            {"signal": (0, 9500)},
            ValueError,
            "at least 2 different events must lie outside",
        ),
        ({"method": "supervised"}, ConfigError, "uses truth labels and cannot search"),
        ({"settings": {"epoch": 3}}, ConfigError, r"did you mean epochs\?"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message):
            AnodeDetector(**options).fit(as_matrix(Events.toy(300, 40)))
