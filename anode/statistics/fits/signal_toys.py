"""Signed root of the likelihood ratio of a resonance, for many spectra of one binning at once.

The model of a spectrum: a di-jet function of five parameters b(theta) in every bin, the counts of
the window over or under it together by a factor exp(delta), and s events of a resonance of known
shape f,

    mu_i = b_i(theta) exp(delta 1_i) + s f_i,    delta ~ N(0, error^2),

1_i = 1 inside the window. delta stands for what moves the counts of the window together and is no
signal: the over-dispersion of cross-fitted counts, or a pass rate that does not close. The test of
s = 0 is the profile likelihood ratio (1007.1727, eq. 12),

    q0 = 2 [ln L(s, theta, delta) - ln L(0, theta', delta')],    z = sqrt(q0)  for s > 0,

and for a deficit the score statistic z = U / sqrt(V) < 0, U the derivative of ln L by s at s = 0
and V its variance, which agrees with the root near 0 and exists where s < 0 would make a mu
negative.
"""

from typing import NamedTuple

import numpy as np

from anode.statistics.fits.dijet_fit import most_parameters
from anode.statistics.fits.dijet_function import N_PARAMETERS, columns
from anode.statistics.fits.loglinear import (
    exponential,
    fitted_counts,
    maximise,
    orthonormal,
    project,
)

_MAX_STEPS = 60
_MAX_HALVINGS = 25
_CONVERGED = 1e-9  # gradient . step: twice the distance of ln L to its maximum
_LEAST = 1e-9  # events: a bin that expects less is left out of derivatives by s


class SignalModel(NamedTuple):
    """Where a resonance is looked for in spectra of B bins.

    Attributes:
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit, the window among them.
        inside: (B,) True for bins of the window.
        shape: (B,) fraction of the resonance in each bin; the rest of 1 lies in none.
        window_error: standard deviation of delta; 0 for none.
    """

    edges: np.ndarray
    used: np.ndarray
    inside: np.ndarray
    shape: np.ndarray
    window_error: float = 0.0


class SignalRoots(NamedTuple):
    """Tests of s = 0 in T spectra.

    Attributes:
        z: (T,) signed roots; NaN where a spectrum cannot be fitted.
        strength: (T,) s of highest likelihood [events]; for a deficit its linear estimate U / V.
        error: (T,) standard deviation of s at s = 0, 1 / sqrt(V) [events].
        background: (T, B) events of the fit without signal, delta left out, in all bins.
    """

    z: np.ndarray
    strength: np.ndarray
    error: np.ndarray
    background: np.ndarray


def signal_roots(counts: np.ndarray, model: SignalModel) -> SignalRoots:
    """Test T spectra for a resonance.

    A spectrum needs more bins with events than the six parameters: others give NaN.

    Args:
        counts: (T, B) events.
        model: resonance and bins.

    Example:
        >>> edges = np.arange(2500.0, 5050.0, 50.0)
        >>> centres = (edges[1:] + edges[:-1]) / 2
        >>> peak = np.exp(-0.5 * ((centres - 3500) / 140) ** 2)
        >>> inside = abs(centres - 3500) < 200
        >>> model = SignalModel(edges, np.ones(50, bool), inside, peak / peak.sum())
        >>> smooth = 1e4 * (centres / 2500) ** -12
        >>> found = signal_roots(np.stack([smooth, smooth + 500 * model.shape]), model)
        >>> found.strength.round(-1).tolist()
        [0.0, 500.0]
    """
    counts = np.asarray(counts, dtype=np.float64)
    n_toys, n_bins = counts.shape
    nan = np.full(n_toys, np.nan)
    result = SignalRoots(nan, nan.copy(), nan.copy(), np.full((n_toys, n_bins), np.nan))
    possible = np.flatnonzero(most_parameters(counts[:, model.used]) > N_PARAMETERS[-1])
    if not len(possible):
        return result
    likelihood = _Likelihood(counts[possible][:, model.used], model)
    theta = likelihood.without_signal()
    fitted = np.isfinite(theta).all(axis=1)
    likelihood, theta, rows = likelihood.at(fitted), theta[fitted], possible[fitted]
    slope, variance = likelihood.score(theta)
    strength = slope / variance
    z = slope / np.sqrt(variance)
    up = np.flatnonzero(slope > 0)
    strength[up], z[up] = likelihood.at(up).with_signal(theta[up], strength[up])
    result.z[rows], result.strength[rows], result.error[rows] = z, strength, variance**-0.5
    result.background[rows] = likelihood.background(theta)
    return result


class _Likelihood:
    """ln L of T spectra in the bins of the fit, as a function of (theta, delta) and s."""

    def __init__(self, counts: np.ndarray, model: SignalModel) -> None:
        self.counts, self.shape = counts, model.shape[model.used]
        every = columns(model.edges, N_PARAMETERS[-1])
        self._every_width = np.log(np.diff(model.edges))
        self.log_width = self._every_width[model.used]
        self._mean = fitted_counts(counts.mean(axis=0), every[model.used], self.log_width)
        transform = orthonormal(every[model.used], self._mean)
        self._every = every @ transform
        self.basis = self._every[model.used]
        self.penalty = np.zeros(self.basis.shape[1])
        if model.window_error > 0:
            self.basis = np.column_stack([self.basis, model.inside[model.used]])
            self.penalty = np.append(self.penalty, model.window_error**-2)

    def at(self, rows: np.ndarray) -> "_Likelihood":
        """The same of some of the spectra."""
        part: _Likelihood = object.__new__(_Likelihood)
        part.__dict__ = {**self.__dict__, "counts": self.counts[rows]}
        return part

    def without_signal(self) -> np.ndarray:
        """(T, P) parameters of the highest likelihood at s = 0; NaN where there is none."""
        n_dijet = self._every.shape[1]
        start = np.zeros((len(self.counts), self.basis.shape[1]))
        start[:, :n_dijet] = project(
            np.log(self._mean) - self.log_width, self.basis[:, :n_dijet], self._mean
        )
        scale = self.counts.sum(axis=1) / self._mean.sum()
        start[:, 0] += np.log(scale) / self.basis[0, 0]  # the first function is a constant
        return maximise(self.counts, self.basis, self.log_width, start, penalty=self.penalty)

    def background(self, theta: np.ndarray) -> np.ndarray:
        """(T, B) events of the di-jet function in all bins."""
        return exponential(theta[:, : self._every.shape[1]] @ self._every.T + self._every_width)

    def score(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T,) derivative of ln L by s at s = 0, and its variance, parameters profiled."""
        mu = self._smooth(theta)
        ratio = self.shape / np.maximum(mu, _LEAST)
        slope = ((self.counts - mu) * ratio).sum(axis=1)
        mixed = self.shape @ self.basis
        solved = np.linalg.solve(
            self._information(mu, mu), np.tile(mixed, (len(mu), 1))[..., None]
        )
        variance = (ratio * self.shape).sum(axis=1) - solved[..., 0] @ mixed
        return slope, np.maximum(variance, 1e-300)

    def with_signal(self, theta: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T,) s >= 0 of highest likelihood, and the root of the likelihood ratio.

        Args:
            theta: (T, P) parameters at s = 0.
            s: (T,) first values.
        """
        without = self._log_l(theta, np.zeros(len(theta)))
        theta, best = theta.copy(), np.zeros(len(theta))
        value = without.copy()
        first = np.maximum(s, 0.0)
        going = np.arange(len(theta))
        for step_number in range(_MAX_STEPS):
            if not len(going):
                break
            part = self.at(going)
            step, gain = part._step(theta[going], best[going])
            if step_number == 0:
                step[:, -1] = np.maximum(step[:, -1], first[going])
            length = np.ones(len(going))
            settled = gain <= _CONVERGED
            for _ in range(_MAX_HALVINGS):
                moved_s = np.maximum(best[going] + length * step[:, -1], 0.0)
                moved = theta[going] + length[:, None] * step[:, :-1]
                new = part._log_l(moved, moved_s)
                worse = ~(new >= value[going] - 1e-10) & ~settled
                if not worse.any():
                    break
                length[worse] /= 2
            take = ~worse & ~settled
            rows = going[take]
            theta[rows], best[rows], value[rows] = moved[take], moved_s[take], new[take]
            going = rows
        return best, np.sqrt(np.maximum(2 * (value - without), 0.0))

    def _smooth(self, theta: np.ndarray) -> np.ndarray:
        return exponential(theta @ self.basis.T + self.log_width)

    def _log_l(self, theta: np.ndarray, s: np.ndarray) -> np.ndarray:
        """(T,) ln L but for a constant."""
        mu = self._smooth(theta) + s[:, None] * self.shape
        poisson = (self.counts * np.log(np.maximum(mu, 1e-300)) - mu).sum(axis=1)
        return np.asarray(poisson - 0.5 * (theta**2) @ self.penalty)

    def _information(self, smooth: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """(T, P, P) Fisher information of (theta, delta)."""
        n_bins, n = self.basis.shape
        products = (self.basis[:, :, None] * self.basis[:, None, :]).reshape(n_bins, n * n)
        weight = smooth**2 / np.maximum(mu, _LEAST)
        return np.asarray((weight @ products).reshape(-1, n, n) + np.diag(self.penalty))

    def _step(self, theta: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, P + 1) step of Fisher's scoring for (theta, delta, s), and gradient . step."""
        smooth = self._smooth(theta)
        mu = np.maximum(smooth + s[:, None] * self.shape, _LEAST)
        pull = self.counts / mu - 1
        gradient = np.column_stack(
            [(pull * smooth) @ self.basis - self.penalty * theta, pull @ self.shape]
        )
        n = self.basis.shape[1]
        full = np.empty((len(mu), n + 1, n + 1))
        full[:, :n, :n] = self._information(smooth, mu)
        full[:, :n, n] = full[:, n, :n] = (smooth / mu * self.shape) @ self.basis
        full[:, n, n] = (self.shape**2 / mu).sum(axis=1)
        step = np.linalg.solve(full, gradient[..., None])[..., 0]
        return step, (gradient * step).sum(axis=1)


def influence(mean: np.ndarray, model: SignalModel) -> np.ndarray:
    """(B,) a_b: for small fluctuations z = sum_b a_b (n_b - mean_b) / sqrt(sum_b a_b^2 mean_b).

    The efficient score of s, what remains of f_b / mean_b after the parameters are fitted.

    Args:
        mean: (B,) background events.
        model: resonance and bins.
    """
    used = model.used
    basis = columns(model.edges, N_PARAMETERS[-1])[used]
    mu = np.maximum(mean[used], _LEAST)
    basis = basis @ orthonormal(basis, mu)
    curvature = np.eye(basis.shape[1])
    if model.window_error > 0:
        basis = np.column_stack([basis, model.inside[used]])
        curvature = (basis * mu[:, None]).T @ basis
        curvature[-1, -1] += model.window_error**-2
    mixed = model.shape[used] @ basis
    result = np.zeros(len(mean))
    result[used] = model.shape[used] / mu - basis @ np.linalg.solve(curvature, mixed)
    return result
