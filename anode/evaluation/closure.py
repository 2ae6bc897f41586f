"""Does the background model describe the background, and does a cut sculpt the mass spectrum?

A p-value near zero says that a difference is measurable with these statistics, not that it is
large: with enough events every model fails. Compare chi2/ndf at equal numbers of events.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from anode.errors import ConfigError, DataError

MIN_POOLED = 10
"""Fewest events of both samples in a bin for which its pull is taken as Gaussian."""

_MIN_EXPECTED = 5.0
"""Fewest expected events in a cell of the flatness test (Cochran's rule)."""


class FeatureClosure(NamedTuple):
    """One feature of generated and reference events.

    Attributes:
        name: the feature.
        ks_statistic, ks_p_value: two-sample Kolmogorov-Smirnov.
        chi2, ndf, p_value: two-sample chi2 of the histograms below.
        edges: (B + 1,) of bins with equally many events, both samples weighing one half.
        generated, reference: (B,) events per bin.
    """

    name: str
    ks_statistic: float
    ks_p_value: float
    chi2: float
    ndf: int
    p_value: float
    edges: np.ndarray
    generated: np.ndarray
    reference: np.ndarray


class PairClosure(NamedTuple):
    """Two features together: what one-dimensional histograms cannot see.

    Attributes:
        names: the features on the x and y axis.
        chi2, ndf, p_value: two-sample chi2 over the grid; bins of few events count as one.
        x_edges, y_edges: (Bx + 1,), (By + 1,) equally populated in each feature alone.
        pull: (Bx, By) deviation of generated from reference in standard deviations, positive
            where too many are generated; NaN in bins with fewer than 10 pooled events.
    """

    names: tuple[str, str]
    chi2: float
    ndf: int
    p_value: float
    x_edges: np.ndarray
    y_edges: np.ndarray
    pull: np.ndarray


class Closure(NamedTuple):
    """Generated against reference events, in every feature and every pair of features."""

    n_generated: int
    n_reference: int
    features: tuple[FeatureClosure, ...]
    pairs: tuple[PairClosure, ...]


class PassRate(NamedTuple):
    """Fraction of events that pass a cut, in bins of the mass.

    Attributes:
        edges: (B + 1,) mass bins, half-open, in the unit of the mass given.
        n_total, n_passed: (B,) events.
        rate: (B,) n_passed / n_total, NaN in empty bins, like the next two.
        low, high: (B,) Clopper-Pearson interval.
        mean: pass fraction of all bins together.
        chi2, ndf, p_value: against one rate for all bins, neighbours merged until at least five
            events are expected to pass and five to fail in each.
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


def closure(
    generated: np.ndarray,
    reference: np.ndarray,
    names: Sequence[str],
    *,
    n_bins: int = 20,
    n_bins_pair: int = 10,
) -> Closure:
    """Compare generated with reference events, per feature and per pair of features.

    For histograms n_i of N generated and m_i of M reference events,
    chi2 = sum_i (sqrt(M/N) n_i - sqrt(N/M) m_i)^2 / (n_i + m_i) with one degree of freedom less
    than bins, for any N and M [Numerical Recipes, 3rd ed., eq. 14.3.3].

    Args:
        generated: (N, D) events of the model, physical units.
        reference: (M, D) events to be described.
        names: D feature names.
        n_bins: bins per feature; ties (a peak at zero) may leave fewer.
        n_bins_pair: bins per axis in the two-dimensional comparison.

    Raises:
        DataError: a shape differs, a value is not finite, a sample has fewer than 10 events.
        ConfigError: fewer than two bins are asked for.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> same = closure(rng.normal(size=(5000, 2)), rng.normal(size=(9000, 2)), ["a", "b"])
        >>> all(part.p_value > 1e-3 for part in [*same.features, *same.pairs])
        True
    """
    if min(n_bins, n_bins_pair) < 2:
        raise ConfigError(f"closure needs two bins at least, got {n_bins} and {n_bins_pair}")
    generated = _checked(generated, names, "generated")
    reference = _checked(reference, names, "reference")
    pairs = combinations(range(len(names)), 2)
    return Closure(
        len(generated),
        len(reference),
        tuple(
            _feature(name, generated[:, i], reference[:, i], n_bins)
            for i, name in enumerate(names)
        ),
        tuple(
            _pair((names[i], names[j]), generated[:, [i, j]], reference[:, [i, j]], n_bins_pair)
            for i, j in pairs
        ),
    )


def pass_rate(
    mass: np.ndarray, passed: np.ndarray, edges: np.ndarray, *, confidence: float = 0.6827
) -> PassRate:
    """Pass fraction of a cut against mass: a cut that sculpts no bump has a flat one.

    Flatness: chi2 = sum_b (k_b - n_b p)^2 / (n_b p (1 - p)) with p the common rate.

    Args:
        mass: (N,) resonant mass; events outside the bins do not count.
        passed: (N,) bool, the event passes the cut.
        edges: (B + 1,) rising, same unit as ``mass``.
        confidence: probability content of the Clopper-Pearson intervals.

    Raises:
        DataError: shapes differ.
        ConfigError: the edges do not rise.

    Example:
        >>> mass = np.array([3350.0, 3360.0, 3450.0, 3460.0])
        >>> pass_rate(mass, mass > 3355, np.array([3300.0, 3400.0, 3500.0])).rate.tolist()
        [0.5, 1.0]
    """
    mass, passed = np.asarray(mass, dtype=float), np.asarray(passed, dtype=bool)
    edges = np.asarray(edges, dtype=float)
    if mass.ndim != 1 or mass.shape != passed.shape:
        raise DataError(f"mass and passed must be equally long, got {mass.shape}, {passed.shape}")
    if len(edges) < 2 or not np.all(np.diff(edges) > 0):
        raise ConfigError(f"mass bin edges must rise, got {edges.tolist()}")
    index = np.searchsorted(edges, mass, side="right")
    n_bins = len(edges) - 1
    total = np.bincount(index, minlength=n_bins + 2)[1 : n_bins + 1]
    passing = np.bincount(index[passed], minlength=n_bins + 2)[1 : n_bins + 1]
    low, high = _clopper_pearson(passing, total, confidence)
    rate = np.divide(passing, total, out=np.full(n_bins, np.nan), where=total > 0)
    mean = float(passing.sum() / total.sum()) if total.sum() else float("nan")
    chi2, ndf = _flatness(passing, total, mean)
    return PassRate(edges, total, passing, rate, low, high, mean, chi2, ndf, _tail(chi2, ndf))


def _checked(events: np.ndarray, names: Sequence[str], what: str) -> np.ndarray:
    """(N, D) float64 events, or a DataError that names the sample and the column."""
    events = np.asarray(events, dtype=np.float64)
    if events.ndim != 2 or events.shape[1] != len(names):
        raise DataError(
            f"{what} events must have shape (N, {len(names)}), one column for each of "
            f"{', '.join(names)}, got {events.shape}"
        )
    if len(events) < MIN_POOLED:
        raise DataError(f"closure needs {MIN_POOLED} {what} events at least, got {len(events)}")
    bad = np.argwhere(~np.isfinite(events))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"{what} events must be finite, but column '{names[column]}' has "
            f"{events[row, column]} in row {row} ({len(bad)} such values); sample again within "
            "the range of the training data"
        )
    return events


def _edges(generated: np.ndarray, reference: np.ndarray, n_bins: int) -> np.ndarray:
    """Edges of bins equally populated by both samples, each sample weighing one half.

    Equal weights, so that a huge generated sample does not decide alone where the bins are. Tied
    values make edges coincide; those bins are joined.
    """
    fractions = np.linspace(0, 1, n_bins + 1)
    both = np.concatenate([generated, reference])
    order = np.argsort(both)
    sizes = [len(generated), len(reference)]
    weight = np.repeat([0.5 / sizes[0], 0.5 / sizes[1]], sizes)
    cumulative = np.cumsum(weight[order])
    rank = np.searchsorted(cumulative, fractions[1:-1])
    inner = both[order][np.minimum(rank, len(both) - 1)]
    low, high = both[order[0]], both[order[-1]]
    edges = np.unique(np.concatenate([[low], inner, [high]]))
    return edges if len(edges) > 1 else np.array([low - 0.5, low + 0.5])


def _chi2(generated: np.ndarray, reference: np.ndarray) -> tuple[float, int, float]:
    """chi2, degrees of freedom and p-value of two histograms (B,), sparse bins joined."""
    sparse = generated + reference < MIN_POOLED
    if sparse.any():
        generated = np.append(generated[~sparse], generated[sparse].sum())
        reference = np.append(reference[~sparse], reference[sparse].sum())
    pull = _pull(generated, reference)
    ndf = len(pull) - 1
    chi2 = float(np.sum(pull**2)) if ndf else 0.0
    return chi2, ndf, _tail(chi2, ndf)


def _tail(chi2: float, ndf: int) -> float:
    """P(a chi2 as large or larger); 1 where there was nothing to test."""
    return float(special.chdtrc(ndf, chi2)) if ndf else 1.0


def _pull(generated: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Difference of two histograms of any totals in standard deviations; 0 where both are 0."""
    ratio = np.sqrt(reference.sum() / generated.sum())
    difference = ratio * generated - reference / ratio
    pull: np.ndarray = difference / np.sqrt(np.maximum(generated + reference, 1))
    return pull


def _feature(
    name: str, generated: np.ndarray, reference: np.ndarray, n_bins: int
) -> FeatureClosure:
    """Both tests of one feature."""
    edges = _edges(generated, reference, n_bins)
    counts = [np.histogram(sample, edges)[0] for sample in (generated, reference)]
    ks = stats.ks_2samp(generated, reference, method="asymp")
    chi2, ndf, p_value = _chi2(*counts)
    return FeatureClosure(
        name, float(ks.statistic), float(ks.pvalue), chi2, ndf, p_value, edges, *counts
    )


def _pair(
    names: tuple[str, str], generated: np.ndarray, reference: np.ndarray, n_bins: int
) -> PairClosure:
    """The chi2 test of one pair of features, and the map of its pulls."""
    x_edges, y_edges = (_edges(generated[:, i], reference[:, i], n_bins) for i in range(2))
    counts = [
        np.histogram2d(sample[:, 0], sample[:, 1], (x_edges, y_edges))[0]
        for sample in (generated, reference)
    ]
    pull = np.where(counts[0] + counts[1] < MIN_POOLED, np.nan, _pull(*counts))
    chi2, ndf, p_value = _chi2(counts[0].ravel(), counts[1].ravel())
    return PairClosure(names, chi2, ndf, p_value, x_edges, y_edges, pull)


def _clopper_pearson(
    passed: np.ndarray, total: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of a binomial rate, (B,) each; NaN where there is no event."""
    tail = (1 - confidence) / 2
    failed = total - passed
    low = np.where(passed == 0, 0.0, special.betaincinv(np.maximum(passed, 1), failed + 1, tail))
    high = np.where(
        failed == 0, 1.0, special.betaincinv(passed + 1, np.maximum(failed, 1), 1 - tail)
    )
    empty = total == 0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _flatness(passed: np.ndarray, total: np.ndarray, rate: float) -> tuple[float, int]:
    """chi2 and ndf of a common rate, after merging neighbouring bins of few expected events."""
    if not 0 < rate < 1:
        return 0.0, 0
    needed = _MIN_EXPECTED / min(rate, 1 - rate)
    groups = [0]
    for start in range(1, len(total)):
        open_group, rest = total[groups[-1] : start].sum(), total[start:].sum()
        if open_group >= needed and rest >= needed:
            groups.append(start)
    k, n = np.add.reduceat(passed, groups), np.add.reduceat(total, groups)
    chi2 = float(np.sum((k - n * rate) ** 2 / (n * rate * (1 - rate))))
    return chi2, len(groups) - 1
