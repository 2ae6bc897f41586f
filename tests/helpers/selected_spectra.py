"""Spectra that a cut leaves: a smooth truth, the binning of a search, and signals upon it."""

import numpy as np

from anode.pipeline.search.signal_shape import read_shape

EDGES = np.arange(2700.0, 10701.0, 50.0)
USED = np.ones(len(EDGES) - 1, dtype=bool)
SHAPE = read_shape("wprime")
SMALL, LARGE = 900.0, 3800.0
"""Events after a cut at 1% of 120k and of 500k events."""


def background(n_events: float) -> np.ndarray:
    """(B,) expected events: what a cut at 1% leaves of the bundled background, smoothed."""
    x = 0.5 * (EDGES[1:] + EDGES[:-1]) / 13_000
    shape = (1 - x) ** 15.25 * x**1.067
    return n_events * shape / shape.sum()


def window(mass: float) -> np.ndarray:
    """(B,) True within 200 GeV of a mass."""
    return (EDGES[:-1] >= mass - 200) & (EDGES[1:] <= mass + 200)


def toys(n_toys: int, n_background: float, mass: float, n_signal: float, seed: int) -> np.ndarray:
    """(T, B) counts, energy scale and resolution drawn anew in each."""
    rng = np.random.default_rng(seed)
    pulls = rng.normal(size=(n_toys, 2))
    signal = [
        SHAPE.fractions(EDGES, mass, scale=0.01 * scale, width=0.035 * width)
        for scale, width in pulls
    ]
    expected = background(n_background) + n_signal * np.array(signal)
    return rng.poisson(expected).astype(float)
