"""Cuts keep the background that they say: in the mean over templates, and in each fold."""

import numpy as np
import pytest
from scipy import stats

from anode.statistics.scan.working_points import fix_cuts, n_passed

DISTRIBUTIONS = {
    "normal": stats.norm(),
    "exponential": stats.expon(),
    "uniform": stats.uniform(),
    "heavy tail": stats.t(3),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("n_events", [500, 555, 2000])  # 5, 5.55 and 20 beyond the cut
def test_the_true_tail_of_a_cut_is_the_quoted_one(name, n_events):
    distribution = DISTRIBUTIONS[name]
    n_toys = 4000
    templates = distribution.rvs((n_toys, n_events), random_state=np.random.default_rng(1))
    cuts = [fix_cuts(template, [0.01])[0] for template in templates]
    assert {cut.efficiency for cut in cuts} == {0.01}
    ratios = distribution.sf([cut.threshold for cut in cuts]) / 0.01
    error = np.std(ratios) / np.sqrt(n_toys)
    assert error < 0.01
    assert np.mean(ratios) == pytest.approx(1, abs=0.01 + 2 * error)  # (k + 1) / k would be 1.2


def test_each_fold_has_the_nominal_share_though_its_scores_are_its_own():
    rng = np.random.default_rng(2)
    fold = rng.integers(0, 4, 40_000)
    template = rng.normal(loc=fold)  # fits whose scores differ by a constant
    cuts = fix_cuts(template, [0.1, 0.01], fold, n_folds=4)
    by_fold = np.array([cut.by_fold for cut in cuts])
    for row, efficiency in zip(by_fold, (0.1, 0.01), strict=True):
        tails = stats.norm.sf(row - np.arange(4))
        assert tails == pytest.approx(efficiency, rel=4 / np.sqrt(10_000 * efficiency))
    events = rng.integers(0, 4, 100_000)
    level = n_passed(rng.normal(loc=events), events, by_fold)
    for k in range(4):
        assert np.mean(level[events == k] > 0) == pytest.approx(0.1, abs=0.01)
    pooled = stats.norm.sf(cuts[0].threshold - np.arange(4))
    assert pooled.min() < 0.01 < 0.3 < pooled.max()  # which one threshold for all would give


def test_a_fold_with_too_few_events_has_the_threshold_of_all():
    rng = np.random.default_rng(3)
    fold = np.repeat([0, 1], [9990, 10])
    (cut,) = fix_cuts(rng.normal(size=10_000), [0.01], fold, n_folds=3)  # the last has none
    assert cut.n_pooled == 2
    assert (cut.by_fold[1:] == cut.threshold).all()
    assert cut.by_fold[0] != cut.threshold
    assert cut.efficiency == pytest.approx(0.01)


def test_a_tighter_cut_keeps_no_event_that_a_looser_one_does_not():
    # Fold 1 has an own threshold at 0.1, a high one, and that of all events at 0.01.
    template = np.concatenate([np.arange(1000.0), np.arange(5000.0, 5030.0)])
    fold = np.repeat([0, 1], [1000, 30])
    loose, tight = fix_cuts(template, [0.1, 0.01], fold, n_folds=2)
    assert (tight.by_fold >= loose.by_fold).all()


def test_the_number_of_cuts_passed_counts_thresholds_of_the_own_fold():
    by_fold = np.array([[0.0, 10.0], [1.0, 11.0]])
    score = np.array([0.5, 2.0, 0.5, 10.5, 11.5, 0.0])
    assert n_passed(score, np.array([0, 0, 1, 1, 1, 0]), by_fold).tolist() == [1, 2, 0, 1, 2, 0]
    assert n_passed(score, np.zeros(6, dtype=int), np.empty((0, 2))).tolist() == [0] * 6
