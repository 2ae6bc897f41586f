"""Averages of the constituents of jets are those of loops over them."""

import numpy as np
import pytest

from anode.errors import DataError
from anode.evaluation.description.particle_summary import (
    DISTANCE_EDGES,
    FRACTION_EDGES,
    IMAGE,
    NUMBER_EDGES,
    summarise,
)
from anode.jets.constituents import ConstituentConfig, constituents
from anode.jets.images import images
from helpers.particles import event_of, made_up, part_of

EVENTS = made_up(np.arange(20), seed=2, n_most=40)


def test_averages_do_not_depend_on_the_parts_and_are_those_of_padded_constituents():
    whole = summarise([EVENTS])
    parts = summarise(part_of(EVENTS, rows) for rows in ([0], range(1, 13), range(13, 20)))
    assert whole.n_events == parts.n_events == 20
    for one, other in zip(whole[1:], parts[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    np.testing.assert_allclose(whole.image, images(EVENTS, IMAGE).mean(axis=0), atol=1e-6)
    rows = constituents(EVENTS, ConstituentConfig(n=60))
    for jet in (0, 1):
        real = rows[:, jet][rows[:, jet, :, 3] == 1]
        numbers = rows[:, jet, :, 3].sum(axis=1)
        expected = [
            (whole.number, np.histogram(numbers, NUMBER_EDGES)),
            (whole.fraction, np.histogram(real[:, 0], FRACTION_EDGES)),
            (whole.distance, np.histogram(np.hypot(real[:, 1], real[:, 2]), DISTANCE_EDGES)),
        ]
        for found, (counts, _) in expected:
            np.testing.assert_allclose(found[jet], counts / 20, atol=1e-12)


def test_what_lies_beyond_the_edges_counts_in_the_last_bin():
    far = event_of([50, 50, 30], [-2, 2, 0], [0, 0, 3], [0, 0, 1])
    found = summarise([far])
    assert found.distance[0, -1] == 2
    assert found.distance[1, 0] == 1
    assert found.fraction[1, -1] == 1


def test_an_empty_jet_is_refused():
    with pytest.raises(DataError, match="event 11"):
        summarise([event_of([5.0], [0], [0], [0])])
