"""Distances of two samples with their errors and p-values; jets of one event are not independent.

    D = max_x |F(x) - G(x)|                              Kolmogorov, Smirnov
    V = max_x (F(x) - G(x)) + max_x (G(x) - F(x))        Kuiper: the same from any origin
    p(D) = 2 sum_(j>0) (-1)^(j-1) exp(-2 j^2 l^2),       l = sqrt(N) D
    p(V) = 2 sum_(j>0) (4 j^2 l^2 - 1) exp(-2 j^2 l^2),  l = (sqrt(N) + .155 + .24/sqrt(N)) V

with 1/N = 1/n + 1/m (N. H. Kuiper, Proc. Kon. Ned. Akad. A 63 (1960) 38; M. A. Stephens,
Biometrika 52 (1965) 309). Sizes n and m are effective ones: those of independent, unweighted
numbers whose distribution function has the variance that is found at the point of the distance,
with the numbers of one event taken together,

    var F(x) = sum_events (sum_(i in event) w_i (1[x_i <= x] - F(x)))^2 / (sum_i w_i)^2,

and never more than the numbers there are.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FAR = 1.5
"""From this l on one term of the series of D is enough, and of V from twice as much."""


@dataclass(frozen=True)
class Sample:
    """N numbers, with weights and events.

    Attributes:
        values: (N,) numbers.
        weights: (N,) weights, not negative; None for ones.
        event: (N,) which numbers belong together, 0 and up; None if all are independent.
    """

    values: Array
    weights: Array | None = None
    event: NDArray[np.int64] | None = None

    def weight(self) -> Array:
        """(N,) weights."""
        return np.ones(len(self.values)) if self.weights is None else self.weights

    def mean(self) -> float:
        """Weighted mean."""
        return float(np.average(self.values, weights=self.weights))

    def mean_error(self) -> float:
        """Standard error of the mean, from the scatter of the events."""
        return math.sqrt(self._variance(self.values - self.mean()))

    def below(self, x: float) -> float:
        """Share of the weight at values up to x."""
        weight = self.weight()
        return float(weight[self.values <= x].sum() / weight.sum())

    def below_error(self, x: float) -> float:
        """Standard error of ``below``."""
        return math.sqrt(self._variance((self.values <= x) - self.below(x)))

    def effective_size(self, x: float) -> float:
        """Number of independent numbers with the same error of ``below(x)``, at most the number
        that the weights leave."""
        weight, share = self.weight(), self.below(x)
        most = float(weight.sum() ** 2 / (weight**2).sum())
        variance = self.below_error(x) ** 2
        return min(most, share * (1 - share) / variance) if variance > 0 else most

    def _variance(self, deviation: NDArray[np.floating]) -> float:
        """Variance of the weighted mean of deviations."""
        weight = self.weight()
        parts = np.asarray(weight * deviation)
        if self.event is not None:
            parts = np.asarray(np.bincount(self.event, parts), dtype=np.float64)
        return float((parts**2).sum() / weight.sum() ** 2)


@dataclass(frozen=True)
class Distance:
    """Distance of two samples.

    Attributes:
        value: D or V.
        error: standard error of the difference of the distribution functions where it is largest.
        effective: N of the p-value.
        log10_p: decimal logarithm of the probability of a larger distance for one distribution.
    """

    value: float
    error: float
    effective: float
    log10_p: float


def ks_distance(first: Sample, second: Sample) -> Distance:
    """D of two samples.

    Example:
        >>> ks_distance(Sample(np.array([1.0, 2.0])), Sample(np.array([1.5, 3.0]))).value
        0.5
    """
    points, difference = _differences(first, second)
    place = int(np.argmax(np.abs(difference)))
    value = float(abs(difference[place]))
    effective = _effective(first, second, points[place])
    error = math.hypot(first.below_error(points[place]), second.below_error(points[place]))
    return Distance(value, error, effective, log10_kolmogorov(math.sqrt(effective) * value))


def kuiper_distance(first: Sample, second: Sample) -> Distance:
    """V of two samples of angles: it does not depend on where azimuths start."""
    points, difference = _differences(first, second)
    above, below = int(np.argmax(difference)), int(np.argmin(difference))
    value = float(max(difference[above], 0) - min(difference[below], 0))
    largest = points[above if difference[above] > -difference[below] else below]
    effective = _effective(first, second, largest)
    error = math.hypot(first.below_error(largest), second.below_error(largest))
    root = math.sqrt(effective)
    return Distance(value, error, effective, log10_kuiper((root + 0.155 + 0.24 / root) * value))


def log10_kolmogorov(scaled: float) -> float:
    """log10 p(D) for l = ``scaled``, where p itself would be zero, too.

    Example:
        >>> round(10 ** log10_kolmogorov(1.6276), 4), round(log10_kolmogorov(100.0))
        (0.01, -8686)
    """
    if scaled > _FAR:
        return (math.log(2) - 2 * scaled**2) / math.log(10)
    return math.log10(float(scipy.special.kolmogorov(scaled)))


def log10_kuiper(scaled: float) -> float:
    """log10 p(V) for l = ``scaled``.

    Example:
        >>> round(10 ** log10_kuiper(2.001), 3)
        0.01
    """
    if scaled > 2 * _FAR:
        return (math.log(2 * (4 * scaled**2 - 1)) - 2 * scaled**2) / math.log(10)
    if scaled < 0.4:  # the series is 1 to seven digits, but for its rounding
        return 0.0
    square = (np.arange(1, 100) * scaled) ** 2
    return math.log10(min(float(2 * ((4 * square - 1) * np.exp(-2 * square)).sum()), 1.0))


def log10_of_any(log10_p: float, n_trials: int) -> float:
    """log10 of the probability that the smallest of ``n_trials`` independent p-values is as small,
    1 - (1 - p)^n.

    Example:
        >>> round(10 ** log10_of_any(-2.0, 10), 4), round(log10_of_any(-400.0, 10))
        (0.0956, -399)
    """
    if log10_p < -12:
        return log10_p + math.log10(n_trials)
    if log10_p >= 0:
        return 0.0
    return math.log10(-math.expm1(n_trials * math.log1p(-(10**log10_p))))


class _Function:
    """Distribution function of a sample."""

    def __init__(self, sample: Sample) -> None:
        order = np.argsort(sample.values)
        self.values = sample.values[order]
        # Counts and not sums of 1/n, so that unweighted shares are exact.
        self.sums = np.concatenate([[0.0], np.cumsum(sample.weight()[order])])

    def __call__(self, points: Array) -> Array:
        place = np.searchsorted(self.values, points, side="right")
        return np.asarray(self.sums[place] / self.sums[-1])


def _differences(first: Sample, second: Sample) -> tuple[Array, Array]:
    """All values, and F - G there."""
    one, other = _Function(first), _Function(second)
    points = np.concatenate([one.values, other.values])
    return points, one(points) - other(points)


def _effective(first: Sample, second: Sample, x: float) -> float:
    return 1 / (1 / first.effective_size(x) + 1 / second.effective_size(x))
