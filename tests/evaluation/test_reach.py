"""Global significances, shares and the strength at which half is found, against known answers."""

import numpy as np
import pytest
from scipy import stats

from anode.evaluation.reach import (
    LOWEST,
    Experiment,
    ReachTable,
    best_z,
    global_z,
    half_found,
    share_found,
)


def experiment(strength: float, seed: int, z: float | None, **changes) -> Experiment:
    values = {"signal": "x", "variant": "anode", "z_inclusive": 0.0, "cpu_seconds": 1.0}
    values |= {"n_injected": 10, "n_signal": 8, "n_background": 10_000}
    return Experiment(**{**values, **changes}, strength=strength, seed=seed, z_local=z)


def test_global_z_is_that_of_the_largest_of_independent_windows():
    largest = np.random.default_rng(1).normal(size=(400_000, 28)).max(axis=1)
    for z in (1.5, 2.5, 3.0, 3.5):
        p = np.mean(largest >= z)
        error = np.sqrt(p * (1 - p) / len(largest))
        assert stats.norm.sf(global_z(z, 28)) == pytest.approx(p, abs=4 * error)


def test_global_z_of_one_window_is_local_and_every_z_has_a_finite_one():
    for z in (-3.0, 0.0, 1.0, 8.0, 20.0):
        assert global_z(z, 1) == pytest.approx(z, abs=1e-9)
    many = [global_z(z, 28) for z in np.linspace(-40, 40, 161)]
    assert np.all(np.isfinite(many))
    assert np.all(np.diff(many) >= 0)
    assert min(many) == LOWEST
    assert global_z(None, 28) == global_z(0.0, 28)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (10, 20)])
def test_share_found_has_the_interval_of_clopper_and_pearson(k, n):
    found = share_found([5.0] * k + [1.0] * (n - k), 3.0)
    interval = stats.binomtest(k, n).proportion_ci(0.68269, method="exact")
    assert found.median == k / n
    assert found.low == pytest.approx(interval.low, abs=1e-4) or k == 0
    assert found.high == pytest.approx(interval.high, abs=1e-4) or k == n
    assert 0 <= found.low <= found.median <= found.high <= 1


def test_half_is_found_where_the_median_crosses_the_level():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=200)
    strengths = (0.5, 1.0, 1.5, 2.0)
    # Z = 4 s + noise of the seed: 5 sigma at 1.25, and the same noise at all strengths
    z = {s: {seed: 4 * s + n for seed, n in enumerate(noise)} for s in strengths}
    found = half_found(z, 5.0, rng)
    true = (5 - np.median(noise)) / 4
    assert found.strength == pytest.approx(true, abs=1e-9)
    spread = 1.2533 / np.sqrt(200) / 4  # of a median of normal numbers
    assert (found.high - found.low) / 2 == pytest.approx(spread, rel=0.3)


def test_seeds_that_a_strength_lacks_leave_its_median_to_the_others():
    z = {1.0: {1: 1.0, 2: 2.0, 3: 3.0}, 2.0: {1: 5.0, 2: 4.0, 3: 6.0, 4: 9.0, 5: 4.0}}
    found = half_found(z, 3.5, np.random.default_rng(1))
    assert found.strength == pytest.approx(1.5)  # medians 2 and 5
    alone = half_found({1.0: z[1.0], 2.0: {4: 5.0}}, 3.5, np.random.default_rng(1))
    assert alone.strength == pytest.approx(1.5)
    assert 1.0 < alone.low <= 1.5 <= alone.high < 2.0


def test_half_is_not_guessed_outside_the_strengths():
    z = {1.0: {1: 6.0, 2: 7.0}, 2.0: {1: 8.0, 2: 9.0}}
    below = half_found(z, 3.0, np.random.default_rng(1))
    assert (below.strength, below.outside) == (None, "below")
    above = half_found(z, 10.0, np.random.default_rng(1))
    assert (above.strength, above.high, str(above)) == (None, None, "above all")


def test_a_median_that_falls_again_counts_from_where_it_stays_above():
    z = {1.0: {1: 4.0}, 2.0: {1: 2.0}, 3.0: {1: 4.0}}
    assert half_found(z, 3.0, np.random.default_rng(1)).strength == pytest.approx(2.5)


def test_a_window_that_could_not_be_tested_counts_as_not_found():
    table = ReachTable((experiment(1.0, 1, None), experiment(2.0, 1, 9.0)), 28)
    assert table.z("x", "anode")[1.0] == [global_z(0.0, 28)]
    half = table.half("x", "anode", 3.0)
    assert half is not None
    assert 1.0 < half.strength < 2.0


def test_the_best_z_of_weak_signals_is_sic_times_strength():
    # one category in all: Z -> SIC S/sqrt(B) as S -> 0; categories of equal purity add in squares
    assert best_z(0.01, 10**8, {0.01: 0.4}) == pytest.approx(0.01 * 0.4 / 0.1, rel=1e-3)
    assert best_z(0.01, 10**8, {1.0: 1.0, 0.1: 0.1}) == pytest.approx(0.01, rel=1e-3)
    split = best_z(1.0, 50_000, {0.1: 0.8, 0.01: 0.5})
    parts = (best_z(1.0, 50_000, {0.01: 0.5}), _counted(0.3, 0.09, 50_000))
    assert split == pytest.approx(np.hypot(*parts), rel=1e-9)


def _counted(signal_share: float, background_share: float, n: int) -> float:
    s, b = signal_share * np.sqrt(n), background_share * n
    return float(np.sqrt(2 * ((s + b) * np.log(1 + s / b) - s)))
