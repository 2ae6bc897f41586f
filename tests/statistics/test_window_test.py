"""Windows, cuts, spectra and the test of one window, on events counted by hand."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from anode.errors import ConfigError, DataError
from anode.regions.windows import scan_windows
from anode.statistics.fits.dijet_function import SQRT_S
from anode.statistics.fits.spectrum_test import MIN_FITTED
from anode.statistics.scan.window_result import WindowTest
from anode.statistics.scan.window_spectra import Spectra, WindowCuts, count
from anode.statistics.scan.window_test import Dispersion, WindowTester, WindowTests
from anode.statistics.scan.working_points import fix_cuts
from anode.statistics.signal.resonance_shape import CrystalBall, CrystalBallShape

EDGES = np.arange(2500.0, 6001.0, 50.0)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
LOW, HIGH = 3400.0, 3800.0
INSIDE = (CENTRES > LOW) & (CENTRES < HIGH)
EFFICIENCIES = [0.1, 0.01]


def falling(n_events: float) -> np.ndarray:
    """(B,) whole counts of a di-jet spectrum of about so many events."""
    x = CENTRES / SQRT_S
    shape = (1 - x) ** 8 * x**-5
    return np.round(n_events * shape / shape.sum())


def masses_of(counts: np.ndarray) -> np.ndarray:
    return np.repeat(CENTRES, counts.astype(int))


def window_cuts(
    mass: np.ndarray, level: np.ndarray, low: float = LOW, high: float = HIGH, strip: float = 0.0
) -> WindowCuts:
    efficiency = np.array(EFFICIENCIES)
    return WindowCuts(low, high, strip, np.array([0.5, 0.9]), efficiency, efficiency / 50,
                      mass, level)  # fmt: skip


GAUSSIAN = CrystalBallShape((3500.0,), (CrystalBall(1.0, 0.04, 6.0, 5.0, 6.0, 5.0),))


def peak() -> np.ndarray:
    """(B,) a Gaussian resonance at the centre of the window."""
    return GAUSSIAN.fractions(EDGES, (LOW + HIGH) / 2)


def run_all(
    spectra: Spectra, window: WindowCuts, dispersion: Dispersion | None = None
) -> WindowTests:
    ones = np.ones(len(EFFICIENCIES))
    return WindowTester(
        spectra,
        0,
        window,
        shapes=[GAUSSIAN] * (len(EFFICIENCIES) + 1),
        dispersion=dispersion or Dispersion(ones, ones),
        min_bins=4,
        rng=np.random.default_rng(1),
    ).test()


def searched(
    counts: np.ndarray,
    passing: np.ndarray,
    *,
    low: float = LOW,
    high: float = HIGH,
    cut: int = 1,
) -> tuple[WindowTest, np.ndarray]:
    """The test of one window: all events, and those that pass the loosest cut; and the background
    in all bins."""
    mass = masses_of(passing)
    window = window_cuts(mass, np.ones(len(mass), dtype=int), low, high)
    found = run_all(count(masses_of(counts), [window], EFFICIENCIES, EDGES), window)
    return found.rows[cut], found.expected[cut]


def test_windows_are_half_open_steps_that_end_at_the_stop_or_before():
    windows = scan_windows(2500, 3150, width=400, step=100)
    assert [(w.low, w.high) for w in windows] == [(2500, 2900), (2600, 3000), (2700, 3100)]
    assert len(scan_windows(2500, 2900, width=400, step=100)) == 1
    assert len(scan_windows(2500, 6000, width=400, step=100)) == 32
    # 0.1 has no exact binary fraction: the last window must not be lost to rounding.
    assert len(scan_windows(0, 1, width=0.1, step=0.1)) == 10


@pytest.mark.parametrize(
    ("bounds", "width", "step", "message"),
    [
        ((2500, 6000), 0.0, 100.0, "above 0 GeV"),
        ((2500, 6000), 400.0, -1.0, "above 0 GeV"),
        ((2500, 6000), float("nan"), 100.0, "above 0 GeV"),
        ((2500, 2800), 400.0, 100.0, "room for one window"),
        ((2500, float("nan")), 400.0, 100.0, "room for one window"),
    ],
)
def test_a_scan_without_windows_is_refused(bounds, width, step, message):
    with pytest.raises(ConfigError, match=message):
        scan_windows(*bounds, width=width, step=step)


def test_cuts_are_quantiles_of_the_template():
    template = np.random.default_rng(0).permutation(1000)
    tenth, hundredth = fix_cuts(template, [0.1, 0.01])
    # Rank 100.1 and 10.01 from above: a little below 900 and 990, by (j + 1) l / (j + l).
    assert tenth.threshold == pytest.approx(900 - 101 * 0.1 / 100.1)
    assert hundredth.threshold == pytest.approx(990 - 11 * 0.01 / 10.01)
    assert (tenth.efficiency, hundredth.efficiency) == (0.1, 0.01)
    assert tenth.error == pytest.approx(np.sqrt(0.1 * 0.9 / 1000))


def test_equal_scores_pass_together_or_not_at_all():
    (cut,) = fix_cuts(np.repeat([0.0, 1.0, 2.0], [80, 15, 5]), [0.1])
    assert (cut.threshold, cut.efficiency) == (1.0, 0.05)
    (cut,) = fix_cuts(np.ones(200), [0.1])
    assert cut.efficiency == 0
    assert cut.error == pytest.approx(1 / 200)  # that of one event


@pytest.mark.parametrize("n_events", [0, 499])
def test_a_cut_that_too_few_events_of_the_template_pass_is_left_out(n_events):
    template = np.arange(n_events, dtype=float)
    assert [cut.nominal for cut in fix_cuts(template, [0.5, 0.01])] == [0.5] * (n_events > 0)


def test_a_cut_that_was_not_fixed_predicts_nothing():
    counts = falling(20_000)
    mass = masses_of(counts)
    level = np.ones(len(mass), dtype=int)
    window = window_cuts(mass, level)._replace(
        thresholds=np.array([0.5, np.inf]), efficiency=np.array([0.1, np.nan])
    )
    spectra = count(mass, [window], EFFICIENCIES, EDGES)
    test = run_all(spectra, window).rows[2]
    assert (test.expected_from, test.tested, test.n_observed) == ("observed", False, 0)
    assert test.threshold is test.template is None


@given(
    template=st.lists(st.integers(0, 30), min_size=20, max_size=300),
    nominal=st.floats(0.25, 0.99),
)
def test_no_more_than_the_nominal_share_passes(template, nominal):
    scores = np.array(template, dtype=float)
    (cut,) = fix_cuts(scores, [nominal])
    passing = np.sum(scores > cut.threshold)
    assert passing <= nominal * (len(scores) + 1) + 1e-9
    assert cut.efficiency <= nominal
    expected = (nominal, pytest.approx(passing / len(scores)))  # the second if scores are equal
    assert cut.efficiency in expected
    # and the next lower score would be too low
    assert np.mean(scores >= cut.threshold) > nominal - 1 / len(scores)


def test_spectra_agree_with_a_plain_loop():
    rng = np.random.default_rng(1)
    mass = rng.uniform(2300, 6100, 3000)
    mass[:4] = [EDGES[0], 3400.0, 3800.0, EDGES[-1]]  # the last lies above the bins
    windows = []
    for low in (2400.0, 3400.0, 5600.0):
        rows = np.r_[:4, rng.permutation(np.arange(4, 3000))[:500]]
        level = rng.integers(1, 3, len(rows))
        windows.append(window_cuts(mass[rows], level, low, low + 400, strip=60.0))
    spectra = count(mass, windows, EFFICIENCIES, EDGES)
    assert spectra.counts.shape == (3, 3, len(CENTRES))
    assert spectra.efficiency.tolist() == [1.0, 0.1, 0.01]
    for w, window in enumerate(windows):
        passing = [mass, window.mass, window.mass[window.level == 2]]
        for c, events in enumerate(passing):
            inside = sum(window.low <= m < window.high for m in events)
            assert spectra.n_inside[w, c] == inside
            for b, (low, high) in enumerate(pairwise(EDGES)):
                assert spectra.counts[w, c, b] == sum(low <= m < high for m in events)
        for b, (low, high) in enumerate(pairwise(EDGES)):
            assert spectra.inside[w, b] == (window.low <= low and high <= window.high)
            # The strip of 60 GeV takes two bins of 50 on either side.
            near = high > window.low - 60 and low < window.high + 60
            assert spectra.used[w, b] == (not near)
    assert spectra.used[1].sum() == len(CENTRES) - 8 - 4


def test_a_bump_is_found_with_about_its_significance():
    background, signal = falling(20_000), np.round(300 * peak())
    test, expected = searched(background * 10, background + signal)
    n_background = background[INSIDE].sum()
    assert test.tested
    assert test.reason is None
    assert test.expected_from == "fit"
    assert test.n_observed == n_background + signal[INSIDE].sum()
    assert test.n_total == 10 * n_background
    assert test.threshold == 0.5
    assert test.strength.n_signal == pytest.approx(300, abs=0.2 * test.strength.error_high)
    assert test.z_local == pytest.approx(300 / test.strength.error_low, rel=0.1)
    # The signal beside the window raises what is expected inside, and the strength all the same
    # has no bias.
    assert test.n_expected > n_background
    assert test.n_expected == pytest.approx(expected[INSIDE].sum(), rel=1e-9)
    quiet, _ = searched(background * 10, background)
    assert abs(quiet.z_local) < 0.3


def levels(counts: list[np.ndarray]) -> tuple[Spectra, WindowCuts]:
    """A window with so many events in each category, the tightest last."""
    mass = np.concatenate([masses_of(one) for one in counts])
    level = np.repeat(np.arange(1, len(counts) + 1), [int(one.sum()) for one in counts])
    window = window_cuts(mass, level)
    return count(np.tile(mass, 3), [window], EFFICIENCIES, EDGES), window


def test_categories_are_exclusive_and_combined():
    loose, tight = falling(20_000), falling(4000) + np.round(100 * peak())
    found = run_all(*levels([loose, tight]))
    first, second = found.combined.categories
    assert (first.loosest, first.tightest, second.loosest, second.tightest) == (0.1, 0.01, 0.01, 0)
    assert first.n_observed == loose[INSIDE].sum()
    assert second.n_observed == tight[INSIDE].sum()
    assert abs(first.z_local) < 0.3
    assert second.z_local == found.rows[2].z_local
    # Nothing in the loose category: less than the tight one alone, more than their mean.
    assert found.rows[2].z_local - 0.8 < found.combined.z_local < found.rows[2].z_local + 0.1
    assert found.combined.p_local == pytest.approx(stats.norm.sf(found.combined.z_local))


def test_a_category_that_cannot_be_fitted_joins_the_next():
    found = run_all(*levels([falling(5000), falling(60)]))
    (only,) = found.combined.categories
    assert (only.loosest, only.tightest) == (0.1, 0.0)
    assert only.n_observed == (falling(5000) + falling(60))[INSIDE].sum()
    assert only.z_local == pytest.approx(found.rows[1].z_local, abs=0.1)
    assert not found.rows[2].tested


def test_a_window_that_cannot_be_tested_says_why():
    found = run_all(*levels([falling(50), falling(10)]))
    assert (found.combined.categories, found.combined.z_local) == ((), None)
    assert "a fit needs 100" in found.combined.reason


def test_counts_that_spread_more_are_less_significant():
    spectra, window = levels([falling(50_000), falling(4000) + np.round(150 * peak())])
    wide = Dispersion(np.array([1.3, 1.2]), np.array([1.4, 1.2]))
    plain, spread = run_all(spectra, window), run_all(spectra, window, wide)
    ratio = spread.combined.z_local / plain.combined.z_local
    assert 1 / 1.2 - 0.05 < ratio < 1
    assert [c.overdispersion for c in spread.combined.categories] == [1.4, 1.2]
    assert spread.rows[0].z_local == pytest.approx(plain.rows[0].z_local, abs=0.05)


def test_a_window_below_the_fit_is_predicted_by_the_template():
    counts = falling(20_000)
    test, expected = searched(counts * 10, counts, low=2300.0, high=2700.0)
    assert not test.tested
    assert test.expected_from == "template"
    assert "begins in the trigger turn-on, below 2500 GeV" in test.reason
    assert test.fit is None
    assert np.isnan(expected).all()
    assert test.n_expected == test.template.n_expected == pytest.approx(0.1 * test.n_total)
    assert test.n_expected_error == pytest.approx(0.1 / 50 * test.n_total)
    inclusive, _ = searched(counts * 10, counts, low=2300.0, high=2700.0, cut=0)
    assert inclusive.expected_from == "observed"
    assert inclusive.template is inclusive.threshold is None
    assert inclusive.n_expected == inclusive.n_observed == inclusive.n_total
    assert inclusive.z_local == 0


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (2650.0, 3050.0, "lower sideband has 3 bins of the fit, needs 4"),
        (5500.0, 5900.0, "upper sideband has 2 bins of the fit, needs 4"),
        (5700.0, 6100.0, "upper sideband has 0 bins"),
    ],
)
def test_a_fit_needs_bins_on_both_sides(low, high, reason):
    counts = falling(50_000)
    test, _ = searched(counts, counts, low=low, high=high)
    assert not test.tested
    assert reason in test.reason
    enough, _ = searched(counts, counts, low=2700.0, high=3100.0)
    assert enough.tested


def test_a_fit_needs_events_outside_the_window():
    outside, inside = np.zeros(len(CENTRES)), np.zeros(len(CENTRES))
    outside[~INSIDE] = 1
    outside[0] += MIN_FITTED - outside.sum() - 1
    inside[INSIDE] = 50  # those inside do not count
    test, _ = searched(falling(1e5), outside + inside)
    assert not test.tested
    assert f"99 events outside the window pass, a fit needs {MIN_FITTED}" in test.reason
    outside[0] += 1
    test, _ = searched(falling(1e5), outside)
    assert test.tested


def test_events_in_too_few_bins_are_a_reason_and_no_failure():
    counts = np.zeros(len(CENTRES))
    counts[[0, 1, -1]] = 100
    test, _ = searched(falling(1e5), counts)
    assert not test.tested
    assert "at least 6 bins with events" in test.reason


def test_a_window_without_events_and_a_spectrum_of_one_event():
    counts = falling(20_000)
    hollow = np.where(INSIDE, 0, counts)
    test, _ = searched(hollow, hollow)
    assert test.tested
    assert (test.n_observed, test.n_total) == (0, 0)
    assert test.z_local < -5
    assert test.template.n_expected == 0
    assert test.template.z_local == 0
    one = np.zeros(len(CENTRES))
    one[-1] = 1
    for cut, source in ((0, "observed"), (1, "template"), (2, "template")):
        test, _ = searched(one, one, cut=cut)
        assert not test.tested
        assert test.expected_from == source
        assert test.z_local == 0
        assert np.isfinite([test.p_local, *test.strength]).all()


def test_counts_must_be_whole():
    spectra = Spectra(
        EDGES,
        np.array([LOW]),
        np.array([HIGH]),
        np.zeros(1),
        np.array([1.0, *EFFICIENCIES]),
        np.tile(falling(1e4) + 0.5, (1, 3, 1)),
        np.full((1, 3), 10),
        ~INSIDE[None],
        INSIDE[None],
    )
    nothing = window_cuts(np.zeros(0), np.zeros(0, dtype=int))
    test = run_all(spectra, nothing).rows[1]
    assert not test.tested
    assert "whole" in test.reason


def test_masses_that_are_no_numbers_are_refused():
    window = window_cuts(np.zeros(0), np.zeros(0, dtype=int))
    with pytest.raises(DataError, match="finite"):
        count(np.array([3000.0, np.nan]), [window], EFFICIENCIES, EDGES)


def test_a_test_is_plain_numbers():
    counts = falling(20_000)
    test, _ = searched(counts * 10, counts)
    assert json.loads(json.dumps(test.to_json())) == test.to_json()
    for value in test.to_json().values():
        assert value is None or type(value) in (bool, int, float, str, dict)
