"""Whether p-values are uniform, and fitted signals follow injected ones, on known toys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from anode.errors import DataError
from anode.seeding import stream
from anode.statistics.calibration.injection import injection_response
from anode.statistics.calibration.uniformity import uniformity
from anode.statistics.counting.pass_rate import wilson_error


def _share_within(n: int, level: float) -> float:
    """Exact probability that n uniform p-values pass the rule for one level."""
    counts = np.arange(n + 1)
    rule = [k / n <= level + 2 * wilson_error(k, n) for k in counts]
    return float(stats.binom.pmf(counts, n, level)[rule].sum())


def test_uniform_p_values_are_calibrated_as_often_as_they_should_be():
    rng = stream(1, "uniform")
    n, n_sets = 1000, 500
    found = np.mean([uniformity(rng.random(n)).is_calibrated for _ in range(n_sets)])
    fails = [1 - _share_within(n, 0.05), 1 - _share_within(n, 0.01), 0.01]
    spread = 3 * wilson_error(found * n_sets, n_sets)
    assert 1 - sum(fails) - spread < found < 1 - max(fails) + spread
    assert 1 - sum(fails) > 0.9


def test_slightly_small_p_values_are_found_out():
    rng = stream(1, "beta")
    result = uniformity(rng.beta(0.9, 1, 20_000))
    assert not result.is_calibrated
    # P(p <= a) = a^0.9
    for level in ("0.05", "0.01"):
        assert result.fraction_below[level] == pytest.approx(
            float(level) ** 0.9, abs=4 * result.error[level]
        )
    assert result.ks_statistic == pytest.approx(0.9**9 - 0.9**10, abs=0.01)


def test_small_counts_are_conservative_and_uniform_when_randomised():
    rng = stream(1, "counts")
    counts = rng.poisson(1.7, 20_000)
    plain = uniformity(stats.poisson.sf(counts - 1, 1.7))
    for level in ("0.05", "0.01"):
        assert plain.fraction_below[level] <= float(level) + 3 * plain.error[level]
    assert plain.ks_p_value < 1e-6
    assert not plain.is_calibrated
    randomised = stats.poisson.sf(counts, 1.7) + rng.random(20_000) * stats.poisson.pmf(
        counts, 1.7
    )
    assert uniformity(randomised).is_calibrated


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_error_of_a_share_is_that_of_wilson(counts):
    passed, total = counts
    interval = stats.binomtest(passed, total).proportion_ci(stats.chi2.cdf(1, 1), "wilson")
    half = (interval.high - interval.low) / 2
    assert wilson_error(passed, total) == pytest.approx(half, rel=1e-9)
    assert half > 0


def test_a_share_of_none_has_an_error():
    result = uniformity(np.linspace(0.2, 1, 50))
    assert result.fraction_below == {"0.05": 0.0, "0.01": 0.0}
    assert result.error["0.01"] == pytest.approx(0.5 / 51)


@pytest.mark.parametrize(
    ("p_values", "message"),
    [
        ([0.5], "at least two"),
        ([], "at least two"),
        ([[0.1, 0.2]], "at least two"),
        ([0.1, 1.2], r"\[0, 1\].*first number 1 with 1.2"),
        ([-0.1, 0.2], r"first number 0 with -0.1"),
        ([0.3, np.nan], r"first number 1 with nan"),
    ],
)
def test_what_cannot_be_p_values_is_refused(p_values, message):
    with pytest.raises(DataError, match=message):
        uniformity(np.array(p_values))


def test_normal_fits_cover_the_truth_and_pull_by_one():
    rng = stream(2, "injection")
    injected = rng.permutation(np.repeat([0.0, 100.0, 400.0], 4000))
    error = np.sqrt(900 + injected)
    fitted = rng.normal(injected, error)
    response = injection_response(injected, fitted, error, error, fitted / 30)
    assert response.injected.tolist() == [0, 100, 400]
    assert response.n.tolist() == [4000] * 3
    width = np.sqrt(900 + response.injected)
    for found, true, spread in [
        (response.bias, 0, response.bias_error),
        (response.pull_mean, 0, response.pull_mean_error),
        (response.pull_std, 1, response.pull_std_error),
        (response.coverage, 0.6827, response.coverage_error),
        (response.z, response.injected / 30, 1.25 * width / 30 / np.sqrt(4000)),
    ]:
        assert np.all(np.abs(found - true) < 4 * spread)
    np.testing.assert_allclose(response.bias_error, width / np.sqrt(4000), rtol=0.1)
    np.testing.assert_allclose(response.pull_std_error, 1 / np.sqrt(8000), rtol=0.1)
    half_band = (response.z_high - response.z_low) / 2
    np.testing.assert_allclose(half_band, width / 30, rtol=0.1)


def test_a_bias_and_errors_too_small_are_seen():
    rng = stream(3, "biased")
    injected = np.full(5000, 50.0)
    fitted = rng.normal(55, 10, 5000)
    response = injection_response(injected, fitted, np.full(5000, 5.0), np.full(5000, 5.0), fitted)
    assert response.bias[0] == pytest.approx(5, abs=0.6)
    assert response.pull_mean[0] == pytest.approx(1, abs=0.12)
    assert response.pull_std[0] == pytest.approx(2, abs=0.1)
    inside = stats.norm.cdf(0) - stats.norm.cdf(-1)  # fitted within [45, 55]
    assert response.coverage[0] == pytest.approx(inside, abs=0.03)


def test_the_pull_takes_the_error_on_the_side_of_the_truth():
    response = injection_response(
        np.array([10.0, 10]),
        np.array([14.0, 7]),
        np.array([2.0, 9]),
        np.array([9.0, 6]),
        np.ones(2),
    )
    assert response.pull_mean[0] == pytest.approx((4 / 2 - 3 / 6) / 2)
    assert response.coverage[0] == 0.5


COLUMNS = ("injected", "fitted", "error_low", "error_high", "z")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": [1.0]}, "equal lengths"),
        ({name: [] for name in COLUMNS}, "equal lengths"),
        ({"fitted": [1, np.nan, 3]}, "fitted must be finite, got nan in pseudo-experiment 1"),
        ({"error_low": [1, -2, 1]}, "error_low must be finite and not negative"),
        ({"injected": [5, 5, 6]}, "6 has one"),
        ({"error_high": [1, 0, 1]}, "towards the injected amount.* 0 in pseudo-experiment 1"),
    ],
)
def test_what_cannot_be_injections_is_refused(change, message):
    columns = {"injected": [5, 5, 5], "fitted": [6, 4, 5], **{n: [1, 1, 1] for n in COLUMNS[2:]}}
    with pytest.raises(DataError, match=message):
        injection_response(*({**columns, **change}[name] for name in COLUMNS))
