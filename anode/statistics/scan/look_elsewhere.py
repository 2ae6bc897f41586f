"""Global p-value: probability that a scan without signal has as large an excess anywhere.

Every test k of the scan has a signed root z_k that is normal without signal, calibrated by toys of
its own where events are few. Tests share events: windows overlap. For many events the root is
linear in the counts n_kb of its spectrum (its influence a_kb, the efficient score),

    z_k = sum_b a_kb (n_kb - mu_kb) / sqrt(V_k),    V_k = sum_b a_kb^2 mu_kb,

and two Poisson counts of n_k and n_l events with n_kl in common have the covariance n_kl, so that

    corr(z_k, z_l) = sum_b a_kb a_lb sqrt(mu_kb mu_lb) n_klb / sqrt(n_kb n_lb) / sqrt(V_k V_l).

A toy of the scan draws all roots from the normal distribution of this correlation, combines those
of each window as the scan did, and keeps the largest. There are as many toys as it takes, so that
a global p is counted, not extrapolated; beyond their reach it is an upper limit. Densities, cuts
and the range of the fit are those of the scan: whole searches of samples without signal
(``anode calibrate``) test whether that is enough.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from scipy import sparse

from anode import progress
from anode.statistics.counting.ordered_test import OrderedTable
from anode.statistics.counting.significance import p_of_z, z_of_p
from anode.statistics.fits.signal_toys import SignalModel, influence

MIN_EVENTS = 500  # for a correlation; bins with fewer are merged with their neighbours
CHUNK = 20_000
_CONFIDENCE = 0.95


class ScanTests(NamedTuple):
    """K tests, in groups that compete for the largest excess.

    Attributes:
        groups: for each competitor the numbers of its tests, categories from low scores to high.
        weights: for each competitor the weights of its tests, see ``ordered_test``.
        correlation: (K, K) correlation of the tests' roots.
    """

    groups: list[list[int]]
    weights: list[np.ndarray]
    correlation: np.ndarray


class GlobalP(NamedTuple):
    """Probability of as large an excess anywhere, without signal.

    Attributes:
        p_global, p_global_error: probability, and its error from the number of toys. Above the
            reach of the toys the probability is the upper limit at 95%.
        z_global, z_global_error: global p-value and its error as one-sided standard deviations.
        source: "toys", or "above toys" where none has as large an excess: then p_global is above,
            and z_global below, what it would be with more.
        n_toys: number of toys of the whole scan.
    """

    p_global: float
    p_global_error: float
    z_global: float
    z_global_error: float
    source: str
    n_toys: int


def root_correlation(
    models: Sequence[SignalModel],
    mean: np.ndarray,
    bins: np.ndarray,
    passing: Sequence[np.ndarray],
) -> np.ndarray:
    """(K, K) correlation of the roots of K tests.

    Args:
        models: resonance and bins of each test.
        mean: (K, B) background of each.
        bins: (N,) bin of each event of the data, -1 for none.
        passing: rows of the events that each test counts.
    """
    n_tests, n_bins = mean.shape
    scaled = np.array(
        [influence(mu, model) * np.sqrt(mu) for mu, model in zip(mean, models, strict=True)]
    )
    rows = np.concatenate([np.asarray(index) for index in passing])
    tests = np.repeat(np.arange(n_tests), [len(index) for index in passing])
    member = sparse.csr_matrix((np.ones(len(rows)), (rows, tests)), shape=(len(bins), n_tests))
    counted = np.flatnonzero(np.diff(member.indptr) > 0)
    member, bins = member[counted], bins[counted]
    covariance = np.zeros((n_tests, n_tests))
    for group in _groups(np.bincount(bins[bins >= 0], minlength=n_bins)):
        inside = (bins >= group.start) & (bins < group.stop)
        common = (member[inside].T @ member[inside]).toarray()
        size = np.sqrt(np.diag(common))
        product = np.outer(size, size)
        shared = common / np.where(product > 0, product, 1.0)
        np.fill_diagonal(shared, 1.0)
        part = scaled[:, group.start : group.stop]
        covariance += (part @ part.T) * shared
    spread = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(spread, spread))


def _groups(counts: np.ndarray) -> list[range]:
    """Neighbouring bins that together hold enough events; the last group takes the rest."""
    groups, start, held = [], 0, 0
    for number, count in enumerate(counts):
        held += count
        if held >= MIN_EVENTS:
            groups.append(range(start, number + 1))
            start, held = number + 1, 0
    if not groups:
        return [range(len(counts))]
    groups[-1] = range(groups[-1].start, len(counts)) if start < len(counts) else groups[-1]
    return groups


def largest_excess_of_toys(
    tests: ScanTests, *, n_toys: int, rng: np.random.Generator
) -> np.ndarray:
    """(n_toys,) largest Z of any competitor in scans without signal.

    Args:
        tests: tests of the scan.
        n_toys: number of toys.
        rng: random stream.
    """
    values, vectors = np.linalg.eigh(tests.correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    tables = [OrderedTable(weight) for weight in tests.weights]
    largest = np.empty(n_toys)
    with progress.task("toys", share=0.1, total=n_toys, unit="toys") as done:
        for first in range(0, n_toys, CHUNK):
            n = min(CHUNK, n_toys - first)
            z = rng.standard_normal((n, len(root)), dtype=np.float32) @ root.T
            best = np.full(n, -np.inf)
            for group, combined in zip(tests.groups, tables, strict=True):
                best = np.maximum(best, combined(z[:, group].astype(np.float64)))
            largest[first : first + n] = best
            done.update(n)
    return largest


def global_p(z_observed: float, z_toys: np.ndarray) -> GlobalP:
    """Probability that a toy's largest Z is at least the observed one.

    With k of n toys at least as large, p = (k + 1) / (n + 1): the scan itself is one of them.
    Where k = 0 the upper limit 1 - 0.05^(1/n) at 95% is given instead.

    Args:
        z_observed: largest Z of the scan.
        z_toys: (n,) largest Z of each toy.
    """
    n_toys = len(z_toys)
    n_beyond = int(np.sum(z_toys >= z_observed))
    if n_beyond == 0:
        p = float(-np.expm1(np.log(1 - _CONFIDENCE) / n_toys))
        return GlobalP(p, 0.0, float(z_of_p(p)), 0.0, "above toys", n_toys)
    p = (n_beyond + 1) / (n_toys + 1) if n_beyond < n_toys else n_toys / (n_toys + 1)
    error = float(np.sqrt(p * (1 - p) / n_toys))
    z = float(z_of_p(p))
    return GlobalP(p, error, z, error / float(scipy.stats.norm.pdf(z)), "toys", n_toys)


def local_z_for(z_global: float, z_toys: np.ndarray) -> float | None:
    """The local Z whose global Z is ``z_global``, by toys (n,); None beyond their reach."""
    p = float(p_of_z(z_global))
    if p * len(z_toys) < 10:
        return None
    return float(np.quantile(z_toys, 1 - p))
