"""Over-dispersion from counts of known spread."""

import numpy as np
import pytest

from anode.errors import ConfigError
from anode.statistics.counting.overdispersion import (
    Dispersion,
    Overdispersion,
    OverdispersionConfig,
)

SETTINGS = {
    "method": "anode",
    "efficiencies": (0.1, 0.01),
    "n_events": 2000,
    "n_template": 10**9,
    "window": (3300.0, 3700.0),
    "key": "",
}


@pytest.mark.parametrize("f", [1.0, 1.2])
def test_f_is_the_spread_over_that_of_poisson_counts(f):
    rng = np.random.default_rng(1)
    # A rate that fluctuates by the share r of itself: variance n + (r n)^2.
    share = np.sqrt((f**2 - 1) / 200)
    rates = 200 * (1 + share * rng.normal(size=(4000, 1)))
    found = Dispersion.of(rng.poisson(rates), n_events=2000, n_template=10**9)
    assert found.f_error[0] == pytest.approx(f / np.sqrt(2 * 3999), rel=0.05)
    assert found.f[0] == pytest.approx(f, abs=4 * found.f_error[0])
    assert found.rate[0] == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("n_template", [2000, 20_000])
def test_what_the_template_adds_is_taken_off(n_template):
    rng = np.random.default_rng(2)
    n_samples, n_events = 4000, 2000
    # True tails of thresholds with 10% and 1% of the template beyond.
    tight = rng.beta(n_template / 100, n_template * 0.99 + 1, n_samples)
    loose = tight + (1 - tight) * rng.beta(0.09 * n_template, 0.9 * n_template + 1, n_samples)
    counts = rng.poisson(n_events * np.stack([loose - tight, tight], axis=1))
    found = Dispersion.of(counts, n_events=n_events, n_template=n_template)
    raw = np.sqrt(counts.var(axis=0) / counts.mean(axis=0))
    for f, error, uncorrected in zip(found.f, found.f_error, raw, strict=True):
        assert f == pytest.approx(1, abs=4 * error)
        expected = np.sqrt(1 + n_events / n_template)
        assert uncorrected == pytest.approx(expected, abs=0.06 * expected)


def test_the_error_is_the_spread_of_f_over_repetitions():
    rng = np.random.default_rng(3)
    found = [
        Dispersion.of(rng.poisson(20, size=(100, 1)), n_events=2000, n_template=10_000)
        for _ in range(1000)
    ]
    assert np.std([one.f[0] for one in found]) == pytest.approx(found[0].f_error[0], rel=0.3)


def test_categories_and_inclusive_cuts_are_told_apart():
    rng = np.random.default_rng(4)
    common = rng.poisson(100, size=2000)  # moves both categories, which adds up in the sum
    counts = np.stack([common + rng.poisson(80, 2000), common + rng.poisson(20, 2000)], axis=1)
    found = Overdispersion.of(counts, **SETTINGS)
    assert found.f == pytest.approx((1, 1), abs=0.08)
    total = np.sqrt(1 + 2 * 100 / 300)  # 4 x 100 + 100 over 300
    assert found.f_inclusive == pytest.approx((total, found.f[1]), abs=0.08)
    assert found.correlation[0][1] == pytest.approx(100 / np.sqrt(180 * 120), abs=0.05)
    assert found.correlation[0][1] == found.correlation[1][0]
    assert (found.correlation[0][0], found.n_experiments) == (pytest.approx(1), 2000)
    assert Overdispersion.from_json(found.to_json(), "x.json") == found


def test_a_category_without_events_says_nothing():
    counts = np.stack([np.random.default_rng(5).poisson(100, 50), np.zeros(50, int)], axis=1)
    found = Overdispersion.of(counts, **SETTINGS)
    assert (found.f[1], found.f_error[1], found.rate[1]) == (1, 1, 0)
    assert found.correlation[0][1] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((1, 2000, None), "n_experiments must be 0 or at least 2, got 1"),
        ((-1, 2000, None), "n_experiments must be 0 or at least 2, got -1"),
        ((100, 99, None), "n_events must be at least 100, got 99"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        OverdispersionConfig(*settings)
