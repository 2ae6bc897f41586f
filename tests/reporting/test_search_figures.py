"""What the figures of a search show is read back from them; numbers behind them are checked."""

import numpy as np
import pytest
from scipy import stats

from anode.errors import DataError
from anode.reporting.search.calibration_figures import injection_figure, p_value_figure
from anode.reporting.search.pass_rate_figure import pass_rate_figure
from anode.reporting.search.scan_figures import LimitLine, ScanLine, limits_figure, local_p_figure
from anode.reporting.search.spectrum_figures import (
    CutSpectrum,
    best_window_figure,
    residuals,
    spectra_figure,
)
from anode.statistics.fits.dijet_function import fit_error

EDGES = np.arange(3000.0, 5001.0, 50.0)
CENTER = (EDGES[1:] + EDGES[:-1]) / 2


def dijet(mass: np.ndarray, theta: np.ndarray) -> np.ndarray:
    x = mass / 13000
    return np.exp(theta[0] + theta[1] * np.log(1 - x) + theta[2] * np.log(x))


def cut(efficiency: float = 0.01) -> CutSpectrum:
    expected = efficiency * dijet(CENTER, np.array([3.0, 8.0, -5.0]))
    counts = np.random.default_rng(1).poisson(expected).astype(float)
    used = (CENTER < 3300) | (CENTER > 3700)
    return CutSpectrum(
        efficiency, EDGES, counts, expected, 0.1 * expected, used, (3300.0, 3700.0),
        counts[~used].sum(), expected[~used].sum(), 3.0, 0.4,
    )  # fmt: skip


def test_the_band_is_the_spread_of_fits_to_toys():
    theta = np.array([3.0, 8.0, -5.0])
    expected = dijet(CENTER, theta)
    used = (CENTER < 3300) | (CENTER > 3700)
    x = CENTER / 13000
    design = np.stack([np.ones_like(x), np.log1p(-x), np.log(x)], axis=1)
    rng, fits = np.random.default_rng(3), []
    for _ in range(400):
        counts, value = rng.poisson(expected), expected
        for _ in range(8):  # Newton's steps of a Poisson likelihood
            weighted = design[used] * value[used, None]
            step = np.linalg.solve(
                design[used].T @ weighted, design[used].T @ (counts - value)[used]
            )
            value = value * np.exp(design @ step)
        fits.append(value)
    np.testing.assert_allclose(
        fit_error(expected, EDGES, used, 3), np.std(fits, axis=0), rtol=0.15
    )


def test_residuals_of_full_bins_are_gaussian_and_of_empty_ones_modest():
    found = residuals(np.array([10_300.0, 9_700.0, 1.0, 0.0]), np.array([1e4, 1e4, 0.02, 0.02]))
    np.testing.assert_allclose(found[:2], [3, -3], atol=0.05)
    np.testing.assert_allclose(found[2], stats.norm.isf(-np.expm1(-0.02)), rtol=1e-6)
    assert found[3] == 0


def test_windows_that_do_not_compete_are_hollow():
    center = np.array([3200.0, 3300.0, 3400.0])
    lines = [
        ScanLine(e, center, np.array([0.3, 1e-4, 0.2]), np.array([False, True, True]))
        for e in (1.0, 0.01)
    ]
    figure = local_p_figure(lines, {1: 2.1, 2: 3.0, 3: 3.8})
    (axes,) = figure.axes
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in hollow if len(line.get_xdata())] == [[3.2]] * 2
    text = "".join(entry.get_text() for entry in axes.texts)
    assert all(rf"global {sigma}$\sigma$" in text for sigma in (1, 2, 3))
    assert axes.get_ylim()[0] < stats.norm.sf(3.8)


def test_limits_have_a_panel_an_efficiency_and_skip_what_is_unknown():
    center = np.array([3200.0, 3300.0])
    expected = np.array([[5, 7, 10, 14, 19.0]] * 2)
    lines = [LimitLine(e, center, np.array([12.0, 9.0]), expected) for e in (1.0, 0.1, 0.01)]
    lines.append(LimitLine(0.001, center, np.full(2, np.nan), np.full((2, 5), np.nan)))
    figure = limits_figure(lines)
    assert len(figure.axes) == 3
    assert figure.axes[0].lines[1].get_ydata().tolist() == [12, 9]


def test_the_best_window_tells_its_counts():
    figure = best_window_figure(cut(), cut(1.0))
    title = figure.axes[0].get_legend().get_title().get_text()
    assert f"{cut().n_observed:.0f} observed" in title
    assert "3.3-3.7 TeV" in title
    assert len(spectra_figure([cut(1.0), cut(0.1), cut()]).axes) == 4


def test_the_pass_rate_of_a_flat_cut_is_flat():
    inclusive = np.full(len(CENTER), 10_000.0)
    figure = pass_rate_figure(EDGES, inclusive, [(0.01, 0.01 * inclusive)], (3300.0, 3700.0))
    drawn = figure.axes[1].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, 1.0)


def test_p_values_and_injections():
    p = np.random.default_rng(0).uniform(size=300)
    left, right = p_value_figure(p).axes
    assert "300 p-values" in left.texts[0].get_text()
    assert f"{np.sum(p <= 0.05)} of 300 below 0.05" in right.texts[0].get_text()
    with pytest.raises(DataError, match=r"lie in \[0, 1\]"):
        p_value_figure(np.array([0.2, 1.2]))
    injected = np.repeat([0.0, 50.0], 5)
    figure = injection_figure(injected, injected / 10, 0.8 * injected, np.full(10, 7.0))
    assert "fitted / injected = 0.80" in figure.axes[1].texts[0].get_text()


def test_nothing_to_show_is_said():
    none = np.full(1, np.nan)
    empty = ScanLine(0.1, np.array([3200.0]), none, np.array([False]))
    for figure in (
        local_p_figure([empty], {}),
        limits_figure([]),
        spectra_figure([]),
        p_value_figure(np.array([])),
        injection_figure(*[np.array([])] * 4),
    ):
        assert figure.texts
