"""Fits of di-jet spectra against known truths, another minimiser, and the spread of toys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from anode.errors import ConfigError, DataError
from anode.statistics.fits import dijet_function as dijet
from anode.statistics.fits.dijet_fit import (
    Spectrum,
    fit_spectrum,
    make_spectrum,
    predict,
)
from anode.statistics.fits.loglinear import fitted_counts

EDGES = np.arange(2800.0, 10_701.0, 50.0)
INSIDE = (EDGES[:-1] >= 3500) & (EDGES[1:] <= 3900)
USED = ~INSIDE


def truth(n_events: float, p3: float = 0.0, edges: np.ndarray = EDGES) -> np.ndarray:
    """Expected events of a di-jet function with three parameters, or four with ``p3``."""
    x = 0.5 * (edges[1:] + edges[:-1]) / 13_000
    shape = np.diff(edges) * (1 - x) ** 8 * x ** -(5 + p3 * np.log(x))
    return np.asarray(n_events * shape / shape.sum())


def toys(expected: np.ndarray, n_toys: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(expected, (n_toys, len(expected))).astype(float)


def test_bins_hold_events_from_their_lower_edge_on_and_others_are_left_out() -> None:
    spectrum = make_spectrum(
        np.array([99.9, 100, 199.9, 200, 249, 250]), np.array([100, 200, 250])
    )
    np.testing.assert_array_equal(spectrum.counts, [2, 2])
    np.testing.assert_array_equal(spectrum.centres, [150, 225])


@given(st.lists(st.floats(1.0, 12_999.0), max_size=50))
def test_every_event_between_the_edges_is_counted_once(mass: list[float]) -> None:
    spectrum = make_spectrum(np.array(mass, dtype=float), EDGES)
    assert spectrum.counts.sum() == sum(EDGES[0] <= m < EDGES[-1] for m in mass)


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_a_spectrum_without_fluctuations_gives_back_the_truth(n_parameters: int) -> None:
    # Rounding the tail to whole events moves the fit by 0.15 of its error: 0.2 are allowed.
    expected = truth(1e7)
    fit = fit_spectrum(Spectrum(np.round(expected), EDGES), USED, n_parameters)
    prediction = predict(fit, EDGES, INSIDE)
    assert fit.valid
    assert abs(prediction.n_expected - expected[INSIDE].sum()) < 0.2 * prediction.n_expected_error
    assert prediction.n_expected == pytest.approx(fit.expected[INSIDE].sum(), rel=1e-12)


@pytest.mark.parametrize("n_parameters", [3, 4, 5])
def test_newton_is_exact_on_expected_events(n_parameters: int) -> None:
    expected = truth(1e5)[USED]
    columns = dijet.columns(EDGES, n_parameters)[USED]
    offset = np.full(len(expected), np.log(50.0))
    np.testing.assert_allclose(fitted_counts(expected, columns, offset), expected, rtol=1e-6)


def test_minuit_agrees_with_another_minimiser_in_other_parameters() -> None:
    """SciPy's Nelder-Mead on p0 .. p3 as published, from the truth; no derivative, no basis."""
    counts = toys(truth(1e5, p3=-0.5), 1, 1)[0]
    fit = fit_spectrum(Spectrum(counts, EDGES), USED, 4)
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / 13_000

    def expected(p: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(p[0]) * (1 - x) ** p[1] * x ** -(p[2] + p[3] * np.log(x)))

    def minus_log_likelihood(p: np.ndarray) -> float:
        mu = expected(p)[USED]
        return float(np.sum(mu - counts[USED] - counts[USED] * np.log(mu / truth(1e5)[USED])))

    start = np.array([np.log(truth(1e5, p3=-0.5)[0] / expected([0, 8, 5, -0.5])[0]), 8, 5, -0.5])
    options = {"xatol": 1e-10, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000}
    best = optimize.minimize(minus_log_likelihood, start, method="Nelder-Mead", options=options)
    assert best.success
    # The valley is narrow and Nelder-Mead stops at about 1e-9 in -ln L: 1e-5 in the counts.
    np.testing.assert_allclose(expected(best.x)[:80], fit.expected[:80], rtol=1e-4)
    p = predict(fit, EDGES, INSIDE)
    assert expected(best.x)[INSIDE].sum() == pytest.approx(p.n_expected, rel=1e-5)


@pytest.mark.parametrize("n_events", [1e5, 2e4])
def test_pulls_of_the_prediction_are_standard_normal(n_events: float) -> None:
    # 500 toys: errors 0.045 of the mean and 0.032 of the width, 4 of them allowed. Poisson counts
    # add a bias of the order of the relative error (1.5% at 2e4 events), within that. The shape by
    # Kolmogorov-Smirnov at 1e-3.
    expected = truth(n_events, p3=-0.5)
    fits = [fit_spectrum(Spectrum(row, EDGES), USED, 5) for row in toys(expected, 500, 3)]
    found = np.array([predict(fit, EDGES, INSIDE) for fit in fits])
    pull = (found[:, 0] - expected[INSIDE].sum()) / found[:, 1]
    assert abs(pull.mean()) < 4 * 0.045
    assert abs(pull.std() - 1) < 4 * 0.032
    assert stats.kstest(pull, "norm").pvalue > 1e-3


def test_goodness_of_fit_is_uniform_for_the_true_function_and_small_for_a_wrong_one() -> None:
    # 150 toys of 1e5 events; Kolmogorov-Smirnov at 1e-3.
    counts = toys(truth(1e5), 150, 5)
    p_values = [fit_spectrum(Spectrum(row, EDGES), USED, 3).p_value for row in counts]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    step = np.round(truth(1e6) * np.where(EDGES[:-1] < 4500, 1.0, 1.2))
    assert fit_spectrum(Spectrum(step, EDGES), USED, 3).p_value < 1e-10


def test_deviance_counts_every_bin_and_p_value_only_merged_ones() -> None:
    counts = toys(truth(300), 1, 6)[0]
    fit = fit_spectrum(Spectrum(counts, EDGES), USED, 3)
    mu, n = fit.expected[USED], counts[USED]
    likelihood = stats.poisson.logpmf(n, mu).sum() - stats.poisson.logpmf(n, n).sum()
    assert fit.deviance == pytest.approx(-2 * likelihood, rel=1e-9)
    assert fit.ndf == USED.sum() - 3
    assert fit.deviance < 0.6 * fit.ndf  # chi2 of 147 would do so once in 1e5
    assert fit.p_value > 1e-3


def test_merging_keeps_all_events_and_expects_five_in_each_group() -> None:
    counts = np.array([[3.0, 4, 1, 0, 2, 1], [7, 6, 0, 0, 0, 0]])
    expected = np.array([[6.0, 3, 2, 4, 1, 1], [1, 1, 1, 1, 1, 0.5]])
    value, n_merged = dijet.merged_deviance(counts, expected)
    # by hand: groups 6 | 3 + 2 | 4 + 1 + 1 (what is left joins), and one group of everything
    groups = np.array([3.0, 5, 3]), np.array([6.0, 5, 6])
    np.testing.assert_array_equal(n_merged, [3, 1])
    np.testing.assert_allclose(value[0], dijet.deviance(*groups))
    np.testing.assert_allclose(value[1], dijet.deviance(np.array([13.0]), np.array([5.5])))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_fit_conserves_events_and_ignores_the_window(seed: int) -> None:
    """The constant among the g_k makes the sum of mu over the fitted bins that of n."""
    counts = toys(truth(3000), 1, seed)[0]
    fit = fit_spectrum(Spectrum(counts, EDGES), USED, 3)
    assert fit.expected[USED].sum() == pytest.approx(counts[USED].sum(), rel=1e-8)
    full = fit_spectrum(Spectrum(np.where(INSIDE, 1e6, counts), EDGES), USED, 3)
    np.testing.assert_array_equal(fit.expected, full.expected)


def test_bins_may_have_any_width_and_a_fit_predicts_in_other_bins() -> None:
    # Counts without fluctuations: unequal bins give the truth to the 0.1% of bin centres.
    edges = np.concatenate([np.arange(2800, 5000, 25.0), np.arange(5000, 9001, 100.0)])
    fit = fit_spectrum(
        Spectrum(np.round(truth(1e7, edges=edges)), edges), np.ones(len(edges) - 1, bool), 3
    )
    halves = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    inside = (halves[:-1] >= 3500) & (halves[1:] <= 3900)
    expected = truth(1e7, edges=edges)[(edges[:-1] >= 3500) & (edges[1:] <= 3900)].sum()
    assert predict(fit, halves, inside).n_expected == pytest.approx(expected, rel=1e-3)


def with_count(value: float) -> Spectrum:
    counts = np.ones(len(USED))
    counts[7] = value
    return Spectrum(counts, EDGES)


@pytest.mark.parametrize("value", [-1.0, 0.5, np.nan, np.inf])
def test_counts_that_are_no_counts_are_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"whole numbers.*weighted events.*bin 7"):
        fit_spectrum(with_count(value), USED, 3)


@pytest.mark.parametrize("filled", [0, 1, 3])
def test_spectra_with_next_to_no_events_are_refused(filled: int) -> None:
    counts = np.zeros(len(USED))
    counts[:filled] = 1
    with pytest.raises(DataError, match=rf"{filled} events in {filled} of 150 bins; loosen"):
        fit_spectrum(Spectrum(counts, EDGES), USED, 3)


@pytest.mark.parametrize(
    ("edges", "what"),
    [
        ([2800.0, 14_000.0], "sqrt"),
        ([0.0, 100.0], "between 0"),
        ([3000.0, 2900.0], "rise strictly"),
        ([3000.0], "at least two"),
        ([3000.0, np.nan], "finite"),
    ],
)
def test_edges_outside_the_function_are_refused(edges: list[float], what: str) -> None:
    with pytest.raises(DataError, match=what):
        make_spectrum(np.array([2900.0]), np.array(edges))


@pytest.mark.parametrize("mass", [[13_000.0], [np.nan], [[3000.0]]])
def test_impossible_masses_are_refused(mass: list[float]) -> None:
    with pytest.raises(DataError, match="below sqrt"):
        make_spectrum(np.array(mass), EDGES)


def test_masks_and_options_out_of_their_range_are_refused() -> None:
    spectrum = with_count(1)
    with pytest.raises(DataError, match="True or False"):
        fit_spectrum(spectrum, USED.astype(float), 3)
    with pytest.raises(DataError, match="at least one"):
        fit_spectrum(spectrum, np.zeros_like(USED), 3)
    with pytest.raises(DataError, match="one count for each bin"):
        fit_spectrum(Spectrum(spectrum.counts[1:], EDGES), USED, 3)
    with pytest.raises(ConfigError):
        fit_spectrum(spectrum, USED, 6)
