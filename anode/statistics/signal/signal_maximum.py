"""Highest likelihood of signal and background, for many spectra at once."""

from typing import NamedTuple

import numpy as np

from anode.statistics.fits.dijet_function import deviance
from anode.statistics.signal.signal_model import (
    N_BACKGROUND,
    N_PULLS,
    N_VALUES,
    PULLS,
    THETA,
    SignalModel,
    damped,
)

_FAR = 100.0
"""Standard deviations by which the background's parameters may leave the fit without signal: a
constraint too weak to matter (1e-4 of the information), without which a few events may have their
maximum at infinity."""
_PRECISION = np.array([0.0, *[_FAR**-2] * N_BACKGROUND, *[1.0] * N_PULLS])
_IN_LOG = slice(1, 2 + N_BACKGROUND)  # parameters and the window's pull: ln b is linear in them
_MAX_STEPS = 300
_CONVERGED = 1e-8  # expected fall of -2 ln L
_TINY = 1e-12
_RIDGE = 1e-10


class Maximum(NamedTuple):
    """Values of highest likelihood of T spectra.

    Attributes:
        values: (T, N_VALUES) strength, parameters of the background, pulls.
        q: (T,) -2 ln L there.
        error: (T,) standard deviation of the strength by the second derivatives, for toys; NaN
            where it is held or at its bound. It does not see the bins in which a deficit is damped
            and is too small for expected events in place of counts: see ``profile_root``.
        converged: (T,) False where the maximum was not reached.
    """

    values: np.ndarray
    q: np.ndarray
    error: np.ndarray
    converged: np.ndarray


def maximum(
    model: SignalModel,
    counts: np.ndarray,
    *,
    strength: np.ndarray | float | None = None,
    start: np.ndarray | None = None,
    centres: np.ndarray | None = None,
) -> Maximum:
    """Highest likelihood of T spectra: Newton's method, damped as by Levenberg and Marquardt.

    Args:
        model: expected events.
        counts: (T, B) events, or expected events of pseudo-data.
        strength: (T,) strengths to hold; None fits them too.
        start: (T, N_VALUES) values to start from; None is the fit without signal.
        centres: (T, 5) centres of the constraints of the pulls; None is zero.
    """
    n_rows = len(counts)
    centre = np.zeros((n_rows, N_VALUES))
    centre[:, THETA] = model.start
    values = centre.copy() if start is None else start.copy()
    if centres is not None:
        centre[:, PULLS] = centres
    model, counts = model.bins(model.used), counts[:, model.used]
    lowest = np.full(n_rows, np.inf)  # held, as at a bound
    if strength is None:
        lowest[:] = model.lowest()
        values[:, 0] = np.maximum(values[:, 0], lowest)
    else:
        values[:, 0] = strength
    state = _State(model, counts, values, centre, lowest)
    q = state.q(values)
    damping = np.full(n_rows, 1e-6)
    going = np.arange(n_rows)
    for _ in range(_MAX_STEPS):
        part = state.rows(going)
        gradient, curvature = part.derivatives()
        diagonal = np.einsum("tpp->tp", curvature)
        diagonal += damping[going, None] * np.abs(diagonal)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        gain = (gradient * step).sum(axis=1)
        tried = part.values + step
        free = np.isfinite(part.lowest)
        tried[free, 0] = np.maximum(tried[free, 0], part.lowest[free])
        new = part.q(tried)
        better = (new <= q[going]) & (gain > 0)
        values[going[better]] = tried[better]
        q[going[better]] = new[better]
        failed = np.maximum(damping[going], 1e-3) * 10
        damping[going] = np.where(better, damping[going] / 10, failed)
        # a step that rounding alone refuses is the end too
        going = going[~((gain >= 0) & (gain <= _CONVERGED) | (damping[going] > 1 / _TINY))]
        if len(going) == 0:
            break
    converged = np.ones(n_rows, dtype=bool)
    converged[going] = False
    return Maximum(values, q, _error(state), converged)


def _error(state: "_State") -> np.ndarray:
    error = np.full(len(state.values), np.nan)
    free = np.flatnonzero(state.values[:, 0] > state.lowest)
    if len(free):
        _, curvature = state.rows(free).derivatives(bends=False)
        variance = np.linalg.inv(curvature + _RIDGE * np.eye(N_VALUES))[:, 0, 0]
        error[free] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return error


class _State(NamedTuple):
    """Values of some spectra, in bins of the fit.

    Attributes:
        model, counts: expected and counted events.
        values: (T, N_VALUES).
        centre: (T, N_VALUES) centres of the constraints.
        lowest: (T,) bound of the strength; infinite where it is held.
    """

    model: SignalModel
    counts: np.ndarray
    values: np.ndarray
    centre: np.ndarray
    lowest: np.ndarray

    def rows(self, index: np.ndarray) -> "_State":
        return _State(self.model.rows(index), *(array[index] for array in self[1:]))

    def q(self, values: np.ndarray) -> np.ndarray:
        """(T,) -2 ln L."""
        pulls = ((values - self.centre) ** 2 * _PRECISION).sum(axis=1)
        return deviance(self.counts, self.model.expected(values)) + pulls

    def derivatives(self, *, bends: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(T, P) gradient of ln L, and (T, P, P) minus its second derivatives.

        Of the second derivatives of mu those of the background are kept, with which the matrix is
        Newton's for a fit without signal, and, with ``bends``, those of a damped deficit. Expected
        in place of counted events (Fisher's) would not do: far from the window f^2 / b is large
        where nothing is counted.
        """
        values = self.values
        background = self.model.background(values)
        ratio = self.model.signal_events(values) / background
        factor, slope, bend = damped(ratio)
        expected = background * factor
        in_log, in_signal = self.model.slopes(values)
        by_background = background * (factor - ratio * slope)
        jacobian = slope[:, None] * in_signal
        jacobian[:, _IN_LOG] += by_background[:, None] * in_log
        missing = 1 - self.counts / expected
        gradient = -(jacobian @ missing[..., None])[..., 0]
        gradient -= (values - self.centre) * _PRECISION
        curvature = _weighted(jacobian, self.counts / expected**2)
        curvature[:, _IN_LOG, _IN_LOG] += _weighted(in_log, missing * by_background)
        if bends and bend.any():
            in_signal[:, _IN_LOG] -= (background * ratio)[:, None] * in_log
            curvature += _weighted(in_signal, missing * bend / background)
        curvature += np.diag(_PRECISION)
        held = (values[:, 0] <= self.lowest) & ((gradient[:, 0] <= 0) | np.isinf(self.lowest))
        gradient[held, 0] = curvature[held, 0] = curvature[held, :, 0] = 0.0
        curvature[held, 0, 0] = 1.0
        curvature[:, 0, 0] += _TINY  # a signal without events in the fit does not move
        return gradient, curvature


def _weighted(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T, P, P) sums over bins of weight (T, B) times products of rows (T, P, B)."""
    return np.asarray((rows * weight[:, None]) @ rows.transpose(0, 2, 1))
