"""Random scores keep their nominal share outside a window, and spread as asked inside."""

import dataclasses

import numpy as np
import pytest

from anode.events.table import EventTable
from anode.pipeline.calibration.random_scores import RandomScore
from anode.regions.windows import Window
from anode.seeding import stream

EFFICIENCIES = [0.1, 0.01]


def events(n, seed=1):
    rng = stream(seed, "events")
    return EventTable(np.arange(n), rng.uniform(3000, 4000, n), rng.random((n, 1)), ("x",), ("",))


def random_score(spread, seed=1):
    window = Window(3000.0, 4000.0)
    return RandomScore(window, EFFICIENCIES, spread=spread, n_features=1, seed=seed)


@pytest.mark.parametrize("spread", [1.0, 1.3])
def test_outside_the_window_scores_are_uniform(spread):
    score = random_score(spread).score(events(20_000), np.zeros(20_000, dtype=bool)).score
    assert score.min() >= 0
    assert score.max() <= 1
    for efficiency in EFFICIENCIES:
        n = np.sum(score > 1 - efficiency)
        assert n == pytest.approx(20_000 * efficiency, abs=4 * np.sqrt(20_000 * efficiency))


@pytest.mark.parametrize("spread", [1.0, 1.3])
def test_counts_in_the_window_spread_as_asked(spread):
    n_events, n_seeds = 2000, 1500
    table = events(n_events)
    inside, counts = np.ones(n_events, dtype=bool), []
    for seed in range(n_seeds):
        score = random_score(spread, seed).score(table, inside).score
        counts.append(np.sum((score > 0.9) & (score <= 0.99)))
    # The number of events is fixed: binomial rather than Poisson counts.
    mean = 0.09 * n_events
    variance = mean * (spread**2 - 0.09)
    assert np.mean(counts) == pytest.approx(mean, rel=0.02)
    assert np.var(counts) == pytest.approx(variance, rel=4 * np.sqrt(2 / n_seeds))


def test_windows_and_seeds_have_scores_of_their_own():
    table, inside = events(1000), np.ones(1000, dtype=bool)
    first = random_score(1.0)
    elsewhere = random_score(1.0)
    elsewhere.window = Window(3100.0, 4100.0)
    scores = [m.score(table, inside).score for m in (first, elsewhere, random_score(1.0, 2))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(scores[a], scores[b])[0, 1]) < 0.15
    again = random_score(1.0).score(table, inside).score
    assert np.array_equal(again, scores[0])


def test_a_score_hangs_on_the_event_and_not_on_its_row():
    table, inside = events(1000), np.ones(1000, dtype=bool)
    order = stream(2, "order").permutation(1000)
    plain, moved = (random_score(1.0).score(t, inside).score for t in (table, table[order]))
    assert np.array_equal(plain[order], moved)
    renamed = dataclasses.replace(table, event_id=table.event_id + 7)
    assert np.array_equal(random_score(1.0).score(renamed, inside).score, plain)
