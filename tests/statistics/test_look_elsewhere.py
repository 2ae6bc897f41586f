"""Toys of a scan: do their counts move together as the scan's do, and is the global p uniform?"""

import numpy as np
import pytest
from scipy import stats

from anode.statistics.counting.significance import p_of_z, z_of_p, z_values
from anode.statistics.fits.dijet_fit import Spectrum, choose_fit, predict_chosen
from anode.statistics.fits.dijet_fit_toys import predict_toys
from anode.statistics.fits.dijet_function import SQRT_S
from anode.statistics.scan import look_elsewhere as module
from anode.statistics.scan import window_test as scan
from anode.statistics.scan.look_elsewhere import (
    ScanTests,
    correlation_roots,
    global_p,
    largest_excess_of_toys,
    local_z_for,
)
from anode.statistics.scan.window_spectra import WindowCuts, count

EDGES = np.arange(2500.0, 5001.0, 100.0)
N_BINS = len(EDGES) - 1
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2


def shape() -> np.ndarray:
    """(B,) shares of a di-jet spectrum."""
    x = CENTRES / SQRT_S
    density = (1 - x) ** 8 * x**-5
    return density / density.sum()


def window(low: float, high: float) -> np.ndarray:
    return (EDGES[:-1] >= low) & (EDGES[1:] <= high)


def study_runs(windows: list[np.ndarray], mean: np.ndarray, roots: np.ndarray) -> ScanTests:
    """ScanTests of equal means (B,)."""
    inside = np.array(windows)
    return ScanTests(EDGES, ~inside, inside, np.tile(mean, (len(windows), 1)), roots, 0.05)


def independent(n_cells: int) -> np.ndarray:
    return np.tile(np.eye(n_cells), (N_BINS, 1, 1))


def toy_spectra(cells: ScanTests, n_toys: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """(K, n_toys, B) the spectra that toys of a scan have."""
    seen = []

    def record(spectra: np.ndarray, cells: ScanTests, cell: int) -> np.ndarray:
        seen.append(spectra)
        return np.zeros(len(spectra))

    monkeypatch.setattr(module, "_z", record)
    largest_excess_of_toys(cells, n_toys=n_toys, rng=np.random.default_rng(3))
    return np.array(seen)


def test_roots_give_the_correlation_of_shared_events():
    rng = np.random.default_rng(0)
    bins = rng.integers(-1, 3, 6000)
    passing = [np.flatnonzero(rng.random(6000) < share) for share in (0.5, 0.1, 0.02)]
    passing[1] = np.union1d(passing[1], passing[2])  # one selection within another
    passing.append(np.zeros(0, dtype=int))  # and one that nothing passes
    roots = correlation_roots(bins, passing, 3)
    assert roots.shape == (3, 4, 4)
    for b in range(3):
        product = roots[b] @ roots[b].T
        held = [{row for row in rows if bins[row] == b} for rows in passing]
        for i, first in enumerate(held):
            for j, second in enumerate(held):
                if i == j:
                    wanted = 1.0
                elif first and second:
                    wanted = len(first & second) / np.sqrt(len(first) * len(second))
                else:
                    wanted = 0.0
                assert product[i, j] == pytest.approx(wanted, abs=1e-12)


def test_bins_of_few_events_share_a_correlation():
    rng = np.random.default_rng(1)
    counts = np.array([700, 200, 400, 30, 5, 0])  # two groups, the second with a rest
    bins = np.repeat(np.arange(6), counts)
    passing = [np.flatnonzero(rng.random(len(bins)) < 0.9) for _ in range(2)]
    roots = correlation_roots(bins, passing, 6)
    assert not np.allclose(roots[0], roots[1])
    assert all(np.array_equal(roots[1], roots[b]) for b in range(2, 6))
    first, second = (np.isin(np.arange(len(bins)), rows) & (bins > 0) for rows in passing)
    wanted = (first & second).sum() / np.sqrt(first.sum() * second.sum())
    assert (roots[1] @ roots[1].T)[0, 1] == pytest.approx(wanted)
    few = correlation_roots(bins[-5:], [np.arange(5), np.arange(3)], 6)
    assert (few == few[0]).all()
    nothing = correlation_roots(np.full(5, -1), [np.arange(5), np.arange(3)], 2)
    assert np.allclose(nothing @ nothing.transpose(0, 2, 1), np.eye(2))


def test_toys_count_as_poisson_does(monkeypatch):
    """Mean, variance and distribution of single bins of 20,000 toys, within 4.5 errors."""
    n_toys, mean = 20_000, 20_000 * shape()
    mean[-3:] = [3.0, 0.2, 0.0]
    root = np.linalg.cholesky(np.array([[1.0, 0.6], [0.6, 1.0]]))
    windows = [window(3000, 3400), window(3200, 3600)]
    cells = study_runs(windows, mean, np.tile(root, (N_BINS, 1, 1)))
    spectra = toy_spectra(cells, n_toys, monkeypatch)
    assert (np.abs(spectra.mean(axis=1) - mean) <= 4.5 * np.sqrt(mean / n_toys)).all()
    # The variance of the sample variance of Poisson counts is (mu + 2 mu^2) / n.
    spread = np.sqrt((mean + 2 * mean**2) / n_toys)
    assert (np.abs(spectra.var(axis=1) - mean) <= 4.5 * spread).all()
    counts = np.bincount(spectra[0, :, -3].astype(int), minlength=10)
    expected = n_toys * stats.poisson.pmf(np.arange(10), 3.0)
    seen, wanted = ([*c[:9], n_toys - c[:9].sum()] for c in (counts, expected))
    assert stats.chisquare(seen, wanted).pvalue > 1e-3
    # Large counts keep the copula's correlation; that of 0.2 events is smaller.
    found = [np.corrcoef(spectra[:, :, b])[0, 1] for b in range(N_BINS - 1)]
    assert np.abs(np.array(found[:-2]) - 0.6).max() < 0.025  # 4.5 errors of 0.64 / sqrt(n)
    assert 0.2 < found[-1] < 0.6
    assert abs(np.corrcoef(spectra[0, :, 0], spectra[1, :, 1])[0, 1]) < 4.5 / np.sqrt(n_toys)


def test_the_largest_of_independent_cells_is_that_of_cells_apart():
    """Four cells that share no event: the largest Z of all is distributed as the largest of four
    scans of one cell each, KS p-value above 0.001."""
    windows = [window(low, low + 400) for low in (2900, 3300, 3700, 4100)]
    mean, rng = 2e5 * shape(), np.random.default_rng(5)
    together = largest_excess_of_toys(
        study_runs(windows, mean, independent(4)), n_toys=1500, rng=rng
    )
    apart = [
        largest_excess_of_toys(study_runs([w], mean, independent(1)), n_toys=1500, rng=rng)
        for w in windows
    ]
    assert stats.ks_2samp(together, np.max(apart, axis=0)).pvalue > 0.001


def test_the_largest_of_equal_cells_is_that_of_one():
    """Without a cut all windows count the same events: the same window again adds no trial."""
    inside, mean = window(3300, 3700), 2e5 * shape()
    again, once = (
        largest_excess_of_toys(
            study_runs([inside] * n, mean, np.ones((N_BINS, n, 1))),
            n_toys=1000,
            rng=np.random.default_rng(6),
        )
        for n in (3, 1)
    )
    assert np.array_equal(again, once)
    assert stats.kstest(p_of_z(once), "uniform").pvalue > 1e-3


def test_toys_without_a_fit_claim_nothing():
    mean = np.zeros(N_BINS)
    mean[:2] = 0.5  # two bins determine no fit
    cells = study_runs([window(3300, 3700)], mean, independent(1))
    z = largest_excess_of_toys(cells, n_toys=100, rng=np.random.default_rng(7))
    assert (z == -np.inf).all()
    found = global_p(3.0, z)
    assert np.isfinite([found.p_global, found.p_global_error, found.z_global]).all()
    assert p_of_z(3.0) <= found.p_global <= 0.1


def largest_of(n_trials: int, n_toys: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_toys, n_trials)).max(axis=1)


def test_global_p_counts_toys_where_there_are_enough():
    z_toys = np.arange(1000) / 100.0
    found = global_p(5.0, z_toys)
    assert (found.p_global, found.source, found.n_toys) == (501 / 1001, "toys", 1000)
    assert found.p_global_error == pytest.approx(np.sqrt(0.25 / 1000), rel=1e-5)
    assert found.z_global == pytest.approx(0, abs=2e-3)
    assert found.z_global_error == pytest.approx(
        found.p_global_error * np.sqrt(2 * np.pi), rel=1e-5
    )
    assert global_p(9.9, z_toys).source == "toys"
    assert global_p(9.901, z_toys).source == "extrapolated"


@pytest.mark.parametrize(("z", "n_few"), [(3.0, 200), (3.5, 1000), (4.0, 1000)])
def test_the_extrapolation_agrees_with_toys_where_both_are_possible(z, n_few):
    """200,000 toys of 20 trials give it directly; a few of them extrapolate."""
    many = largest_of(20, 200_000, seed=8)
    truth = 1 - (1 - float(p_of_z(z))) ** 20
    direct = global_p(z, many)
    assert direct.source == "toys"
    assert direct.p_global == pytest.approx(truth, abs=4 * direct.p_global_error)
    found = global_p(z, many[:n_few])
    assert found.source == "extrapolated"
    # exp(-z^2 / 2) is the law of a smooth scan; p of separate trials falls faster, by z0 / z with
    # z0 near 2.8. With the error of 50 toys beyond z0, or of 10, that is 0.25 in Z.
    assert found.z_global == pytest.approx(float(z_of_p(truth)), abs=0.25)
    assert 0 < found.p_global_error < found.p_global


@pytest.mark.parametrize("n_toys", [100, 150, 1000])
def test_global_p_falls_with_z(n_toys):
    z_toys = largest_of(30, n_toys, seed=n_toys)
    p = np.array([global_p(z, z_toys).p_global for z in np.linspace(-3, 9, 500)])
    assert (np.diff(p) <= 0).all()
    assert p[0] == 1
    assert 0 < p[-1] < 1e-14


def test_few_toys_do_not_make_a_small_p_smaller():
    """Seven of 100 toys are beyond: 7%, not the 5% of the level that is extrapolated from."""
    z_toys = np.sort(largest_of(30, 100, seed=4))
    found = global_p(float(z_toys[-7]), z_toys)
    assert found.source == "extrapolated"
    assert 0.05 < found.p_global <= 0.1


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_local_z_has_its_global_z(level):
    z_toys = largest_of(15, 2000, seed=9)
    z = local_z_for(level, z_toys)
    assert z > level
    assert global_p(z, z_toys).p_global <= p_of_z(level)
    assert global_p(z - 1e-3, z_toys).p_global >= p_of_z(level)
    # Toys give steps of p; what is extrapolated is smooth.
    assert global_p(z, z_toys).z_global == pytest.approx(level, abs=0.02 if level < 3 else 1e-6)
    one_trial = np.random.default_rng(10).normal(size=100_000)
    assert local_z_for(2, one_trial) == pytest.approx(2, abs=0.03)


def pseudo_scan(rng: np.random.Generator) -> tuple[ScanTests, np.ndarray]:
    """Four windows that overlap, each with a 20% and a 4% selection, the second within the first;
    windows share half of what they select. Returns cells and (K,) Z of the pseudo-data."""
    mass = rng.choice(CENTRES, rng.poisson(40_000), p=shape())
    bins = np.searchsorted(EDGES, mass, side="right") - 1
    common, efficiency = rng.random(len(mass)), np.array([0.2, 0.04])
    windows, passing = [], []
    for low in (3000.0, 3200.0, 3400.0, 3600.0):
        own = np.where(rng.random(len(mass)) < 0.5, common, rng.random(len(mass)))
        rows = np.flatnonzero(own < 0.2)
        level = 1 + (own[rows] < 0.04)
        windows.append(
            WindowCuts(
                low, low + 400, 0.0, np.zeros(2), efficiency, efficiency / 50, mass[rows], level
            )
        )
        passing += [rows, rows[level == 2]]
    spectra = count(mass, windows, efficiency.tolist(), EDGES)
    z, mean = [], []
    for w, used in enumerate(spectra.used):
        for c in (1, 2):
            chosen = choose_fit(Spectrum(spectra.counts[w, c], EDGES), used)
            predicted = predict_chosen(chosen, EDGES, spectra.inside[w])
            z.append(float(z_values(spectra.n_inside[w, c], *predicted)))
            mean.append(chosen.fits[max(chosen.fits)].expected)
    place = np.repeat(np.arange(4), 2)
    roots = correlation_roots(bins, passing, N_BINS)
    cells = ScanTests(
        EDGES, spectra.used[place], spectra.inside[place], np.array(mean), roots, 0.05
    )
    return cells, np.array(z)


def test_without_signal_the_global_p_value_is_uniform():
    rng = np.random.default_rng(11)
    p = []
    for _ in range(120):
        cells, z = pseudo_scan(rng)
        toys = largest_excess_of_toys(cells, n_toys=100, rng=rng)
        p.append(global_p(float(z.max()), toys).p_global)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    error = np.sqrt(0.05 * 0.95 / len(p))
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 3 * error


def test_toys_are_fitted_as_the_scan_is():
    inside = window(3300, 3700)
    counts = np.random.default_rng(12).poisson(3e4 * shape()).astype(float)
    many = predict_toys(counts[None], EDGES, ~inside, inside)
    mass = np.repeat(CENTRES, counts.astype(int))
    level, share = np.ones(len(mass), dtype=int), np.array([0.1])
    own = WindowCuts(3300.0, 3700.0, 0.0, np.zeros(1), share, share / 50, mass, level)
    spectra = count(mass, [own], share.tolist(), EDGES)
    test, _ = scan.test_window(spectra, 0, 1, own, min_bins=4, alpha=0.05, limits=False)
    assert test.n_expected == pytest.approx(many.n_expected[0], rel=1e-5)
    assert test.n_expected_error == pytest.approx(many.n_expected_error[0], rel=1e-4)
