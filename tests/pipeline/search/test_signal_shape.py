"""A user's own signal shape is read, or refused in one line."""

import json

import numpy as np
import pytest

from anode.errors import DataError
from anode.pipeline.search.signal_shape import read_shape

BALL = {
    "mean": 1.0, "width": 0.05, "alpha_low": 1.0, "power_low": 5.0, "alpha_high": 1.5,
    "power_high": 5.0,
}  # fmt: skip
EDGES = np.array([2900.0, 3000.0, 3100.0])


def test_one_crystal_ball_serves_all_masses(tmp_path):
    path = tmp_path / "shape.json"
    path.write_text(json.dumps({"masses": [3000], "crystal_balls": [BALL]}))
    shape = read_shape(path)
    assert shape.fractions(EDGES, 3000.0) == pytest.approx(shape.fractions(2 * EDGES, 6000.0))


def test_histograms_of_both_kinds_of_file_are_equal(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"edges": [0.9, 1, 1.2], "fractions": [0.3, 0.7]}))
    (tmp_path / "a.csv").write_text("# m/M\n0.9,1.0,30\n1.0,1.2,70\n")
    (tmp_path / "b.csv").write_text("low,high,fraction\n0.9,1.0,30\n\n1.0,1.2,70\n")
    found = [
        read_shape(tmp_path / name).fractions(EDGES, 3e3) for name in ("a.json", "a.csv", "b.csv")
    ]
    assert found[0] == pytest.approx([0.1, 0.7 / 6])
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "where there is no file"),
        ("shape.txt", "1", "of another kind"),
        ("shape.json", "{", "not JSON"),
        ("shape.json", "[]", "a signal shape is a JSON file"),
        ("shape.json", '{"masses": [3000], "crystal_balls": [{"mean": 1}]}', "width is missing"),
        ("shape.json", json.dumps({"masses": [-1], "crystal_balls": [BALL]}), "json: masses"),
        ("shape.json", '{"edges": [0.9, 1.1], "fractions": ["a"]}', r"fractions\[0\] must be"),
        ("shape.csv", "low,high,fraction\n0.9,1.0\n", "line 2 must be LOW,HIGH,FRACTION"),
        ("shape.csv", "0.9,1.0,1\n1.1,1.2,1\n", "line 2 begins at 1.1 after 1"),
        ("shape.csv", "3300,3700,1\n", "shape.csv: a shape is a distribution of m/M"),
        ("shape.csv", "", "one edge more"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_shape_is_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_shape(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
