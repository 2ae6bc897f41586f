"""Are fitted strengths unbiased, and do intervals and limits hold the truth? Injected toys."""

from typing import NamedTuple

import numpy as np

from anode.statistics.signal.resonance_shape import SCALE_ERROR, WIDTH_ERROR, SignalShape
from anode.statistics.signal.signal_fit import strengths
from anode.statistics.signal.signal_limits import upper_limits
from anode.statistics.signal.signal_model import Systematics, signal_model

CHUNK = 250  # toys fitted at once


class InjectedToys(NamedTuple):
    """What T toys with the same number of signal events say.

    Attributes:
        true: expected number of signal events, at any mass.
        fitted: (T,) fitted numbers.
        low, high: (T,) ends of the 68% intervals.
        limit: (T,) upper limits at 95%.
    """

    true: float
    fitted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    limit: np.ndarray


def injected_toys(
    background: np.ndarray,
    edges: np.ndarray,
    window: tuple[float, float],
    n_signal: float,
    n_toys: int,
    rng: np.random.Generator,
    *,
    shape: SignalShape,
) -> InjectedToys:
    """Poisson toys of background and a resonance at the centre of a window, fitted as in a search.

    In each toy the energy scale and the resolution of the signal differ from those of the fit by
    normal numbers of standard deviations, as their uncertainties say.

    Args:
        background: (B,) events expected.
        edges: (B+1,) edges of the bins [GeV].
        window: edges of the window [GeV], among those of the bins.
        n_signal: signal events, at any mass.
        n_toys: number of toys.
        rng: random stream.
        shape: distribution of m / M of the resonance.
    """
    inside = (edges[:-1] >= window[0]) & (edges[1:] <= window[1])
    mass = (window[0] + window[1]) / 2
    fractions = shape.varied(edges, mass)
    parts = []
    for start in range(0, n_toys, CHUNK):
        n = min(CHUNK, n_toys - start)
        signal = n_signal * _varied(shape, edges, mass, n, rng)
        counts = rng.poisson(background + signal).astype(float)
        used = np.ones(len(background), dtype=bool)
        model = signal_model(counts, edges, used, inside, fractions, Systematics())
        found = strengths(model, counts)
        limit = upper_limits(model, counts).observed
        parts.append((found.n_signal, found.low, found.high, limit))
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return InjectedToys(n_signal, *columns)


def _varied(
    shape: SignalShape, edges: np.ndarray, mass: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    """(n, B) fractions of signal, its scale and resolution off by random amounts."""
    scales, widths = np.array([[SCALE_ERROR], [WIDTH_ERROR]]) * rng.normal(size=(2, n))
    return np.array(
        [
            shape.fractions(edges, mass, scale=scale, width=width)
            for scale, width in zip(scales, widths, strict=True)
        ]
    )
