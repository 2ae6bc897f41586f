"""Pass rate of a cut in bins of the mass, and the test of one rate for all bins."""

from typing import NamedTuple

import numpy as np
from scipy import special

from anode.errors import ConfigError, DataError

ONE_SIGMA = 0.6827

_MIN_EXPECTED = 5.0
"""Fewest expected events in a cell of the flatness test (Cochran's rule)."""


class FlatnessTest(NamedTuple):
    """Test of one pass rate for all bins.

    Attributes:
        chi2, ndf, p_value: test of the merged bins, see :class:`PassRate`.
    """

    chi2: float
    ndf: int
    p_value: float


class PassRate(NamedTuple):
    """Fraction of events that pass a cut, in bins of the mass.

    Attributes:
        edges: (B + 1,) mass bins, half-open, in the unit of the mass given.
        n_total, n_passed: (B,) events before and after the cut.
        rate: (B,) n_passed / n_total, NaN in empty bins, like the next two.
        low, high: (B,) Clopper-Pearson interval.
        mean: pass fraction of all bins together.
        chi2, ndf, p_value: test of one rate for all bins, neighbours merged until at least five
            events are expected to pass and five to fail in each.
        lowest, highest: extreme rates of the merged bins, where five expected events have an
            error of almost a half; NaN without events.
    """

    edges: np.ndarray
    n_total: np.ndarray
    n_passed: np.ndarray
    rate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: float
    chi2: float
    ndf: int
    p_value: float
    lowest: float
    highest: float

    @property
    def flatness(self) -> FlatnessTest:
        """The test alone, in plain numbers."""
        return FlatnessTest(float(self.chi2), int(self.ndf), float(self.p_value))


def pass_rate(
    mass: np.ndarray, passed: np.ndarray, edges: np.ndarray, *, confidence: float = ONE_SIGMA
) -> PassRate:
    """Pass fraction of a cut against mass: a cut that sculpts no bump has a flat one.

    Flatness: chi2 = sum_b (k_b - n_b p)^2 / (n_b p (1 - p)) with p the common rate.

    Args:
        mass: (N,) resonant mass; events outside the bins do not count.
        passed: (N,) True for events that pass the cut.
        edges: (B + 1,) rising edges of the bins, in the unit of ``mass``.
        confidence: probability content of the Clopper-Pearson intervals.

    Raises:
        DataError: shapes differ, or a mass is NaN.
        ConfigError: the edges do not rise.

    Example:
        >>> mass = np.array([3350.0, 3360.0, 3450.0, 3460.0])
        >>> pass_rate(mass, mass > 3355, np.array([3300.0, 3400.0, 3500.0])).rate.tolist()
        [0.5, 1.0]
    """
    mass, passed = np.asarray(mass, dtype=float), np.asarray(passed, dtype=bool)
    edges = _checked_edges(edges)
    if mass.ndim != 1 or mass.shape != passed.shape:
        raise DataError(f"mass and passed must be equally long, got {mass.shape}, {passed.shape}")
    if np.isnan(mass).any():
        raise DataError(f"masses must be numbers, but {np.isnan(mass).sum()} are NaN")
    index = np.searchsorted(edges, mass, side="right")
    n_bins = len(edges) - 1
    total = np.bincount(index, minlength=n_bins + 2)[1 : n_bins + 1]
    passing = np.bincount(index[passed], minlength=n_bins + 2)[1 : n_bins + 1]
    return pass_rate_of_counts(total, passing, edges, confidence=confidence)


def pass_rate_of_counts(
    n_total: np.ndarray,
    n_passed: np.ndarray,
    edges: np.ndarray,
    *,
    confidence: float = ONE_SIGMA,
) -> PassRate:
    """As ``pass_rate``, from counts of events.

    Args:
        n_total: (B,) events before the cut.
        n_passed: (B,) events after it.
        edges: (B + 1,) rising edges of the bins.
        confidence: probability content of the Clopper-Pearson intervals.

    Raises:
        DataError: the counts are not whole, a shape differs, or more pass than there are.
        ConfigError: the edges do not rise.
    """
    edges = _checked_edges(edges)
    total, passing = np.asarray(n_total), np.asarray(n_passed)
    if total.shape != passing.shape or total.shape != (len(edges) - 1,):
        raise DataError(
            f"{len(edges) - 1} bins need as many counts before and after a cut, got shapes "
            f"{total.shape} and {passing.shape}"
        )
    whole = (passing >= 0) & (passing <= total) & (total % 1 == 0) & (passing % 1 == 0)
    if not whole.all():
        bad = np.flatnonzero(~whole)[0]
        raise DataError(
            "counts must be whole, and no more events can pass a cut than there are, got "
            f"{passing[bad]} of {total[bad]} in bin {bad}"
        )
    total, passing = total.astype(np.int64), passing.astype(np.int64)
    low, high = clopper_pearson(passing, total, confidence)
    rate = np.divide(passing, total, out=np.full(len(total), np.nan), where=total > 0)
    mean = float(passing.sum() / total.sum()) if total.sum() else float("nan")
    k, n = _merged(passing, total, mean)
    chi2 = float(np.sum((k - n * mean) ** 2 / (n * mean * (1 - mean)))) if len(k) > 1 else 0.0
    merged = k / n if total.sum() else np.array([np.nan])
    ndf = len(k) - 1
    return PassRate(
        edges,
        total,
        passing,
        rate,
        low,
        high,
        mean,
        chi2,
        ndf,
        chi2_tail(chi2, ndf),
        float(merged.min()),
        float(merged.max()),
    )


def clopper_pearson(
    passed: np.ndarray, total: np.ndarray, confidence: float = ONE_SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Central interval (low, high) of binomial rates, (B,) each; NaN in bins without events.

    Clopper and Pearson, Biometrika 26 (1934) 404.

    Args:
        passed: (B,) events that pass.
        total: (B,) events before the cut.
        confidence: probability content.
    """
    tail = (1 - confidence) / 2
    failed = total - passed
    low = np.where(passed == 0, 0.0, special.betaincinv(np.maximum(passed, 1), failed + 1, tail))
    high = np.where(
        failed == 0, 1.0, special.betaincinv(passed + 1, np.maximum(failed, 1), 1 - tail)
    )
    empty = total == 0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def wilson_error(passed: float, total: int) -> float:
    """Half of Wilson's one-sigma interval of a binomial rate: positive even where none passes.

        sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1/n),  p = passed/n.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    rate = passed / total
    return float(np.sqrt(rate * (1 - rate) / total + 0.25 / total**2) / (1 + 1 / total))


def chi2_tail(chi2: float, ndf: int) -> float:
    """Probability of at least this chi2; 1 if ``ndf`` is 0."""
    return float(special.chdtrc(ndf, chi2)) if ndf else 1.0


def _checked_edges(edges: np.ndarray) -> np.ndarray:
    edges = np.asarray(edges, dtype=float)
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise ConfigError(f"mass bin edges must rise, got {edges.tolist()}")
    return edges


def _merged(passed: np.ndarray, total: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Both counts after merging neighbouring bins of few expected events; one bin where all
    events pass or none does."""
    groups = [0]
    needed = _MIN_EXPECTED / min(rate, 1 - rate) if 0 < rate < 1 else np.inf
    for start in range(1, len(total)):
        open_group, rest = total[groups[-1] : start].sum(), total[start:].sum()
        if open_group >= needed and rest >= needed:
            groups.append(start)
    return np.add.reduceat(passed, groups), np.add.reduceat(total, groups)
