"""ROC, AUC and SIC against closed forms, scikit-learn, and the spread of repeated experiments."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from anode.errors import ConfigError, DataError
from anode.evaluation.curves import (
    MIN_BACKGROUND,
    Performance,
    auc,
    curve_from_datasets,
    fpr_key,
    performance,
    roc,
)
from anode.evaluation.run_metrics import RunMetrics

SHIFT = 1.5


def gaussian_test_set(
    rng: np.random.Generator, n_background: int = 40_000, n_signal: int = 10_000
) -> tuple[np.ndarray, np.ndarray]:
    """Scores N(0, 1) for background and N(SHIFT, 1) for signal, with labels."""
    label = np.repeat([0, 1], [n_background, n_signal])
    return rng.normal(size=len(label)) + SHIFT * label, label


def true_sic(fpr: np.ndarray | float) -> np.ndarray:
    """SIC of the shifted Gaussian: Phi(SHIFT - z(1 - FPR)) / sqrt(FPR)."""
    return np.asarray(stats.norm.sf(stats.norm.isf(fpr) - SHIFT) / np.sqrt(fpr))


@pytest.fixture(scope="module")
def gaussian() -> Performance:
    rng = np.random.default_rng(11)
    return performance(*gaussian_test_set(rng), rng)


def test_shifted_gaussian_has_the_closed_form_auc(gaussian: Performance) -> None:
    assert abs(gaussian.auc - stats.norm.cdf(SHIFT / np.sqrt(2))) < 4 * gaussian.auc_error
    assert 0.0005 < gaussian.auc_error < 0.005


def test_shifted_gaussian_has_the_closed_form_sic_everywhere(gaussian: Performance) -> None:
    curve = gaussian.sic
    # The last point is SIC = 1 with no error at all.
    pull = (curve.sic - true_sic(curve.fpr))[:-1] / curve.sic_error[:-1]
    assert np.max(np.abs(pull)) < 4.5
    assert curve.sic[-1] == 1.0


def test_sic_at_fixed_fpr_agrees_with_the_closed_form(gaussian: Performance) -> None:
    for fpr, value in gaussian.sic_at_fpr.items():
        assert value is not None
        assert abs(value[0] - true_sic(fpr)) < 4 * value[1]


def test_max_sic_is_the_highest_point_of_the_stored_curve(gaussian: Performance) -> None:
    peak = np.argmax(gaussian.sic.sic)
    assert gaussian.max_sic == gaussian.sic.sic[peak]
    assert gaussian.max_sic_fpr == gaussian.sic.fpr[peak]


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_auc_equals_scikit_learn_with_any_number_of_ties(levels: int) -> None:
    rng = np.random.default_rng(levels)
    label = rng.integers(0, 2, 3000)
    score = np.floor(levels * rng.beta(2 + label, 2))
    assert auc(roc(score, label)) == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_random_score_gives_sic_equal_to_the_square_root_of_tpr() -> None:
    rng = np.random.default_rng(5)
    label = np.repeat([0, 1], [50_000, 50_000])
    result = performance(rng.random(len(label)), label, rng)
    curve = result.sic
    pull = (curve.sic - np.sqrt(curve.tpr))[:-1] / curve.sic_error[:-1]
    # The error of SIC - sqrt(TPR) is at least that of SIC's background part, hence the margin.
    assert np.max(np.abs(pull)) < 5
    assert result.auc == pytest.approx(0.5, abs=4 * result.auc_error)


def test_constant_score_has_two_roc_points_and_no_sic_but_one() -> None:
    label = np.arange(20_000) % 2
    result = performance(np.ones(20_000), label, np.random.default_rng(0))
    np.testing.assert_array_equal(result.roc.tpr, [0, 1])
    np.testing.assert_array_equal(result.roc.fpr, [0, 1])
    assert (result.auc, result.auc_error) == (0.5, 0.0)
    assert (result.max_sic, result.max_sic_fpr) == (1.0, 1.0)
    value = result.sic_at_fpr[1e-2]
    assert value is not None
    # Ties broken at random: TPR = FPR, hence SIC = sqrt(FPR).
    assert value[0] == pytest.approx(0.1)


def test_tied_events_pass_a_cut_together() -> None:
    curve = roc(np.array([2.0, 2, 1, 1, 1, 0]), np.array([1, 0, 1, 1, 0, 0]))
    np.testing.assert_array_equal(curve.passing_signal, [0, 1, 3, 3])
    np.testing.assert_array_equal(curve.passing_background, [0, 1, 2, 3])
    np.testing.assert_array_equal(curve.threshold, [np.inf, 2, 1, 0])


def test_no_sic_is_quoted_below_twenty_five_background_events() -> None:
    rng = np.random.default_rng(3)
    result = performance(*gaussian_test_set(rng, 2000, 500), rng, at_fpr=(0.0125, 0.0124))
    assert result.fpr_floor == MIN_BACKGROUND / 2000 == 0.0125
    assert result.sic.fpr[0] == result.fpr_floor
    assert result.sic_at_fpr[0.0125] is not None
    assert result.sic_at_fpr[0.0124] is None


def test_a_perfect_score_cannot_claim_more_than_its_statistics() -> None:
    label = np.repeat([0, 1], [10_000, 1000])
    result = performance(label.astype(float), label, np.random.default_rng(0))
    assert result.max_sic == 1.0  # every cut but "no cut" leaves no background at all
    spread = label + np.linspace(0, 0.5, len(label))
    result = performance(spread, label, np.random.default_rng(0))
    assert result.max_sic == pytest.approx(np.sqrt(10_000 / MIN_BACKGROUND))


def test_fewer_than_twenty_five_background_events_leave_auc_only() -> None:
    rng = np.random.default_rng(0)
    result = performance(*gaussian_test_set(rng, 24, 100), rng)
    assert result.max_sic is result.max_sic_error is result.max_sic_fpr is None
    assert len(result.sic.fpr) == 0
    assert 0.5 < result.auc < 1


def test_the_stored_curve_is_thin_and_loses_nothing() -> None:
    rng = np.random.default_rng(8)
    score, label = gaussian_test_set(rng, 200_000, 50_000)
    result = performance(score, label, rng, n_bootstrap=2)
    full = roc(score, label)
    assert len(result.roc.tpr) <= 2000
    grid = np.round(np.geomspace(MIN_BACKGROUND, 200_000, 1000)) / 200_000
    thin_tpr, full_tpr = (np.interp(grid, c.fpr, c.tpr) for c in (result.roc, full))
    np.testing.assert_allclose(thin_tpr, full_tpr, rtol=0.01)
    low = result.roc.passing_background
    assert set(range(MIN_BACKGROUND)) <= set(low.tolist())
    assert low[-1] == 200_000


def test_bootstrap_errors_match_the_spread_of_repeated_experiments() -> None:
    rng = np.random.default_rng(42)
    toys = [
        performance(
            *gaussian_test_set(rng, 4000, 1000),
            rng,
            at_fpr=(0.02,),
            n_bootstrap=80,
            max_points=300,
        )
        for _ in range(200)
    ]
    at_fpr = np.array([toy.sic_at_fpr[0.02] for toy in toys], dtype=float)
    assert at_fpr[:, 0].std() == pytest.approx(at_fpr[:, 1].mean(), rel=0.2)
    areas = np.array([(toy.auc, toy.auc_error) for toy in toys])
    assert areas[:, 0].std() == pytest.approx(areas[:, 1].mean(), rel=0.2)
    peaks = np.array([(toy.max_sic, toy.max_sic_error) for toy in toys], dtype=float)
    assert peaks[:, 0].std() == pytest.approx(peaks[:, 1].mean(), rel=0.3)


def test_the_bootstrap_band_covers_the_truth_two_times_in_three() -> None:
    rng = np.random.default_rng(43)
    covered = []
    for _ in range(200):
        toy = performance(*gaussian_test_set(rng, 4000, 1000), rng, n_bootstrap=80, max_points=300)
        index = np.searchsorted(toy.sic.fpr, [0.02, 0.1, 0.4])
        truth = true_sic(toy.sic.fpr[index])
        covered.append((toy.sic.sic_low[index] <= truth) & (truth <= toy.sic.sic_high[index]))
    np.testing.assert_allclose(np.mean(covered, axis=0), 0.68, atol=0.12)


def test_only_the_errors_depend_on_the_random_stream() -> None:
    score, label = gaussian_test_set(np.random.default_rng(0), 3000, 1000)
    first, again, other = (
        performance(score, label, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert metrics(first) == metrics(again)
    np.testing.assert_array_equal(first.sic.sic_low, again.sic.sic_low)
    assert (first.auc, first.max_sic) == (other.auc, other.max_sic)
    assert first.auc_error != other.auc_error


small_samples = st.lists(
    st.tuples(st.integers(-20, 20), st.booleans()), min_size=2, max_size=200
).filter(lambda events: len({is_signal for _, is_signal in events}) == 2)


@settings(max_examples=60)
@given(small_samples, st.randoms(use_true_random=False))
def test_order_of_events_and_monotone_maps_of_the_score_change_nothing(
    events: list[tuple[int, bool]], random: Random
) -> None:
    def summary(rows: Sequence[tuple[float, bool]]) -> RunMetrics:
        score, label = np.array(rows, dtype=float).T
        return metrics(performance(score, label, np.random.default_rng(0), n_bootstrap=5))

    expected = summary(events)
    shuffled = list(events)
    random.shuffle(shuffled)
    assert summary(shuffled) == expected
    assert summary([(np.exp(score / 7) - 3, flag) for score, flag in events]) == expected


@settings(max_examples=60)
@given(small_samples)
def test_reversing_the_score_reflects_the_auc(events: list[tuple[int, bool]]) -> None:
    score, label = np.array(events, dtype=float).T
    assert auc(roc(score, label)) + auc(roc(-score, label)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("score", "label", "message"),
    [
        ([0.1, np.nan, 0.3], [0, 1, 0], "first row 1"),
        ([0.1, 0.2, np.inf], [0, 1, 0], "first row 2"),
        ([0.1, 0.2], [0, 1, 0], "equally long"),
        ([0.1, 0.2], [0, 2], "row 1 has 2"),
        ([0.1, 0.2], [1, 1], "2 signal and 0 background"),
        ([0.1, 0.2], [0, 0], "0 signal and 2 background"),
        ([], [], "0 signal and 0 background"),
    ],
)
def test_bad_input_is_named(score: list[float], label: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        performance(np.array(score), np.array(label), np.random.default_rng(0))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="at_fpr"):
        performance(np.arange(4.0), np.arange(4) % 2, np.random.default_rng(0), at_fpr=(0.0,))


def metrics(result: Performance) -> RunMetrics:
    return RunMetrics("anode", 1).with_performance(result)


def test_a_false_positive_rate_has_a_short_name() -> None:
    assert (fpr_key(1e-2), fpr_key(2.5e-4)) == ("1e-2", "2.5e-4")


def test_a_curve_survives_its_file_and_needs_four_datasets(gaussian: Performance) -> None:
    datasets = gaussian.sic._asdict()
    np.testing.assert_array_equal(curve_from_datasets(datasets), gaussian.sic)
    bare = {name: datasets[name] for name in ("fpr", "tpr", "sic", "sic_error")}
    np.testing.assert_array_equal(
        curve_from_datasets(bare).sic_low, bare["sic"] - bare["sic_error"]
    )
    with pytest.raises(DataError, match="tpr"):
        curve_from_datasets({"fpr": datasets["fpr"], "sic": datasets["sic"]})
