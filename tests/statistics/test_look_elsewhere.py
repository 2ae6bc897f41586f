"""Toys of a scan: do their roots move together as the scan's do, and is the global p uniform?"""

import numpy as np
import pytest
from scipy import stats

from anode.statistics.counting.ordered_test import ordered_z
from anode.statistics.counting.significance import p_of_z
from anode.statistics.fits.signal_toys import SignalModel, signal_roots
from anode.statistics.scan.look_elsewhere import (
    ScanTests,
    global_p,
    largest_excess_of_toys,
    local_z_for,
    root_correlation,
)

EDGES = np.arange(2500.0, 5001.0, 100.0)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
WINDOWS = (3100.0, 3200.0, 3300.0, 3400.0)


def shape() -> np.ndarray:
    x = CENTRES / 13_000
    density = (1 - x) ** 8 * x**-5
    return np.asarray(density / density.sum())


def model(low: float) -> SignalModel:
    peak = np.diff(stats.norm.cdf((EDGES - low - 200) / 150))
    inside = (EDGES[:-1] >= low) & (EDGES[1:] <= low + 400)
    return SignalModel(EDGES, np.ones(len(CENTRES), dtype=bool), inside, peak)


class PseudoScan:
    """Four windows that overlap, two exclusive categories each (4% to 20%, and 4%); windows share
    half of what they select."""

    def __init__(self, rng: np.random.Generator, n_events: float = 60_000) -> None:
        mass = rng.choice(CENTRES, rng.poisson(n_events), p=shape())
        self.bins = np.searchsorted(EDGES, mass, side="right") - 1
        common = rng.random(len(mass))
        self.models, self.passing = [], []
        for low in WINDOWS:
            own = np.where(rng.random(len(mass)) < 0.5, common, rng.random(len(mass)))
            self.passing += [
                np.flatnonzero((own < 0.2) & (own >= 0.04)),
                np.flatnonzero(own < 0.04),
            ]
            self.models += [model(low)] * 2

    def roots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(K,) roots, (K, B) backgrounds and (K,) weights."""
        z, mean, weight = [], [], []
        for rows, one in zip(self.passing, self.models, strict=True):
            counts = np.bincount(self.bins[rows], minlength=len(CENTRES)).astype(float)
            found = signal_roots(counts[None], one)
            z.append(found.z[0])
            mean.append(found.background[0])
            weight.append((one.shape * found.background[0]).sum() / found.error[0])
        return np.array(z), np.array(mean), np.array(weight)

    def tests(self) -> tuple[ScanTests, float]:
        """The tests of the scan, and its largest Z."""
        z, mean, weight = self.roots()
        groups = [[2 * i, 2 * i + 1] for i in range(len(WINDOWS))]
        weights = [weight[group] for group in groups]
        correlation = root_correlation(self.models, mean, self.bins, self.passing)
        best = max(
            float(ordered_z(z[None, group], own)[0])
            for group, own in zip(groups, weights, strict=True)
        )
        return ScanTests(groups, weights, correlation), best


def test_roots_move_together_as_in_pseudo_experiments() -> None:
    """The correlation of 200 independent scans, to 4 errors of 1 / sqrt(200)."""
    rng = np.random.default_rng(1)
    roots = np.array([PseudoScan(rng).roots()[0] for _ in range(200)])
    scan = PseudoScan(rng)
    _, mean, _ = scan.roots()
    expected = root_correlation(scan.models, mean, scan.bins, scan.passing)
    np.testing.assert_allclose(np.corrcoef(roots.T), expected, atol=0.28)
    assert expected[0, 2] > 0.15  # the same category of the next window
    assert abs(expected[0, 1]) < 1e-9  # categories of one window share no event
    np.testing.assert_allclose(np.diag(expected), 1)


def test_without_signal_the_global_p_value_is_uniform() -> None:
    """80 scans: Kolmogorov-Smirnov at 1e-3, and the share below 0.05 to 3 errors."""
    rng = np.random.default_rng(11)
    p = []
    for _ in range(80):
        tests, z = PseudoScan(rng).tests()
        toys = largest_excess_of_toys(tests, n_toys=2000, rng=rng)
        p.append(global_p(z, toys).p_global)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    error = np.sqrt(0.05 * 0.95 / len(p))
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 3 * error


def plain(n_tests: int, correlation: float) -> ScanTests:
    matrix = np.full((n_tests, n_tests), correlation)
    np.fill_diagonal(matrix, 1.0)
    return ScanTests([[k] for k in range(n_tests)], [np.ones(1)] * n_tests, matrix)


def test_the_largest_of_independent_tests_is_that_of_tests_apart() -> None:
    toys = largest_excess_of_toys(plain(6, 0.0), n_toys=50_000, rng=np.random.default_rng(2))
    for z in (0.5, 1.5, 2.5):
        p = 1 - stats.norm.cdf(z) ** 6
        assert np.mean(toys > z) == pytest.approx(p, abs=4 * np.sqrt(p / 50_000))


def test_the_largest_of_equal_tests_is_that_of_one() -> None:
    toys = largest_excess_of_toys(plain(6, 1.0), n_toys=50_000, rng=np.random.default_rng(3))
    for z in (-1.0, 0.0, 2.0):
        p = float(p_of_z(z))
        assert np.mean(toys > z) == pytest.approx(p, abs=4 * np.sqrt(p / 50_000))


def test_toys_of_groups_are_combined_as_the_scan_is() -> None:
    """Table and closed form of the combined Z agree to 0.01, for excesses and deficits."""
    weight = np.array([30.0, 10.0, 3.0])
    tests = ScanTests([[0, 1, 2]], [weight], np.eye(3))
    toys = largest_excess_of_toys(tests, n_toys=5000, rng=np.random.default_rng(4))
    assert stats.kstest(toys, "norm").pvalue > 1e-3


def test_global_p_counts_the_scan_among_its_toys() -> None:
    z_toys = np.arange(1000) / 100.0
    found = global_p(5.0, z_toys)
    assert (found.p_global, found.source, found.n_toys) == (501 / 1001, "toys", 1000)
    assert found.p_global_error == pytest.approx(np.sqrt(0.25 / 1000), rel=1e-5)
    assert found.z_global == pytest.approx(0, abs=2e-3)
    assert found.z_global_error == pytest.approx(
        found.p_global_error * np.sqrt(2 * np.pi), rel=1e-5
    )
    assert global_p(9.99, z_toys).p_global == 2 / 1001


def test_above_the_toys_a_global_p_is_a_limit() -> None:
    """With p = 1 - 0.05^(1/n) no toy of n is beyond in 5% of the cases."""
    found = global_p(20.0, np.zeros(1000))
    assert (found.source, found.p_global_error, found.z_global_error) == ("above toys", 0.0, 0.0)
    assert (1 - found.p_global) ** 1000 == pytest.approx(0.05)
    assert found.z_global == pytest.approx(2.75, abs=0.01)


def test_no_global_p_is_exactly_one_or_zero() -> None:
    z_toys = np.random.default_rng(5).normal(size=500)
    found = [global_p(z, z_toys) for z in np.linspace(-9, 9, 400)]
    counted = np.array([one.p_global for one in found if one.source == "toys"])
    assert (np.diff(counted) <= 0).all()
    assert all(0 < one.p_global < 1 for one in found)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_local_z_has_its_global_z(level: int) -> None:
    z_toys = np.random.default_rng(9).normal(size=(20_000, 15)).max(axis=1)
    z = local_z_for(level, z_toys)
    assert z is not None
    assert z > level
    assert global_p(z, z_toys).z_global == pytest.approx(level, abs=0.02)


def test_levels_beyond_the_toys_have_no_local_z() -> None:
    assert local_z_for(3, np.random.default_rng(10).normal(size=2000)) is None
