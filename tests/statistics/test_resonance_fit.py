"""Resonances of known mass, width and size are found; background alone stays background."""

import numpy as np
import pytest
from scipy import stats

from anode.errors import ConfigError, DataError
from anode.seeding import stream
from anode.statistics.fits.bump_hunter import bump_hunter
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.resonance_fit import WIDTHS, Resonance, fit_resonance

EDGES = np.arange(2800.0, 7001.0, 100.0)
USED = np.ones(len(EDGES) - 1, dtype=bool)
MASS, WIDTH = 3500.0, 120.0


def background(n_events: float) -> np.ndarray:
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / 13_000
    shape = (1 - x) ** 9 * x**-5
    return n_events * shape / shape.sum()


def toy(seed: int, n_background: float, n_signal: float) -> Spectrum:
    rng = stream(seed, "resonance")
    counts = rng.poisson(background(n_background))
    signal = rng.normal(MASS, WIDTH, rng.poisson(n_signal))
    return Spectrum((counts + np.histogram(signal, EDGES)[0]).astype(float), EDGES)


def fit(spectrum: Spectrum) -> Resonance:
    return fit_resonance(spectrum, USED, low=3300, high=3700, n_parameters=3)


def test_mass_width_and_events_are_found_without_bias_and_covered():
    truth = np.array([MASS, WIDTH, 1500.0])
    found, errors, n_toys = [], [], 100
    for seed in range(n_toys):
        result = fit(toy(seed, 50_000, truth[2]))
        assert result.valid
        found.append([result.mass, result.width, result.n_signal])
        errors.append([result.mass_error, result.width_error, result.n_signal_error])
    pulls = (np.array(found) - truth) / np.array(errors)
    # Mean 0 +- 0.1, width 1 +- 0.07, coverage 68 +- 5%.
    assert np.abs(pulls.mean(axis=0)) == pytest.approx(0, abs=0.35)
    assert pulls.std(axis=0) == pytest.approx(1, abs=0.25)
    assert (np.abs(pulls) < 1).mean(axis=0) == pytest.approx(0.683, abs=0.14)


def test_expectations_of_a_strong_resonance_are_those_counted():
    spectrum = Spectrum(background(50_000) * 1.0, EDGES)
    cdf = stats.norm.cdf(EDGES, MASS, WIDTH)
    signal = 3000 * np.diff(cdf)
    result = fit(Spectrum(np.round(spectrum.counts + signal), EDGES))
    assert result.mass == pytest.approx(MASS, abs=2)
    assert result.width == pytest.approx(WIDTH, rel=0.03)
    assert result.n_signal == pytest.approx(3000, rel=0.02)
    assert result.signal == pytest.approx(signal, abs=0.03 * signal.max())
    assert result.expected == pytest.approx(spectrum.counts + signal, rel=0.02, abs=1)
    assert result.p_value == pytest.approx(stats.norm.sf(result.z))
    assert result.z > 10


def test_background_alone_has_no_preferred_sign_and_no_discovery():
    z = np.array([fit(toy(seed, 20_000, 0)).z for seed in range(40)])
    assert 8 <= (z > 0).sum() <= 32
    # Mass and width are chosen by the fit, so |z| is larger than of a normal deviate.
    assert np.abs(z).max() < 5


def test_few_events_and_deep_deficits_stay_finite():
    few = fit(toy(1, 150, 0))
    counts = np.round(background(5000))
    counts[(EDGES[:-1] >= 3300) & (EDGES[:-1] < 3700)] = 0
    deficit = fit(Spectrum(counts, EDGES))
    assert deficit.n_signal < 0
    assert deficit.z < -5
    for result in (few, deficit):
        assert np.all(np.isfinite(result.expected))
        assert result.expected.min() >= 0 or result.n_signal < 0
        assert 3300 <= result.mass <= 3700
        assert WIDTHS[0] <= result.width / result.mass <= WIDTHS[1]
        assert np.isfinite([result.n_signal, result.z, result.p_value]).all()


def test_bounds_and_bins_are_checked():
    spectrum = toy(1, 5000, 0)
    with pytest.raises(ConfigError, match="bounds of the mass"):
        fit_resonance(spectrum, USED, low=3700, high=3300, n_parameters=3)
    with pytest.raises(ConfigError, match="bounds of width"):
        fit_resonance(spectrum, USED, low=3300, high=3700, n_parameters=3, widths=(0.0, 0.1))
    outside = (EDGES[:-1] >= 3800) | (EDGES[1:] <= 3200)
    with pytest.raises(DataError, match="include the window"):
        fit_resonance(spectrum, outside, low=3300, high=3700, n_parameters=3)


def test_bump_hunter_finds_a_bump_and_says_nothing(capsys):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    found = bump_hunter(
        toy(3, 50_000, 1500), background(50_000), seed=1, n_toys=200, widths=(1, 5)
    )
    assert capsys.readouterr().out == ""
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert found.low < MASS < found.high
    assert found.high - found.low <= 500
    assert found.p_global == pytest.approx(1 / 201)
    spectrum = toy(3, 50_000, 1500)
    inside = (EDGES[:-1] >= found.low) & (EDGES[1:] <= found.high)
    n, b = spectrum.counts[inside].sum(), background(50_000)[inside].sum()
    assert found.p_local == pytest.approx(stats.poisson.sf(n - 1, b), rel=1e-6)


def test_bump_hunter_is_uniform_on_background():
    hunt = [
        bump_hunter(toy(seed, 5000, 0), background(5000), seed=seed, n_toys=99, widths=(2, 4))
        for seed in range(40)
    ]
    # (1 + k) / 100 takes whole hundredths: 40 of them, Kolmogorov-Smirnov at 1e-3.
    assert stats.kstest([found.p_global for found in hunt], "uniform").pvalue > 1e-3
    assert all(found.p_local <= found.p_global for found in hunt)
    assert hunt[0] == bump_hunter(
        toy(0, 5000, 0), background(5000), seed=0, n_toys=99, widths=(2, 4)
    )


def test_bump_hunter_without_any_excess():
    spectrum = Spectrum(np.zeros(len(EDGES) - 1), EDGES)
    found = bump_hunter(spectrum, background(500), seed=1, n_toys=20)
    assert found.low is found.high is None
    assert found.p_local == found.p_global == 1
    assert np.isfinite(found.z_global)
    # An excess whose p-value underflows does not warn.
    spectrum.counts[10] = 1e6
    assert bump_hunter(spectrum, background(500), seed=1, n_toys=20).p_local == 0


def test_bump_hunter_refuses_what_does_not_fit():
    spectrum = toy(1, 5000, 0)
    with pytest.raises(DataError, match="each of the 42 bins"):
        bump_hunter(spectrum, background(5000)[:-1], seed=1)
    with pytest.raises(ConfigError, match="n_toys=0"):
        bump_hunter(spectrum, background(5000), seed=1, n_toys=0)
    with pytest.raises(ConfigError, match="bins wide"):
        bump_hunter(spectrum, background(5000), seed=1, widths=(5, 2))
