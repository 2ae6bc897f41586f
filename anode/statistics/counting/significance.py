"""Significance of a count over a background that is known with an error.

The model of one window: n ~ Pois(s + b') events counted, b ~ N(b', sigma) expected, b' the true
background, s the signal. The test of s = 0 profiles b' [Cowan, Cranmer, Gross and Vitells
1007.1727, eqs. 7 and 12, with the constraint of Li and Ma's problem replaced by a Gaussian].
"""

from typing import NamedTuple

import numpy as np
import scipy
from scipy import special

from anode.errors import DataError

_BISECTIONS = 60
_MAX_DISTANCE = 100.0  # standard deviations within which toys are summed


class LocalSignificance(NamedTuple):
    """Probability of at least such an excess in this window by background alone.

    Attributes:
        p_local: p-value in [0, 1].
        z_local: one-sided standard deviations, negative for a deficit.
            Where p rounds to one (no event counted) Z is -sqrt|q0|, to stay finite.
        source: method, "asymptotic", or "exact" where few events are expected.
    """

    p_local: float
    z_local: float
    source: str


def z_of_p(p: np.ndarray | float) -> np.ndarray:
    """One-sided significance Z = Phi^-1(1 - p) of any shape, accurate for small p.

    Example:
        >>> round(float(z_of_p(2.866515719e-07)), 6)
        5.0
    """
    return np.asarray(scipy.stats.norm.isf(p))


def p_of_z(z: np.ndarray | float) -> np.ndarray:
    """One-sided tail p = Phi(-Z) of any shape, accurate for large Z."""
    return np.asarray(scipy.stats.norm.cdf(-np.asarray(z)))


def q0(n: np.ndarray | float, b: np.ndarray | float, sigma: np.ndarray | float) -> np.ndarray:
    """Signed profile-likelihood statistic of s = 0; negative where fewer than b are counted.

        q0 = 2 [n ln(n / b'') - n + b''] + (b - b'')^2 / sigma^2
        b'' = [b - sigma^2 + sqrt((b - sigma^2)^2 + 4 n sigma^2)] / 2

    b'' is the background of highest likelihood without signal, from d ln L / d b' = 0. With
    sigma = 0 it is b and q0 = 2 [n ln(n / b) - n + b], the known-background formula [1007.1727,
    eq. 97 with n for s + b]. A deficit keeps its size and takes a minus sign, so that
    Z = sign(q0) sqrt(|q0|) [eq. 52] is defined for both.

    Args:
        n: events counted, >= 0, whole or not (the Asimov data s + b, say); broadcast with ``b``
            and ``sigma``.
        b: events expected, >= 0; above 0 where sigma is 0.
        sigma: error of b, >= 0.

    Raises:
        DataError: an argument is out of its range.
    """
    return _q0(*_checked(n, b, sigma))


def z_values(
    n: np.ndarray | float, b: np.ndarray | float, sigma: np.ndarray | float
) -> np.ndarray:
    """Asymptotic Z = sign(q0) sqrt(|q0|) of many windows or toys at once.

    Arguments and errors as ``q0``.
    """
    return _signed_root(q0(n, b, sigma))


def local_p_values(
    n: np.ndarray | float, b: np.ndarray | float, sigma: np.ndarray | float
) -> np.ndarray:
    """Asymptotic p-values Phi(-Z), Z = sign(q0) sqrt(|q0|), of many windows or toys at once.

    Arguments and errors as ``q0``.
    """
    return p_of_z(_signed_root(q0(n, b, sigma)))


def local_significance(
    n_observed: float, n_expected: float, error: float, *, small: float = 25.0
) -> LocalSignificance:
    """p-value and Z of one window.

    Where at least ``small`` events are expected the asymptotic form holds. Below it p is the
    probability of q0' >= q0 over counts n' ~ Pois(b'') and backgrounds b ~ N(b'', sigma), both
    at the background b'' profiled under s = 0: a parametric bootstrap of infinitely many toys,
    because q0 falls with b and the toys with n' beat the observed one exactly for b below some
    b*(n'),

        p = sum over n' of Pois(n'; b'') Phi((b*(n') - b'') / sigma).

    Equal values count as excesses: with sigma = 0, p is the Poisson tail P(n' >= n) and
    conservative. With sigma > 0 the fluctuations of b break ties and p is nearly uniform under
    background; for sigma -> 0 it tends to P(> n) + P(n) / 2.

    Args:
        n_observed: events counted in the window.
        n_expected: background events expected.
        error: standard deviation of n_expected.
        small: fewest expected events for the asymptotic form.

    Raises:
        DataError: as ``q0``, or a count is not whole.

    Example:
        >>> round(local_significance(3, 1.0, 0.0).p_local, 10)  # 1 - e^-1 (1 + 1 + 1/2)
        0.0803013971
    """
    n, b, sigma = _checked(n_observed, n_expected, error)
    if n.ndim or b.ndim or sigma.ndim:
        raise DataError(
            "a local significance is of one window: three single numbers; got shapes "
            f"{n.shape}, {b.shape} and {sigma.shape}; use z_values for many windows"
        )
    _check_whole(n)
    z = float(_signed_root(_q0(n, b, sigma))) + 0.0  # no -0.0
    if b >= small:
        return LocalSignificance(float(p_of_z(z)), z, "asymptotic")
    log_p = _exact_log_p(float(n), float(b), float(sigma))
    if log_p > -1e-12:
        return LocalSignificance(1.0, z, "exact")
    return LocalSignificance(float(np.exp(log_p)), float(-special.ndtri_exp(log_p)), "exact")


def randomised_p_values(
    n: np.ndarray | float,
    b: np.ndarray | float,
    sigma: np.ndarray | float,
    rng: np.random.Generator,
) -> np.ndarray:
    """p-values that are uniform under background alone although counts are discrete.

    P(> n) + U P(n), U uniform in (0, 1): for calibration only, where ties would make every
    p-value conservative; never for a result. The error of b is that of a second count, n_off =
    (b / sigma)^2 events in a control region tau = b / sigma^2 times as rich. Given n + n_off, n
    is binomial with probability 1 / (1 + tau), whatever the background, and the tail is exact
    [Cousins, Linnemann and Tucker physics/0702156, sec. 4]. With sigma = 0 it is Poisson.
    Where b is Gaussian with one sigma for every toy instead, p is uniform for sigma / b below
    about 0.1 and too large in the tail above (0.5% of toys below 0.05 at 15 +- 6).

    Arguments and errors as ``q0``, counts whole.
    """
    n, b, sigma = np.broadcast_arrays(*_checked(n, b, sigma))
    _check_whole(n)
    known = sigma**2 <= 1e-12 * b
    error = np.where(known, 1.0, sigma)
    n_off, fraction = (b / error) ** 2, 1 / (1 + b / error**2)
    beyond = special.betainc(n + 1, np.where(n_off > 0, n_off, 1), fraction)
    above = np.where(known, scipy.stats.poisson.sf(n, b), np.where(n_off > 0, beyond, 0.0))
    tail = np.where(n > 0, special.betainc(np.maximum(n, 1), n_off + 1, fraction), 1.0)
    at_least = np.where(known, scipy.stats.poisson.sf(n - 1, b), tail)
    return np.asarray(above + rng.random(n.shape) * (at_least - above))


def _signed_root(q: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(q) * np.sqrt(np.abs(q)))


def _profiled(n: np.ndarray, b: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Background b'' of highest likelihood without signal; b may be negative, as in toys."""
    half = 0.5 * (b - sigma**2)
    root = np.hypot(half, np.sqrt(n) * sigma)
    # the root's other form where the first one would subtract nearly equal numbers
    other = np.divide(n * sigma**2, root - half, out=np.zeros_like(root), where=half < 0)
    return np.asarray(np.where(half < 0, other, half + root))


def _q0(n: np.ndarray, b: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    n, b, sigma = np.broadcast_arrays(n, b, sigma)
    null = _profiled(n, b, sigma)
    free = np.maximum(b, 0.0)  # the true background with signal, never negative
    ratio = np.divide(n, null, out=np.ones_like(null), where=(n > 0) & (null > 0))
    poisson = 2 * (special.xlogy(n, ratio) - n + null)
    # (b - b'')^2 / sigma^2 with b - b'' = sigma^2 (1 - n / b''), which holds for sigma -> 0 too
    edge = (sigma > 0) & ((null == 0) | (b < 0))  # there b' or b'' is at zero
    pull = np.divide(b, sigma, out=np.zeros_like(null), where=edge) ** 2
    slope = 1 - np.divide(n, null, out=np.ones_like(null), where=null > 0)
    constraint = np.where(null > 0, (b - null) * slope, pull) - np.where(b < 0, pull, 0.0)
    return np.asarray(np.sign(n - free) * np.maximum(poisson + constraint, 0.0))


def _exact_log_p(n: float, b: float, sigma: float) -> float:
    toy_mean = float(_profiled(np.array(n), np.array(b), np.array(sigma)))
    largest = max(n, toy_mean)
    counts = np.arange(np.ceil(largest + 40 * np.sqrt(largest) + 50))
    if sigma == 0:
        return float(special.logsumexp(scipy.stats.poisson.logpmf(counts[int(n) :], toy_mean)))
    observed = _q0(np.array(n), np.array(b), np.array(sigma))
    low = np.full(len(counts), toy_mean - _MAX_DISTANCE * sigma)
    high = np.full(len(counts), toy_mean + _MAX_DISTANCE * sigma)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        beats = _q0(counts, middle, np.array(sigma)) >= observed
        low, high = np.where(beats, middle, low), np.where(beats, high, middle)
    log_tail = special.log_ndtr((low - toy_mean) / sigma)
    return float(special.logsumexp(scipy.stats.poisson.logpmf(counts, toy_mean) + log_tail))


def _checked(
    n: np.ndarray | float, b: np.ndarray | float, sigma: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, b, sigma = (np.asarray(values, dtype=np.float64) for values in (n, b, sigma))
    for name, values in (("events counted", n), ("events expected", b), ("their error", sigma)):
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            raise DataError(
                f"{name} must be finite and not negative, got {values[wrong].flat[0]:g}; "
                "a fit that found no background in the window cannot be tested"
            )
    if np.any((b == 0) & (sigma == 0)):
        raise DataError(
            "a window must expect some background: got 0 events expected with error 0, where any "
            "event is infinitely significant; give the error of the expectation"
        )
    return n, b, sigma


def _check_whole(n: np.ndarray) -> None:
    wrong = n != np.floor(n)
    if wrong.any():
        raise DataError(
            "events counted must be whole numbers; weighted events are not supported because "
            f"the Poisson distribution holds for counts alone; got {n[wrong].flat[0]:g}"
        )
