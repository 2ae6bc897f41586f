"""Methods of features with a spike: dequantised, they are as good as without it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from anode import Anode, Events
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, RegionEvents
from anode.methods.wrappers.dequantised import SPIKES
from anode.pipeline.search.window import as_scored
from anode.regions.crossfit import SplitConfig
from anode.regions.dequantise import Spikes
from anode.regions.preprocessing import PreprocessingConfig
from anode.regions.windows import Window
from helpers.small_methods import REGIONS, events, in_region, method, sample

FLOOR = -0.5
DEQUANTISE = PreprocessingConfig(logit=True, standardise=True, dequantise=True)


def floored(table: EventTable) -> EventTable:
    """The last feature cut off from below, as by a detector's threshold."""
    features = table.features.copy()
    features[:, -1] = np.maximum(features[:, -1], FLOOR)
    return dataclasses.replace(table, features=features)


def data(name: str) -> RegionEvents:
    return RegionEvents(*(None if table is None else floored(table) for table in events(name)))


def fitted(folder: Path, name: str, **changes) -> AnomalyMethod:
    made = method(folder, name, preprocessing=DEQUANTISE, **changes)
    made.fit(data(name))
    return made


@pytest.mark.parametrize("name", ["anode", "r_anode", "cathode", "lacathode", "iad"])
def test_every_method_scores_alike_in_any_order_and_by_another_process(name, tmp_path):
    made = fitted(tmp_path, name)
    assert (tmp_path / SPIKES).is_file()
    probe = floored(in_region(sample(600, 60, 5, 1 << 21))).without_label()
    new = np.zeros(len(probe), dtype=bool)
    first = made.score(probe, new)
    again = method(tmp_path, name, preprocessing=DEQUANTISE)
    assert np.array_equal(again.score(probe, new).score, first.score)
    back = again.score(probe[np.arange(len(probe))[::-1]], new)
    np.testing.assert_allclose(back.score[::-1], first.score, atol=1e-5)
    assert (made.title, made.meaning) == (again.title, method(tmp_path / "x", name).meaning)


def test_the_density_is_that_of_the_spread_variable(tmp_path):
    """A share of the draws is in the interval, where log p is that of a continuum."""
    made = fitted(tmp_path, "anode")
    found = Spikes.load(tmp_path / SPIKES).features["x4"]
    probe = floored(in_region(sample(4000, 0, 5, 1 << 21))).without_label()
    share = np.mean(probe.features[:, -1] == FLOOR)
    drawn = made.draw_background(probe.identity, probe.mass, seed=3)
    assert drawn is not None
    inside = (drawn[:, -1] >= found.low[0]) & (drawn[:, -1] < found.high[0])
    assert np.mean(inside) == pytest.approx(share, abs=0.1)
    scores = made.score(probe, np.zeros(len(probe), dtype=bool))
    assert scores.parts["log_p_background"].max() < 0
    plain = method(tmp_path / "plain", "anode")
    plain.fit(data("anode"))
    spiky = plain.score(probe, np.zeros(len(probe), dtype=bool))
    assert spiky.parts["log_p_background"].max() > 1


def test_events_at_one_mass_keep_places_of_their_own(tmp_path):
    """A search scores all events at the centre of its window: then content is no content."""
    made = fitted(tmp_path, "anode")
    probe = floored(in_region(sample(600, 0, 5, 1 << 21))).without_label()
    at_centre = as_scored(made, probe, Window(3300, 3700))
    assert np.all(at_centre.mass == 3500)
    assert np.array_equal(at_centre.features, made.seen(probe).features)
    assert len(np.unique(at_centre.features[:, -1])) == len(probe)


def test_folds_of_the_sidebands_share_the_intervals(tmp_path):
    split = SplitConfig("kfold", 2, 0.2, 0.5, "one_fold", 2)
    made = fitted(tmp_path, "cwola", split=split)
    assert [path.parent for path in tmp_path.rglob(SPIKES)] == [tmp_path]
    region = data("cwola").signal_region
    assert np.isfinite(made.score(region, np.ones(len(region), dtype=bool)).score).all()


def test_without_the_key_events_are_seen_as_they_are(tmp_path):
    table = floored(sample(300, 10, 1))
    assert method(tmp_path, "anode").seen(table) is table


def auc(table: EventTable, *, dequantise: bool) -> float:
    """Of ANODE's scores of events of the signal region."""
    model = Anode(
        signal=(3300, 3700),
        folds=2,
        seed=1,
        density="made_mog",
        epochs=10,
        batch_size=512,
        learning_rate=2e-3,
        ensemble=3,
        preprocessing={"dequantise": dequantise},
    )
    inside = REGIONS.in_signal_region(table.mass)
    scores = model.fit(Events.of_table(table.without_label())).score(Events.of_table(table))
    assert table.label is not None
    return float(roc_auc_score(table.label[inside], scores.score[inside]))


@pytest.mark.slow
def test_a_spike_of_a_fifth_of_the_events_costs_nothing_once_it_is_spread():
    toy = Toy(shift=(2.2, 1.8, -1.6, 1.2))
    table = toy.sample(40_000, 1500, np.random.default_rng(1))
    features = table.features.copy()
    floor = np.quantile(features[:, -1], 0.2)
    features[:, -1] = np.maximum(features[:, -1], floor)
    spiky = dataclasses.replace(table, features=features)
    without = auc(table, dequantise=False)
    assert auc(spiky, dequantise=False) < without - 0.005
    assert auc(spiky, dequantise=True) > without - 0.003
