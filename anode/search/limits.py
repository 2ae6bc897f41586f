"""How many signal events do the counts in a window point to, and how many do they exclude?

Both answers follow from one likelihood, the one of the significance: a count, and an expected
background that is known to a Gaussian error,

    L(s, b) = Pois(n | s + b) N(n_expected | b, error),   b >= 0.

Signal events are those that pass the cut and lie in the window: no acceptance is divided out.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from math import inf, isfinite, log, sqrt
from typing import NamedTuple

import numpy as np
import pyhf
from pyhf.infer.intervals.upper_limits import toms748_scan
from scipy.optimize import brentq
from scipy.special import gammaincc, ndtr, xlogy

from anode.errors import DataError

SMALL = 25.0
"""Expected events below which limits are summed from Poisson probabilities."""

_BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_RTOL = 1e-3
_FARTHEST = 30.0
"""Standard deviations below expectation; CLs is 0/0 in double precision a little further on."""

_LOWEST = 0.05
"""Where the search for a limit begins, in units of the spread of the count."""

_NEGLIGIBLE = 1e-6
"""Errors of an expectation [events] that only rounding would notice."""


class Limit(NamedTuple):
    """Upper limit on the signal events of a window.

    Attributes:
        observed: signal events excluded at the level asked for.
        expected: five such limits of background alone: the median, and one and two standard
            deviations below and above, in rising order.
        source: "asymptotic" or "counting", see :func:`upper_limit`.
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
    (1007.1727, sec. 3.7), by pyhf. At small counts that distribution excludes too much: 1.9 events
    where nothing was expected and nothing seen, and the exact answer is -ln 0.05 = 3.0. Below 25,
    therefore, "counting": with one count, ordering by q-tilde is ordering by n, and

        CLs(s) = P(N <= n | s + b) / P(N <= n | b),

    summed exactly, b averaged over its Gaussian, cut at zero (Cousins & Highland, NIM A 320, 331).
    At 25 the two agree to about five percent.

    Expected limits are those of the prediction alone: they do not depend on n_observed. A count
    more than 30 standard deviations below the expectation is taken at 30.

    Args:
        n_observed: counted events.
        n_expected: background events expected.
        error: of n_expected, one standard deviation; 0 if exactly known.
        level: confidence level.

    Raises:
        DataError: a number is negative or not finite, or the level not inside (0, 1).
    """
    _check(n_observed, n_expected, error)
    if not 0 < level < 1:
        raise DataError(f"the level of a limit must lie between 0 and 1, got {level}; give 0.95")
    if n_expected < SMALL:
        return _counting_limit(n_observed, n_expected, error, 1 - level)
    return _asymptotic_limit(n_observed, n_expected, error, 1 - level)


def signal_strength(n_observed: float, n_expected: float, error: float) -> Strength:
    """Signal events that fit best, and where the profile likelihood has fallen by one half.

        q(s) = 2 [ln L(n - n_expected, n_expected) - ln L(s, b(s))] <= 1,

    with b(s) the background that fits best at s, the root of a quadratic (1007.1727, sec. 2). A
    total s + b below zero is impossible: where nothing was seen and b is exactly known,
    ``error_low`` is 0.

    Args, Raises: see :func:`upper_limit`.
    """
    _check(n_observed, n_expected, error)
    best = n_observed - n_expected
    if error < _NEGLIGIBLE:
        error = 0.0

    def excess(s: float) -> float:
        return _profile(s, n_observed, n_expected, error) - 1

    step = sqrt(n_observed + error**2 + 1)
    high = _crossing(excess, best, step)
    low = best if n_observed == error == 0 else _crossing(excess, best, -step)
    return Strength(best, best - low, high - best)


def _check(n_observed: float, n_expected: float, error: float) -> None:
    values = {"n_observed": n_observed, "n_expected": n_expected, "error": error}
    for name, value in values.items():
        if not (isfinite(value) and value >= 0):
            raise DataError(f"{name} must be finite and not negative, got {value}")


def _profile(s: float, n: float, expected: float, error: float) -> float:
    """-2 ln of the likelihood ratio of s to the best fit, infinite where s + b must be < 0."""
    b = expected
    if error > 0:
        half = (s + expected - error**2) / 2
        root = sqrt(half**2 + n * error**2)
        # n error^2 is minus the product of both roots: dividing by the other one loses no digits.
        total = half + root if half >= 0 else n * error**2 / (root - half)
        b = max(total - s, 0.0)
    total = max(s + b, 0.0) if error > 0 else s + b
    if total < 0 or (total == 0 and n > 0):
        return inf
    pull = (b - expected) / error if error > 0 else 0.0
    return float(2 * (total - n - xlogy(n, total) + xlogy(n, n)) + pull**2)


def _crossing(function: Callable[[float], float], start: float, step: float) -> float:
    """Where a function that is negative at ``start`` becomes positive in the direction of step."""
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
    # In units of the spread of the count, all limits are of order one.
    unit = sqrt(expected + error**2)
    n_observed = max(n_observed, expected - _FARTHEST * unit)
    model = _model(max(n_observed, expected), expected, error, unit)

    def cls(mu: float) -> float:
        data = [n_observed, *model.config.auxdata]
        return float(pyhf.infer.hypotest(mu, data, model, test_stat="qtilde")) - alpha

    with _fine_steps():
        lowest, highest = _LOWEST, 4.0
        while cls(lowest) < 0:
            lowest /= 2
        while cls(highest) > 0:
            highest *= 2
        observed = brentq(cls, lowest, highest, rtol=_RTOL)
        prediction = [expected, *model.config.auxdata]
        _, found = toms748_scan(prediction, model, _LOWEST, 5.0, level=alpha, rtol=_RTOL)
    low2, low1, median, high1, high2 = (float(mu) * unit for mu in found)
    return Limit(observed * unit, (low2, low1, median, high1, high2), "asymptotic")


@contextlib.contextmanager
def _fine_steps() -> Iterator[None]:
    """pyhf's minimiser with steps that a likelihood of 1e6 events, rounded, still resolves."""
    backend = pyhf.get_backend()
    options = {"eps": 1e-4}
    scipy = pyhf.optimize.scipy_optimizer(solver_options=options)
    pyhf.set_backend("numpy", scipy)
    try:
        yield
    finally:
        pyhf.set_backend(*backend)


def _model(largest: float, expected: float, error: float, unit: float) -> pyhf.Model:
    """One bin: mu signal events in units of ``unit``, and b = n_expected + alpha error >= 0."""
    background: dict[str, object] = {"name": "background", "data": [expected], "modifiers": []}
    farthest = 10 + 10 * (largest - expected) / unit
    parameters = [{"name": "mu", "bounds": [[0.0, farthest]], "inits": [1.0]}]
    if error > 0:
        varied = {"hi_data": [expected + error], "lo_data": [expected - error]}
        background["modifiers"] = [{"name": "alpha", "type": "histosys", "data": varied}]
        lowest, highest = -expected / error, (largest - expected) / error + 10
        parameters.append({"name": "alpha", "bounds": [[lowest, highest]], "inits": [0.0]})
    mu = {"name": "mu", "type": "normfactor", "data": None}
    signal = {"name": "signal", "data": [unit], "modifiers": [mu]}
    channel = {"name": "window", "samples": [signal, background]}
    spec = {"channels": [channel], "parameters": parameters}
    # Validation of this fixed layout warns of a deprecated part of jsonschema.
    return pyhf.Model(spec, poi_name="mu", validate=False)
