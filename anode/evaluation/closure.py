"""Closure test: events of the background model against background, by feature and by pair.

A p-value near zero says that a difference is measurable with these statistics, not that it is
large: with enough events every model fails. Compare chi2/ndf at equal numbers of events.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import ConfigError, DataError
from anode.statistics.counting.pass_rate import chi2_tail

MIN_POOLED = 10
"""Fewest events of both samples in a bin for which its pull is taken as Gaussian."""


class FeatureClosure(NamedTuple):
    """One feature of generated and reference events.

    Attributes:
        name: name of the feature.
        ks_statistic, ks_p_value: two-sample Kolmogorov-Smirnov test.
        chi2, ndf, p_value: two-sample chi2 test of the histograms below.
        edges: (B + 1,) edges of bins with equally many events, both samples weighing one half.
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
    """Two features together, for differences that one-dimensional histograms do not show.

    Attributes:
        names: features on the x and y axis.
        chi2, ndf, p_value: two-sample chi2 test over the grid; bins of few events count as one.
        x_edges, y_edges: edges (Bx + 1,), (By + 1,), equally populated in each feature alone.
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
    """Generated against reference events.

    Attributes:
        n_generated, n_reference: numbers of events.
        features: comparison of each feature.
        pairs: comparison of each pair of features.
    """

    n_generated: int
    n_reference: int
    features: tuple[FeatureClosure, ...]
    pairs: tuple[PairClosure, ...]


def closure(
    generated: np.ndarray,
    reference: np.ndarray,
    names: Sequence[str],
    *,
    n_bins: int = 20,
    n_bins_pair: int = 10,
    n_paired: int = 12,
) -> Closure:
    """Compare generated with reference events, per feature and per pair of features.

    For histograms n_i of N generated and m_i of M reference events,
    chi2 = sum_i (sqrt(M/N) n_i - sqrt(N/M) m_i)^2 / (n_i + m_i) with one degree of freedom less
    than bins, for any N and M [Numerical Recipes, 3rd ed., eq. 14.3.3].

    Args:
        generated: (N, D) features of events of the model, physical units.
        reference: (M, D) features of background events.
        names: D feature names.
        n_bins: number of bins per feature; ties (a peak at zero) may leave fewer.
        n_bins_pair: number of bins per axis in the two-dimensional comparison.
        n_paired: pairs are made of the first so many features; 134 would have 8911 of them.

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
    pairs = combinations(range(min(len(names), n_paired)), 2)
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

    Equal weights, so that a large generated sample does not determine the bins alone. Tied values
    make edges coincide; those bins are joined.
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
    return chi2, ndf, chi2_tail(chi2, ndf)


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
    ks = scipy.stats.ks_2samp(generated, reference, method="asymp")
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
