"""Closure and pass rates against scipy, on samples that agree and samples that do not."""

import numpy as np
import pytest
from scipy import stats

from anode.errors import ConfigError, DataError
from anode.evaluation.closure import Closure, closure
from anode.statistics.counting.pass_rate import pass_rate


def correlated(rng: np.random.Generator, n: int, correlation: float = 0.0) -> np.ndarray:
    """(n, 2) standard Gaussian events."""
    return rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=n)


def all_p_values(result: Closure) -> list[float]:
    return [part.p_value for part in result.features] + [part.p_value for part in result.pairs]


def test_chi2_equals_the_contingency_test_of_scipy() -> None:
    rng = np.random.default_rng(0)
    result = closure(rng.normal(size=(3000, 1)), rng.normal(0.1, 1, size=(8000, 1)), ["x"])
    feature = result.features[0]
    expected = stats.chi2_contingency(
        np.stack([feature.generated, feature.reference]), correction=False
    )
    assert feature.chi2 == pytest.approx(expected.statistic)
    assert feature.ndf == expected.dof == 19
    assert feature.p_value == pytest.approx(expected.pvalue)


def test_ks_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    generated, reference = rng.normal(size=(500, 1)), rng.normal(size=(700, 1))
    feature = closure(generated, reference, ["x"]).features[0]
    expected = stats.ks_2samp(generated[:, 0], reference[:, 0])
    assert feature.ks_statistic == pytest.approx(expected.statistic)
    assert feature.ks_p_value == pytest.approx(expected.pvalue, abs=0.01)


def test_equal_distributions_give_uniform_p_values_at_any_sample_sizes() -> None:
    rng = np.random.default_rng(2)
    results = [
        closure(correlated(rng, 6000, 0.5), correlated(rng, 1500, 0.5), ["a", "b"])
        for _ in range(150)
    ]
    for p_values in np.array([all_p_values(result) for result in results]).T:
        assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    ratio = np.mean([result.pairs[0].chi2 / result.pairs[0].ndf for result in results])
    assert ratio == pytest.approx(1, abs=0.05)


def test_a_shift_is_found_in_its_own_feature_only() -> None:
    rng = np.random.default_rng(3)
    generated = correlated(rng, 5000) + np.array([0.15, 0])
    first, second = closure(generated, correlated(rng, 5000), ["a", "b"]).features
    assert first.p_value < 1e-4
    assert first.ks_p_value < 1e-4
    assert second.p_value > 1e-3


def test_a_wrong_correlation_is_seen_by_the_pair_alone() -> None:
    rng = np.random.default_rng(4)
    result = closure(correlated(rng, 5000, 0.3), correlated(rng, 5000, 0.0), ["a", "b"])
    assert min(feature.p_value for feature in result.features) > 1e-3
    assert result.pairs[0].p_value < 1e-6
    pull = result.pairs[0].pull
    assert pull[0, 0] > 2  # too many generated where both are low
    assert pull[0, -1] < -2


def test_every_bin_is_equally_populated_whatever_the_sizes() -> None:
    rng = np.random.default_rng(5)
    result = closure(rng.exponential(size=(50_000, 1)), rng.exponential(size=(1000, 1)), ["x"])
    feature = result.features[0]
    share = feature.generated / 50_000 + feature.reference / 1000
    np.testing.assert_allclose(share / 2, 1 / 20, atol=2e-3)
    assert feature.generated.sum() == 50_000


def test_ties_and_constants_leave_fewer_bins_and_no_nan() -> None:
    rng = np.random.default_rng(6)
    generated, reference = (
        np.stack([np.maximum(rng.normal(size=n), 0), np.ones(n)], axis=1) for n in (2000, 3000)
    )
    result = closure(generated, reference, ["half_zero", "one"])
    half_zero, one = result.features
    assert 5 < half_zero.ndf < 19
    assert (one.chi2, one.ndf, one.p_value) == (0.0, 0, 1.0)
    assert result.pairs[0].ndf == len(result.pairs[0].x_edges) - 2


def test_all_pairs_are_compared_in_order() -> None:
    rng = np.random.default_rng(7)
    result = closure(rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), ["a", "b", "c"])
    assert [pair.names for pair in result.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert np.isnan(result.pairs[0].pull).any()  # 400 events in 100 bins: too few


@pytest.mark.parametrize(
    ("generated", "message"),
    [
        (np.zeros((20, 3)), r"\(N, 2\)"),
        (np.zeros((3, 2)), "10 generated events at least, got 3"),
        (np.where(np.arange(40).reshape(20, 2) == 13, np.nan, 0.0), "'b' has nan in row 6"),
    ],
)
def test_bad_events_are_named(generated: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        closure(generated, np.zeros((20, 2)), ["a", "b"])


def test_too_few_bins_are_refused() -> None:
    with pytest.raises(ConfigError, match="two bins"):
        closure(np.zeros((20, 1)), np.zeros((20, 1)), ["a"], n_bins=1)


def test_pass_rate_interval_is_that_of_clopper_and_pearson() -> None:
    mass = np.repeat([0.5, 1.5, 2.5, 3.5], [10, 20, 7, 5])
    passed = np.concatenate([np.arange(10) < 3, np.arange(20) < 0, np.ones(7), np.ones(5)])
    result = pass_rate(mass, passed, np.arange(6.0))
    for index, (k, n) in enumerate([(3, 10), (0, 20), (7, 7), (5, 5)]):
        expected = stats.binomtest(k, n).proportion_ci(0.6827, "exact")
        assert (result.low[index], result.high[index]) == pytest.approx(expected)
        assert result.rate[index] == k / n
    assert np.isnan([result.rate[4], result.low[4], result.high[4]]).all()


def test_flatness_equals_the_contingency_test_of_scipy() -> None:
    rng = np.random.default_rng(8)
    mass, passed = rng.uniform(0, 5, 4000), rng.random(4000) < 0.1
    result = pass_rate(mass, passed, np.arange(6.0))
    table = np.stack([result.n_passed, result.n_total - result.n_passed])
    expected = stats.chi2_contingency(table, correction=False)
    assert (result.chi2, result.ndf) == pytest.approx((expected.statistic, 4))
    assert result.p_value == pytest.approx(expected.pvalue)


def test_flat_cuts_give_uniform_p_values_even_when_few_events_pass() -> None:
    rng = np.random.default_rng(9)
    edges = np.linspace(3300, 3700, 21)
    mass = 3300 + 400 * rng.random((300, 5000)) ** 1.5
    p_values = [pass_rate(row, rng.random(5000) < 0.01, edges).p_value for row in mass]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_a_sculpted_bump_is_found() -> None:
    rng = np.random.default_rng(10)
    mass = rng.uniform(3300, 3700, 20_000)
    passed = rng.random(20_000) < 0.02 * (1 + 2 * np.exp(-0.5 * ((mass - 3500) / 40) ** 2))
    assert pass_rate(mass, passed, np.linspace(3300, 3700, 21)).p_value < 1e-4


def test_mass_bins_are_half_open_and_events_outside_do_not_count() -> None:
    mass = np.array([0.0, 1.0, 2.0, 2.5, -1.0])
    result = pass_rate(mass, np.ones(5, dtype=bool), np.array([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(result.n_total, [1, 1])


def test_no_event_passing_is_no_test() -> None:
    result = pass_rate(np.arange(10.0), np.zeros(10, dtype=bool), np.array([0.0, 5.0, 10.0]))
    assert (result.mean, result.chi2, result.ndf, result.p_value) == (0.0, 0.0, 0, 1.0)


def test_bad_pass_rate_input_is_refused() -> None:
    with pytest.raises(DataError, match="equally long"):
        pass_rate(np.zeros(3), np.zeros(2), np.arange(3.0))
    with pytest.raises(ConfigError, match="rise"):
        pass_rate(np.zeros(3), np.zeros(3), np.array([1.0, 0.0]))


def test_pairs_are_of_the_first_features_alone() -> None:
    rng = np.random.default_rng(3)
    events = rng.normal(size=(200, 14))
    found = closure(events[:100], events[100:], [f"z{i}" for i in range(14)])
    assert len(found.features) == 14
    assert len(found.pairs) == 66
    assert {name for pair in found.pairs for name in pair.names} == {f"z{i}" for i in range(12)}
