"""Global p-value: probability that a scan without signal has as large an excess anywhere.

A toy of the scan has, for every window at every cut, a spectrum of Poisson counts whose means are
the most flexible di-jet function, fitted outside the window. Windows share events, so their counts
are correlated: two Poisson counts of n_i and n_j events with n_ij in common have the
correlation n_ij / sqrt(n_i n_j), which a Gaussian copula gives the toys, bin by bin. In every toy
every window and cut is fitted and tested again, F-test included; the scan's largest Z is compared
with that of the toys. Where counts are small the copula gives a little less correlation, and so
more trials. Densities, cuts and the range of the fit are those of the scan: whole scans of samples
without signal (``anode calibrate``) test whether that is enough.

Where no toy reaches the scan's Z, its probability is extrapolated from a lower level z0 (Gross,
Vitells 1005.1891, eqs. 3 and 4, for one degree of freedom):

    p_global(z) = p_local(z) + N(z0) exp(-(z^2 - z0^2) / 2),    N(z0) = p_global(z0) - p_local(z0),

and at most the smallest probability that toys give directly, so that it falls with z.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from scipy import sparse

from anode import progress
from anode.statistics.counting.significance import p_of_z, z_of_p, z_values
from anode.statistics.fits.dijet_fit_toys import predict_toys

MIN_TOYS = 10  # beyond the observed Z, for a probability that is not extrapolated
MIN_EVENTS = 500  # for a correlation; bins with fewer are merged with their neighbours
TAILS = (0.05, 0.02, 0.1)  # fractions of toys above z0; the first is used, the spread an error


class ScanTests(NamedTuple):
    """K tests, each of a window at a cut, that compete for the largest excess.

    Attributes:
        edges: (B+1,) edges of the bins [GeV].
        used: (K, B) True for bins of each test's fit.
        inside: (K, B) True for bins of each test's window.
        mean: (K, B) background in all bins, the means of toys.
        roots: (B, K, R) matrices; roots @ roots^T is the correlation of the K counts in a bin.
        alpha: p-value of the F-test below which a further parameter is taken.
    """

    edges: np.ndarray
    used: np.ndarray
    inside: np.ndarray
    mean: np.ndarray
    roots: np.ndarray
    alpha: float


class GlobalP(NamedTuple):
    """Probability of as large an excess anywhere, without signal.

    Attributes:
        p_global, p_global_error: probability, and its error from the number of toys.
        z_global, z_global_error: global p-value and its error as one-sided standard deviations.
        source: method, "toys" or "extrapolated".
        n_toys: number of toys of the whole scan.
    """

    p_global: float
    p_global_error: float
    z_global: float
    z_global_error: float
    source: str
    n_toys: int


def correlation_roots(bins: np.ndarray, passing: Sequence[np.ndarray], n_bins: int) -> np.ndarray:
    """(B, K, K) square roots of the correlation between K counts in each bin.

    Args:
        bins: (N,) bin of each event, -1 for none.
        passing: rows of the events that each of the K tests counts.
        n_bins: number B of bins.
    """
    n_tests = len(passing)
    rows = np.concatenate([np.asarray(index) for index in passing])
    tests = np.repeat(np.arange(n_tests), [len(index) for index in passing])
    shape = (len(bins), n_tests)
    member = sparse.csr_matrix((np.ones(len(rows)), (rows, tests)), shape=shape)
    counted = np.flatnonzero(np.diff(member.indptr) > 0)
    member, bins = member[counted], bins[counted]
    roots = np.empty((n_bins, n_tests, n_tests))
    for group in _groups(np.bincount(bins[bins >= 0], minlength=n_bins)):
        inside = (bins >= group.start) & (bins < group.stop)
        common = (member[inside].T @ member[inside]).toarray()
        size = np.sqrt(np.diag(common))
        product = np.outer(size, size)
        correlation = common / np.where(product > 0, product, 1.0)
        np.fill_diagonal(correlation, 1.0)
        values, vectors = np.linalg.eigh(correlation)
        roots[group.start : group.stop] = vectors * np.sqrt(np.maximum(values, 0))
    return roots


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
    """(n_toys,) largest Z of any test in scans without signal.

    Args:
        tests: K tests of the scan.
        n_toys: number of toys.
        rng: random stream.
    """
    n_tests, n_bins = tests.mean.shape
    spectra = np.empty((n_tests, n_toys, n_bins), dtype=np.float32)
    for b in range(n_bins):
        normal = rng.normal(size=(n_toys, tests.roots.shape[2]))
        uniform = scipy.stats.norm.cdf(tests.roots[b] @ normal.T)
        mean = tests.mean[:, b, None]
        spectra[:, :, b] = scipy.stats.poisson.ppf(np.clip(uniform, 1e-15, 1 - 1e-15), mean)
    largest = np.full(n_toys, -np.inf)
    with progress.task("toys", share=0.1, total=n_tests, unit="tests") as done:
        for k in range(n_tests):
            largest = np.fmax(largest, _z(spectra[k].astype(float), tests, k))
            done.update()
    return largest


def global_p(z_observed: float, z_toys: np.ndarray) -> GlobalP:
    """Probability that a toy's largest Z is at least the observed one.

    Args:
        z_observed: largest Z of the scan.
        z_toys: (n,) largest Z of each toy.
    """
    n_toys = len(z_toys)
    n_beyond = int(np.sum(z_toys >= z_observed))
    if n_beyond >= MIN_TOYS:
        p = (n_beyond + 1) / (n_toys + 1)  # the scan itself is one of them
        return _result(p, float(np.sqrt(p * (1 - p) / n_toys)), "toys", n_toys)
    (p, error), *others = [_extrapolated(z_observed, z_toys, tail) for tail in TAILS]
    spread = max(abs(other - p) for other, _ in others)
    return _result(
        min(p, MIN_TOYS / n_toys), float(np.hypot(error, spread)), "extrapolated", n_toys
    )


def _extrapolated(z_observed: float, z_toys: np.ndarray, tail: float) -> tuple[float, float]:
    """Probability beyond ``z_observed`` and its error, from the z0 that a fraction ``tail`` of
    toys reaches."""
    n_toys = len(z_toys)
    level = 1 - max(tail, MIN_TOYS / n_toys)
    z0 = max(float(np.quantile(z_toys, level, method="higher")), 0.0)
    at_z0 = float(np.mean(z_toys >= z0))
    crossings = max(at_z0 - float(p_of_z(z0)), 0.0)
    damping = float(np.exp(-0.5 * (max(z_observed, z0) ** 2 - z0**2)))
    p = float(p_of_z(z_observed)) + crossings * damping
    error = float(np.sqrt(at_z0 * (1 - at_z0) / n_toys)) * damping
    return p, error


def local_z_for(z_global: float, z_toys: np.ndarray) -> float:
    """The local Z whose global Z is ``z_global``, by bisection of ``global_p`` with toys (n,)."""
    low, high = 0.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        if global_p(middle, z_toys).p_global > p_of_z(z_global):
            low = middle
        else:
            high = middle
    return high


def _z(spectra: np.ndarray, tests: ScanTests, k: int) -> np.ndarray:
    """(T,) Z of test k in each toy; -infinity where its spectrum cannot be fitted."""
    inside = tests.inside[k]
    n, error, _ = predict_toys(spectra, tests.edges, tests.used[k], inside, alpha=tests.alpha)
    fitted = np.isfinite(n)
    n_observed = spectra[:, inside].sum(axis=1)
    z = np.full(len(spectra), -np.inf)
    z[fitted] = z_values(n_observed[fitted], n[fitted], error[fitted])
    return z


def _result(p: float, error: float, source: str, n_toys: int) -> GlobalP:
    z = float(z_of_p(np.clip(p, 1e-300, 1 - 1e-12)))
    # dp = phi(z) dz, in logarithms since phi is tiny far out
    slope = np.log(max(error, 1e-300)) + 0.5 * z**2 + 0.5 * np.log(2 * np.pi)
    return GlobalP(p, error, z, float(np.exp(min(slope, 700.0))), source, n_toys)
