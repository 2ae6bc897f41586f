"""What a score follows among background: an outlier score may be a jet mass in disguise."""

from collections.abc import Mapping

import numpy as np
import scipy

LEAST = 30
"""Events below which no correlation is quoted: its error is 1/sqrt(N - 1) without any."""


def followed(score: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Spearman's rank correlation of a score with each column; a constant one is left out.

    Args:
        score: (N,) scores.
        columns: name -> (N,) values, such as masses, features and numbers of particles.

    Returns:
        Name -> correlation, from -1 to 1; none of fewer than ``LEAST`` events.

    Example:
        >>> rise = np.linspace(0, 1, 50)
        >>> followed(np.exp(rise), {"mass": 3000 + rise, "mj1": -rise, "same": 0 * rise})
        {'mass': 1.0, 'mj1': -1.0}
    """
    if len(score) < LEAST or np.ptp(score) == 0:
        return {}
    return {
        name: round(float(scipy.stats.spearmanr(score, values).statistic), 6)
        for name, values in columns.items()
        if np.ptp(values) > 0
    }
