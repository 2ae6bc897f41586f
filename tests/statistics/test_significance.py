"""Significances of counts against toys, exact tails, pyhf, and the laws that they must obey."""

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from anode.errors import DataError
from anode.statistics.counting.significance import (
    local_p_values,
    local_significance,
    p_of_z,
    q0,
    randomised_p_values,
    z_of_p,
)

BACKGROUND = st.floats(0.1, 1e4)
RELATIVE_ERROR = st.floats(0.0, 0.5)


def q0_of_any_background(n: np.ndarray, b: np.ndarray, sigma: float) -> np.ndarray:
    """-2 ln of the ratio of likelihoods; toys may expect b < 0 but their b' is >= 0."""

    def minus_two_log(true: np.ndarray, total: np.ndarray) -> np.ndarray:
        return np.asarray(((b - true) / sigma) ** 2 - 2 * (special.xlogy(n, total) - total))

    half = (b - sigma**2) / 2
    null, free = half + np.sqrt(half**2 + n * sigma**2), np.maximum(b, 0)
    ratio = minus_two_log(null, null) - minus_two_log(free, n)
    return np.asarray(np.sign(n - free) * ratio)


@given(st.floats(-8, 37))
def test_z_and_p_are_inverse(z: float) -> None:
    # Near p = 1 digits of 1 - p are lost: 1e-16 / density there.
    assert z_of_p(p_of_z(z)) == pytest.approx(z, abs=1e-9 + 1e-15 / stats.norm.pdf(min(z, 0)))


def test_five_sigma_is_the_published_p_value() -> None:
    assert p_of_z(5.0) == pytest.approx(2.866515718791939e-07, rel=1e-12)


@given(st.integers(0, 10_000), BACKGROUND, RELATIVE_ERROR)
def test_q0_rises_with_the_count_and_has_the_sign_of_the_excess(
    n: int, b: float, relative: float
) -> None:
    lower, upper = q0(np.array([n, n + 1]), b, relative * b)
    assert lower < upper
    assert np.sign(lower) == np.sign(n - b) or abs(n - b) < 1e-6 * b


@given(st.integers(0, 1000), BACKGROUND, RELATIVE_ERROR)
def test_an_error_of_the_background_never_makes_an_excess_more_significant(
    n: int, b: float, relative: float
) -> None:
    known, uncertain = q0(n, b, np.array([0.0, relative * b]))
    assert abs(uncertain) <= abs(known) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("n", [0, 1, 7, 100, 12_345])
@pytest.mark.parametrize("b", [0.3, 10.0, 9000.0])
def test_a_vanishing_error_gives_the_formula_of_a_known_background(n: int, b: float) -> None:
    expected = np.sign(n - b) * 2 * (special.xlogy(n, n / b) - n + b)
    assert q0(n, b, 0.0) == pytest.approx(expected, rel=1e-12)
    for relative in (1e-6, 1e-12, 1e-20, 1e-200):
        assert q0(n, b, relative * b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "b", "sigma"), [(12, 5.0, 2.0), (0, 5.0, 1.0), (3, 9.0, 4.0), (7, 0.5, 2.0)]
)
def test_the_profiled_background_is_the_one_of_highest_likelihood(
    n: int, b: float, sigma: float
) -> None:
    def minus_two_log(background: float) -> float:
        poisson = special.xlogy(n, background) - background
        return float((b - background) ** 2 / sigma**2 - 2 * poisson)

    bounds = (1e-9, b + n + 10 * sigma)
    best = optimize.minimize_scalar(minus_two_log, bounds=bounds, options={"xatol": 1e-10})
    free = -2 * (special.xlogy(n, n) - n)  # s = n - b, b' = b
    assert abs(q0(n, b, sigma)) == pytest.approx(best.fun - free, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "b", "sigma"), [(1100, 1000.0, 20.0), (260, 200.0, 10.0), (5300, 5000.0, 60.0)]
)
@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_pyhf_agrees_at_high_counts(n: int, b: float, sigma: float) -> None:
    # pyhf constrains b by a count in a control region, not by a Gaussian: Z within 3%.
    model = pyhf.simplemodels.uncorrelated_background(
        signal=[1.0], bkg=[b], bkg_uncertainty=[sigma]
    )
    model.config.par_map["mu"]["paramset"].suggested_bounds = [(0.0, 10.0 * n)]
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, float(n))
    data = [float(n), *model.config.auxdata]
    p = float(pyhf.infer.hypotest(0.0, data, model, par_bounds=bounds, test_stat="q0"))
    assert z_of_p(local_p_values(n, b, sigma)) == pytest.approx(float(z_of_p(p)), rel=0.03)


@pytest.mark.parametrize(
    ("n", "b", "sigma"),
    [(3, 1.0, 0.3), (10, 4.0, 1.0), (0, 1.0, 0.5), (2, 0.5, 2.0), (5, 0.0, 1.0), (9, 20.0, 5.0)],
)
def test_few_events_give_the_p_value_of_toys(n: int, b: float, sigma: float) -> None:
    """Toys of the same parametric bootstrap; 4 binomial errors of 200,000 allowed."""
    rng = np.random.default_rng(1)
    result = local_significance(n, b, sigma)
    assert result.source == "exact"
    half = (b - sigma**2) / 2
    profiled = half + np.sqrt(half**2 + n * sigma**2)
    toy_b = profiled + sigma * rng.normal(size=200_000)
    toy_n = rng.poisson(profiled, toy_b.shape)
    beats = q0_of_any_background(toy_n, toy_b, sigma) >= q0(n, b, sigma)
    p = beats.mean()
    assert abs(p - result.p_local) < 4 * np.sqrt(p * (1 - p) / len(toy_b))
    assert result.z_local == pytest.approx(float(z_of_p(result.p_local)), abs=1e-9)


@pytest.mark.parametrize("n", [0, 1, 3, 12])
@pytest.mark.parametrize("b", [0.2, 1.0, 6.5])
def test_few_events_over_a_known_background_give_the_poisson_tail(n: int, b: float) -> None:
    assert local_significance(n, b, 0.0).p_local == pytest.approx(stats.poisson.sf(n - 1, b))


@pytest.mark.parametrize(
    ("n", "b", "sigma"), [(10, 4.0, 1.0), (6, 2.0, 0.4), (25, 10.0, 2.0), (30, 20.0, 2.0)]
)
def test_few_events_agree_with_the_exact_ratio_of_poisson_means(
    n: int, b: float, sigma: float
) -> None:
    """The control region's p-value [physics/0702156, eq. 14] with and without the tie.

    It is discrete, ours is not: ours must lie between P(> n) and P(>= n) given n + n_off.
    """
    n_off, fraction = (b / sigma) ** 2, 1 / (1 + b / sigma**2)
    at_least = special.betainc(n, n_off + 1, fraction)
    above = special.betainc(n + 1, n_off, fraction)
    assert above < local_significance(n, b, sigma).p_local < at_least


def test_the_source_changes_at_the_threshold_without_a_jump() -> None:
    # At 25 +- 4 expected, 45 seen: asymptotic and exact Z differ by less than 0.05.
    exact = local_significance(45, 25.0, 4.0, small=26.0)
    asymptotic = local_significance(45, 25.0, 4.0)
    assert (exact.source, asymptotic.source) == ("exact", "asymptotic")
    assert exact.z_local == pytest.approx(asymptotic.z_local, abs=0.05)


@pytest.mark.parametrize(("b", "sigma"), [(0.5, 0.0), (3.0, 1.0), (20.0, 6.0)])
def test_no_event_is_a_finite_deficit(b: float, sigma: float) -> None:
    result = local_significance(0, b, sigma)
    assert result.p_local > 0.5
    assert -10 < result.z_local < 0


def test_a_huge_excess_stays_finite() -> None:
    assert 30 < local_significance(1000, 3.0, 1.0).z_local < 110
    assert 200 < local_significance(100_000, 1000.0, 30.0).z_local < 1e4


@pytest.mark.parametrize(("b", "sigma"), [(100.0, 0.0), (400.0, 20.0), (60.0, 5.0)])
def test_asymptotic_p_values_are_uniform_under_background(b: float, sigma: float) -> None:
    # 50,000 toys; at each level within 3 binomial errors and the probability of the count at the
    # threshold, by which a discrete p-value may miss: half of it in the tail that counts.
    rng = np.random.default_rng(2)
    n, measured = rng.poisson(b, 50_000), b + sigma * rng.normal(size=50_000)
    p = local_p_values(n, measured, sigma)
    for level, miss in ((0.05, 0.5), (0.2, 1.0), (0.5, 1.0), (0.8, 1.0)):
        step = 0.0 if sigma else miss * stats.poisson.pmf(stats.poisson.isf(level, b), b)
        error = 3 * np.sqrt(level * (1 - level) / 50_000)
        assert abs(np.mean(p < level) - level) < error + step + 1e-3


@pytest.mark.parametrize(("b", "sigma"), [(4.0, 1.0), (15.0, 2.0)])
def test_exact_p_values_are_uniform_under_background(b: float, sigma: float) -> None:
    # 500 toys, 3 binomial errors at each level; the bootstrap is at the fitted background, not at
    # the true one, and the p-value still a little discrete: 1% more.
    rng = np.random.default_rng(3)
    n, measured = rng.poisson(b, 500), np.abs(b + sigma * rng.normal(size=500))
    p = np.array(
        [local_significance(*row, sigma).p_local for row in zip(n, measured, strict=True)]
    )
    for level in (0.05, 0.2, 0.5, 0.8):
        allowed = 3 * np.sqrt(level * (1 - level) / 500) + 0.01
        assert abs(np.mean(p < level) - level) < allowed


@pytest.mark.parametrize(
    ("b", "tau"), [(0.4, 0.0), (3.0, 0.0), (0.4, 2.0), (3.0, 1.0), (8.0, 5.0)]
)
def test_randomised_p_values_are_exactly_uniform(b: float, tau: float) -> None:
    """Counts in a control region (tau = 0: known background); Kolmogorov-Smirnov at 1e-3.

    Toys without control events are left out, since a background of 0 +- 0 is refused. Given the
    total t they would have the p-values below 1 / (1 + tau)^t: the others are uniform above.
    """
    rng = np.random.default_rng(4)
    n = rng.poisson(b, 20_000)
    if not tau:
        p = randomised_p_values(n, b, 0.0, rng)
    else:
        n_off = rng.poisson(tau * b, n.shape)
        n, n_off = n[n_off > 0], n_off[n_off > 0]
        lowest = (1 / (1 + tau)) ** (n + n_off)
        p = randomised_p_values(n, n_off / tau, np.sqrt(n_off) / tau, rng)
        p = (p - lowest) / (1 - lowest)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@given(st.integers(0, 60), BACKGROUND.filter(lambda b: b < 50), st.floats(0.0, 0.6))
def test_randomised_p_values_lie_in_the_unit_interval(n: int, b: float, relative: float) -> None:
    p = randomised_p_values(n, b, relative * b, np.random.default_rng(n))
    assert 0 <= p <= 1


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((-1, 1.0, 0.1), "events counted"),
        ((1, -1.0, 0.1), "events expected"),
        ((1, 1.0, np.nan), "their error"),
        ((1, 0.0, 0.0), "some background"),
        ((1.5, 1.0, 0.1), "weighted events"),
        (([1, 2], 1.0, 0.1), "one window"),
    ],
)
def test_impossible_counts_are_refused(arguments: tuple[float, float, float], what: str) -> None:
    with pytest.raises(DataError, match=what):
        local_significance(*arguments)
