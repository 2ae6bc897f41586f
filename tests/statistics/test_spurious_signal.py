"""Other functions make no signal, a pass rate with a step does, and biases are found."""

import numpy as np
import pytest

from anode.errors import ConfigError, DataError
from anode.statistics.fits.dijet_function import SQRT_S, deviance
from anode.statistics.signal.background_alternatives import ALTERNATIVES, fit_alternative
from anode.statistics.signal.spurious_signal import bias_test, spurious_signals
from helpers.selected_spectra import EDGES, LARGE, SHAPE, USED, background

MASSES = [3000.0, 3500.0, 4000.0, 4500.0, 5000.0]
INCLUSIVE = 360_000.0


def stepped(n_events: float, width: float, size: float = 0.3) -> np.ndarray:
    """(B,) background with a pass rate 1 + size tanh((m - 3500 GeV) / width)."""
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    return background(n_events) * (1 + size * np.tanh((centres - 3500) / width))


def largest(expected: np.ndarray) -> float:
    found = spurious_signals(expected, EDGES, USED, MASSES, SHAPE)
    return max(abs(one.in_errors) for one in found)


def test_alternatives_have_their_own_form_and_describe_a_smooth_spectrum():
    counts = np.random.default_rng(1).poisson(background(INCLUSIVE)).astype(float)
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / SQRT_S
    ours = deviance(counts, background(INCLUSIVE))
    for name in ALTERNATIVES:
        fit = fit_alternative(name, counts, EDGES, USED)
        assert fit.p_value > 0.01
        assert deviance(counts, fit.expected) < ours
        assert fit.expected.sum() == pytest.approx(counts.sum(), rel=1e-6)
    # the third difference of UA2's exponent in x is that of -p1 ln x - p4 x^3
    log = np.log(fit_alternative("ua2", counts, EDGES, USED).expected)
    design = np.stack([np.ones_like(x), np.log(x), x, x**2, x**3], axis=1)
    rest = log - design @ np.linalg.lstsq(design, log, rcond=None)[0]
    assert np.abs(rest).max() < 1e-7


def test_other_functions_make_no_signal():
    """At the size of a 1% cut of 500k events, as the acceptance of a search asks."""
    counts = np.round(background(LARGE))
    for name in ALTERNATIVES:
        assert largest(fit_alternative(name, counts, EDGES, USED).expected) < 0.2


def test_our_own_function_makes_none_at_all():
    assert largest(background(INCLUSIVE)) < 0.01


def test_a_pass_rate_that_varies_within_a_window_makes_a_signal():
    found = {width: largest(stepped(INCLUSIVE, width)) for width in (1000.0, 500.0, 300.0)}
    assert 0.5 < found[1000.0] < 3
    assert 5 < found[500.0] < 13
    assert 13 < found[300.0] < 30
    # it grows with the root of the events
    assert largest(stepped(INCLUSIVE / 16, 500.0)) == pytest.approx(found[500.0] / 4, rel=0.1)


def test_errors_are_those_of_counting_upon_a_known_background_or_larger():
    for one in spurious_signals(background(LARGE), EDGES, USED, MASSES, SHAPE):
        f = SHAPE.fractions(EDGES, one.mass)
        known = 1 / np.sqrt((f**2 / background(LARGE))[EDGES[:-1] < 1.3 * one.mass].sum())
        assert known * 0.95 < one.error < 4 * known


def test_bias_test_finds_none_with_our_function_and_that_of_a_step():
    arguments = (EDGES, USED, [3500.0], SHAPE)
    own = bias_test(background(LARGE), *arguments, n_toys=100, seed=1)
    assert [one.n_signal / own[1].n_signal for one in own] == pytest.approx([0, 1, 2.5])
    for one in own:
        assert abs(one.bias) < 4 * one.bias_error
        assert one.bias_error == pytest.approx(one.spread / 10)
        assert one.pull_width == pytest.approx(1, abs=0.25)
    step = stepped(INCLUSIVE, 500.0)
    (spurious,) = spurious_signals(step, EDGES, USED, [3500.0], SHAPE)
    (biased,) = bias_test(step, *arguments, significances=[2.0], n_toys=40, seed=1)
    assert biased.bias == pytest.approx(spurious.n_signal, abs=4 * biased.bias_error)
    assert biased.pull == pytest.approx(spurious.in_errors, abs=1)


def test_toys_hang_on_the_seed_alone():
    arguments = (background(LARGE), EDGES, USED, [4000.0], SHAPE)
    first, again, other = (
        bias_test(*arguments, significances=[1.0], n_toys=5, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_impossible_requests_are_refused():
    with pytest.raises(ConfigError, match=r"one of .*ua2"):
        fit_alternative("exponential", background(LARGE), EDGES, USED)
    with pytest.raises(DataError, match="more bins with events, got 3"):
        fit_alternative("ua2", np.where(np.arange(len(USED)) < 3, 9.0, 0.0), EDGES, USED)
    with pytest.raises(DataError, match="one number for each bin"):
        spurious_signals(np.ones(3), EDGES, USED, MASSES, SHAPE)
