"""Events are recognised by mass and features, to the last digit, whatever their ids and order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anode.api.known_events import KnownEvents
from anode.events.table import EventTable


def table(values: list[int], first_id: int = 100) -> EventTable:
    """Events of equal content where values are equal."""
    x = np.array(values, dtype=float)
    ids = first_id + np.arange(len(x))
    return EventTable(ids, 3000 + x, x[:, None], ("x",), ("",))


@given(st.lists(st.integers(0, 6), max_size=12), st.lists(st.integers(0, 8), max_size=12))
def test_ids_are_those_of_events_of_equal_content(fitted, asked):
    found = KnownEvents(table(fitted)).recognise(table(asked, 0))
    assert found.known.tolist() == [value in fitted for value in asked]
    ids = {value: [100 + i for i, v in enumerate(fitted) if v == value] for value in asked}
    for i, value in enumerate(asked):
        number = asked[:i].count(value)  # the first of the copies is the first of the fit's
        if value in fitted:
            assert found.event_id[i] == ids[value][number % len(ids[value])]
        else:
            assert found.event_id[i] < 0
            same = [found.event_id[j] for j, v in enumerate(asked) if v == value]
            assert len(set(same)) == 1


def test_all_events_of_a_fit_keep_their_ids_even_equal_ones():
    events = table([3, 1, 3, 3, 0])
    assert np.array_equal(KnownEvents(events).recognise(events).event_id, events.event_id)


def test_the_last_digit_decides_and_the_sign_of_zero_does_not():
    events = table([0, 1])
    known = KnownEvents(events)
    moved = EventTable(
        events.event_id, events.mass, np.nextafter(events.features, 9), ("x",), ("",)
    )
    heavier = EventTable(
        events.event_id, np.nextafter(events.mass, 1e4), events.features, ("x",), ("",)
    )
    negative = EventTable(events.event_id, events.mass, events.features * [-1], ("x",), ("",))
    assert not known.recognise(moved).known.any()
    assert not known.recognise(heavier).known.any()
    assert known.recognise(negative).known.tolist() == [True, False]
