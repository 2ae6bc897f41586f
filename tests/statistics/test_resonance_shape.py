"""Shapes have area one, move as told, interpolate, and describe masses that made them."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from anode.errors import DataError
from anode.pipeline.search.signal_shape import read_shape
from anode.statistics.signal.resonance_shape import BinnedShape, CrystalBall, CrystalBallShape
from anode.statistics.signal.shape_fit import fit_crystal_ball, fit_shape

BALL = CrystalBall(1.002, 0.031, 0.75, 12.0, 1.2, 4.6)
EDGES = np.arange(2000.0, 6001.0, 50.0)


def drawn(ball: CrystalBall, n_events: int, seed: int) -> np.ndarray:
    """Values of m / M, by the inverse of a fine cumulative distribution."""
    x = np.linspace(0.0, 3.0, 30_001)
    return np.interp(np.random.default_rng(seed).uniform(size=n_events), ball.cumulative(x), x)


def test_cumulative_distribution_is_the_integral_of_the_density():
    x = np.array([0.6, 0.9, 0.97, 1.0, 1.03, 1.1, 1.6])
    for low, high in itertools.pairwise(x):
        area, _ = integrate.quad(lambda v: np.exp(BALL.log_density(np.array(v))), low, high)
        assert np.diff(BALL.cumulative(np.array([low, high])))[0] == pytest.approx(area, rel=1e-6)
    assert BALL.cumulative(np.array([-1e9, 1e9])) == pytest.approx([0, 1], abs=1e-9)


def test_without_tails_it_is_a_gaussian():
    gaussian = CrystalBall(1.0, 0.04, 6.0, 50.0, 6.0, 50.0)
    x = np.linspace(0.9, 1.1, 21)
    assert gaussian.cumulative(x) == pytest.approx(stats.norm.cdf(x, 1.0, 0.04), abs=1e-8)


def test_fractions_move_with_scale_and_widen_with_resolution_about_the_peak():
    shape = CrystalBallShape((3500.0,), (BALL,))
    fine = np.arange(1000.0, 9000.0, 1.0)
    middle = fine[:-1] + 0.5

    def moments(**changed: float) -> tuple[float, float]:
        f = shape.fractions(fine, 3500.0, **changed)
        median = float(np.interp(0.5, np.cumsum(f) / f.sum(), middle))
        return median, float((f * np.minimum(abs(middle - median), 800)).sum())

    median, width = moments()
    assert moments(scale=0.01)[0] == pytest.approx(1.01 * median, abs=1)
    assert moments(width=0.1)[0] == pytest.approx(median, abs=3)
    assert moments(width=0.1)[1] == pytest.approx(1.1 * width, rel=0.01)
    varied = shape.varied(EDGES, 3500.0, scale_error=0.01, width_error=0.1)
    up = shape.fractions(EDGES, 3500.0, scale=0.01)
    assert varied.nominal + varied.scale + varied.scale_bend == pytest.approx(up, abs=1e-12)
    down = varied.nominal - varied.scale + varied.scale_bend
    assert down == pytest.approx(shape.fractions(EDGES, 3500.0, scale=-0.01), abs=1e-12)
    assert varied.scale.sum() == pytest.approx(0, abs=1e-3)
    assert varied.width.sum() == pytest.approx(0, abs=1e-3)
    assert varied.width[EDGES[:-1] == 3500.0] < 0  # the peak sinks


def test_parameters_are_interpolated_and_held_outside():
    other = BALL._replace(width=0.021, power_low=6.0)
    shape = CrystalBallShape((3000.0, 4000.0), (BALL, other))
    assert shape.at(3250.0).width == pytest.approx(0.0285)
    assert shape.at(3500.0).power_low == pytest.approx(9.0)
    assert shape.at(1000.0) == pytest.approx(BALL)
    assert shape.at(9000.0) == pytest.approx(other)


def test_fit_finds_the_crystal_ball_that_made_the_masses():
    fit = fit_crystal_ball(drawn(BALL, 20_000, 1))
    assert fit.shape.mean == pytest.approx(BALL.mean, abs=0.002)
    assert fit.shape.width == pytest.approx(BALL.width, rel=0.1)
    x = np.linspace(0.5, 1.5, 101)  # tails trade alpha for power: compare what they make
    assert fit.shape.cumulative(x) == pytest.approx(BALL.cumulative(x), abs=0.008)
    assert stats.chi2.sf(fit.chi2, fit.ndf) > 1e-3
    assert fit.ks_p_value > 0.05
    wrong = fit_crystal_ball(np.random.default_rng(2).uniform(0.8, 1.2, 5000))
    assert wrong.chi2 > 10 * wrong.ndf


def test_a_mass_left_out_is_predicted_by_its_neighbours():
    """Of smoothly varying resonances, as strengths see it: fractions upon a falling spectrum."""
    samples = {
        mass: mass * drawn(BALL._replace(width=0.031 * (3500 / mass) ** 0.3), 20_000, int(mass))
        for mass in (3000.0, 3500.0, 4000.0)
    }
    neighbours = fit_shape({m: samples[m] for m in (3000.0, 4000.0)})
    found = neighbours.fractions(EDGES, 3500.0)
    true = np.histogram(samples[3500.0], EDGES)[0] / 20_000
    weight = np.exp(EDGES[:-1] / 600)
    assert (weight * found * true).sum() / (weight * found**2).sum() == pytest.approx(1, abs=0.03)
    assert np.abs(found - true).max() < 0.06 * true.max()


def test_generated_wprime_is_narrow_and_on_its_mass():
    shape = read_shape("wprime")
    for mass in (2800.0, 3500.0, 4300.0, 5500.0, 7000.0):
        edges = mass * np.array([0.2, 0.9, 1.1, 1.8])
        below, inside, above = shape.fractions(edges, mass)
        assert inside > 0.85
        assert below < 0.09
        assert above < 0.09


def test_a_histogram_is_a_shape():
    shape = BinnedShape((0.8, 0.9, 1.0, 1.1), (1.0, 2.0, 1.0))
    edges = 2000 * np.array([0.8, 0.85, 0.95, 1.1])
    assert shape.fractions(edges, 2000.0) == pytest.approx([0.125, 0.375, 0.5])
    assert shape.fractions(edges * 1.01, 2000.0, scale=0.01) == pytest.approx([0.125, 0.375, 0.5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrystalBallShape((), ()), "one crystal ball for each mass"),
        (lambda: CrystalBallShape((4000.0, 3000.0), (BALL, BALL)), "rise"),
        (
            lambda: CrystalBallShape((3e3,), (BALL._replace(power_low=0.9),)),
            "power_low .* above 1",
        ),
        (lambda: CrystalBallShape((3e3,), (BALL._replace(width=-1.0),)), "width .* above 0"),
        (lambda: BinnedShape((0.9, 1.1), (1.0, 2.0)), "one edge more"),
        (lambda: BinnedShape((1.1, 0.9), (1.0,)), "rise"),
        (lambda: BinnedShape((0.9, 1.1), (-1.0,)), "none negative"),
        (lambda: BinnedShape((3300.0, 3700.0), (1.0,)), "divide its edges"),
        (lambda: fit_crystal_ball(np.ones(5)), "at least 100"),
        (lambda: CrystalBallShape((3e3,), (BALL,)).fractions(EDGES, -1.0), "mass above 0"),
    ],
)
def test_impossible_shapes_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
