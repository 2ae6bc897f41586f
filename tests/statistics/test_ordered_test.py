"""One test of several score categories: its null distribution, and what it gains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from anode.errors import DataError
from anode.statistics.counting import ordered_test as module
from anode.statistics.counting.ordered_test import (
    level_probabilities,
    ordered_statistic,
    ordered_z,
)

WEIGHT = np.array([75.0, 24.0, 7.9])  # sqrt(b) of 10%, 1% and 0.1% of 62,000 events, exclusive


def by_minimising(z: np.ndarray, weight: np.ndarray) -> float:
    """q with r = cumulative sums of numbers >= 0, by non-negative least squares."""
    steps = np.tril(np.ones((len(z), len(z)))) * weight[:, None]
    _, distance = optimize.nnls(steps, z)
    return float((z**2).sum() - distance**2)


@given(
    z=st.lists(st.floats(-4, 6), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_the_statistic_is_that_of_least_squares(z: list[float], seed: int) -> None:
    weight = np.random.default_rng(seed).uniform(0.5, 50, len(z))
    found = float(ordered_statistic(np.array([z]), weight)[0])
    assert max(found, 0.0) == pytest.approx(by_minimising(np.array(z), weight), abs=1e-6)


def test_without_signal_z_is_normal() -> None:
    # 200,000 tests: Kolmogorov-Smirnov at 1e-3, and the tail to 4 errors.
    z = ordered_z(np.random.default_rng(1).normal(size=(200_000, 3)), WEIGHT)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    for level in (2.0, 3.0):
        p = stats.norm.sf(level)
        assert np.mean(z > level) == pytest.approx(p, abs=4 * np.sqrt(p / 200_000) + 0.01 * p)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_tails_of_chi2_are_scipys_and_go_on_where_those_end(k: int) -> None:
    x = np.array([0.0, 0.1, 3.0, 80.0, 600.0])
    np.testing.assert_allclose(
        module._log_tail(x, k), stats.chi2.logsf(x, k), rtol=1e-9, atol=1e-12
    )
    assert np.isfinite(module._log_tail(np.array([1e5]), k)).all()


def test_one_category_is_its_own_test() -> None:
    z = np.array([-3.0, -0.2, 0.0, 1.7, 9.0])
    np.testing.assert_allclose(ordered_z(z[:, None], np.ones(1)), z, atol=1e-9)


def test_probabilities_of_levels_are_those_of_two_categories() -> None:
    """P(2) = arctan(w_2 / w_1) / (2 pi) for two: the cone between (0, 1) and (w_1, w_2)."""
    one, two = 3.0, 2.0
    found = level_probabilities((one, two))
    angle = np.arctan2(one, two)  # between the axis of the tighter one and (w_1, w_2)
    assert found[2] == pytest.approx(angle / (2 * np.pi), abs=0.004)
    assert found[1] == pytest.approx(0.5, abs=0.004)
    assert sum(found) == pytest.approx(1)


def test_it_finds_more_than_the_best_of_three_cuts() -> None:
    """A signal of 300 events, efficiencies .6, .35, .15: local Z of the best cut needs trials."""
    rng = np.random.default_rng(2)
    expected, efficiency = WEIGHT**2, np.array([0.25, 0.2, 0.15])
    noise = rng.normal(size=(20_000, 3))
    signal = noise + 200 * efficiency / WEIGHT
    tightest_first = np.cumsum((np.array([noise, signal]) * WEIGHT)[:, :, ::-1], axis=2)
    nested = tightest_first / np.sqrt(np.cumsum(expected[::-1]))
    best = nested.max(axis=2)
    level = np.quantile(best[0], stats.norm.cdf(3.0))  # 3 sigma after the trials of three cuts
    assert np.mean(ordered_z(signal, WEIGHT) > 3.0) > np.mean(best[1] > level) + 0.05


@pytest.mark.parametrize("weight", [(75.0, 24.0, 7.9), (1.0, 1.0, 1.0), (0.3, 2.0, 5.0)])
def test_probabilities_of_levels_of_three_are_those_of_draws(weight: tuple[float, ...]) -> None:
    """100,000 draws: errors of 0.0016 at most, four allowed."""
    draws = np.random.default_rng(3).normal(size=(100_000, 3))
    statistic = ordered_statistic(draws, np.array(weight))
    found = level_probabilities(weight)
    assert sum(found) == pytest.approx(1)
    assert np.mean(statistic <= 0) == pytest.approx(found[0], abs=0.006)
    mean = sum(k * share for k, share in enumerate(found))  # that of chi2 is k
    assert np.maximum(statistic, 0).mean() == pytest.approx(mean, abs=0.03)


def test_extreme_excesses_and_deficits_stay_finite_and_ordered() -> None:
    z = np.array([[-40.0] * 3, [-5.0] * 3, [0.0] * 3, [5.0] * 3, [40.0] * 3])
    found = ordered_z(z, WEIGHT)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(40 * np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("weight", [[1.0, 0.0], [1.0], [np.nan, 1.0]])
def test_weights_that_are_none_are_refused(weight: list[float]) -> None:
    with pytest.raises(DataError, match="positive weight for each"):
        ordered_z(np.zeros((3, 2)), np.array(weight))
