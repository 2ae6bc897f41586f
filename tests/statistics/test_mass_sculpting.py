"""What a cut does to a falling mass spectrum, and scores that know the mass uncorrelated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from anode.errors import ConfigError, DataError
from anode.seeding import stream
from anode.statistics.counting.pass_rate import pass_rate
from anode.statistics.scan.mass_sculpting import (
    independence,
    mass_sculpting,
    mass_sculpting_of_counts,
)

EDGES = np.arange(2800.0, 6050.0, 50.0)
WINDOW = (3300.0, 3700.0)


def falling(rng: np.random.Generator, n: int) -> np.ndarray:
    return 2800 + rng.exponential(600, n)


def test_a_cut_that_knows_no_mass_gives_uniform_p_values_and_the_expected_distance():
    found = []
    for seed in range(200):
        rng = stream(seed, "flat")
        mass = falling(rng, 20_000)
        found.append(mass_sculpting(mass, rng.random(20_000) < 0.01, EDGES, seed=seed, n_toys=200))
    for p_values in (
        [result.rate.p_value for result in found],
        [result.jensen_shannon_p_value for result in found],
    ):
        assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    distances = [result.jensen_shannon for result in found]
    expected = [result.expected_jensen_shannon for result in found]
    assert np.mean(distances) == pytest.approx(np.mean(expected), rel=0.03)
    assert min(distances) > 0.05  # of 200 events in 64 bins: never near 0
    above = np.mean([r.jensen_shannon > r.largest_jensen_shannon for r in found])
    assert above == pytest.approx(0.05, abs=0.05)


def test_a_bump_is_found_with_its_rates():
    rng = stream(1, "bump")
    mass = falling(rng, 200_000)
    bump = np.exp(-0.5 * ((mass - 3500) / 60) ** 2)
    result = mass_sculpting(mass, rng.random(200_000) < 0.01 * (1 + 2 * bump), EDGES, seed=1)
    assert result.rate.p_value < 1e-9
    assert result.jensen_shannon_p_value == pytest.approx(1 / 1001)
    assert result.jensen_shannon > result.largest_jensen_shannon > result.expected_jensen_shannon
    assert result.rate.highest == pytest.approx(0.03, abs=0.004)
    # Merged bins expect five events: their lowest rate is no 0, as that of sparse bins is.
    assert 0.001 < result.rate.lowest < 0.01
    assert np.nanmin(result.rate.rate) == 0


@settings(max_examples=50)
@given(arrays(np.int64, 6, elements=st.integers(0, 40)), st.integers(0, 2**32))
def test_counts_and_events_agree_with_each_other_and_with_scipy(before, seed):
    before[2] += 1
    rng = np.random.default_rng(seed)
    mass = np.repeat(np.arange(6) + 0.5, before)
    passed = rng.random(len(mass)) < 0.4
    after = np.histogram(mass[passed], np.arange(7))[0]
    result = mass_sculpting(mass, passed, np.arange(7.0), seed=3, n_toys=50)
    counted = mass_sculpting_of_counts(before, after, np.arange(7.0), seed=3, n_toys=50)
    np.testing.assert_array_equal(result.rate.n_passed, after)
    assert counted[1:] == result[1:]
    if after.sum():
        assert counted.jensen_shannon == pytest.approx(jensenshannon(before, after), abs=1e-12)
    assert 0 <= counted.jensen_shannon <= np.sqrt(np.log(2))


def test_a_common_factor_is_no_sculpting():
    before = np.array([400, 300, 200, 100])
    result = mass_sculpting_of_counts(before, before // 10, np.arange(5.0), seed=1)
    assert (result.jensen_shannon, result.rate.chi2) == pytest.approx((0, 0))
    assert result.rate.lowest == result.rate.highest == pytest.approx(0.1)
    assert result.jensen_shannon_p_value == 1


def test_no_event_or_every_event_passing_is_no_verdict():
    before = np.array([40, 30])
    for after in (0 * before, before):
        result = mass_sculpting_of_counts(before, after, np.arange(3.0), seed=1)
        assert (result.rate.ndf, result.rate.p_value) == (0, 1)
        assert (result.jensen_shannon, result.jensen_shannon_p_value) == (0, 1)


@pytest.mark.parametrize(
    ("before", "after", "edges", "error", "message"),
    [
        ([5, 5], [1, 6], [0, 1, 2], DataError, "6 of 5 in bin 1"),
        ([5, 5], [1, -1], [0, 1, 2], DataError, "-1 of 5 in bin 1"),
        ([5, 5.5], [1, 1], [0, 1, 2], DataError, "whole"),
        ([5, np.nan], [1, 1], [0, 1, 2], DataError, "whole"),
        ([5, 5, 5], [1, 1], [0, 1, 2], DataError, "2 bins need as many counts"),
        ([0, 0], [0, 0], [0, 1, 2], DataError, "no event lies in the mass bins"),
        ([5, 5], [1, 1], [0, 2, 2], ConfigError, "rise"),
    ],
)
def test_impossible_counts_are_refused(before, after, edges, error, message):
    with pytest.raises(error, match=message):
        mass_sculpting_of_counts(np.array(before), np.array(after), np.array(edges), seed=1)


def test_other_bad_input_is_refused():
    one = np.ones(1)
    with pytest.raises(DataError, match="NaN"):
        mass_sculpting(np.array([np.nan]), one, np.array([0.0, 2.0]), seed=1)
    with pytest.raises(ConfigError, match="toy"):
        mass_sculpting(one, one, np.array([0.0, 2.0]), seed=1, n_toys=0)


def test_independent_scores_look_independent():
    found = []
    for seed in range(200):
        rng = stream(seed, "independent")
        found.append(independence(rng.uniform(*WINDOW, 2000), rng.normal(size=2000), WINDOW))
    pulls = [result.pearson / result.pearson_error for result in found]
    assert np.mean(pulls) == pytest.approx(0, abs=0.25)
    assert np.std(pulls) == pytest.approx(1, abs=0.2)
    assert stats.kstest([r.pearson_p_value for r in found], "uniform").pvalue > 1e-3
    assert stats.kstest([r.rates["0.1"].p_value for r in found], "uniform").pvalue > 1e-3


def test_no_correlation_is_no_proof_of_independence():
    """A pass rate symmetric about the centre: no linear correlation, and yet a bump."""
    rng = stream(5, "symmetric")
    mass = rng.uniform(*WINDOW, 40_000)
    score = rng.normal(size=40_000) * (1.5 - ((mass - 3500) / 200) ** 2)
    result = independence(mass, score, WINDOW)
    assert abs(result.pearson) < 3 * result.pearson_error
    assert result.pearson_p_value > 0.01
    assert set(result.rates) == {"0.1", "0.01"}
    for rate in result.rates.values():
        assert rate.p_value < 1e-6
        assert rate.highest > 1.4 * rate.mean > 4 * rate.lowest


def test_a_linear_trend_is_measured():
    rng = stream(6, "linear")
    mass = rng.uniform(3000, 4000, 30_000)
    score = 0.3 * (mass - 3500) / (400 / np.sqrt(12)) + np.sqrt(1 - 0.09) * rng.normal(size=30_000)
    result = independence(mass, score, WINDOW, efficiencies=[0.2], n_bins=5)
    inside = (mass >= 3300) & (mass < 3700)
    assert result.n_events == inside.sum()
    assert result.pearson == pytest.approx(0.3, abs=4 * result.pearson_error)
    rate = result.rates["0.2"]
    cut = np.quantile(score[inside], 0.8)
    expected = pass_rate(mass[inside], score[inside] > cut, np.linspace(*WINDOW, 6))
    assert rate.chi2 == expected.chi2
    assert np.all(np.diff(rate.rate) > 0)


@pytest.mark.parametrize(
    ("mass", "score", "options", "error", "message"),
    [
        ([3400, 3500, 3600], [1, 2], {}, DataError, "equally long"),
        (
            [3400, 3500, np.nan],
            [1, 2, 3],
            {},
            DataError,
            "mass must be .* nan in event 2",
        ),
        ([3400, 3500, 3600], [1, np.inf, 3], {}, DataError, "score must be finite"),
        ([3400, 3500, 4600], [1, 2, 3], {}, DataError, "three events"),
        ([3400, 3500, 3600], [1, 1, 1], {}, DataError, "three events of different"),
        ([3400, 3500, 3600], [1, 2, 3], {"efficiencies": [1.0]}, ConfigError, r"\(0, 1\)"),
        ([3400, 3500, 3600], [1, 2, 3], {"n_bins": 0}, ConfigError, "bin"),
    ],
)
def test_bad_events_are_refused(mass, score, options, error, message):
    with pytest.raises(error, match=message):
        independence(np.array(mass, float), np.array(score, float), WINDOW, **options)
