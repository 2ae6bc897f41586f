"""ANODE of few events: Gaussian densities in closed form, where no flow can be fitted."""

import numpy as np
from numpy.typing import NDArray

from anode.events.table import EventTable
from anode.regions.crossfit import combine
from anode.regions.splits import uniform_of

RIDGE = 0.05  # added to variances, of features with variance 1: few events leave some without any

Floats = NDArray[np.float64]


class Gaussian:
    """p(x|m) = N(x; a + b m, C), fitted by least squares.

    Args:
        features: (N, D) features of order 1, N >= 1.
        mass: (N,) masses of order 1.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> m = rng.normal(size=2000)
        >>> density = Gaussian(rng.normal(m[:, None], 1), m)
        >>> bool(abs(density.log_prob(np.zeros((1, 1)), np.zeros(1))[0] + 0.94) < 0.02)
        True
    """

    def __init__(self, features: Floats, mass: Floats) -> None:
        design = _design(mass)
        # The ridge keeps the slope at 0 where masses are too few to tell.
        gram = design.T @ design + RIDGE * np.diag([0.0, 1.0])
        self._mean = np.linalg.pinv(gram) @ design.T @ features
        left = features - design @ self._mean
        covariance = left.T @ left / len(features) + RIDGE * np.eye(features.shape[1])
        self._precision = np.linalg.inv(covariance)
        self._log_norm = -0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]

    def log_prob(self, features: Floats, mass: Floats) -> Floats:
        """log p(x|m): (N, D), (N,) -> (N,)."""
        left = features - _design(mass) @ self._mean
        quadratic = np.einsum("ni,ij,nj->n", left, self._precision, left)
        result: Floats = self._log_norm - 0.5 * quadratic
        return result


class GaussianAnode:
    """R(x) = log p_data(x|m_c) - log p_bg(x|m_c) at the centre m_c of a window, for events of any
    mass; p_data is fitted inside the window and p_bg outside.

    Both are fitted once for each fold, without its events; an event of the fit is scored by the
    fits of its fold, any other by the average. Copies of an event are in one fold.

    Args:
        events: events, at least two different ones inside the window and two outside.
        inside: (N,) True for events inside the window.
        window: bounds (low, high) [GeV].
        folds: largest number of folds; not more than there are different events on one side.
        seed: seed of the folds.
    """

    def __init__(
        self,
        events: EventTable,
        inside: NDArray[np.bool_],
        window: tuple[float, float],
        *,
        folds: int,
        seed: int,
    ) -> None:
        order = np.argsort(events.identity)
        events, sides = events[order], (inside[order], ~inside[order])
        self._shift, self._scale = _standard(np.column_stack([events.mass, events.features]))
        self._centre = (window[0] + window[1]) / 2
        self._identity, first = np.unique(events.identity, return_index=True)
        own = [np.flatnonzero(side[first]) for side in sides]
        n_folds = min(folds, *map(len, own))
        self._fold_of = np.empty(len(self._identity), dtype=np.int64)
        for number, places in enumerate(own):
            drawn = uniform_of(self._identity[places], seed, "few events", number)
            self._fold_of[places[np.argsort(drawn)]] = np.arange(len(places)) % n_folds
        fold = self._fold(events)
        x, m = self._scaled(events.features, events.mass)
        self._fits = [
            [Gaussian(x[side & (fold != k)], m[side & (fold != k)]) for side in sides]
            for k in range(n_folds)
        ]

    def score(self, events: EventTable) -> Floats:
        """(N,) R, higher is more anomalous."""
        fold = self._fold(events)
        x, m = self._scaled(events.features, np.full(len(events), self._centre))
        rows = [np.flatnonzero((fold == k) | (fold < 0)) for k in range(len(self._fits))]
        found = [
            [density.log_prob(x[index], m[index]) for density in pair]
            for pair, index in zip(self._fits, rows, strict=True)
        ]
        data, background = zip(*found, strict=True)
        return combine(len(x), rows, list(data)) - combine(len(x), rows, list(background))

    def _fold(self, events: EventTable) -> NDArray[np.int64]:
        """(N,) folds of events of the fit; -1 for others."""
        place = np.searchsorted(self._identity, events.identity)
        place = np.minimum(place, len(self._identity) - 1)
        return np.where(self._identity[place] == events.identity, self._fold_of[place], -1)

    def _scaled(self, features: Floats, mass: Floats) -> tuple[Floats, Floats]:
        scaled = (np.column_stack([mass, features]) - self._shift) / self._scale
        return scaled[:, 1:], scaled[:, 0]


def _design(mass: Floats) -> Floats:
    return np.column_stack([np.ones(len(mass)), mass])


def _standard(values: Floats) -> tuple[Floats, Floats]:
    """Mean and spread of every column; 1 for a column that has none."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0, spread, 1.0)
