"""Quality of a score where background events have weights.

    AUC = sum_ij v_i w_j (1[s_i > b_j] + 1[s_i = b_j] / 2) / (sum_i v_i  sum_j w_j)

over signal scores s_i and background scores b_j; the efficiency at a share of the background lies
on the straight line of the ROC curve between two cuts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError

Array = NDArray[np.float64]


class Quality(NamedTuple):
    """Two numbers of a score.

    Attributes:
        auc: area under the ROC curve, ties counted one half.
        efficiency: share of the signal that passes where ``background_share`` of the background
            does.
    """

    auc: float
    efficiency: float


def quality(
    signal: Array,
    background: Array,
    background_weight: Array | None = None,
    *,
    background_share: float = 0.01,
) -> Quality:
    """AUC and signal efficiency.

    Args:
        signal: (N,) scores; higher means more signal-like.
        background: (M,) scores.
        background_weight: (M,) weights, not negative; None for ones.
        background_share: weighted share of the background that passes.

    Raises:
        DataError: a sample is empty, a score is not finite, or all weights are 0.

    Example:
        >>> found = quality(np.array([2.0, 1.0]), np.array([1.0, 0.0]), background_share=0.5)
        >>> found
        Quality(auc=0.875, efficiency=1.0)
    """
    weight = np.ones(len(background)) if background_weight is None else background_weight
    for name, score in (("signal", signal), ("background", background)):
        if not len(score) or not np.isfinite(score).all():
            raise DataError(
                f"{name} scores must be finite and at least one, got {len(score)}, of which "
                f"{np.count_nonzero(~np.isfinite(score))} are not finite; test on more jets"
            )
    if not weight.sum() > 0:
        raise DataError("background weights must not all be 0; the two samples do not overlap")
    cuts, place = np.unique(np.concatenate([signal, background]), return_inverse=True)
    of_signal = np.bincount(place[: len(signal)], minlength=len(cuts))[::-1]
    of_background = np.bincount(place[len(signal) :], weight, minlength=len(cuts))[::-1]
    tpr = np.concatenate([[0.0], np.cumsum(of_signal) / len(signal)])
    fpr = np.concatenate([[0.0], np.cumsum(of_background) / of_background.sum()])
    auc = float((np.diff(fpr) * (tpr[1:] + tpr[:-1])).sum() / 2)
    after = int(np.searchsorted(fpr, background_share, side="right"))
    if after == len(fpr):
        return Quality(auc, 1.0)
    step = (background_share - fpr[after - 1]) / (fpr[after] - fpr[after - 1])
    return Quality(auc, float(tpr[after - 1] + step * (tpr[after] - tpr[after - 1])))


def effective_size(weight: Array) -> float:
    """Number of events without weights that would fluctuate as much, (sum w)^2 / sum w^2.

    Example:
        >>> effective_size(np.array([1.0, 1.0, 0.0]))
        2.0
    """
    return float(weight.sum() ** 2 / (weight**2).sum())
