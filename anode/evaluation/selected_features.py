"""Spread of the features of the most anomalous events, beside that of all events."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.evaluation.curves import fpr_key

SELECTED = 1e-2
_QUANTILES = (0.158655, 0.5, 0.841345)


class Spread(NamedTuple):
    """Median and central 68% of a feature over events, in its unit.

    Attributes:
        low, median, high: quantiles 16%, 50% and 84%.
    """

    low: float
    median: float
    high: float


def selection(
    features: np.ndarray, names: Sequence[str], score: np.ndarray, label: np.ndarray | None
) -> dict[str, dict[str, Spread]]:
    """Middle and width of each feature, of all data events and of the 1% that score highest.

    Args:
        features: (N, D) features of data events, physical units.
        names: D feature names.
        score: (N,) scores.
        label: (N,) truth labels, or None.

    Returns:
        Feature -> its spread, of ``all`` events; of those selected, ``1e-2``; and of the true
        ``signal`` among all, where there is any.
    """
    chosen = score >= np.quantile(score, 1 - SELECTED, method="higher")
    spreads = {"all": spread(features, names), fpr_key(SELECTED): spread(features[chosen], names)}
    if label is not None and label.any():
        spreads["signal"] = spread(features[label == 1], names)
    return spreads


def spread(features: np.ndarray, names: Sequence[str]) -> dict[str, Spread]:
    """Quantiles of every column of (N, D) features, by name."""
    return {
        name: Spread(*(float(np.quantile(column, q)) for q in _QUANTILES))
        for name, column in zip(names, features.T, strict=True)
    }
