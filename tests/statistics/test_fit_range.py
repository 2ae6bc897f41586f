"""The start of the fit follows the trigger turn-on, and no resonance moves it."""

import numpy as np
import pytest
from scipy import stats

from anode.errors import DataError
from anode.events.readers.lhco_features import BUNDLED_PATH, read_bundled
from anode.seeding import stream
from anode.statistics.fits.dijet_fit import make_spectrum
from anode.statistics.fits.fit_range import find_fit_range, find_start
from anode.statistics.fits.onset_fit import fit_onset

MIDDLE = 2480.0


def falling(rng: np.random.Generator, n: int) -> np.ndarray:
    """Masses of a di-jet function of three parameters, above 1.9 TeV and below 11 TeV."""
    grid = np.arange(1900.0, 11_000.0, 5.0)
    x = grid / 13_000
    density = (1 - x) ** 8 * x**-5.5
    return np.interp(rng.random(n), np.cumsum(density) / density.sum(), grid)


def sample(
    n: int, width: float, *, share: float = 0.0, mass: float = 3500.0, sigma: float = 0.03,
    seed: int = 1,
) -> np.ndarray:  # fmt: skip
    """About n masses behind an onset Phi((m - MIDDLE) / width), a share of them a resonance."""
    rng = stream(seed, "turn-on", f"{n} {width} {share} {mass} {sigma}")
    every = falling(rng, 9 * n)
    every = every[rng.random(len(every)) < stats.norm.cdf(every, MIDDLE, width)]
    n_signal = round(n * share)
    signal = rng.normal(mass, sigma * mass, n_signal)
    signal = signal[rng.random(n_signal) < stats.norm.cdf(signal, MIDDLE, width)]
    return np.concatenate([every[: n - n_signal], signal])


def start_of(masses: np.ndarray, bin_width: float = 50.0) -> float:
    edges = bin_width * np.arange(masses.min() // bin_width, masses.max() // bin_width + 2)
    return float(edges[find_start(make_spectrum(masses, edges))])


def end_of(width: float) -> float:
    """Mass at which the onset reaches 99%."""
    return MIDDLE + 2.326 * width


@pytest.mark.parametrize("width", [20.0, 60.0, 120.0])
@pytest.mark.parametrize("n", [5000, 20_000, 200_000])
def test_the_start_lies_where_the_onset_reaches_99_percent(n, width):
    assert -100 <= start_of(sample(n, width)) - end_of(width) <= 300


@pytest.mark.parametrize(
    ("n", "width", "share", "mass", "sigma"),
    [
        (5000, 60, 0.3, 3500, 0.03),
        (20_000, 60, 0.1, 2700, 0.03),
        (20_000, 60, 0.3, 2800, 0.08),
        (20_000, 60, 0.09, 3500, 0.035),
        (20_000, 120, 0.3, 3000, 0.03),
        (20_000, 120, 0.05, 4250, 0.02),
        (20_000, 60, 0.3, 5000, 0.08),
        (200_000, 60, 0.01, 3500, 0.03),
        (200_000, 120, 0.1, 3000, 0.03),
        (200_000, 20, 0.3, 3500, 0.015),
    ],
)
def test_a_resonance_moves_it_by_no_more_than_two_bins(n, width, share, mass, sigma):
    start = start_of(sample(n, width, share=share, mass=mass, sigma=sigma))
    assert -100 <= start - end_of(width) <= 300
    assert abs(start - start_of(sample(n, width))) <= 100


@pytest.mark.parametrize(
    ("width", "share", "mass", "sigma"),
    [(20, 0.3, 2500, 0.015), (60, 0.1, 2600, 0.015), (60, 0.3, 2600, 0.03), (20, 0.1, 2600, 0.08)],
)
def test_a_resonance_right_at_the_turn_on_is_not_taken_for_it(width, share, mass, sigma):
    start = start_of(sample(20_000, width, share=share, mass=mass, sigma=sigma))
    assert -100 <= start - end_of(width) <= 300


@pytest.mark.parametrize("bin_width", [25.0, 100.0])
def test_the_start_hangs_little_on_the_bins(bin_width):
    masses = sample(20_000, 60, share=0.1)
    assert abs(start_of(masses, bin_width) - start_of(masses)) <= 100


@pytest.mark.parametrize("share", [0.0, 0.08])
def test_a_spectrum_that_is_cut_off_starts_at_the_cut(share):
    masses = sample(60_000, 60, share=share)
    assert start_of(masses[masses >= 3000]) == 3000
    assert 3000 <= start_of(masses[masses >= 3020]) <= 3100


def test_an_excess_is_reported_and_left_out_of_the_fit_and_a_poor_fit_is_not_hidden():
    masses = sample(20_000, 60, share=0.09, sigma=0.035)
    edges = np.arange(1900.0, 11_001.0, 50.0)
    spectrum = make_spectrum(masses, edges)
    found = find_fit_range(spectrum, width=400)
    assert edges[found.start] == start_of(masses)
    assert found.excess is not None
    low, high = found.excess.low, found.excess.high
    assert low <= 3500 < high
    inside = (masses >= low) & (masses < high)
    assert found.excess.n_observed == inside.sum()
    assert found.excess.z > 10
    assert found.fit.p_value > 1e-3
    assert found.fit.n_parameters == 5
    assert {start.low for start in found.starts} >= {edges[found.start]}
    clean = find_fit_range(make_spectrum(sample(20_000, 60), edges), width=400)
    assert clean.excess is None

    counts = spectrum.counts * np.where(np.arange(len(spectrum.counts)) % 4 == 0, 0.5, 1)
    comb = find_fit_range(spectrum._replace(counts=np.floor(counts)), width=400)
    assert comb.fit.p_value < 1e-10
    assert abs(edges[comb.start] - end_of(60)) <= 300


def test_a_start_that_is_given_is_kept():
    edges = np.arange(1900.0, 11_001.0, 50.0)
    found = find_fit_range(make_spectrum(sample(20_000, 60), edges), width=400, first=30)
    assert found.start == 30


def test_the_onset_is_that_of_the_events_and_the_resonance_beside_it():
    edges = np.arange(1900.0, 11_001.0, 50.0)
    counts = make_spectrum(sample(60_000, 60, share=0.1), edges).counts
    onset = fit_onset(counts, edges)
    assert onset.middle == pytest.approx(MIDDLE, abs=15)
    assert onset.width == pytest.approx(60, abs=15)
    assert onset.end == pytest.approx(end_of(60), abs=30)
    assert onset.peak is not None
    assert onset.peak.mass == pytest.approx(3500, abs=20)
    assert onset.peak.sigma == pytest.approx(105, abs=20)
    assert onset.end - 200 < onset.maximum < onset.end + 100


def test_a_shoulder_of_the_turn_on_moves_the_start_and_an_excess_does_not():
    """A slow last tenth, which ends (99%) at 2680 GeV."""
    rng = stream(3, "shoulder")
    masses = sample(300_000, 30)
    missing = 0.1 * np.exp(-np.maximum(masses - 2450, 0) / 100)
    assert 2600 <= start_of(masses[rng.random(len(masses)) > missing]) <= 2980
    end = end_of(30)
    added = rng.uniform(end, end + 150, 5000)
    assert start_of(np.concatenate([masses, added])) <= end + 100


def test_too_few_bins_with_events_are_refused():
    edges = np.arange(2000.0, 3001.0, 50.0)
    with pytest.raises(DataError, match="at least 6 bins with events, got 4 events in 3"):
        find_start(make_spectrum(np.array([2410.0, 2420.0, 2600.0, 2810.0]), edges))


@pytest.fixture(scope="module")
def bundled() -> tuple[np.ndarray, np.ndarray]:
    events = read_bundled(BUNDLED_PATH, ["mj1"])
    return events.mass[events.label == 0], events.mass[events.label == 1]


@pytest.mark.parametrize("n_signal", [0, 780, 10_000, 50_000])
def test_the_bundled_events_start_at_the_same_mass_whatever_the_signal(bundled, n_signal):
    background, signal = bundled
    assert 2650 <= start_of(np.concatenate([background, signal[:n_signal]])) <= 2750


@pytest.mark.parametrize("n", [5000, 20_000, 60_000, 200_000])
def test_parts_of_the_bundled_events_start_there_too(bundled, n):
    background, signal = bundled
    rng = stream(1, "part", str(n))
    assert 2550 <= start_of(rng.choice(background, n, replace=False)) <= 2800
    mixed = np.concatenate([rng.choice(background, n), rng.choice(signal, n // 10)])
    assert 2550 <= start_of(mixed) <= 2800
