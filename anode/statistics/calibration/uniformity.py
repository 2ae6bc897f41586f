"""Are p-values of pseudo-experiments without signal uniform, and their Z standard normal?"""

from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import DataError
from anode.statistics.counting.pass_rate import wilson_error

LEVELS = (0.05, 0.01)


class Uniformity(NamedTuple):
    """p-values of pseudo-experiments without signal, against the uniform distribution.

    Attributes:
        n: number of pseudo-experiments.
        fraction_below: fraction of p-values of at most 0.05 and 0.01 ("0.05", "0.01").
        error: error of each fraction, half of Wilson's one-sigma interval.
        ks_statistic, ks_p_value: Kolmogorov-Smirnov test.
    """

    n: int
    fraction_below: dict[str, float]
    error: dict[str, float]
    ks_statistic: float
    ks_p_value: float

    @property
    def is_calibrated(self) -> bool:
        """True without an excess of small p-values: each fraction is at most two errors above its
        level, and the KS p-value is above 0.01. About one calibrated search in twenty fails."""
        small = (self.fraction_below[k] <= float(k) + 2 * self.error[k] for k in self.error)
        return all(small) and self.ks_p_value > 0.01


def uniformity(p_values: np.ndarray) -> Uniformity:
    """Test of the p-values of pseudo-experiments without signal against the uniform distribution.

    p-values P(>= n) of a small count take few values and are conservative: P(p <= a) <= a. Their
    fractions below a level stay valid, but a KS test of many finds them too large.

    Args:
        p_values: (N,) p-values of independent pseudo-experiments.

    Raises:
        DataError: fewer than two, or one is not within [0, 1].

    Example:
        >>> uniformity((np.arange(1000) + 0.5) / 1000).fraction_below
        {'0.05': 0.05, '0.01': 0.01}
    """
    p_values = np.asarray(p_values, dtype=float)
    if p_values.ndim != 1 or len(p_values) < 2:
        raise DataError(
            f"calibration needs a list of at least two p-values, got shape {p_values.shape}"
        )
    bad = np.flatnonzero(~((p_values >= 0) & (p_values <= 1)))
    if len(bad):
        raise DataError(
            f"p-values must lie in [0, 1], but {len(bad)} do not, first number {bad[0]} with "
            f"{p_values[bad[0]]:.6g}"
        )
    n = len(p_values)
    below = {f"{level:g}": int(np.sum(p_values <= level)) for level in LEVELS}
    ks = scipy.stats.kstest(p_values, "uniform")
    return Uniformity(
        n,
        {level: count / n for level, count in below.items()},
        {level: wilson_error(count, n) for level, count in below.items()},
        float(ks.statistic),
        float(ks.pvalue),
    )


class Spread(NamedTuple):
    """Z of pseudo-experiments without signal, which should be standard normal.

    Attributes:
        n: number of finite Z.
        mean, mean_error: mean, and sd / sqrt(n).
        sd, sd_error: standard deviation, and sd / sqrt(2 (n - 1)), as of normal numbers.
    """

    n: int
    mean: float
    mean_error: float
    sd: float
    sd_error: float


def spread(z: np.ndarray) -> Spread:
    """Mean and standard deviation of the finite ones of (N,) Z, with their errors.

    Raises:
        DataError: fewer than two are finite.

    Example:
        >>> spread([-1.0, 0.0, 1.0]).sd
        1.0
    """
    z = np.asarray(z, dtype=float)
    z = z[np.isfinite(z)]
    n = len(z)
    if n < 2:
        raise DataError(f"a spread needs at least two finite Z, got {n}")
    sd = float(np.std(z, ddof=1))
    return Spread(n, float(z.mean()), sd / n**0.5, sd, sd / (2 * (n - 1)) ** 0.5)
