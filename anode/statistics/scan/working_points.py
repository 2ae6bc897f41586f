"""Cuts on the score at given background efficiencies, one threshold for each fold of the fits."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_PASSING = 5
"""Fewest events of a template beyond a cut."""
MIN_IN_FOLD = 2
"""Fewest of them in a fold that has a threshold of its own."""


class Cut(NamedTuple):
    """An event passes if its score is above the threshold of the fold that scored it.

    Attributes:
        nominal: background efficiency that was asked for.
        threshold: score, itself excluded, of the whole template: for people, and for folds with
            too few events of their own.
        efficiency: expected fraction of background that passes: the nominal one, or below it if
            scores are equal.
        error: binomial error of ``efficiency``, at least that of one event.
        by_fold: (F,) threshold of each fold.
        n_pooled: number of folds with too few events, which have that of the whole template.
    """

    nominal: float
    threshold: float
    efficiency: float
    error: float
    by_fold: np.ndarray
    n_pooled: int


def n_passing(n_events: int, efficiency: float) -> int:
    """Number of a template's events that a cut may keep."""
    return math.floor(efficiency * n_events + 1e-9)  # 0.29 * 100 is a little less than 29


def fix_cuts(
    template: np.ndarray,
    efficiencies: Sequence[float],
    fold: np.ndarray | None = None,
    *,
    n_folds: int = 1,
) -> list[Cut]:
    r"""Cuts that keep the given fractions of background, of which a template is a sample.

    Above the j-th largest of n scores lies a fraction j / (n + 1) of the background, in the mean,
    whatever the distribution; so the threshold for an efficiency is the score number
    $\epsilon (n + 1)$ from above. Between two scores, j and j + 1 for
    $\epsilon (n + 1) = j + \lambda$, it is $(1 - w) s_j + w s_{j+1}$ with
    $w = (j + 1) \lambda / (j + \lambda)$, which is without bias for a tail that falls
    exponentially, and within 1% for others from five events on.

    Scores of different fits are different functions: where there are folds, each has a threshold
    of its own, from the events of the template that it scores. Cuts that fewer than five events
    of the template would pass are left out.

    Args:
        template: (n,) scores of background events that are not counted as data.
        efficiencies: nominal background efficiencies in (0, 1), descending.
        fold: (n,) number of the fit that scored each, 0 to F - 1; None for one fit.
        n_folds: number F of folds.

    Example:
        >>> (cut,) = fix_cuts(np.arange(99.0), [0.1])
        >>> cut.threshold, cut.efficiency  # the tenth score from above
        (89.0, 0.1)
    """
    fold = np.zeros(len(template), dtype=np.int64) if fold is None else fold
    descending = np.sort(template)[::-1]
    in_folds = [np.sort(template[fold == k])[::-1] for k in range(n_folds)]
    cuts: list[Cut] = []
    for nominal in efficiencies:
        if n_passing(len(template), nominal) < MIN_PASSING:
            continue
        pooled = _threshold(descending, nominal)
        own = [
            pooled
            if n_passing(len(scores), nominal) < MIN_IN_FOLD
            else _threshold(scores, nominal)
            for scores in in_folds
        ]
        sizes = [len(scores) for scores in in_folds]
        efficiency = nominal  # to the last digit, unless scores are equal
        if any(one.efficiency < nominal for one in own):
            efficiency = float(np.average([one.efficiency for one in own], weights=sizes))
        n = len(template)
        by_fold = np.array([one.score for one in own])
        if cuts:  # a tighter cut keeps no event that a looser one does not
            by_fold = np.maximum(by_fold, cuts[-1].by_fold)
        cuts.append(
            Cut(
                nominal,
                pooled.score,
                efficiency,
                float(np.sqrt(max(efficiency * (1 - efficiency), 1 / n) / n)),
                by_fold,
                sum(one is pooled for one in own),
            )
        )
    return cuts


def n_passed(score: np.ndarray, fold: np.ndarray, by_fold: np.ndarray) -> np.ndarray:
    """(N,) number of cuts that each event passes.

    Args:
        score: (N,) scores.
        fold: (N,) number of the fit that scored each.
        by_fold: (E, F) thresholds of the cuts, the loosest first.
    """
    level = np.zeros(len(score), dtype=np.int64)
    for thresholds in by_fold:
        level += score > thresholds[fold]
    return level


class _Threshold(NamedTuple):
    """A score, and the expected fraction of background above it."""

    score: float
    efficiency: float


def _threshold(descending: np.ndarray, nominal: float) -> _Threshold:
    """As ``fix_cuts`` of one fit; between equal scores the lower, and only its events count."""
    n = len(descending)
    rank = min(max(nominal * (n + 1), 1.0), float(n))
    j = min(int(rank), n - 1)
    share = rank - j
    above, below = descending[j - 1 : j + 1]
    n_above = int(np.searchsorted(-descending, -below))  # scores above the lower of the two
    if n_above < j or np.sum(descending == above) > 1 or np.sum(descending == below) > 1:
        return _Threshold(float(below), min(nominal, n_above / n))
    weight = (j + 1) * share / (j + share)
    return _Threshold(float((1 - weight) * above + weight * below), nominal)
