"""Limits and fitted signals of one count, against closed forms and published numbers."""

import json
from math import log, sqrt

import numpy as np
import pyhf
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from pyhf.infer.intervals.upper_limits import toms748_scan
from scipy import stats
from scipy.special import gammaincc

from anode.errors import DataError
from anode.statistics.counting.histfactory import workspace
from anode.statistics.counting.limits import SMALL, signal_strength, upper_limit


def test_nothing_expected_and_nothing_seen_excludes_three_events():
    for error in (0.0, 0.5, 3.0):
        assert upper_limit(0, 0, error).observed == pytest.approx(-log(0.05), rel=2e-3)
    assert upper_limit(0, 0, 0).expected == pytest.approx([-log(0.05)] * 5, rel=2e-3)
    assert upper_limit(0, 0, 0, level=0.9).observed == pytest.approx(-log(0.1), rel=2e-3)
    # CLs: nothing seen excludes the same signal whatever was expected.
    assert upper_limit(0, 12.0, 2.0).observed == pytest.approx(-log(0.05), rel=2e-3)


def test_a_known_background_gives_the_bayesian_limit_of_a_flat_prior():
    """CLs of one count is Helene's formula; 3 events over none: 7.75, over three: 5.40."""
    assert upper_limit(3, 0, 0).observed == pytest.approx(7.75, abs=0.01)
    s = upper_limit(3, 3, 0).observed
    assert s == pytest.approx(5.40, abs=0.01)
    assert gammaincc(4, s + 3) / gammaincc(4, 3) == pytest.approx(0.05, rel=1e-3)


def test_expected_limits_at_small_counts_are_the_limits_of_the_quantiles():
    found = upper_limit(3, 3, 0).expected
    for limit, band in zip(found, (-2, -1, 0, 1, 2), strict=True):
        n = stats.poisson.ppf(stats.norm.cdf(band), 3)
        assert limit == pytest.approx(upper_limit(n, 3, 0).observed)


def test_small_counts_average_over_the_background():
    rng = np.random.default_rng(1)
    background = rng.normal(8, 3, 400_000)
    background = background[background > 0]
    s = upper_limit(9, 8, 3).observed
    drawn = [(rng.poisson(background + extra) <= 9).mean() for extra in (s, 0.0)]
    assert drawn[0] / drawn[1] == pytest.approx(0.05, rel=0.03)


def test_large_counts_give_the_gaussian_limit():
    """CLs of a Gaussian: 1 - Phi((s - d) / sigma) = 0.05 Phi(d / sigma), d observed - expected."""
    spread = sqrt(1e6 + 800**2)
    for deviation in (-2.0, -1.0, 0.0, 1.0, 3.0):
        shifted = stats.norm.isf(0.05 * stats.norm.cdf(deviation)) + deviation
        found = upper_limit(1e6 + deviation * spread, 1e6, 800)
        assert found.observed / spread == pytest.approx(shifted, rel=5e-3)
    expected = [stats.norm.isf(0.05 * stats.norm.cdf(z)) + z for z in (-2, -1, 0, 1, 2)]
    assert np.array(found.expected) / spread == pytest.approx(expected, rel=5e-3)
    # Far above expectation CLb is one, and the limit 1.64 sigma above the excess.
    far = upper_limit(30_000, 10_000, 100).observed
    assert far == pytest.approx(20_000 + 1.645 * sqrt(30_000 + 100**2), rel=1e-3)


def test_published_counting_experiment():
    """50 +- 7 expected: 19.7 by Cranmer & Cowan's fast-asimov-utils, whose b has a gamma error."""
    assert upper_limit(50, 50, 7).expected[2] == pytest.approx(19.7, rel=0.03)


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("n", "expected", "error"),
    [
        (400, 400, 12),
        (460, 400, 12),
        (340, 400, 30),
        (380, 400, 0),
        (229, 107.2, 9.8),
        (30, 26, 9),
    ],
)
def test_asymptotic_limits_are_those_of_pyhf_from_the_workspace(n, expected, error):
    spec = json.loads(json.dumps(workspace(n, expected, error)))
    model = pyhf.Workspace(spec).model()
    _, highest = model.config.suggested_bounds()[model.config.poi_index]

    def by_pyhf(count: float) -> tuple[float, np.ndarray]:
        data = [count, *model.config.auxdata]
        found = toms748_scan(data, model, 1e-3 * highest, highest, rtol=1e-4)
        return float(found[0]), np.array(found[1], dtype=float)

    found = upper_limit(n, expected, error)
    assert found.source == "asymptotic"
    # pyhf's fits are numerical.
    assert found.observed == pytest.approx(by_pyhf(n)[0], rel=1e-3)
    # Its expected limits know the count, by the background that fits it best; ours do not.
    assert found.expected == pytest.approx(by_pyhf(expected)[1], rel=1e-3)


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.floats(SMALL, 1e6), st.floats(0, 1e4))
@example(0, 25.0, 1e-180)
def test_asymptotic_limits_rise_with_the_count_and_exceed_those_of_a_gaussian(n, expected, error):
    found = upper_limit(n, expected, error)
    assert found.source == "asymptotic"
    assert 0 < found.observed <= upper_limit(n + 1, expected, error).observed
    assert found.observed > n - expected
    assert (np.diff(found.expected) > 0).all()
    spread = sqrt(expected + error**2)
    if 5 * error < expected:  # or b >= 0 shortens the Gaussian
        # A count of s + b spreads more than one of b alone, for which the limit is 1.96.
        assert found.expected[2] >= stats.norm.isf(0.025) * spread * (1 - 1e-6)


def test_both_kinds_of_limit_agree_where_they_meet():
    for error in (0.0, 2.0, 8.0):
        counting = upper_limit(24, SMALL - 1e-6, error)
        asymptotic = upper_limit(24, SMALL, error)
        assert (counting.source, asymptotic.source) == ("counting", "asymptotic")
        assert counting.observed == pytest.approx(asymptotic.observed, rel=0.08)


@pytest.mark.parametrize(
    ("n", "expected", "error"),
    [(0, 30, 0), (0, 5000, 50), (0, 2000, 400), (10**6, 30, 1), (969_000, 10**6, 0), (0, 25, 40),
     (7, 0.01, 0.0), (400, 2, 5)],
)  # fmt: skip
def test_extreme_counts_give_finite_ordered_limits(n, expected, error):
    limit = upper_limit(n, expected, error)
    assert np.isfinite(limit.observed)
    assert limit.observed > 0
    assert np.all(np.diff(limit.expected) >= 0)
    assert limit.observed >= n - expected


def test_strength_agrees_with_minos():
    for n, expected, error in [
        (12, 7.3, 2.1),
        (3, 5.0, 0.4),
        (140, 100.0, 15.0),
        (9000, 9100, 60),
    ]:

        def nll(values, n=n, expected=expected, error=error):
            total = values.sum()
            return 2 * (total - n * np.log(total)) + ((values[1] - expected) / error) ** 2

        minuit = Minuit(nll, [n - expected + 0.1, expected], name=["s", "b"])
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.strategy, minuit.tol = 2, 1e-4
        minuit.limits["b"] = (0, None)
        minuit.limits["s"] = (-expected + 1e-3, None)
        minuit.migrad()
        minuit.minos("s")
        found = signal_strength(n, expected, error)
        assert found.n_signal == pytest.approx(minuit.values["s"], abs=2e-3 * sqrt(n))
        assert found.error_low == pytest.approx(-minuit.merrors["s"].lower, rel=5e-3)
        assert found.error_high == pytest.approx(minuit.merrors["s"].upper, rel=5e-3)


def test_strength_without_error_is_the_likelihood_interval_of_a_poisson_count():
    # q(s) = 1 with n = 0: 2 s = 1.
    assert signal_strength(0, 0, 0) == pytest.approx((0, 0, 0.5))
    found = signal_strength(5, 2, 0)
    for mean in (5 - found.error_low, 5 + found.error_high):
        assert 2 * (mean - 5 + 5 * log(5 / mean)) == pytest.approx(1)


def test_strength_covers():
    """68% of intervals hold the truth, within the discreteness of counts of sixty."""
    rng = np.random.default_rng(3)
    truth, n_toys, held = 12.0, 2000, 0
    for n, b in zip(rng.poisson(62, n_toys), rng.normal(50, 6, n_toys), strict=True):
        found = signal_strength(int(n), float(b), 6)
        held += found.n_signal - found.error_low < truth < found.n_signal + found.error_high
    assert held / n_toys == pytest.approx(0.683, abs=0.04)


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e4))
def test_strength_is_finite_and_ordered(n, expected, error):
    found = signal_strength(n, expected, error)
    assert found.n_signal == n - expected
    assert found.error_high > 0
    assert found.error_low >= 0
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize(
    "bad", [(-1, 1, 1), (1, float("nan"), 1), (1, 1, float("inf")), (1, 1, -1)]
)
def test_impossible_counts_are_refused(bad):
    with pytest.raises(DataError, match="finite and not negative"):
        upper_limit(*bad)
    with pytest.raises(DataError, match="finite and not negative"):
        signal_strength(*bad)


def test_an_impossible_level_is_refused():
    with pytest.raises(DataError, match="between 0 and 1, got 95"):
        upper_limit(1, 1, 1, level=95)
