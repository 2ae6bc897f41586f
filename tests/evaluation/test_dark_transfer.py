"""Split by collision, weighted ROC against sums over pairs, and tables of transfers."""

import numpy as np
import pytest
import scipy

from anode.errors import DataError
from anode.evaluation import roc
from anode.evaluation.dark_sector.event_split import collision_of, is_tested
from anode.evaluation.dark_sector.matching import match_pt
from anode.evaluation.dark_sector.published_transfer import PUBLISHED_AUC, PUBLISHED_EFFICIENCY
from anode.evaluation.dark_sector.transfer import (
    Trial,
    sensitivities,
    transfer_table,
)
from anode.evaluation.dark_sector.weighted_roc import effective_size, quality
from anode.events.dark_sector.jets_file import read_jets
from anode.events.dark_sector.names import SignalPoint
from helpers import dark_sector_files as files

RNG = np.random.default_rng(4)
S, B = RNG.normal(1, 1, 300).round(1), RNG.normal(0, 1, 400).round(1)  # with ties
W = RNG.exponential(size=400)


def test_the_auc_is_the_sum_over_pairs():
    above = (S[:, np.newaxis] > B) + 0.5 * (S[:, np.newaxis] == B)
    assert quality(S, B).auc == pytest.approx(above.mean(), abs=1e-12)
    weighted = (above * W).sum() / (len(S) * W.sum())
    assert quality(S, B, W).auc == pytest.approx(weighted, abs=1e-12)


def test_without_weights_it_is_the_auc_of_runs():
    label = np.repeat([1, 0], [len(S), len(B)])
    curve = roc.roc(np.concatenate([S, B]), label)
    assert quality(S, B).auc == pytest.approx(roc.auc(curve), abs=1e-12)


def test_whole_weights_are_copies_of_background():
    weight = RNG.integers(0, 4, len(B))
    for share in (0.01, 0.1, 0.5):
        found = quality(S, B, weight.astype(float), background_share=share)
        copied = quality(S, np.repeat(B, weight), background_share=share)
        np.testing.assert_allclose(found, copied, atol=1e-12)


def test_two_gaussians_have_their_known_numbers():
    """AUC = Phi(d / sqrt 2); efficiency at 1% = Phi(d - 2.326); errors of 40,000 numbers."""
    rng = np.random.default_rng(1)
    found = quality(rng.normal(1.5, 1, 40_000), rng.normal(0, 1, 40_000))
    phi = scipy.stats.norm.cdf
    assert found.auc == pytest.approx(phi(1.5 / np.sqrt(2)), abs=0.006)
    assert found.efficiency == pytest.approx(phi(1.5 - scipy.stats.norm.isf(0.01)), abs=0.02)


def test_an_efficiency_lies_on_the_line_between_two_cuts():
    signal, background = np.array([3.0, 1.0]), np.array([2.0, 1.0, 0.0, 0.0])
    shares = [0.0, 0.25, 0.375, 0.5, 1.0]
    found = [quality(signal, background, background_share=x).efficiency for x in shares]
    # one of two signals lies above all background; the other is tied with the second
    assert found == pytest.approx([0.5, 0.5, 0.75, 1.0, 1.0], abs=1e-12)


def test_a_score_that_says_nothing_has_one_half():
    same = quality(np.zeros(5), np.zeros(9), np.arange(9.0))
    assert same.auc == 0.5
    assert same.efficiency == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("signal", "background", "weight", "message"),
    [
        ([], [1.0], None, "signal scores must be finite and at least one, got 0"),
        ([1.0], [np.nan], None, "background scores must be finite"),
        ([1.0], [1.0], [0.0], "background weights must not all be 0"),
    ],
)
def test_what_has_no_quality_is_refused(signal, background, weight, message):
    with pytest.raises(DataError, match=message):
        quality(
            np.array(signal), np.array(background), None if weight is None else np.array(weight)
        )


def test_matching_removes_a_separation_by_pt_and_leaves_one_by_structure():
    """pT of slope 1 and 2; a second number that differs by half a standard deviation."""
    rng = np.random.default_rng(5)
    signal, other = rng.exponential(1, 20_000), rng.exponential(2, 20_000)
    matching = match_pt(signal, other)
    # P(signal softer) = rate_s / (rate_s + rate_b) = 2/3
    assert quality(-signal, -other).auc == pytest.approx(2 / 3, abs=0.01)
    matched = quality(-signal[matching.matched], -other, matching.weights)
    assert matched.auc == pytest.approx(0.5, abs=0.01)
    structure = quality(rng.normal(0.5, 1, 20_000), rng.normal(0, 1, 20_000), matching.weights)
    assert structure.auc == pytest.approx(scipy.stats.norm.cdf(0.5 / np.sqrt(2)), abs=0.015)
    assert effective_size(matching.weights) < 20_000


# split


def test_collisions_are_never_on_both_sides(tmp_path):
    files.write_folder(tmp_path, n=600)
    for seed in (1, 2):
        sides: dict[int, set[bool]] = {}
        for name in files.ALL:
            jets = read_jets(tmp_path / name)
            tested = is_tested(collision_of(jets, None), seed, 0.5)
            assert 0.35 < tested.mean() < 0.65
            for event, side in zip(jets.event_id, tested, strict=True):
                sides.setdefault(int(event), set()).add(bool(side))
        assert len(sides) == 5 * 200
        assert all(len(side) == 1 for side in sides.values())


def test_a_side_depends_on_collision_and_seed_alone():
    collision = np.arange(5000, dtype=np.uint64)
    side = is_tested(collision, 1, 0.3)
    order = np.random.default_rng(1).permutation(5000)
    assert np.array_equal(is_tested(collision[order], 1, 0.3), side[order])
    # five standard deviations of 5000 draws
    assert side.mean() == pytest.approx(0.3, abs=0.033)
    both = side & is_tested(collision, 2, 0.3)
    assert both.mean() == pytest.approx(0.09, abs=0.021)


def test_files_without_collisions_are_refused_or_taken_in_threes(tmp_path):
    for name in (files.PEAK, files.STANDARD_MODEL):
        files.write(tmp_path / name, files.jets(30, 1, event_id=False))
    peak, other = (read_jets(tmp_path / n) for n in (files.PEAK, files.STANDARD_MODEL))
    with pytest.raises(DataError, match="takes the dataset 'event_id', but there is none; write"):
        collision_of(peak, None)
    with pytest.raises(DataError, match="must be a multiple of it, got 30"):
        collision_of(peak, 4)
    one, two = collision_of(peak, 3), collision_of(other, 3)
    assert np.array_equal(one, np.repeat(one[::3], 3))
    assert len(np.unique(np.concatenate([one, two]))) == 20


# tables

PEAK = SignalPoint(2000.0, 1.0, 0.3, "peak")
POINTS = [
    PEAK,
    SignalPoint(2000.0, 1.0, 0.8, "peak"),
    SignalPoint(2000.0, 1.0, 0.3, "high"),
    SignalPoint(2000.0, 1.0, 0.3, "low"),
]


def test_seeds_are_taken_together_pair_by_pair():
    def trial(name: str, seed: int, row: SignalPoint, column: SignalPoint) -> Trial:
        auc = 0.5 + 0.1 * POINTS.index(row) + 0.01 * POINTS.index(column) + 0.001 * seed
        return Trial(name, "none", seed, row, column, auc, auc / 10, 100 - seed, 50.0 + seed)

    trials = [
        trial(name, seed, row, column)
        for seed in (3, 1, 2)
        for name in ("trees", "deep_set")
        for row in POINTS
        for column in POINTS
    ]
    table = transfer_table(trials)
    assert table.classifiers == ["trees", "deep_set"]
    assert table.matchings == ["none"]
    assert table.points == POINTS
    found = table.of("deep_set", "none")[POINTS[1], POINTS[3]]
    assert found.auc_by_seed == pytest.approx((0.631, 0.632, 0.633))
    assert found.auc.median == pytest.approx(0.632)
    # 16% and 84% of three values, interpolated
    assert found.auc.high - found.auc.low == pytest.approx(0.002 * 0.68269, abs=1e-6)
    assert found.efficiency_by_seed == pytest.approx((0.0631, 0.0632, 0.0633))
    assert (found.n_signal, found.n_background) == (97, 51.0)


def test_sensitivities_vary_one_parameter_from_the_benchmark():
    found = {each.param: each for each in sensitivities(POINTS)}
    assert list(found) == ["rinv", "alpha"]
    assert list(found["rinv"].values) == [0.3, 0.8]
    assert list(found["alpha"].values) == ["low", "peak", "high"]
    assert {each.trained_on for each in found.values()} == {PEAK}
    assert sensitivities([PEAK]) == []


def test_the_published_table_is_that_of_the_document():
    point = {
        "r.2": SignalPoint(2000.0, 1.0, 0.2, "peak"),
        "mD5": SignalPoint(2000.0, 5.0, 0.3, "peak"),
        "low": SignalPoint(2000.0, 1.0, 0.3, "low"),
        "r.8": SignalPoint(2000.0, 1.0, 0.8, "peak"),
    }
    assert len(PUBLISHED_AUC) == 36
    assert PUBLISHED_AUC[PEAK, PEAK] == 0.739
    assert PUBLISHED_AUC[point["mD5"], point["low"]] == 0.324
    assert PUBLISHED_AUC[point["low"], point["mD5"]] == 0.359
    assert PUBLISHED_AUC[point["r.2"], point["r.8"]] == 0.688
    assert PUBLISHED_EFFICIENCY[point["low"]] == 0.361
    assert len(PUBLISHED_EFFICIENCY) == 6
