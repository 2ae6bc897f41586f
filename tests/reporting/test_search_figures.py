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
from helpers.drawn import texts, ys

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
    assert axes.get_ylim()[0] < stats.norm.sf(3.8)


def test_local_and_global_significances_are_named_in_columns_that_do_not_touch():
    line = ScanLine(0.1, np.array([3200.0, 3300.0]), np.array([0.3, 1e-9]), np.full(2, True))
    figure = local_p_figure([line], {1: 2.9, 2: 3.6, 3: 4.2})  # the first beside local 3 sigma
    (axes,) = figure.axes
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    for place, box in enumerate(boxes):
        assert box.x0 > axes.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
    shown = [text.get_text() for text in axes.texts]
    assert shown.count(r"3$\sigma$") == 2
    assert {"local", "global"} <= set(shown)


def test_significances_that_lie_too_close_are_left_out():
    line = ScanLine(0.1, np.array([3200.0, 3300.0]), np.array([0.3, 1e-200]), np.full(2, True))
    figure = local_p_figure([line], {1: 2.9, 2: 3.6, 3: 4.2})
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_limits_have_a_panel_an_efficiency_and_skip_what_is_unknown():
    center = np.array([3200.0, 3300.0])
    expected = np.array([[5, 7, 10, 14, 19.0]] * 2)
    why = np.array([0.6, 2.4]), np.array([5, 3])
    lines = [LimitLine(e, center, np.array([12.0, 9.0]), expected, *why) for e in (1.0, 0.1, 0.01)]
    lines.append(LimitLine(0.001, center, np.full(2, np.nan), np.full((2, 5), np.nan), *why))
    figure = limits_figure(lines)
    assert len(figure.axes) == 6
    assert figure.axes[0].lines[1].get_ydata().tolist() == [12, 9]


def test_what_lifts_the_expected_limit_is_drawn_below_it():
    center = np.array([3200.0, 3300.0, 3400.0])
    expected = np.array([[5, 7, 10, 14, 19.0]] * 3)
    line = LimitLine(
        0.1, center, np.full(3, 9.0), expected, np.array([0.6, 2.4, 0.3]), np.array([5, 3, 0])
    )
    figure = limits_figure([line])
    _, below = figure.axes
    marked = {drawn.get_marker(): drawn for drawn in below.lines[1:]}
    assert len(marked) == 3
    assert [ys(drawn).tolist() for drawn in marked.values()] == [[0.3], [2.4], [0.6]]
    assert "error $\\sigma_b$ of the expected background" in texts(figure)
    assert "di-jet function, 3 parameters" in texts(figure)
    assert "template, no fit" in texts(figure)
    assert "4 parameters" not in texts(figure)


def test_the_best_window_tells_its_counts():
    figure = best_window_figure(cut(), cut(1.0))
    title = figure.axes[0].get_legend().get_title().get_text()
    assert f"{cut().n_observed:.0f} observed" in title
    assert "3.3-3.7 TeV" in title
    assert "bands: 68%, statistical error of the fit" in texts(figure)
    assert len(spectra_figure([cut(1.0), cut(0.1), cut()]).axes) == 4


def test_events_beyond_the_shown_bins_are_counted_over_the_frame():
    seen = cut(0.01)._replace(counts=np.where(CENTER < 4500, 1.0, 0.0))
    every = cut(1.0)._replace(counts=np.full(len(CENTER), 2.0))
    assert f"{2 * np.sum(CENTER > 4500)} above" in texts(best_window_figure(seen, every))
    assert "above" not in texts(best_window_figure(cut(0.01)))


def test_the_pass_rate_of_a_flat_cut_is_flat():
    inclusive = np.full(len(CENTER), 10_000.0)
    figure = pass_rate_figure(EDGES, inclusive, [(0.01, 0.01 * inclusive)], (3300.0, 3700.0))
    drawn = figure.axes[1].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, 1.0)
    shown = texts(figure)
    assert "no cut: 400,000 events above 3 TeV" in shown
    assert "68% Clopper-Pearson" in shown
    assert "flat" not in shown
    noted = pass_rate_figure(
        EDGES, inclusive, [(0.01, 0.01 * inclusive)], (3300.0, 3700.0), ["$p$ = 1"]
    )
    assert "test of a flat pass rate" in texts(noted)


def test_p_values_and_injections():
    p = np.random.default_rng(0).uniform(size=300)
    figure = p_value_figure(p)
    left, right = figure.axes
    assert "68% of uniform" in texts(figure)
    assert "300 p-values" in left.texts[0].get_text()
    assert f"{np.sum(p <= 0.05)} of 300 below 0.05" in right.texts[0].get_text()
    with pytest.raises(DataError, match=r"lie in \[0, 1\]"):
        p_value_figure(np.array([0.2, 1.2]))
    injected = np.repeat([0.0, 50.0], 5)
    figure = injection_figure(
        injected, injected / 10, 0.8 * injected, np.full(10, 7.0), cut="no cut"
    )
    for text in ("central 68% of searches", "68% error of its fit", "fitted = true"):
        assert text in texts(figure)
    assert figure.get_suptitle() == "no cut"
    assert "fitted / true = 0.80" in figure.axes[1].texts[0].get_text()


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
