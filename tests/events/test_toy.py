"""Does the toy draw the events whose densities, ratio and curves it claims to know?"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from anode.errors import ConfigError, DataError
from anode.events.simulation.toy import Toy

TOY = Toy()


def test_toy_spectra_integrate_to_one() -> None:
    for log_p in (TOY.log_mass_background, TOY.log_mass_signal):
        points = [TOY.resonance - 300, TOY.resonance, TOY.resonance + 300]
        total, _ = quad(
            lambda m, log_p=log_p: float(np.exp(log_p(np.array([m]))[0])),
            TOY.low,
            np.nextafter(TOY.high, 0),
            points=points,
        )
        assert total == pytest.approx(1, abs=1e-8)


def test_a_signal_cut_by_the_mass_range_still_integrates_to_one() -> None:
    toy = Toy(low=3450.0, high=3600.0)
    mass = np.linspace(3450.0, np.nextafter(3600.0, 0), 20001)
    assert np.trapezoid(np.exp(toy.log_mass_signal(mass)), mass) == pytest.approx(1, abs=1e-7)
    events = toy.sample(0, 5000, np.random.default_rng(0))
    assert events.mass.min() >= 3450.0
    assert events.mass.max() < 3600.0


def test_toy_densities_are_the_gaussians_they_say() -> None:
    """Importance sampling: E_bg[p_sig/p_bg] = 1, and log p against scipy."""
    events = TOY.sample(20_000, 0, np.random.default_rng(3))
    log_p = TOY.log_p_background(events.features, events.mass)
    for row in range(5):
        mean = TOY.mean(events.mass[row : row + 1])[0]
        reference = multivariate_normal(mean, TOY.covariance)
        assert log_p[row] == pytest.approx(reference.logpdf(events.features[row]), abs=1e-10)
        shifted = multivariate_normal(mean + np.array(TOY.shift), TOY.covariance)
        got = TOY.log_p_signal(events.features[row : row + 1], events.mass[row : row + 1])[0]
        assert got == pytest.approx(shifted.logpdf(events.features[row]), abs=1e-10)
    difference = TOY.log_p_signal(events.features, events.mass) - log_p
    ratio = TOY.log_signal_ratio(events.features, events.mass)
    assert_allclose(ratio, difference, atol=1e-10)


def test_toy_samples_follow_their_spectra_and_means() -> None:
    events = TOY.sample(50_000, 20_000, np.random.default_rng(0))
    assert events.label is not None
    assert events.label.sum() == 20_000
    for label, log_p in ((0, TOY.log_mass_background), (1, TOY.log_mass_signal)):
        chosen = events[events.label == label]
        edges = np.linspace(3300, 3700, 9)
        grid = np.linspace(3300, 3700, 8001)
        density = np.exp(log_p(grid))
        counts, _ = np.histogram(chosen.mass, edges)
        for i, count in enumerate(counts):
            inside = slice(1000 * i, 1000 * (i + 1) + 1)
            expected = len(chosen) * np.trapezoid(density[inside], grid[inside])
            assert abs(count - expected) < 5 * np.sqrt(expected)
        rest = chosen.features - TOY.mean(chosen.mass) - label * np.array(TOY.shift)
        assert_allclose(rest.mean(axis=0), 0, atol=5 / np.sqrt(len(chosen)))
        assert_allclose(np.cov(rest.T), TOY.covariance, atol=8 / np.sqrt(len(chosen)))


def test_the_closed_form_ratio_is_the_ratio_of_the_sample() -> None:
    """Reweighting background by R gives the mean of the data, in bins of mass."""
    n_signal, n_background = 40_000, 200_000
    data = TOY.sample(n_background, n_signal, np.random.default_rng(1))
    background = TOY.sample(n_background, 0, np.random.default_rng(2))
    r = np.exp(TOY.log_ratio(background.features, background.mass, n_signal, n_background))
    f = TOY.signal_fraction(data.mass, n_signal, n_background)
    for low in (3100, 3350, 3450, 3500, 3600):
        inside = (background.mass >= low) & (background.mass < low + 25)
        weights, n = r[inside], inside.sum()
        assert abs(weights.mean() - 1) < 5 * weights.std() / np.sqrt(n) + 1e-12
        in_data = (data.mass >= low) & (data.mass < low + 25)
        share = data.label[in_data]  # type: ignore[index]
        expected = f[in_data]
        error = np.sqrt((expected * (1 - expected)).sum()) / in_data.sum()
        assert abs(share.mean() - expected.mean()) < 5 * error + 1e-6


def test_the_ratio_is_the_quotient_of_the_densities_and_stable() -> None:
    events = TOY.sample(500, 100, np.random.default_rng(0))
    x, m = events.features, events.mass
    difference = TOY.log_p_data(x, m, 100, 500) - TOY.log_p_background(x, m)
    assert_allclose(TOY.log_ratio(x, m, 100, 500), difference, atol=1e-10)
    assert np.array_equal(TOY.log_ratio(x, m, 0, 500), np.zeros(600))
    f = TOY.signal_fraction(m, 100, 500)
    direct = np.log(1 - f + f * np.exp(TOY.log_signal_ratio(x, m)))
    assert_allclose(TOY.log_ratio(x, m, 100, 500), direct, atol=1e-10)
    assert np.isfinite(TOY.log_ratio(1e3 * x, m, 100, 500)).all()


def test_the_optimal_sic_is_that_of_the_true_ratio() -> None:
    events = TOY.sample(400_000, 40_000, np.random.default_rng(6))
    score = TOY.log_signal_ratio(events.features, events.mass)
    background = np.sort(score[events.label == 0])
    for fpr in (0.3, 0.1, 0.01, 0.001):
        cut = background[round((1 - fpr) * len(background))]
        tpr = (score[events.label == 1] > cut).mean()
        # The cut is known to as many background events as pass it.
        error = np.hypot(np.sqrt(tpr * (1 - tpr) / 40_000), tpr / np.sqrt(fpr * 400_000))
        assert abs(tpr - TOY.optimal_tpr(np.array(fpr))) < 4 * error
        assert TOY.optimal_sic(np.array([fpr]))[0] == pytest.approx(tpr / fpr**0.5, rel=0.2)


def test_the_curve_of_the_ratio_in_a_window_is_that_of_the_sample() -> None:
    n_background, n_signal, window = 400_000, 40_000, (3300.0, 3700.0)
    events = TOY.sample(n_background, n_signal, np.random.default_rng(8))
    events = events[(events.mass >= window[0]) & (events.mass < window[1])]
    log_r = TOY.log_ratio(events.features, events.mass, n_signal, n_background)
    cuts = np.array([-2.0, -0.5, 0.0, 0.5, 1.5])
    tpr, fpr = TOY.ratio_curve(cuts, n_signal, n_background, window)
    for cut, expected_tpr, expected_fpr in zip(cuts, tpr, fpr, strict=True):
        for label, expected in ((1, expected_tpr), (0, expected_fpr)):
            passing = log_r[events.label == label] > cut
            error = np.sqrt(expected * (1 - expected) / len(passing))
            assert abs(passing.mean() - expected) <= 4 * error  # at -2, all or none may pass
    assert tpr[-1] > TOY.optimal_tpr(fpr[-1:])[0]  # R also knows where the resonance is


def test_toy_sampling_is_seeded_and_ids_can_be_offset() -> None:
    first, second = (
        TOY.sample(100, 10, np.random.default_rng(0), id_offset=offset) for offset in (0, 500)
    )
    assert np.array_equal(first.features, second.features)
    assert second.event_id.tolist() == list(range(500, 610))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": 3600.0}, "resonance must lie in"),
        ({"width": 0.0}, "decay and width must be positive"),
        ({"decay": -1.0}, "decay and width must be positive"),
        ({"shift": (1.0,)}, "must have 4 entries"),
        ({"correlation": 1.0}, "correlation"),
        ({"correlation": -0.5}, "correlation"),
    ],
)
def test_impossible_toys_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Toy(**changes)


def test_toy_masses_outside_its_range_are_refused() -> None:
    with pytest.raises(DataError, match="row 1 has 6000"):
        TOY.log_mass_background(np.array([3000.0, 6000.0]))
    with pytest.raises(ConfigError, match="counts must be >= 0"):
        TOY.sample(10, -1, np.random.default_rng(0))
