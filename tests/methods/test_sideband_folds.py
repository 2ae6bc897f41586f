"""Folds of the sidebands: no event, wherever its mass, is scored by a fit that has seen it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from anode import io
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, ExtraMetrics, FitSettings, RegionEvents, Scores
from anode.methods.build import build_method
from anode.methods.outliers.isolation_forest import Isolation
from anode.methods.sideband_folds import SidebandFolds
from anode.regions.crossfit import CrossFit, SomeFolds, SplitConfig
from anode.regions.splits import uniform_of
from helpers.small_methods import CWOLA, ISOLATION, REGIONS, settings
from helpers.small_methods import events as small_events
from helpers.small_methods import method as small_method

N_FOLDS = 3
PAIRS = [(0, 0), (1, 0), (1, 1), (2, 1)]
"""Member and fold of the region that thirds and halves of [0, 1) share."""


class Recorder(AnomalyMethod):
    """Keeps what each of its fits has seen; says of an event which fit scored it."""

    title = "recorder"
    meaning = "number of the fit"
    score_at_window_centre = False

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        fit = np.full(len(events), -1.0)
        rows_of = self.cross_fit.scored(events, fitted)
        for number, rows in zip(self.cross_fit.numbers, rows_of, strict=True):
            assert (self.directory / f"data_fold{number}.json").is_file()
            fit[rows] = number
        member = np.full(len(events), float(self.directory.name.removeprefix("sidebands")))
        parts = {"member": member, "fit": fit, "fitted": fitted.astype(float)}
        return Scores(
            events.event_id, events.mass, 10 * member + fit, parts, events.features[:, 0] > 2
        )

    def extra_metrics(self, parts, in_data):
        return ExtraMetrics(other={"n": int(in_data.sum())})

    def _fit(self, events: RegionEvents) -> None:
        folds = self.cross_fit.fitted(events.signal_region)
        for name, seen in zip(self.cross_fit.names("data"), folds, strict=True):
            content = {"region": seen.event_id.tolist(), "sidebands": ids(events.sidebands)}
            io.write_json(self.directory / f"{name}.json", content)


def ids(events: EventTable) -> list[int]:
    found: list[int] = events.event_id.tolist()
    return found


def folded(n_folds: int = N_FOLDS) -> FitSettings:
    return settings(split=SplitConfig("kfold", 2, 0.2, 0.5, "one_fold", n_folds))


def recorder(directory: Path, split_settings: FitSettings | None = None) -> SidebandFolds:
    split_settings = split_settings or folded()

    def member(folder: Path, split: SplitConfig) -> Recorder:
        return Recorder(folder, settings(split=split))

    return SidebandFolds(directory, split_settings, member)


@pytest.fixture(scope="module")
def events() -> EventTable:
    return Toy().sample(1500, 100, np.random.default_rng(2)).without_label()


def roles(events: EventTable) -> RegionEvents:
    inside = in_region(events)
    return RegionEvents(events[inside], events[REGIONS.in_sidebands(events.mass)])


def in_region(events: EventTable) -> np.ndarray:
    return REGIONS.in_signal_region(events.mass)


@pytest.fixture
def method(tmp_path, events) -> SidebandFolds:
    made = recorder(tmp_path)
    made.fit(roles(events))
    return made


def test_no_event_is_scored_by_a_fit_that_saw_it(method, events):
    scores = method.score(events, in_region(events))
    assert np.array_equal(scores.event_id, events.event_id)
    seen = {
        (m, f): io.read_json(method.directory / f"sidebands{m}" / f"data_fold{f}.json")
        for m, f in PAIRS
    }
    members, fits = scores.parts["member"].astype(int), scores.parts["fit"].astype(int)
    for event_id, member, fit in zip(ids(events), members, fits, strict=True):
        content = seen[member, fit]
        assert event_id not in content["region"]
        assert event_id not in content["sidebands"]
    # Yet a fit has seen two thirds of the sidebands, and half of the region.
    n_region, n_sidebands = (len(table) for table in roles(events)[:2])
    for content in seen.values():
        assert len(content["sidebands"]) == pytest.approx(2 / 3 * n_sidebands, rel=0.1)
        assert len(content["region"]) == pytest.approx(n_region / 2, rel=0.15)
    fits = {(int(p.parent.name[-1]), int(p.stem[-1])) for p in method.directory.glob("*/data_*")}
    assert fits == set(PAIRS)  # no fit that scores nothing
    for number in range(N_FOLDS):  # events inside have members too
        share = np.mean(members[in_region(events)] == number)
        assert share == pytest.approx(1 / N_FOLDS, abs=0.07)


def test_the_fold_of_an_event_is_the_fit_that_scores_it(method, events):
    parts = method.score(events, in_region(events)).parts
    assert method.n_folds == len(PAIRS)
    scored_by = list(zip(parts["member"].astype(int), parts["fit"].astype(int), strict=True))
    assert [PAIRS[number] for number in method.fold(events)] == scored_by


@pytest.mark.parametrize(
    ("n_folds", "n_members", "n_fits"), [(5, 2, 6), (6, 2, 6), (10, 2, 10), (4, 3, 6), (2, 5, 6)]
)
def test_there_are_as_many_fits_as_pairs_that_share_events(tmp_path, n_folds, n_members, n_fits):
    """K + M - gcd(K, M)."""
    split = SplitConfig("kfold", n_folds, 0.2, 0.5, "one_fold", n_members)
    made = recorder(tmp_path, settings(split=split))
    assert sum(len(member.cross_fit.numbers) for member in made.members) == n_fits == made.n_folds
    many = Toy().sample(3000, 0, np.random.default_rng(5))
    assert set(made.fold(many).tolist()) == set(range(n_fits))


def test_events_have_a_fold_by_member_where_a_template_cannot_tell_fits_apart(tmp_path, events):
    for split in {"extra": "average"}, {"mode": "holdout"}:
        own = settings(split=dataclasses.replace(folded().split, **split))
        made = recorder(tmp_path / next(iter(split)), own)
        assert made.n_folds == N_FOLDS
        assert set(made.fold(events).tolist()) == set(range(N_FOLDS))


def test_fits_that_were_divided_otherwise_are_refused(method, events):
    """Former versions had K fits a member, and other folds of the sidebands."""
    (method.directory / "sideband_folds.json").unlink()
    with pytest.raises(RunDirectoryError, match=r"must hold sideband_folds.json.*fit anew"):
        method.score(events, in_region(events))
    with pytest.raises(RunDirectoryError, match=r"must hold sideband_folds.json.*fit anew"):
        method.fit(roles(events))  # which would go on with what is there


def test_some_fits_refuse_events_that_only_the_others_have_not_seen(events):
    cross_fit = CrossFit(SomeFolds("kfold", 4, 0.2, 0.5, "one_fold", numbers=(1, 3)), 1)
    fold = cross_fit.fold(events)
    own = np.flatnonzero(fold % 2 == 1)
    rows = cross_fit.scored(events[own], np.ones(len(own), dtype=bool))
    assert [set(fold[own][index]) for index in rows] == [{1}, {3}]
    with pytest.raises(DataError, match="without folds 1, 3 must score events of these, but"):
        cross_fit.scored(events, np.zeros(len(events), dtype=bool))


def test_new_events_have_the_average_of_the_fits_of_their_member(tmp_path, events):
    split = SplitConfig("kfold", 4, 0.2, 0.5, "average", 2)
    made = build_method(tmp_path, settings(split=split), ISOLATION)
    made.fit(roles(events))
    new = events[:30]
    average = made.score(new, np.zeros(30, dtype=bool)).score
    own = np.stack([made.members[m].score(new, np.zeros(30, dtype=bool)).score for m in (0, 1)])
    assert np.array_equal(average, own[made.fold(new), np.arange(30)])


@pytest.mark.parametrize("split", [{"extra": "average"}, {"mode": "holdout"}])
def test_there_is_one_fold_where_a_template_cannot_tell_fits_apart(split):
    cross_fit = CrossFit(dataclasses.replace(folded().split, **split), 1)
    assert cross_fit.n_folds == 1
    assert cross_fit.fold(Toy().sample(10, 0, np.random.default_rng(1))).tolist() == [0] * 10


def test_every_sideband_event_is_left_out_of_exactly_one_member(method, events):
    sidebands = roles(events).sidebands
    seen = [
        set(io.read_json(method.directory / f"sidebands{m}" / f"data_fold{f}.json")["sidebands"])
        for m, f in [(0, 0), (1, 1), (2, 1)]
    ]
    counts = [sum(event_id in member for member in seen) for event_id in ids(sidebands)]
    assert set(counts) == {N_FOLDS - 1}


def test_what_members_say_comes_back_in_order(method, events):
    fitted = in_region(events)
    scores = method.score(events, fitted)
    assert np.array_equal(scores.mass, events.mass)
    assert np.array_equal(scores.parts["fitted"], fitted)
    assert np.array_equal(scores.was_clipped, events.features[:, 0] > 2)
    assert np.array_equal(scores.score, 10 * scores.parts["member"] + scores.parts["fit"])
    assert (method.title, method.meaning) == (Recorder.title, Recorder.meaning)
    assert method.score_at_window_centre is method.uses_truth is False
    assert method.extra_metrics(scores.parts, fitted).other == {"n": int(fitted.sum())}
    assert method.background_density() is None
    assert method.draw_background(events.identity, events.mass, 1) is None
    assert method.training_strip_width == 0


def test_background_is_drawn_by_another_member_than_scores_it(method, events, monkeypatch):
    def draw(self, identity, mass, seed):
        number = int(self.directory.name.removeprefix("sidebands"))
        seeds.add(seed)
        return np.column_stack([np.full(len(mass), float(number)), mass, identity])

    seeds: set[int] = set()
    monkeypatch.setattr(Recorder, "draw_background", draw)
    drawn = method.draw_background(events.identity, events.mass, 1)
    assert np.array_equal(drawn[:, 1:], np.column_stack([events.mass, events.identity]))
    scoring = method.score(events, in_region(events)).parts["member"]
    assert np.array_equal((drawn[:, 0] + 1) % N_FOLDS, scoring)
    assert len(seeds) == N_FOLDS


def test_folds_do_not_depend_on_the_order_or_company_of_events(method, events, tmp_path):
    scores = method.score(events, in_region(events))
    order = np.random.default_rng(0).permutation(len(events))[: len(events) // 2]
    some = method.score(events[order], in_region(events)[order])
    assert np.array_equal(some.score, scores.score[order])
    other = recorder(tmp_path / "other")
    shuffled = events[np.random.default_rng(1).permutation(len(events))]
    other.fit(roles(shuffled))
    for m, f in PAIRS:
        first, second = (
            io.read_json(path / f"sidebands{m}" / f"data_fold{f}.json")
            for path in (method.directory, other.directory)
        )
        assert {k: sorted(v) for k, v in first.items()} == {
            k: sorted(v) for k, v in second.items()
        }


def test_folds_are_independent_of_validation_and_test_shares(events):
    folds = uniform_of(events.identity, 1, "folds")
    for name in "validation", "test", "shares of fits":
        other = uniform_of(events.identity, 1, "split", name)
        counts, _, _ = np.histogram2d(folds, other, bins=5, range=[(0, 1), (0, 1)])
        assert chi2_contingency(counts).pvalue > 1e-4


def test_no_events_have_no_scores(method, events):
    nothing = method.score(events[:0], np.zeros(0, dtype=bool))
    assert len(nothing.score) == len(nothing.event_id) == len(nothing.was_clipped) == 0
    assert nothing.score.dtype == float
    assert nothing.was_clipped.dtype == bool
    one = method.score(events[:1], in_region(events)[:1])  # other members get none
    assert len(one.score) == 1


def test_truth_labels_are_refused_before_a_member_is_fitted(tmp_path, events):
    labelled = Toy().sample(300, 30, np.random.default_rng(3))
    made = recorder(tmp_path)
    with pytest.raises(DataError, match="labels never reach a fit"):
        made.fit(roles(labelled))
    with pytest.raises(DataError, match="must not see"):
        made.fit(roles(events)._replace(simulation=labelled))
    assert not list(tmp_path.rglob("*.json"))


def test_a_method_that_needs_no_sidebands_needs_none_in_folds(tmp_path):
    made = build_method(tmp_path, folded(), ISOLATION)
    assert isinstance(made, SidebandFolds)
    assert made.needs_sidebands is Isolation.needs_sidebands is False


def test_a_reloaded_method_scores_the_same(tmp_path, events):
    """A real method, fitted, then built anew on the same folder."""
    made = build_method(tmp_path, folded(2), ISOLATION)
    made.fit(roles(events))
    some, fitted = events[:40], in_region(events)[:40]
    before = made.score(some, fitted)
    again = build_method(tmp_path, folded(2), ISOLATION)
    again.fit(roles(events))  # finished already
    assert np.array_equal(again.score(some, fitted).score, before.score)
    one = np.array([again.score(some[[i]], fitted[[i]]).score[0] for i in range(40)])
    assert one == pytest.approx(before.score, rel=1e-12)
    assert len(again.score(events[:0], fitted[:0]).score) == 0


def test_strips_of_sidebands_are_unseen_too(tmp_path):
    """What all fits of a method have seen beside the region, each member has seen in part."""
    assert build_method(tmp_path, folded(1), CWOLA).training_strip_width == CWOLA.strip > 0
    assert build_method(tmp_path, folded(2), CWOLA).training_strip_width == 0


def test_one_fold_is_the_method_itself(tmp_path):
    assert isinstance(build_method(tmp_path, folded(1), ISOLATION), Isolation)
    with pytest.raises(ConfigError, match="sideband_folds must be at least 1"):
        dataclasses.replace(folded(1).split, sideband_folds=0)


def test_draws_in_learned_columns_are_not_passed_from_fit_to_fit(tmp_path):
    """The latent numbers of one fold's representation mean nothing to the other's."""
    split = dataclasses.replace(settings().split, sideband_folds=2)
    one = small_method(tmp_path, "anode_on_latents", split=split)
    given = small_events("anode_on_latents")
    one.fit(given)
    beside = given.sidebands[:50]
    assert one.draw_background(beside.identity, beside.mass, 1) is None
    assert one.background_density() is None
    assert np.isfinite(one.score(beside, np.ones(50, dtype=bool)).score).all()
