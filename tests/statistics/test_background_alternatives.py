"""Spurious signal and bias: what a fit makes of backgrounds of another shape."""

import numpy as np
import pytest
from scipy import stats

from anode.statistics.fits.signal_toys import SignalModel
from anode.statistics.signal.background_alternatives import (
    NAMES,
    alternative,
    bias,
    spurious_signal,
    with_pass_rate,
)

EDGES = np.arange(2600.0, 8001.0, 50.0)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
INSIDE = abs(CENTRES - 3500) < 200
PEAK = np.diff(stats.norm.cdf((EDGES - 3500) / 140))
MODEL = SignalModel(EDGES, np.ones(len(CENTRES), dtype=bool), INSIDE, PEAK)


def smooth(n_events: float) -> np.ndarray:
    x = CENTRES / 13_000
    shape = (1 - x) ** 9 * x**-5.5
    return np.asarray(n_events * shape / shape.sum())


@pytest.mark.parametrize("name", NAMES)
def test_other_functions_describe_a_di_jet_spectrum(name: str) -> None:
    """To 2% in every bin that holds 20 of 500,000 events, in the window too, which is left out."""
    expected = smooth(5e5)
    found = alternative(name, np.round(expected), EDGES, ~INSIDE)
    many = expected > 20
    np.testing.assert_allclose(found[many], expected[many], rtol=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_other_functions_make_next_to_no_signal(name: str) -> None:
    """At most 0.2 of the statistical error at 500,000 events, as demanded of the search."""
    events = alternative(name, np.round(smooth(5e5)), EDGES, ~INSIDE)
    assert abs(spurious_signal(events, MODEL).sigma) < 0.2


def test_a_pass_rate_that_varies_within_a_resonance_makes_a_signal() -> None:
    wide, narrow = (
        abs(spurious_signal(smooth(5e5) * (1 + 0.3 * np.tanh((CENTRES - 3500) / w)), MODEL).sigma)
        for w in (1000, 300)
    )
    assert wide < 2
    assert narrow > 5


def test_a_pass_rate_is_smoothed() -> None:
    rate = 0.1 * (1 + 0.2 * np.log(CENTRES / 3500))
    counts = np.random.default_rng(1).poisson(smooth(2e6) * rate).astype(float)
    found = with_pass_rate(counts, smooth(2e6), EDGES, ~INSIDE)
    assert found[INSIDE].sum() == pytest.approx((smooth(2e6) * rate)[INSIDE].sum(), rel=0.01)


@pytest.mark.parametrize("injected", [0.0, 100.0, 300.0])
def test_toys_of_the_true_function_have_no_bias(injected: float) -> None:
    found = bias(smooth(5000), MODEL, injected, np.random.default_rng(2))
    assert abs(found.mean) < 0.2 + 3 * found.error
    assert found.spread > np.sqrt(smooth(5000)[INSIDE].sum() / 2)


def test_a_bump_in_the_background_is_a_bias() -> None:
    bumpy = smooth(5000) + 80 * PEAK
    assert bias(bumpy, MODEL, 0.0, np.random.default_rng(3)).mean > 1.5
