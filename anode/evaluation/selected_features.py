"""Where in the space of features do the most anomalous events lie?"""

from collections.abc import Sequence

import numpy as np

from anode.evaluation.curves import fpr_key

SELECTED = 1e-2
_QUANTILES = {"low": 0.158655, "median": 0.5, "high": 0.841345}

Spread = dict[str, dict[str, float]]
"""Feature -> "low", "median" and "high": quantiles 16%, 50% and 84%."""


def selection(
    features: np.ndarray, names: Sequence[str], score: np.ndarray, label: np.ndarray | None
) -> dict[str, Spread]:
    """Middle and width of each feature, of all data events and of the 1% that score highest.

    Args:
        features: (N, D) of data events, physical units.
        names: D feature names.
        score: (N,).
        label: (N,) truth, or None.

    Returns:
        ``all``; ``1e-2``; and ``signal``, that of the true signal among them, where there is any.
    """
    chosen = score >= np.quantile(score, 1 - SELECTED, method="higher")
    found = {"all": spread(features, names), fpr_key(SELECTED): spread(features[chosen], names)}
    if label is not None and label.any():
        found["signal"] = spread(features[label == 1], names)
    return found


def spread(features: np.ndarray, names: Sequence[str]) -> Spread:
    """Quantiles of every column of (N, D) features."""
    return {
        name: {key: float(np.quantile(column, q)) for key, q in _QUANTILES.items()}
        for name, column in zip(names, features.T, strict=True)
    }
