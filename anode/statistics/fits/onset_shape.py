"""Shape of a mass spectrum with the onset of its trigger and a resonance, and its fit.

    mu_i = eps_i [width_i f(m_i) + n_signal g_i]
    g_i = Phi((e_(i+1) - mass) / sigma) - Phi((e_i - mass) / sigma)
    eps_i = mean over bin i of Phi((m - middle) / width)

with f of ``anode.statistics.fits.dijet_function`` and e the edges of the bins.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from anode.statistics.fits.dijet_function import columns, deviance
from anode.statistics.fits.loglinear import exponential, orthonormal

_WIDEST = 0.12  # of an onset, over the mass
_BELOW = 1.5  # widths of the onset, by which a resonance may lie below its middle
_SIGMAS = (0.012, 0.085)  # of a resonance, over the mass
_STEPS = 60
_CONVERGED = 1e-3  # of the deviance
_LEAST = 1e-6  # expected events


class Trial(NamedTuple):
    """Values of the parameters and their deviance."""

    shape: "Shape"
    values: np.ndarray
    deviance: float

    @property
    def onset(self) -> tuple[float, float]:
        """Middle and width [GeV]."""
        middle, log_width = self.values[self.shape.n_smooth :][:2]
        return float(middle), float(np.exp(log_width))

    @property
    def peak(self) -> tuple[float, float]:
        """Mass and standard deviation of the resonance [GeV]."""
        mass, log_sigma = self.values[-2:]
        return float(mass), float(np.exp(log_sigma))

    @property
    def efficiency(self) -> np.ndarray:
        """(B,) mean efficiency of each bin."""
        return _efficiency(self.shape.edges, *self.onset)[0]

    @property
    def smooth(self) -> np.ndarray:
        """(B,) expected events without the resonance."""
        shape = self.shape
        log = shape.basis @ self.values[: shape.n_smooth] + shape.log_width
        return np.asarray(exponential(log) * self.efficiency)


class Shape:
    """Expected events against (f's parameters, middle, ln width, n_signal, mass, ln sigma).

    Args:
        counts: (B,) events.
        edges: (B+1,) edges of the bins, of one width [GeV].
        n_smooth: number of parameters of f, 3 to 5.
        resonance: True if there is one; else the last three are missing.
    """

    def __init__(
        self, counts: np.ndarray, edges: np.ndarray, n_smooth: int, *, resonance: bool = False
    ) -> None:
        self.counts, self.edges, self.n_smooth, self.resonance = counts, edges, n_smooth, resonance
        every = columns(edges, n_smooth)
        self.basis = every @ orthonormal(every, counts + 0.5)
        self.log_width = np.log(np.diff(edges))

    def first(self, onset: tuple[float, float], peak: tuple[float, float] | None) -> np.ndarray:
        """Values of an onset and resonance, with the f and area that a linear estimate gives."""
        efficiency, _, _ = _efficiency(self.edges, *onset)
        weight = (self.counts + 0.5) * efficiency**2
        if peak is not None:
            centres = (self.edges[1:] + self.edges[:-1]) / 2
            weight[np.abs(centres - peak[0]) < 2.5 * peak[1]] *= 1e-3
        log = np.log((self.counts + 0.5) / efficiency) - self.log_width
        root = np.sqrt(weight)[:, None]
        # A weak pull to zero keeps finite what a masked spectrum does not determine.
        rows = np.vstack([root * self.basis, 1e-2 * np.eye(self.n_smooth)])
        theta = np.linalg.lstsq(rows, np.r_[root[:, 0] * log, np.zeros(self.n_smooth)])[0]
        values = np.r_[theta, onset[0], np.log(onset[1])]
        if peak is None:
            return values
        values = np.r_[values, 0.0, peak[0], np.log(peak[1])]
        expected, slopes = self.derivatives(values)
        signal = slopes[:, -3]
        core = signal > 0.1 * signal.max()
        excess = (self.counts - expected)[core].sum() / max(signal[core].sum(), 1e-9)
        values[-3] = max(excess, 1.0)
        return values

    def bounded(self, values: np.ndarray) -> np.ndarray:
        """The nearest values that are allowed."""
        values = values.copy()
        low, high, bin_width = self.edges[0], self.edges[-1], self.edges[1] - self.edges[0]
        at = self.n_smooth
        # Lower, and wide, it would bend a falling spectrum of which no rise is seen.
        values[at] = np.clip(values[at], low - bin_width / 2, high)
        values[at + 1] = np.clip(values[at + 1], np.log(bin_width / 8), np.log(_WIDEST * low))
        if self.resonance:
            values[at + 2] = max(values[at + 2], 0.0)
            # Below the rise no resonance is seen, and it could stand for the smooth spectrum.
            lowest = max(low, values[at] - _BELOW * np.exp(values[at + 1]))
            values[at + 3] = mass = np.clip(values[at + 3], min(lowest, high), high)
            values[at + 4] = np.clip(values[at + 4], *np.log(np.multiply(_SIGMAS, mass)))
        return values

    def expected(self, values: np.ndarray) -> np.ndarray:
        """(B,) expected events."""
        return self.derivatives(values)[0]

    def derivatives(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B,) expected events and (B, K) their derivatives."""
        at = self.n_smooth
        smooth = exponential(self.basis @ values[:at] + self.log_width)
        efficiency, by_middle, by_width = _efficiency(
            self.edges, values[at], np.exp(values[at + 1])
        )
        total, of_peak = smooth, np.empty((len(smooth), 0))
        if self.resonance:
            n_signal, mass, log_sigma = values[at + 2 :]
            part, by_mass, by_sigma = _gaussian(self.edges, mass, np.exp(log_sigma))
            total = smooth + n_signal * part
            of_peak = np.stack([part, n_signal * by_mass, n_signal * by_sigma], axis=1)
        slopes = np.hstack(
            [
                (smooth * efficiency)[:, None] * self.basis,
                (total * by_middle)[:, None],
                (total * by_width)[:, None],
                efficiency[:, None] * of_peak,
            ]
        )
        return np.maximum(total * efficiency, _LEAST), slopes


def climb(
    shape: Shape,
    onset: tuple[float, float],
    peak: tuple[float, float] | None = None,
    *,
    steps: int = _STEPS,
) -> Trial:
    """A maximum of the likelihood by Fisher scoring, with Levenberg and Marquardt's damping.

    Args:
        shape: what is fitted.
        onset: middle and width [GeV] to begin from.
        peak: mass and standard deviation [GeV] to begin from; needed with a resonance.
        steps: most steps.
    """
    values = shape.bounded(shape.first(onset, peak))
    now, damping = float(deviance(shape.counts, shape.expected(values))), 1e-2
    for _ in range(steps):
        expected, slopes = shape.derivatives(values)
        gradient = slopes.T @ ((shape.counts - expected) / expected)
        fisher = (slopes / expected[:, None]).T @ slopes
        scale = np.diag(np.diag(fisher) + 1e-10 * np.diag(fisher).max() + 1e-12)
        gain = -1.0
        for _ in range(10):
            trial = shape.bounded(values + np.linalg.solve(fisher + damping * scale, gradient))
            gain = now - float(deviance(shape.counts, shape.expected(trial)))
            if gain >= 0:
                break
            damping = max(5 * damping, 1e-4)
        if gain < 0:
            break
        values, now, damping = trial, now - gain, max(damping / 5, 1e-9)
        if gain < _CONVERGED:
            break
    return Trial(shape, values, now)


def _efficiency(
    edges: np.ndarray, middle: float, width: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B,) mean efficiency of each bin, and its derivatives by ``middle`` and ln ``width``."""
    z, lengths = (edges - middle) / width, np.diff(edges)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    mean = width * np.diff(z * ndtr(z) + density) / lengths  # the integral of Phi is z Phi + phi
    by_middle, by_width = -np.diff(ndtr(z)) / lengths, width * np.diff(density) / lengths
    return np.maximum(mean, 1e-9), by_middle, by_width


def _gaussian(
    edges: np.ndarray, mass: float, sigma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B,) part of a Gaussian in each bin, and its derivatives by ``mass`` and ln ``sigma``."""
    z = (edges - mass) / sigma
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.diff(ndtr(z)), -np.diff(density) / sigma, -np.diff(z * density)
