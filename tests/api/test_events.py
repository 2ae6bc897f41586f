"""Events of a user: checked with a line that says what is wrong, copied, and sliced."""

import numpy as np
import pandas as pd
import pytest

from anode import AnodeError, Events

X, M = np.arange(6.0).reshape(3, 2), np.array([3000.0, 3500.0, 4000.0])


def with_value(array: np.ndarray, place: object, value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("features", "mass", "options", "message"),
    [
        (X[:, 0], M, {}, r"features must have shape \(N, D\), got \(3,\)"),
        (X[:, :0], M, {}, r"features must have shape \(N, D\), got \(3, 0\)"),
        (X, M[:2], {}, r"mass must have shape \(3,\), got \(2,\)"),
        (X, M[:, None], {}, r"mass must have shape \(3,\), got \(3, 1\)"),
        (with_value(X, (1, 0), np.nan), M, {}, r"column 'x1' must be finite, but row 1 has nan"),
        (X, with_value(M, 2, np.inf), {}, r"column 'mass' must be finite, but row 2 has inf"),
        (X, with_value(M, 0, -5), {}, r"column 'mass' must be above 0 GeV, but row 0 has -5"),
        (X, M, {"names": ["a"]}, r"got 1 names \(a\) for 2 columns"),
        (X, M, {"names": ["a", "a"]}, r"feature names must differ"),
        (X, M, {"label": [0, 1, 2]}, r"column 'label' must be 0 .* row 2 has 2"),
        (X, M, {"label": [0, 1]}, r"label must have shape \(3,\), got \(2,\)"),
        (X, M, {"event_id": [1, 1, 2]}, r"event ids must be unique"),
        (X, M, {"event_id": [0.5, 1, 2]}, r"event_id must be a list of integers"),
        (X, M, {"units": ["GeV"]}, r"every feature needs a unit"),
        ([["a", "b"]] * 3, M, {}, r"features must be an array of numbers"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(features, mass, options, message):
    with pytest.raises(AnodeError, match=message) as raised:
        Events(features, mass, **options)
    assert "\n" not in str(raised.value)


def test_a_data_frame_names_its_columns():
    frame = pd.DataFrame({"mj1": X[:, 0], "pt_1": X[:, 1]})
    assert Events(frame, M).names == ("mj1", "pt_1")
    assert Events(frame, M, ["a", "b"]).names == ("a", "b")
    assert Events(X, M).names == ("x1", "x2")


def test_events_are_copies_that_nobody_changes():
    x, m = X.copy(), M.copy()
    events = Events(x, m, label=[0, 0, 1])
    x[:], m[:] = 7, 7
    assert np.array_equal(events.features, X)
    assert np.array_equal(events.mass, M)
    for values in (events.features, events.mass, events.event_id, events.label):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


def test_a_part_keeps_ids_and_labels():
    events = Events(X, M, label=[0, 1, 0])
    part = events[events.mass > 3200]
    assert (part.event_id.tolist(), part.label.tolist(), len(part)) == ([1, 2], [1, 0], 2)
    assert np.array_equal(events[:2].features, X[:2])
    assert np.array_equal(events[[2, 0]].mass, M[[2, 0]])


def test_the_text_of_events_is_short():
    assert repr(Events(X, M)) == "Events(3 events, mass 3000 to 4000 GeV, features x1, x2)"
    assert repr(Events(X, M)[:0]) == "Events(0 events, features x1, x2)"


def test_a_table_is_read_as_the_commands_read_it(tmp_path):
    path = tmp_path / "events.csv"
    rows = zip(M / 1000, X[:, 0], X[:, 1], [0, 1, 0], strict=True)
    path.write_text("m,a,b,y\n" + "\n".join(",".join(map(str, row)) for row in rows))
    columns = {"mass": "m", "features": {"first": "a", "second": "b"}, "label": "y"}
    events = Events.read(path, columns=columns, mass_unit="TeV")
    np.testing.assert_allclose(events.mass, M)
    assert np.array_equal(events.features, X)
    assert (events.names, events.label.tolist()) == (("first", "second"), [0, 1, 0])
    one = Events.read(path, columns=columns, mass_unit="TeV", features=["second"])
    assert np.array_equal(one.features, X[:, 1:])


def test_bundled_events_are_read_by_number():
    events = Events.bundled(n_background=50, n_signal=5, features=["mj1", "delta_r"])
    assert (len(events), int(events.label.sum()), events.names) == (55, 5, ("mj1", "delta_r"))


@pytest.mark.parametrize(
    ("path", "keys", "message"),
    [
        ("none.csv", {"data": "tabel"}, r"data must be one of .*did you mean table\?"),
        ("none.csv", {"colums": {}}, r"unknown key data\.colums, .*did you mean columns\?"),
        ("none.csv", {}, "data=table must be told which columns"),
        ("none.csv", {"columns": {"mass": "m", "features": {"a": "a"}}}, "no such file"),
        ("none.h5", {"data": "lhco_features", "features": ["mj9"]}, "mj9"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, path, keys, message):
    with pytest.raises(AnodeError, match=message):
        Events.read(tmp_path / path, **keys)
