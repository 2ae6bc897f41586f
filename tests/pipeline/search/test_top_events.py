"""The rarest events, each once, with the kinematics of the right rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anode.errors import DataError
from anode.events.readers.lhco_features import read_bundled
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.search.top_events import WindowScores, log10_efficiency, rarest, top_events

THRESHOLDS = {0.1: 1.0, 0.01: 2.0, 0.001: 3.0}
BUNDLED = DataConfig("bundled", None, None, None, None)


def window(low: float, ids, mass, score, thresholds=THRESHOLDS) -> WindowScores:
    columns = (np.asarray(ids), np.asarray(mass, dtype=float), np.asarray(score, dtype=float))
    return WindowScores(low, low + 400, *columns, thresholds)


@given(st.lists(st.floats(-5, 20), min_size=2, max_size=30))
def test_higher_scores_are_rarer(scores):
    fraction = log10_efficiency(np.sort(scores), THRESHOLDS)
    assert np.all(np.diff(fraction) <= 0)


def test_one_threshold_counts_nats():
    fraction = log10_efficiency(np.array([2.0, 3.0]), {0.1: 2.0})
    np.testing.assert_allclose(fraction, [-1, -1 - 1 / np.log(10)])


def test_thresholds_that_fall_are_refused():
    with pytest.raises(DataError, match="must rise"):
        log10_efficiency(np.zeros(1), {0.1: 2.0, 0.01: 1.0})


def test_an_event_of_many_windows_is_listed_once_with_the_score_of_the_nearest():
    first = window(3000, [1, 2], [3210, 3330], [9.0, 9.0])
    second = window(3200, [1, 2, 3], [3210, 3330, 3390], [3.0, 2.5, 2.0])
    found = rarest([first, second], 10)
    assert found.event_id.tolist() == [1, 2, 3]
    assert found.score.tolist() == [9.0, 2.5, 2.0]
    assert found.low.tolist() == [3000, 3200, 3200]


def test_events_outside_every_window_do_not_count():
    assert rarest([window(3000, [1, 2], [2900, 3400], [9, 9])], 5).event_id.size == 0


def test_ranks_follow_rarity_not_the_number():
    loose = window(3000, [1], [3200], [50.0], {0.1: 40.0, 0.01: 60.0})
    tight = window(3400, [2], [3600], [2.0])
    assert rarest([loose, tight], 2).event_id.tolist() == [2, 1]


def test_kinematics_are_those_of_the_events_and_the_heavier_jet_is_the_second():
    events = read_bundled(None, ["mj1", "mj2", "tau21_1"], rows=(250_000, 250_400))
    score = np.linspace(0, 5, len(events))
    windows = [
        window(low, events.event_id, events.mass, score) for low in np.arange(2600.0, 5000, 100)
    ]
    top = top_events(windows, (3300.0, 3700.0), BUNDLED, n=7)
    for name in ("overall", "hotspot"):
        listed = getattr(top, name)
        ids = [event.event_id for event in listed]
        assert len(set(ids)) == len(ids) == 7
        for event in listed:
            row = events[events.event_id == event.event_id]
            assert event.mass == row.mass[0]
            assert event.features["mj1"] == row.column("mj1")[0]
            assert event.features["tau21_1"] == row.column("tau21_1")[0]
            assert event.features["mj1"] <= event.features["mj2"]
    assert all(3300 <= event.mass < 3700 for event in top.hotspot)
    assert top.units["pt_1"] == "GeV"


def test_an_event_that_the_data_lack_is_refused():
    with pytest.raises(DataError, match=r"event 123 of the search is not in it"):
        top_events([window(3300, [123], [3500], [4])], None, BUNDLED)


def test_the_toy_has_no_jets():
    toy = DataConfig("toy", None, None, 10, 10)
    top = top_events([window(3300, [1], [3500], [4])], (3300, 3700), toy)
    assert top.overall == top.hotspot
    assert top.overall[0].features == {}
