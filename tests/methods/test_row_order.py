"""Neither the order of the rows nor their numbers decide: events and their copies do."""

import dataclasses

import numpy as np
import pytest

from anode.classifiers.job import ClassifierJob, divide
from anode.events.table import EventTable, concatenate
from anode.methods.base import AnomalyMethod, RegionEvents
from anode.methods.sideband_folds import SidebandFolds
from anode.regions.crossfit import CrossFit, SplitConfig
from helpers.small_methods import CONFIGS, events, in_region, method, sample, settings
from helpers.small_trees import TREES

SIDEBANDS_TOO = SplitConfig("kfold", 2, 0.2, 0.5, "one_fold", 2)


def shuffled(table: EventTable) -> EventTable:
    """The same events in another order, numbered by their new rows."""
    order = np.random.default_rng(7).permutation(len(table))
    return dataclasses.replace(table[order], event_id=table.event_id)


def score_by_identity(one: AnomalyMethod, table: EventTable) -> dict[int, float]:
    scores = one.score(table, np.ones(len(table), dtype=bool))
    return dict(zip(table.identity.tolist(), scores.score.tolist(), strict=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_shuffling_a_file_moves_no_score(tmp_path, name):
    given = events(name)
    simulation = None if given.simulation is None else shuffled(given.simulation)
    other = RegionEvents(shuffled(given.signal_region), shuffled(given.sidebands), simulation)
    found = []
    for number, each in enumerate((given, other)):
        one = method(tmp_path / str(number), name)
        one.fit(each)
        found.append(score_by_identity(one, each.signal_region))
    assert found[0] == found[1]
    assert len(set(found[0].values())) > 50


def test_copies_are_in_one_fold_and_one_part_of_every_division():
    table = in_region(sample(600, 60, 4, 0))
    twice = concatenate([table, dataclasses.replace(table, event_id=table.event_id + 10_000)])
    n = len(table)
    for mode in ("kfold", "holdout"):
        split = CrossFit(dataclasses.replace(settings().split, mode=mode, folds=5), seed=3)
        for seen in split.fitted(twice):
            _, counts = np.unique(seen.identity, return_counts=True)
            assert set(counts) == {2}
        for chosen in (split.is_validation(twice), split.unseen(twice)):
            assert np.array_equal(chosen[:n], chosen[n:])


def test_copies_are_left_out_of_the_same_sideband_fold(tmp_path):
    given = events("anode")
    sidebands = given.sidebands
    copies = dataclasses.replace(sidebands[:300], event_id=np.arange(300) + 10_000_000)
    doubled = concatenate([sidebands, copies])
    seen = []

    def make(directory, split):
        one = method(directory, "isolation_forest", split=split)
        one.fit = lambda events: seen.append(events.sidebands)  # type: ignore[method-assign]
        return one

    folds = SidebandFolds(tmp_path, settings(split=SIDEBANDS_TOO), make)
    folds.fit(given._replace(sidebands=doubled))
    for table in seen:
        numbers = dict(zip(*np.unique(table.identity, return_counts=True), strict=True))
        assert {numbers.get(i, 2) for i in copies.identity} == {2}
    assert len(seen) == 2
    assert all(0.4 < len(table) / len(doubled) < 0.6 for table in seen)


def test_copies_do_not_validate_what_their_twins_train(tmp_path):
    table = in_region(sample(400, 40, 4, 0))
    x = np.concatenate([table.features, table.features])
    identity = np.concatenate([table.identity, table.identity])
    job = ClassifierJob(
        tmp_path / "fit",
        x,
        x + 1,
        TREES,
        1,
        positive_identity=identity,
        negative_identity=identity,
    )
    train, validation = divide(job, 0)
    in_both = {tuple(row) for row in train.features} & {tuple(row) for row in validation.features}
    assert len(in_both) <= 2  # at most where the share that is asked for ends, once a class
