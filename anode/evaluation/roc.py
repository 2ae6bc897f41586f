"""ROC curve: signal and background events that pass each cut on a score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.errors import DataError

MIN_BACKGROUND = 25
"""Fewest passing test background events for which SIC is quoted: 20% statistical error."""


class Roc(NamedTuple):
    """Cuts ``score >= threshold`` from the tightest to none, as integer counts.

    One point for each distinct score: tied events pass together. No event passes the first.

    Attributes:
        threshold: (P,) falling thresholds, the first is +inf.
        passing_signal: (P,) int64, rising from 0 to the number of signal events.
        passing_background: (P,) int64, rising from 0 to the number of background events.
    """

    threshold: np.ndarray
    passing_signal: np.ndarray
    passing_background: np.ndarray

    @property
    def n_signal(self) -> int:
        """Number of all signal events."""
        return int(self.passing_signal[-1])

    @property
    def n_background(self) -> int:
        """Number of all background events."""
        return int(self.passing_background[-1])

    @property
    def tpr(self) -> np.ndarray:
        """(P,) true positive rate, the signal efficiency."""
        return self.passing_signal / self.n_signal

    @property
    def fpr(self) -> np.ndarray:
        """(P,) false positive rate, the background efficiency."""
        return self.passing_background / self.n_background


def roc(score: np.ndarray, label: np.ndarray) -> Roc:
    """Count signal and background above every distinct score.

    Args:
        score: (N,) finite scores; higher means more signal-like.
        label: (N,) class, 1 for signal, 0 for background.

    Raises:
        DataError: shapes differ, a score is not finite, a label is not 0/1, a class is absent.

    Example:
        >>> curve = roc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0]))
        >>> curve.passing_signal.tolist(), curve.passing_background.tolist()
        ([0, 1, 2, 2], [0, 0, 1, 2])
    """
    score, label = _checked(score, label)
    order = np.argsort(-score)
    score, label = score[order], label[order]
    last_of_tie = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    signal = np.cumsum(label)[last_of_tie]
    background = last_of_tie + 1 - signal
    return Roc(
        np.concatenate([[np.inf], score[last_of_tie]]),
        np.concatenate([[0], signal]),
        np.concatenate([[0], background]),
    )


def auc(curve: Roc) -> float:
    """Area under the ROC curve = P(signal scores higher) + P(equal) / 2, by exact trapezoids."""
    height = curve.passing_signal[1:] + curve.passing_signal[:-1]
    area = np.dot(np.diff(curve.passing_background).astype(float), height) / 2
    return float(area / (curve.n_signal * curve.n_background))


def thinned(curve: Roc, max_points: int, keep: Sequence[int] = ()) -> Roc:
    """At most ``max_points`` cuts: even in log FPR (half of them), in FPR and in TPR.

    Each FPR keeps its loosest cut. Both ends, the floor of 25 background events and the points
    ``keep`` always stay.
    """
    signal, background = curve.passing_signal, curve.passing_background
    if len(signal) <= max_points:
        return curve
    quarter = (max_points - 3 - len(keep)) // 4
    rank = np.concatenate(
        [
            np.geomspace(1, curve.n_background, 2 * quarter),
            np.linspace(0, curve.n_background, quarter),
            background[np.searchsorted(signal, np.linspace(0, curve.n_signal, quarter))],
            [background[np.searchsorted(background, min(MIN_BACKGROUND, curve.n_background))]],
            background[list(keep)],
        ]
    )
    # Rounding in geomspace may miss the last count by 1e-10, and with it the end of the curve.
    kept = np.searchsorted(background, rank + 1e-6, side="right") - 1
    index = np.unique(np.concatenate([[0], kept]))
    return Roc(curve.threshold[index], signal[index], background[index])


def _checked(score: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) float64 scores and (N,) int64 labels, or a DataError that says what is wrong."""
    score, label = np.asarray(score, dtype=np.float64), np.asarray(label)
    if score.ndim != 1 or score.shape != label.shape:
        raise DataError(
            f"score and label must be one-dimensional and equally long, got shapes {score.shape} "
            f"and {label.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(score))
    if bad.size:
        raise DataError(
            f"scores must be finite, but {bad.size} of {len(score)} are not, first row {bad[0]} "
            f"({score[bad[0]]}); find out why the density fails there, do not drop the events"
        )
    bad = np.flatnonzero((label != 0) & (label != 1))
    if bad.size:
        raise DataError(
            f"labels must be 0 (background) or 1 (signal), but row {bad[0]} has "
            f"{label[bad[0]]} ({bad.size} such rows)"
        )
    n_signal = int(np.count_nonzero(label))
    if n_signal in (0, len(label)):
        raise DataError(
            "a ROC curve needs signal and background test events, got "
            f"{n_signal} signal and {len(label) - n_signal} background; keep some of both for "
            "the test"
        )
    return score, label.astype(np.int64)
