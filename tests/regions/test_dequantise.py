"""Values that many events share become intervals, each event's place hanging on its content."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import kstest

from anode.errors import DataError
from anode.events.table import EventTable
from anode.io import write_json
from anode.regions.dequantise import Intervals, Spikes

N = 5000


def table(*columns: np.ndarray, seed: int = 0) -> EventTable:
    n, names = len(columns[0]), tuple(f"x{i}" for i in range(len(columns)))
    mass = np.random.default_rng(seed).uniform(3000, 4000, n)
    values = np.column_stack(columns).astype(float)
    return EventTable(np.arange(n), mass, values, names, ("",) * len(names))


def normal(seed: int = 1, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def with_spike(value: float, share: float = 0.2, seed: int = 1) -> EventTable:
    """Normal x0, of which a share has one value, and untouched x1."""
    x = normal(seed)
    x[np.random.default_rng(seed + 1).uniform(size=N) < share] = value
    return table(x, normal(seed + 2))


@pytest.mark.parametrize("value", [-999.0, -5.0, -0.3, 0.0, 0.4, 7.0])
def test_a_spike_gets_an_interval_where_nothing_else_is(value):
    events = with_spike(value)
    spikes = Spikes.of(events)
    assert list(spikes.features) == ["x0"]
    (low,), (high,) = spikes.features["x0"].low, spikes.features["x0"].high
    spread = spikes.spread(events, seed=1)
    shared = events.features[:, 0] == value
    inside = (spread.features[:, 0] >= low) & (spread.features[:, 0] < high)
    assert np.array_equal(inside, shared)
    assert np.array_equal(spread.features[~shared], events.features[~shared])
    assert np.array_equal(spread.features[:, 1], events.features[:, 1])
    places = (spread.features[shared, 0] - low) / (high - low)
    assert kstest(places, "uniform").pvalue > 1e-3
    others = events.features[~shared, 0]
    assert min(abs(low - others.max()), abs(high - others.min())) < 1e-9  # next to all others
    # As dense as they are on average: 20% in a quarter of the range of 80%.
    dense = np.diff(np.quantile(others, [0.05, 0.95]))[0] / 0.9
    assert (high - low) / dense == pytest.approx(shared.mean() / (1 - shared.mean()))


def test_several_spikes_lie_side_by_side_on_their_own_sides():
    x = normal(n=10_000)
    for start, value in enumerate((-3.5, -2.0, 0.3, 5.0, 9.0)):
        x[1000 * start : 1000 * (start + 1)] = value
    events = table(x)
    found = Spikes.of(events).features["x0"]
    assert found.values == (-3.5, -2.0, 0.3, 5.0, 9.0)
    continuum = x[5000:]
    assert np.all(np.array(found.low) < found.high)
    below, above = slice(0, 2), slice(2, 5)
    np.testing.assert_allclose(found.high[below][-1], continuum.min())
    np.testing.assert_allclose(found.high[below][:-1], found.low[below][1:])
    np.testing.assert_allclose(found.low[above][0], continuum.max())
    np.testing.assert_allclose(found.low[above][1:], found.high[above][:-1])


def test_whole_numbers_are_spread_up_to_the_next():
    counts = np.random.default_rng(1).poisson(6, N)
    events = table(counts, normal())
    spread = Spikes.of(events).spread(events, seed=3)
    assert np.array_equal(np.floor(spread.features[:, 0]), counts)
    assert len(np.unique(spread.features[:, 0])) == N
    places = spread.features[:, 0] - counts
    assert kstest(places, "uniform").pvalue > 1e-3


def test_zero_and_one_are_spread_and_a_hole_is_left_empty():
    found = Spikes.of(table(np.arange(N) % 2)).features["x0"]
    assert (found.low, found.high) == ((0, 1), (1, 2))
    found = Spikes.of(table(np.choose(np.arange(N) % 4, [-999, 0, 2, 4]))).features["x0"]
    assert found.high == (-997, 2, 4, 6)


def test_a_continuum_stays_as_it_is():
    events = table(normal(), np.round(normal(2), 3))
    spikes = Spikes.of(events)
    assert not spikes.features
    assert spikes.spread(events, seed=1) is events


def test_the_place_hangs_on_the_content_and_the_seed_not_on_the_row():
    events = with_spike(0.0)
    spikes = Spikes.of(events)
    spread = spikes.spread(events, seed=1)
    order = np.random.default_rng(5).permutation(N)[: N // 2]
    moved = dataclasses.replace(events[order], event_id=np.arange(len(order)) + 77)
    assert np.array_equal(spikes.spread(moved, seed=1).features, spread.features[order])
    shared = events.features[:, 0] == 0
    other = spikes.spread(events, seed=2).features[shared, 0]
    assert abs(np.corrcoef(other, spread.features[shared, 0])[0, 1]) < 0.1


def test_two_features_of_an_event_have_places_of_their_own():
    counts = np.random.default_rng(1).poisson(6, N)
    spread = Spikes.of(events := table(counts, counts)).spread(events, seed=1).features
    assert abs(np.corrcoef((spread - np.floor(spread)).T)[0, 1]) < 0.05


def test_what_is_spread_stays_where_it_is():
    for events in (with_spike(0.0), table(np.random.default_rng(1).poisson(6, N))):
        spikes = Spikes.of(events)
        once = spikes.spread(events, seed=1)
        assert np.array_equal(spikes.spread(once, seed=1).features, once.features)


def test_other_events_are_spread_by_the_intervals_of_the_fit():
    spikes = Spikes.of(with_spike(0.0))
    others = with_spike(0.0, share=0.9, seed=7)
    (low,), (high,) = spikes.features["x0"].low, spikes.features["x0"].high
    spread = spikes.spread(others, seed=1).features[:, 0]
    assert np.mean((spread >= low) & (spread < high)) == pytest.approx(0.9, abs=0.02)


def test_spikes_are_read_back_from_their_file(tmp_path):
    spikes = Spikes.of(with_spike(0.1))
    write_json(tmp_path / "spikes.json", spikes.to_json())
    assert Spikes.load(tmp_path / "spikes.json").features == spikes.features
    assert isinstance(spikes.features["x0"], Intervals)
    write_json(tmp_path / "spikes.json", {"features": {"x0": {"values": [1.0]}}})
    with pytest.raises(DataError, match=r"spikes\.json: "):
        Spikes.load(tmp_path / "spikes.json")


def test_only_the_first_feature_may_be_asked_for():
    events = with_spike(0.0)
    alone = dataclasses.replace(
        events, features=events.features[:, 1:], names=("x1",), units=("",)
    )
    assert Spikes.of(events).spread(alone, seed=1) is alone
