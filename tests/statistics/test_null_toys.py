"""Toys of a known background have Z of mean 0 and spread 1; cuts let pass what is known."""

import numpy as np
import pytest
from scipy import stats

from anode.seeding import stream
from anode.statistics.calibration.cut_toys import cut_ratio
from anode.statistics.calibration.null_toys import combined_null_z, null_z, tail_fraction
from anode.statistics.signal.resonance_shape import CrystalBall, CrystalBallShape

SHAPE = CrystalBallShape((3500.0,), (CrystalBall(1.0, 0.04, 6.0, 5.0, 6.0, 5.0),))

EDGES = np.arange(2800.0, 8001.0, 50.0)


def background(n):
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / 13_000
    shape = (1 - x) ** 10 * x**-5.0
    return n * shape / shape.sum()


def test_z_of_a_true_di_jet_function_is_standard_normal():
    z = null_z(background(1e5), EDGES, (3400.0, 3800.0), 5000, stream(1, "z"), shape=SHAPE)
    assert len(z) == 5000
    assert z.mean() == pytest.approx(0, abs=0.06)
    assert z.std() == pytest.approx(1, abs=0.04)
    assert stats.kstest(z, "norm").pvalue > 0.001


def test_categories_together_are_standard_normal_too():
    means = np.array([background(n) for n in (3e4, 3e3, 3e2)])
    z = combined_null_z(means, EDGES, (3400.0, 3800.0), 2000, stream(5, "z"), shape=SHAPE)
    assert z.mean() == pytest.approx(0, abs=0.12)
    assert z.std() == pytest.approx(1, abs=0.06)


def test_a_bump_in_the_truth_shows_in_z():
    mean = background(1e5)
    bump = (EDGES[:-1] >= 3400) & (EDGES[1:] <= 3800)
    mean[bump] *= 1 + 3 / np.sqrt(mean[bump].sum())
    z = null_z(mean, EDGES, (3400.0, 3800.0), 500, stream(2, "z"), shape=SHAPE)
    assert 1.5 < z.mean() < 3.2


def test_the_tail_of_normal_numbers_is_found():
    tail = tail_fraction(stream(3, "z").normal(size=100_000), 2.0)
    assert tail.fraction == pytest.approx(stats.norm.sf(2), abs=4 * tail.error)
    assert tail.n == 100_000


def test_the_ratio_of_a_cut_has_a_small_error():
    found = cut_ratio(20, 2000, stream(4, "cuts"))
    assert 0.95 < found.ratio < 1.1
    assert 0.001 < found.error < 0.02
