"""Signal events after a cut: their shape is that of all of them times the share that passes."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from anode.errors import DataError
from anode.pipeline.search.signal_shape import read_shapes
from anode.statistics.signal.resonance_shape import CrystalBall, CrystalBallShape
from anode.statistics.signal.selected_shape import SelectedShape, Selection, after_cuts

BALL = CrystalBall(1.0, 0.04, 0.8, 10.0, 1.2, 5.0)
ALL = CrystalBallShape((3500.0,), (BALL,))
HALF = Selection((0.1, 0.01), (0.8, 1.0, 1.1), ((0.4, 0.7, 0.4), (0.1, 0.5, 0.1)))


def test_the_shape_after_a_cut_is_the_density_times_the_share_that_passes():
    def passing(x):
        return np.exp(BALL.log_density(np.array([x])))[0] * np.interp(x, HALF.x, HALF.passing[1])

    edges = np.array([3000.0, 3400.0, 3500.0, 3800.0])
    everything = quad(passing, 0.2, 2.0, points=[0.8, 1.0, 1.1], limit=200)[0]
    expected = [
        quad(passing, low / 3500, high / 3500, points=[1.0], limit=200)[0] / everything
        for low, high in pairwise(edges)
    ]
    found = SelectedShape(ALL, HALF, 0.01).fractions(edges, 3500.0)
    assert found == pytest.approx(expected, rel=1e-3)  # the grid of the sum, and tails beyond it


def test_without_a_cut_and_with_equal_shares_the_shape_stays():
    edges = np.arange(2500.0, 5000.0, 50.0)
    flat = Selection((0.1,), (0.9, 1.1), ((0.3, 0.3),))
    shapes = after_cuts(ALL, flat, [0.1])
    assert shapes[0] is ALL
    for shape in (*shapes, SelectedShape(ALL, HALF, 1.0)):
        found = shape.fractions(edges, 3500.0)
        assert found == pytest.approx(ALL.fractions(edges, 3500.0), abs=2e-5)
    assert after_cuts(ALL, None, [0.1, 0.01]) == [ALL, ALL, ALL]


def test_tighter_cuts_leave_more_of_the_signal_in_the_window():
    window = np.array([3300.0, 3700.0])
    shapes = read_shapes("wprime", [0.3, 0.1, 0.01, 0.001, 0.0001])
    inside = [float(shape.fractions(window, 3500.0)[0]) for shape in shapes]
    assert inside[:-1] == sorted(set(inside[:-1]))
    assert inside[-1] == inside[-2]  # beyond the tightest cut that was measured
    for shape in shapes:
        assert np.all(np.diff(shape.cumulative(np.linspace(0.1, 3, 500), 3500.0)) >= 0)
        assert shape.cumulative(np.array([3.0]), 3500.0)[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (((0.01, 0.1), (1.0,), ((0.5,), (0.5,))), "must descend"),
        (((0.1,), (1.0, 0.9), ((0.5, 0.5),)), "rising"),
        (((0.1,), (0.9, 1.0), ((0.5,),)), "a share for each m/M"),
        (((0.1,), (0.9, 1.0), ((0.5, 1.2),)), r"lie in \(0, 1\]"),
    ],
)
def test_an_impossible_selection_is_refused(selection, message):
    with pytest.raises(DataError, match=message):
        Selection(*selection)
