"""Fitted number of signal events in a window, and its upper limit.

Both follow from the likelihood of the significance: a count, and an expected background with a
Gaussian error,

    L(s, b) = Pois(n | s + b) N(n_expected | b, error),   b >= 0.

Signal events are those that pass the cut and lie in the window: no acceptance is divided out.
"""

from collections.abc import Callable
from functools import cache
from math import inf, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincc, log_ndtr, ndtr, ndtri, xlogy

from anode.errors import DataError

SMALL = 25.0
"""Expected events below which limits are summed from Poisson probabilities."""

_BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_RTOL = 1e-3
_NEGLIGIBLE = 1e-6
"""Error of an expectation [events] that is taken as zero."""


class Limit(NamedTuple):
    """Upper limit on the signal events of a window.

    Attributes:
        observed: limit from the observed count [events].
        expected: limits expected of background alone at -2, -1, 0, 1 and 2 standard deviations
            [events].
        source: method, "asymptotic" or "counting", see :func:`upper_limit`.
    """

    observed: float
    expected: tuple[float, float, float, float, float]
    source: str


class Strength(NamedTuple):
    """Fitted number of signal events, negative for a deficit, and its 68% interval.

    Attributes:
        n_signal: n_observed - n_expected.
        error_low, error_high: distances to the ends of the interval, both positive.
    """

    n_signal: float
    error_low: float
    error_high: float


def upper_limit(
    n_observed: float, n_expected: float, error: float, *, level: float = 0.95
) -> Limit:
    """CLs upper limit on the number of signal events (A. Read, J. Phys. G 28, 2693).

        CLs(s) = P(q >= q_observed | s + b) / P(q >= q_observed | b),   excluded: CLs < 1 - level.

    From 25 expected events on "asymptotic": q is q-tilde, its distribution that of large samples
    (1007.1727, sec. 3.7), in closed form what pyhf obtains by numerical fits. At small counts that
    distribution excludes too much: 1.9 events where nothing is expected and nothing seen, instead
    of the exact -ln 0.05 = 3.0. Below 25, therefore, "counting": with one count, ordering by
    q-tilde is ordering by n, and

        CLs(s) = P(N <= n | s + b) / P(N <= n | b),

    summed exactly, b averaged over its Gaussian, cut at zero (Cousins & Highland, NIM A 320, 331).
    At 25 the two agree to about five percent.

    Expected limits are those of the prediction alone: they do not depend on n_observed.

    Args:
        n_observed: events counted.
        n_expected: background events expected.
        error: standard deviation of n_expected; 0 if exactly known.
        level: confidence level.

    Raises:
        DataError: a number is negative or not finite, or the level not inside (0, 1).
    """
    error = _checked_error(n_observed, n_expected, error)
    if not 0 < level < 1:
        raise DataError(f"the level of a limit must lie between 0 and 1, got {level}; give 0.95")
    if n_expected < SMALL:
        return _counting_limit(n_observed, n_expected, error, 1 - level)
    return _asymptotic_limit(n_observed, n_expected, error, 1 - level)


def signal_strength(n_observed: float, n_expected: float, error: float) -> Strength:
    """Signal events of highest likelihood, and the interval in which -ln L rises by up to 1/2.

        q(s) = 2 [ln L(n - n_expected, n_expected) - ln L(s, b(s))] <= 1,

    with b(s) the background of highest likelihood at s, the root of a quadratic (1007.1727,
    sec. 2). A total s + b below zero is impossible: where nothing was seen and b is exactly known,
    ``error_low`` is 0.

    Args:
        n_observed: events counted.
        n_expected: background events expected.
        error: standard deviation of n_expected; 0 if exactly known.

    Raises:
        DataError: a number is negative or not finite.
    """
    error = _checked_error(n_observed, n_expected, error)
    best = n_observed - n_expected

    def excess(s: float) -> float:
        return _profile(s, n_observed, n_expected, error) - 1

    step = sqrt(n_observed + error**2 + 1)
    high = _crossing(excess, best, step)
    low = best if n_observed == error == 0 else _crossing(excess, best, -step)
    return Strength(best, best - low, high - best)


def _checked_error(n_observed: float, n_expected: float, error: float) -> float:
    """The error, set to 0 if negligible; refuses impossible numbers."""
    values = {"n_observed": n_observed, "n_expected": n_expected, "error": error}
    for name, value in values.items():
        if not (isfinite(value) and value >= 0):
            raise DataError(f"{name} must be finite and not negative, got {value}")
    return 0.0 if error < _NEGLIGIBLE else error


def _fitted_background(s: float, n: float, expected: float, error: float) -> float:
    """b of highest likelihood at s."""
    if error == 0:
        return expected
    half = (s + expected - error**2) / 2
    root = sqrt(half**2 + n * error**2)
    # n error^2 is minus the product of both roots: dividing by the other one loses no digits.
    total = half + root if half >= 0 else n * error**2 / (root - half)
    return max(total - s, 0.0)


def _profile(s: float, n: float, expected: float, error: float) -> float:
    """-2 ln of the likelihood ratio of s to the best fit, infinite where s + b must be < 0."""
    b = _fitted_background(s, n, expected, error)
    total = max(s + b, 0.0) if error > 0 else s + b
    if total < 0 or (total == 0 and n > 0):
        return inf
    pull = (b - expected) / error if error > 0 else 0.0
    return max(float(2 * (total - n - xlogy(n, total) + xlogy(n, n)) + pull**2), 0.0)


def _crossing(function: Callable[[float], float], start: float, step: float) -> float:
    """Root, in the direction of step, of a function that is negative at ``start``."""
    while function(start + step) <= 0:
        step *= 2
    end = start + step
    low, high = sorted((start, end))
    # An infinite value, where the model is impossible, is as good a bracket as a large one.
    return float(brentq(lambda s: min(function(s), 1.0), low, high))


def _counting_limit(n_observed: float, expected: float, error: float, alpha: float) -> Limit:
    background, weights = _backgrounds(expected, error)

    def at_most(n: float, s: float) -> float:
        return float(weights @ gammaincc(n + 1, s + background))

    def limit(n: float) -> float:
        excluded = alpha * at_most(n, 0.0)
        farthest = 10 * (n + 10) - 2 * log(alpha)
        return float(brentq(lambda s: at_most(n, s) - excluded, 0.0, farthest, rtol=_RTOL))

    n = np.arange(np.ceil(background[-1] + 10 * sqrt(background[-1] + 1)))
    cumulative = gammaincc(n[:, None] + 1, background) @ weights
    usual = np.searchsorted(cumulative, ndtr(_BANDS))
    low2, low1, median, high1, high2 = (limit(float(n)) for n in usual)
    return Limit(limit(n_observed), (low2, low1, median, high1, high2), "counting")


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(400)


def _backgrounds(expected: float, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of b and their weights: Gauss-Legendre nodes of the Gaussian above zero."""
    if error == 0:
        return np.array([expected]), np.ones(1)
    low, high = max(0.0, expected - 8 * error), expected + 8 * error
    nodes, weights = _nodes()
    background = low + (high - low) * (1 + nodes) / 2
    weights = weights * np.exp(-(((background - expected) / error) ** 2) / 2)
    return background, weights / weights.sum()


def _asymptotic_limit(n_observed: float, expected: float, error: float, alpha: float) -> Limit:
    """1007.1727, eqs. 16, 29, 64 and 65; q_A is that of the background fitted with s = 0."""
    background = _fitted_background(0.0, n_observed, expected, error)
    step = sqrt(expected + error**2)

    def excluded(s: float) -> float:
        q = _q_tilde(s, n_observed, expected, error)
        q_a = _profile(s, background, background, error)
        linear = q <= q_a or q_a == 0  # which is rounding
        t = sqrt(q) - sqrt(q_a) if linear else (q - q_a) / (2 * sqrt(q_a))
        return float(log(alpha) - log_ndtr(-t - sqrt(q_a)) + log_ndtr(-t))

    def usual(band: float) -> float:
        q_a = (band - ndtri(alpha * ndtr(band))) ** 2
        return _crossing(lambda s: _profile(s, expected, expected, error) - q_a, 0.0, step)

    low2, low1, median, high1, high2 = (usual(band) for band in _BANDS)
    observed = _crossing(excluded, 0.0, step)
    return Limit(observed, (low2, low1, median, high1, high2), "asymptotic")


def _q_tilde(s: float, n: float, expected: float, error: float) -> float:
    if s <= n - expected:
        return 0.0
    q = _profile(s, n, expected, error)
    return q if n >= expected else max(q - _profile(0.0, n, expected, error), 0.0)
