"""The signed root of a resonance in many spectra: against another minimiser, and its toys."""

import numpy as np
import pytest
from scipy import optimize, stats

from anode.statistics.fits.dijet_function import columns
from anode.statistics.fits.root_calibration import NO_CALIBRATION, calibrate_root
from anode.statistics.fits.signal_toys import SignalModel, influence, signal_roots

EDGES = np.arange(2550.0, 8001.0, 50.0)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
INSIDE = abs(CENTRES - 3500) < 200
EVERYWHERE = np.ones(len(CENTRES), dtype=bool)


def smooth(n_events: float) -> np.ndarray:
    x = CENTRES / 13_000
    shape = (1 - x) ** 9 * x**-5.5
    return np.asarray(n_events * shape / shape.sum())


def peak(mass: float = 3500.0) -> np.ndarray:
    return np.diff(stats.norm.cdf((EDGES - mass) / (0.04 * mass)))


def model(window_error: float = 0.0) -> SignalModel:
    return SignalModel(EDGES, EVERYWHERE, INSIDE, peak(), window_error)


def by_minimising(counts: np.ndarray, window_error: float) -> float:
    """The root of one excess, by a minimiser that knows no derivative."""
    basis = columns(EDGES, 5)
    basis = basis @ np.linalg.inv(np.linalg.qr(np.sqrt(counts + 1)[:, None] * basis, mode="r"))
    start = np.linalg.lstsq(basis * 30, 30 * np.log(counts + 0.5), rcond=None)[0]

    def minus_log_l(values: np.ndarray, s: float | None) -> float:
        theta, delta = values[:5], values[5] if window_error else 0.0
        signal = values[-1] if s is None else s
        mu = np.exp(basis @ theta + window_error * delta * INSIDE) + signal * peak()
        if (mu <= 0).any():
            return 1e12
        return float((mu - counts * np.log(mu)).sum() + 0.5 * delta**2)

    first = np.append(start, [0.0] if window_error else [])
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 60_000, "maxfev": 60_000}
    values = []
    for given, x in ((0.0, first), (None, np.append(first, 50.0))):
        for _ in range(4):
            found = optimize.minimize(
                minus_log_l, x, args=(given,), method="Nelder-Mead", options=options
            )
            x = found.x
        values.append(found.fun)
    return float(np.sqrt(2 * (values[0] - values[1])))


@pytest.mark.parametrize("window_error", [0.0, 0.1])
def test_the_root_is_that_of_another_minimiser(window_error: float) -> None:
    # Both minimise the same function: 2e-3 is what Nelder-Mead leaves.
    counts = np.random.default_rng(1).poisson(smooth(3800) + 200 * peak()).astype(float)
    root = signal_roots(counts[None], model(window_error)).z[0]
    assert root == pytest.approx(by_minimising(counts, window_error), abs=2e-3)
    assert root > 3


def test_a_spectrum_without_fluctuations_gives_back_the_signal() -> None:
    counts = np.stack([smooth(1e5), smooth(1e5) + 400 * peak(), smooth(1e5) - 100 * peak()])
    found = signal_roots(counts, model())
    np.testing.assert_allclose(found.strength, [0.0, 400.0, -100.0], atol=2.0)
    assert abs(found.z[0]) < 0.01
    np.testing.assert_allclose(found.background[0], smooth(1e5), rtol=1e-6)
    # The strength over its error, and the root, agree for a small signal.
    assert found.z[1] == pytest.approx(400 / found.error[1], rel=0.03)
    assert found.z[2] == pytest.approx(-100 / found.error[2], rel=0.03)


@pytest.mark.parametrize("window_error", [0.0, 0.03])
def test_without_signal_the_root_of_many_events_is_normal(window_error: float) -> None:
    # 4000 toys of 300,000 events: errors 0.016 of the mean and 0.011 of the spread, 4 allowed.
    rng = np.random.default_rng(2)
    delta = np.where(INSIDE, rng.normal(scale=window_error, size=(4000, 1)), 0.0)
    z = signal_roots(rng.poisson(smooth(3e5) * np.exp(delta)), model(window_error)).z
    assert abs(z.mean()) < 0.064
    assert abs(z.std() - 1) < 0.044
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_counts_that_move_together_are_no_signal() -> None:
    """Ignored, a 3% spread of the window's counts makes the root of 300,000 events too wide."""
    rng = np.random.default_rng(3)
    delta = np.where(INSIDE, rng.normal(scale=0.03, size=(1000, 1)), 0.0)
    counts = rng.poisson(smooth(3e5) * np.exp(delta))
    assert signal_roots(counts, model()).z.std() > 2
    assert signal_roots(counts, model(0.03)).z.std() < 1.1


def test_a_fitted_strength_has_no_bias_and_the_right_error() -> None:
    # 2000 toys: the mean to 1.5 of its error of 0.022 sigma more than the 0.05 of small counts.
    rng = np.random.default_rng(4)
    found = signal_roots(rng.poisson(smooth(3800) + 150 * peak(), (2000, len(CENTRES))), model())
    pull = (found.strength - 150) / found.error
    assert abs(pull.mean()) < 0.15
    assert 0.95 < pull.std() < 1.15  # the error is that at s = 0, smaller than at 150


def test_too_few_bins_with_events_have_no_root() -> None:
    counts = np.zeros((2, len(CENTRES)))
    counts[0, :4] = 5
    counts[1] = np.random.default_rng(5).poisson(smooth(500))
    found = signal_roots(counts, model())
    assert np.isnan(found.z[0])
    assert np.isnan(found.background[0]).all()
    assert np.isfinite(found.z[1])


def test_roots_do_not_depend_on_the_other_spectra() -> None:
    counts = np.random.default_rng(6).poisson(smooth(5000), (20, len(CENTRES))).astype(float)
    together = signal_roots(counts, model()).z
    alone = np.concatenate([signal_roots(row[None], model()).z for row in counts])
    np.testing.assert_allclose(together, alone, atol=2e-4)


@pytest.mark.parametrize("window_error", [0.0, 0.05])
def test_the_root_is_linear_in_small_fluctuations(window_error: float) -> None:
    mean, small = smooth(1e6), np.random.default_rng(7).normal(size=len(CENTRES))
    small *= 0.02 * np.sqrt(mean)
    a = influence(mean, model(window_error))
    linear = a @ small / np.sqrt(signal_roots(mean[None], model(window_error)).error[0] ** -2)
    found = signal_roots((mean + small)[None], model(window_error)).z[0]
    assert found == pytest.approx(linear, rel=0.02, abs=1e-4)


@pytest.mark.parametrize("n_events", [400, 1500])
def test_calibrated_roots_of_few_events_are_normal(n_events: int) -> None:
    """On other toys of the same mean: 20,000 have errors of 0.007 and 0.005; the calibration's
    4000 have 0.016 and 0.011: four of both together."""
    mean = smooth(n_events)
    calibration = calibrate_root(mean, model(), np.random.default_rng(8))
    z = signal_roots(np.random.default_rng(9).poisson(mean, (20_000, len(mean))), model()).z
    assert abs(z.mean()) > 0.08  # what there is to calibrate
    z = calibration(z)
    assert abs(z.mean()) < 0.07
    assert abs(z.std() - 1) < 0.05
    for level in (1.645, 2.326):
        p = stats.norm.sf(level)
        assert np.mean(z > level) == pytest.approx(p, abs=4 * np.sqrt(p / 4000))


def test_a_calibration_rises_and_keeps_its_last_shift() -> None:
    calibration = calibrate_root(smooth(500), model(), np.random.default_rng(10))
    z = np.linspace(-6, 9, 400)
    assert (np.diff(calibration(z)) > 0).all()
    assert calibration(np.array(9.0)) - calibration(np.array(8.0)) == pytest.approx(1.0)
    assert np.isnan(calibration(np.array([np.nan]))).all()


def test_many_events_need_no_calibration() -> None:
    assert calibrate_root(smooth(1e5), model(), np.random.default_rng(11)) is NO_CALIBRATION
    np.testing.assert_array_equal(NO_CALIBRATION(np.array([1.0, -3.0])), [1.0, -3.0])
