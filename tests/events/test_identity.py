"""Who an event is hangs on its content alone, and stays with it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anode import io
from anode.errors import DataError
from anode.events.identity import identity_of, refuse_parted_copies, row_hashes
from anode.events.known_events import KnownEvents
from anode.events.table import EventTable, concatenate
from anode.regions.distortion import DistortionConfig, distort


def table(n: int = 50, seed: int = 1, *, first_id: int = 0) -> EventTable:
    rng = np.random.default_rng(seed)
    mass, features = rng.uniform(2000, 6000, n), rng.normal(size=(n, 3))
    label = rng.integers(0, 2, n)
    return EventTable(first_id + np.arange(n), mass, features, ("a", "b", "c"), ("",) * 3, label)


def test_a_million_different_events_have_a_million_identities() -> None:
    rng = np.random.default_rng(1)
    n = 1_000_000
    random = identity_of(rng.uniform(2000, 6000, n), rng.normal(size=(n, 2)))
    assert len(np.unique(random)) == n
    i = np.arange(n)  # and where values are few, and columns alike
    grid = identity_of(2000.0 + i % 100, np.column_stack([i // 100 % 100, i // 10_000]) * 0.25)
    assert len(np.unique(grid)) == n
    bits = np.unpackbits(grid[:20_000].view(np.uint8)).reshape(-1, 64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(bits))


def test_columns_may_not_change_places() -> None:
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    hashes = [*row_hashes(rows), *row_hashes(rows[:, :1]), *row_hashes(rows.astype(np.float32))]
    assert len(set(hashes)) == 4 + 3 + 4  # 1.0 alone is there twice


def test_single_precision_decides_and_the_sign_of_zero_does_not() -> None:
    events = table()
    as_float32 = identity_of(events.mass.astype(np.float32), events.features.astype(np.float32))
    assert np.array_equal(as_float32, events.identity)
    moved = events.features * (1 + 1e-6)
    assert not np.isin(identity_of(events.mass, moved), events.identity).any()
    assert not np.isin(
        identity_of(events.mass * (1 + 1e-6), events.features), events.identity
    ).any()
    mass = np.full(2, 3000.0)
    assert len(set(identity_of(mass, np.array([[0.0], [-0.0]])))) == 1
    assert identity_of(mass, np.array([[1e300], [-1e300]])).shape == (2,)  # beyond float32


def test_identity_is_that_of_the_events_as_they_were_read() -> None:
    events = table()
    smeared = distort(events, DistortionConfig({"a": 0.1}, 2, {"b": 0.3}), seed=1)
    centred = dataclasses.replace(events, mass=np.full(50, 3500.0))
    for later in (smeared, centred, events.without_label(), events[:]):
        assert np.array_equal(later.identity, events.identity)
    rows = np.array([7, 3, 40])
    assert np.array_equal(smeared[rows].identity, events.identity[rows])
    joined = concatenate([smeared[10:], smeared[:10]])
    assert np.array_equal(joined.identity, np.roll(events.identity, -10))
    with pytest.raises(DataError, match=r"identity must have shape \(50,\), got \(3,\)"):
        dataclasses.replace(events, identity=events.identity[:3])


def test_noise_follows_an_event_to_another_file() -> None:
    events, config = table(), DistortionConfig(None, 1, {"a": 0.2})
    order = np.random.default_rng(2).permutation(50)
    elsewhere = dataclasses.replace(events[order], event_id=np.arange(50) + 900)
    expected = distort(events, config, seed=3).features[order]
    assert np.array_equal(distort(elsewhere, config, seed=3).features, expected)


@given(st.permutations(range(12)), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_the_order_by_identity_does_not_depend_on_the_order_before(order, values) -> None:
    x = np.array(values, dtype=float)
    ids = np.arange(12)
    # Equal in single precision, but not to the last digit.
    features = x[:, None] + 1e-12 * (ids % 3)[:, None]
    events = EventTable(ids, 3000 + x, features, ("x",), ("",))
    sort, again = events.by_identity(), events[np.array(order)].by_identity()
    assert np.all(sort.identity[1:] >= sort.identity[:-1])
    assert np.array_equal(sort.mass, again.mass)
    assert np.array_equal(sort.features, again.features)
    assert sorted(sort.event_id) == ids.tolist()


@given(st.lists(st.integers(0, 5), max_size=12))
def test_copies_are_all_but_the_first(values) -> None:
    x = np.array(values, dtype=float)
    events = EventTable(np.arange(len(x)), 3000 + x, x[:, None], ("x",), ("",))
    assert events.is_copy().tolist() == [v in values[:i] for i, v in enumerate(values)]


@given(st.lists(st.integers(0, 6), max_size=12), st.lists(st.integers(0, 8), max_size=12))
def test_events_are_known_by_content(fitted, asked) -> None:
    def of(values: list[int]) -> EventTable:
        x = np.array(values, dtype=float)
        return EventTable(np.arange(len(x)), 3000 + x, x[:, None], ("x",), ("",))

    known = KnownEvents(of(fitted[::2]), of(fitted[1::2]))
    expected = [value in fitted for value in asked]
    assert (
        known.includes(of(asked)).tolist() == known.recognise(of(asked)).known.tolist() == expected
    )


def lhco(columns: dict[str, np.ndarray]) -> EventTable:
    """Mass and features as they are computed from momenta, jet masses and subjettinesses."""
    p1, p2, m1, m2, *tau = columns.values()
    energy = np.sqrt((p1**2).sum(1) + m1**2) + np.sqrt((p2**2).sum(1) + m2**2)
    mass = np.sqrt(energy**2 - ((p1 + p2) ** 2).sum(1))
    x = np.column_stack([np.minimum(m1, m2), abs(m2 - m1), tau[1] / tau[0], tau[3] / tau[2]])
    return EventTable(np.arange(len(mass)), mass, x, ("mj", "delta", "t1", "t2"), ("",) * 4)


def test_computed_features_of_a_file_saved_as_float32_are_known() -> None:
    n, rng = 20_000, np.random.default_rng(3)
    columns = {f"p{i}": rng.normal(0, 900, (n, 3)) for i in range(2)}
    columns |= {f"m{i}": rng.exponential(150, n) for i in range(2)}
    columns |= {f"tau{i}": rng.uniform(0.05, 1, n) for i in range(4)}
    events = lhco(columns)
    again = lhco({name: x.astype(np.float32).astype(float) for name, x in columns.items()})
    assert np.mean(again.identity == events.identity) < 0.5  # so that identities alone do not do
    found = KnownEvents(events[: n // 2]).recognise(again)
    assert np.array_equal(found.known, np.arange(n) < n // 2)
    assert np.array_equal(found.events.identity[: n // 2], events.identity[: n // 2])
    assert np.array_equal(found.events.features, again.features)


def test_new_events_of_one_or_few_features_are_not_taken_for_known_ones() -> None:
    n, rng = 100_000, np.random.default_rng(4)
    mass, x = 2500 + rng.exponential(800, 2 * n), rng.normal(size=(2 * n, 2))
    for n_features in (1, 2):
        names = ("a", "b")[:n_features]
        events = EventTable(np.arange(2 * n), mass, x[:, :n_features], names, ("",) * n_features)
        found = KnownEvents(events[:n]).recognise(events[n:]).known
        assert found.sum() <= 1
    with pytest.raises(DataError, match="must have the 2 features of the fit, got 3"):
        KnownEvents(events).recognise(table())


def test_known_events_are_kept_in_a_file(tmp_path: Path) -> None:
    events, path = table(), tmp_path / "known.h5"
    KnownEvents(events).write(path)
    known = KnownEvents.read(path)
    assert known.recognise(events).known.all()
    assert np.array_equal(known.identity, np.sort(events.identity))
    both = concatenate([events, table(seed=2, first_id=50)])
    assert known.includes(both).tolist() == [True] * 50 + [False] * 50
    io.write_hdf5(path, {"other": np.zeros(3)})
    with pytest.raises(
        DataError, match=r"known.h5: expected .* identity, mass, marks, scale missing"
    ):
        KnownEvents.read(path)


def test_identities_that_part_copies_are_refused():
    content = np.array([7, 5, 7, 9], dtype=np.uint64)
    refuse_parted_copies(content, np.array([1, 2, 1, 2]), "who")  # more alike than they are: fine
    with pytest.raises(DataError, match=r"who of identities .* such as 1 and 3"):
        refuse_parted_copies(content, np.array([1, 2, 3, 2]), "who")
