"""The proposed scan follows the turn-on, the end of the data and the events in each window."""

import numpy as np
import pytest

from anode.errors import ConfigError, DataError
from anode.events.readers.lhco_features import BUNDLED_PATH, read_bundled
from anode.reporting.common.style import save_figure
from anode.reporting.search.proposal_figure import proposal_figure
from anode.seeding import stream
from anode.statistics.fits.fit_range import Excess
from anode.statistics.scan.propose_windows import Proposal, propose

SETTINGS = {"bin_width": 100, "width": 400, "step": 200}
TURN_ON, END = 2600.0, 2850.0


def masses(seed: int, n: int = 60_000, n_signal: int = 0) -> np.ndarray:
    """A falling spectrum behind a turn-on that is complete at 2850 GeV, and a signal at 3500."""
    rng = stream(seed, "propose")
    mass = 2000 * (1 - rng.random(8 * n)) ** (-1 / 6)
    rate = np.clip((mass - 2350) / (END - 2350), 0, 1)
    mass = mass[(rng.random(8 * n) < rate) & (mass < 12_000)][:n]
    return np.concatenate([mass, rng.normal(3500, 100, n_signal)])


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    return propose(masses(1), **SETTINGS)


def test_the_fit_starts_where_the_turn_on_ends(proposal):
    assert 2750 <= proposal.fit_low <= 3100
    assert 2500 <= proposal.turn_on <= proposal.fit_low
    assert proposal.excess is None
    assert proposal.covers_excess
    assert proposal.fit.p_value >= 0.01
    lows = [start.low for start in proposal.fits]
    assert lows == sorted(lows)
    assert {proposal.fit_low - 100, proposal.fit_low, proposal.fit_low + 100} <= set(lows)
    advice = proposal.advice()
    assert f"ends at {proposal.fit_low:g} GeV" in advice
    assert f"scan.start={proposal.start:g} to scan.stop={proposal.stop:g}" in advice
    assert "excess" not in advice


def test_a_strong_signal_is_said_and_covered_and_moves_nothing():
    proposal = propose(masses(1))
    found = propose(masses(1, n_signal=3000))
    assert found.excess is not None
    assert found.excess.low < 3500 < found.excess.high
    assert abs(found.fit_low - proposal.fit_low) <= 200
    assert abs(found.turn_on - proposal.turn_on) <= 200
    assert found.stop == proposal.stop
    assert found.covers_excess
    assert f"local Z = {found.excess.z:.1f}; the scan covers it" in found.advice()


def test_a_signal_that_no_window_can_test_is_said_to_be_left_out():
    found = propose(masses(1, n_signal=3000), **SETTINGS, fit_low=3300)
    assert found.excess is not None
    assert not found.covers_excess
    advice = found.advice()
    assert "localised excess is seen without any selection" in advice
    assert "this scan leaves it out, as no window there can be used: " in advice
    assert "sideband" in advice


def test_every_window_has_its_numbers_and_its_reason(proposal):
    mass = masses(1)
    assert proposal.fit_high >= mass.max() > proposal.fit_high - 100
    assert proposal.windows[0].low <= proposal.turn_on
    for window in proposal.windows:
        assert window.n_events == ((mass >= window.low) & (mass < window.high)).sum()
        assert window.n_above == (mass >= window.high).sum()
        fitted = (mass >= proposal.fit_low) & (mass < window.low)
        assert window.n_below == fitted.sum()
        enough = window.n_events >= 1000 and window.bins_below >= 4 and window.bins_above >= 4
        assert window.usable == enough == (window.reason == "")
    assert proposal.start == proposal.usable[0].low
    assert proposal.stop == proposal.usable[-1].high


def test_reasons_are_words_a_physicist_accepts(proposal):
    reasons = {window.low: window.reason for window in proposal.windows}
    begins = f"the smooth spectrum begins at {proposal.fit_low:g} GeV"
    assert reasons[proposal.windows[0].low] == f"no lower sideband: {begins}"
    last = proposal.windows[-1]
    assert f"{last.n_events} events, a density needs 1000" in last.reason
    strict = propose(masses(1), **SETTINGS, fit_low=2800, start=3000, stop=3800)
    expected = "lower sideband [2800, 3000) has 2 fit bins with 5 or more events, needs 4"
    assert strict.windows[0].reason == expected
    few = propose(masses(1), **SETTINGS, min_events=20)
    assert any("upper sideband" in window.reason for window in few.windows)


def test_a_range_and_a_start_that_are_given_are_kept():
    found = propose(masses(1), **SETTINGS, start=3400, stop=4000, fit_low=2900)
    assert (found.fit_low, found.start, found.stop) == (2900, 3400, 4000)
    assert [window.low for window in found.windows] == [3400, 3600]


@pytest.mark.parametrize(
    ("mass", "message"),
    [
        ([], "got 0 event"),
        ([3000.0], "got 1 event"),
        ([3000.0] * 50, "50 events at one mass"),
        ([3000.0, -1.0], "must be positive, got -1 GeV in row 1"),
        ([3000.0, np.nan], "finite"),
        ([3.0e6, 4.0e6], "13000"),
        ([3000.0, 3200.0, 3400.0], "events in"),
    ],
)
def test_masses_that_are_no_spectrum_are_refused(mass, message):
    with pytest.raises(DataError, match=message):
        propose(np.array(mass))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 430}, "width must be a positive multiple"),
        ({"step": 0}, "step must be a positive multiple"),
        ({"bin_width": 0}, "bin_width must be positive"),
        ({"start": 20_000}, "where the events are"),
        ({"stop": 1000}, "where the events are"),
        ({"start": 4000, "stop": 3000}, "start must be below stop"),
        ({"fit_low": 20_000}, "where the events are"),
    ],
)
def test_scans_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        propose(masses(1, 5000), **{**SETTINGS, **options})


def test_without_a_usable_window_it_says_what_is_missing():
    with pytest.raises(DataError, match="a density needs 1000000"):
        propose(masses(1, 5000), **SETTINGS, min_events=10**6, start=3000, stop=4000)
    with pytest.raises(DataError, match="at least one window of 400 GeV between 3000 and 3200"):
        propose(masses(1, 5000), **SETTINGS, start=3000, stop=3200)


def test_a_spectrum_without_a_smooth_part_is_said_to_be_one():
    every = masses(1)
    found = propose(every[every % 400 < 200], **SETTINGS)
    assert found.fit.p_value < 1e-10
    assert "describes the spectrum" in found.advice()
    assert "not to be trusted" in found.advice()


def test_the_bundled_background_is_scanned_from_3_tev_on():
    events = read_bundled(BUNDLED_PATH, ["mj1"])
    found = propose(events.mass[events.label == 0])
    assert 2650 <= found.fit_low <= 2800
    assert found.excess is None
    assert found.stop >= 6000
    assert found.start <= 3000


def test_figure_is_drawn_with_and_without_an_excess(proposal, tmp_path):
    figure = proposal_figure(proposal)
    assert [axes.get_xlabel() != "" for axes in figure.axes] == [True] * 3
    assert len(figure.axes[2].patches) == len(proposal.windows)
    for file in save_figure(figure, tmp_path / "proposal"):
        assert file.stat().st_size > 10_000
    excess = Excess(3300.0, 3700.0, 4000.0, 3000.0, 40.0, 14.7)
    proposal_figure(proposal._replace(excess=excess))
