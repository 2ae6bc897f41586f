"""Where a profile likelihood has risen by a given amount, for many spectra at once."""

from collections.abc import Callable

import numpy as np

from anode.statistics.signal.signal_maximum import Maximum, maximum
from anode.statistics.signal.signal_model import SignalModel

_RTOL = 1e-3
_MAX_STEPS = 50


def profile_root(
    model: SignalModel,
    counts: np.ndarray,
    best: Maximum,
    step: np.ndarray,
    target: float | np.ndarray,
    *,
    centres: np.ndarray | None = None,
) -> np.ndarray:
    """(T,) distances from the best strength at which sqrt(q) reaches ``target``.

        q(s) = -2 ln [L(s) / L(best s)], everything else at its best for s

    Args:
        model, counts, centres: as for ``maximum``.
        best: fits with free strength.
        step: (T,) first distances; their signs are the directions.
        target: sqrt(q).

    Returns:
        (T,) positive distances; that to the lowest strength where q stays below on the way.
    """
    sign = np.sign(step)
    farthest = np.where(sign < 0, best.values[:, 0] - model.lowest(), np.inf)
    latest = best.values.copy()

    def root_q(distance: np.ndarray) -> np.ndarray:
        held = best.values[:, 0] + sign * distance
        fit = maximum(model, counts, strength=held, start=latest, centres=centres)
        latest[:] = fit.values
        return np.sqrt(np.maximum(fit.q - best.q, 0.0))

    return rising_root(root_q, np.abs(step), target, farthest)


def rising_root(
    function: Callable[[np.ndarray], np.ndarray],
    first: np.ndarray,
    target: float | np.ndarray,
    farthest: np.ndarray | float = np.inf,
) -> np.ndarray:
    """(T,) points x > 0 where T rising functions reach ``target`` > 0, to a part in a thousand of
    it, by secants within brackets; ``farthest`` where they do not.

    Args:
        function: (T,) values at points (T,), below ``target`` at zero.
        first: (T,) first points tried.
        target: (T,) values to reach.
        farthest: (T,) largest points.

    Example:
        >>> rising_root(np.sqrt, np.array([1.0, 1.0]), np.array([2.0, 3.0])).round(1)
        array([4., 9.])
    """
    point = np.minimum(first, farthest)
    wanted = np.broadcast_to(np.asarray(target, dtype=np.float64), point.shape)
    low, high = np.zeros_like(point), np.broadcast_to(farthest, point.shape).astype(np.float64)
    at_low, at_high = np.zeros_like(point), np.full_like(point, np.inf)
    for _ in range(_MAX_STEPS):
        value = function(point)
        above = value >= wanted
        low, at_low = np.where(above, low, point), np.where(above, at_low, value)
        high, at_high = np.where(above, point, high), np.where(above, value, at_high)
        done = (np.abs(value - wanted) <= _RTOL * wanted) | (high - low <= 1e-9 * (1 + low))
        if done.all():
            break
        farther = low * np.clip(wanted / np.maximum(at_low, 1e-9), 1.3, 4.0)
        share = (wanted - at_low) / np.maximum(at_high - at_low, 1e-9)
        width = np.where(np.isinf(high), 0.0, high - low)
        between = low + width * np.clip(share, 0.05, 0.95)
        following = np.where(np.isinf(at_high), np.minimum(farther, high), between)
        point = np.where(done, point, following)
    return point
