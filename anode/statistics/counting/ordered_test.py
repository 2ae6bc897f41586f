"""One test of several exclusive score categories, in which a signal rises with the score.

A signal changes the number of events in category c, of which b_c are expected, by r_c b_c. A score
that ranks signal before background has

    0 <= r_1 <= r_2 <= ... <= r_C,

the categories ordered from low scores to high: each is at least as rich in signal as the one
before, and nothing else is assumed of the signal. With z_c the signed root of each category's own
likelihood ratio, N(0, 1) without signal, and w_c = b_c / sigma_c the root of the information on
r_c, the likelihood ratio against this alternative is

    q = sum_c z_c^2 - min over r of sum_c (z_c - w_c r_c)^2,

found by pooling adjacent categories. Without signal it follows a mixture of chi2 distributions,

    P(q >= x) = sum_k P(k) P(chi2_k >= x),

with P(k) the probability that k different positive values are found (chi-bar-square; Barlow,
Bartholomew, Bremner and Brunk, Statistical Inference under Order Restrictions, 1972). Where no
r_c is above 0, q = 0; there spectra are ordered by sum_c z_c^2, the larger the deficit the larger
p, so that p is uniform in (0, 1) without signal.
"""

from functools import cache

import numpy as np
from scipy import special

from anode.errors import DataError
from anode.seeding import stream

_CLOSED = 3  # categories up to which the P(k) have a closed form
_N_DRAWS = 400_000  # for the others: errors below 0.001
_SAME = 1e-9
_FARTHEST, _TABLE = 15.0, 3000  # largest root of the statistic in a table, and its length


def ordered_statistic(z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T,) q of T tests; minus sum_c z_c^2 where no category is in excess.

    Args:
        z: (T, C) signed roots, categories from low scores to high.
        weight: (C,) w_c = b_c / sigma_c, positive.
    """
    fitted = _ordered(z, weight)
    q = ((fitted * weight) ** 2).sum(axis=1)
    return np.where(fitted[:, -1] > 0, q, -(z**2).sum(axis=1))


def z_of_statistic(statistic: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One-sided significance of values of ``ordered_statistic``, of any shape.

    Args:
        statistic: values of the statistic.
        weight: (C,) w_c of the test.

    Example:
        >>> z_of_statistic(np.array([4.0, -4.0]), np.ones(1)).round(9).tolist()
        [2.0, -2.0]
    """
    statistic = np.asarray(statistic, dtype=float)
    probability = level_probabilities(tuple(np.asarray(weight, dtype=float)))
    excess = np.maximum(statistic, 0.0)
    terms = [
        np.log(share) + _log_tail(excess, k)
        for k, share in enumerate(probability)
        if k > 0 and share > 0
    ]
    above = -special.ndtri_exp(np.logaddexp.reduce(terms, axis=0))
    deficit = _log_tail(np.maximum(-statistic, 0.0), len(probability) - 1)
    below = special.ndtri_exp(np.log(probability[0]) + deficit)
    return np.where(statistic > 0, above, below)


def ordered_z(z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T,) one-sided significance of T tests of C categories, negative for deficits.

    Arguments as ``ordered_statistic``.

    Raises:
        DataError: a weight is not positive, or the shapes differ.

    Example:
        >>> ordered_z(np.array([[0.0, 4.1, 7.4]]), np.array([80.0, 25.0, 8.0])).round(1)
        array([8.1])
    """
    z, weight = np.asarray(z, dtype=float), np.asarray(weight, dtype=float)
    if z.ndim != 2 or weight.shape != z.shape[1:] or not (weight > 0).all():
        raise DataError(
            "an ordered test needs z of shape (tests, categories) and a positive weight for each "
            f"category, got {z.shape} and {weight.tolist()}"
        )
    return z_of_statistic(ordered_statistic(z, weight), weight)


class OrderedTable:
    """``ordered_z`` of many tests with the same weights, from a table.

    Args:
        weight: (C,) w_c of the tests.
    """

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = np.asarray(weight, dtype=float)
        root = np.linspace(0.0, _FARTHEST, _TABLE)
        self._statistic = np.concatenate([-(root[:0:-1] ** 2), root**2])
        self._z = z_of_statistic(self._statistic, self.weight)

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """(T,) combined significance of tests (T, C)."""
        if len(self.weight) == 1:
            return z[:, 0]
        return np.interp(ordered_statistic(z, self.weight), self._statistic, self._z)


@cache
def level_probabilities(weight: tuple[float, ...]) -> tuple[float, ...]:
    """P(0), ..., P(C): probabilities of so many different positive r_c without signal.

    The alternative is the cone of the rays (0, ..., 0, w_c, ..., w_C). P(C) is its solid angle
    over that of the sphere, P(0) that of its polar cone, and levels of even and of odd number have
    1/2 each, which settles up to three categories; more are drawn from a fixed random stream.
    """
    n = len(weight)
    if n > _CLOSED:
        draws = stream(0, "level probabilities").normal(size=(_N_DRAWS, n))
        fitted = _ordered(draws, np.array(weight))
        scale = np.maximum(fitted[:, -1:], 1e-300)
        steps = np.diff(fitted / scale, axis=1, prepend=0.0) > _SAME
        levels = np.bincount(steps.sum(axis=1), minlength=n + 1)
        return tuple((levels / _N_DRAWS).tolist())
    rays = np.triu(np.tile(weight, (n, 1)))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    angle = np.arccos(np.clip(rays @ rays.T, -1.0, 1.0))
    if n == 1:
        return (0.5, 0.5)
    if n == 2:
        both = float(angle[0, 1] / (2 * np.pi))
        return (0.5 - both, 0.5, both)
    sides = angle[np.triu_indices(3, 1)]
    dots = np.cos(sides)
    solid = 2 * np.arctan2(abs(np.linalg.det(rays)), 1 + dots.sum())
    all_three, none = float(solid / (4 * np.pi)), float(0.5 - sides.sum() / (4 * np.pi))
    return (none, 0.5 - all_three, 0.5 - none, all_three)


def _log_tail(x: np.ndarray, k: int) -> np.ndarray:
    """ln P(chi2_k >= x), finite for any x: Q(a + 1, y) = Q(a, y) + y^a e^-y / Gamma(a + 1)."""
    half = x / 2
    log_half = np.log(np.maximum(half, 1e-300))
    tail = np.log(2) + special.log_ndtr(-np.sqrt(x)) if k % 2 else -half
    for twice in range(2 - k % 2, k, 2):
        order = twice / 2
        tail = np.logaddexp(tail, order * log_half - half - special.gammaln(order + 1))
    return np.asarray(tail)


def _ordered(z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T, C) rising r_c >= 0 nearest to z_c / w_c, by the max-min formula of pooled means."""
    precision = weight**2
    total = np.concatenate([np.zeros((len(z), 1)), np.cumsum(weight * z, axis=1)], axis=1)
    size = np.concatenate([[0.0], np.cumsum(precision)])
    n = z.shape[1]
    fitted = np.zeros(z.shape)
    for c in range(n):
        for first in range(c + 1):
            pooled = np.min(
                [
                    (total[:, last] - total[:, first]) / (size[last] - size[first])
                    for last in range(c + 1, n + 1)
                ],
                axis=0,
            )
            fitted[:, c] = np.maximum(fitted[:, c], pooled)
    return fitted
