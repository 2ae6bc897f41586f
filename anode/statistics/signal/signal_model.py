"""Expected events of signal and background in a whole mass spectrum, and their likelihood.

Expected events of a bin:

    mu_i = b_i + S_i,
    b_i  = width_i exp(sum_k theta_k g_k(m_i)) exp(window_error 1_i nu_window),
    S_i  = (s kappa^nu_efficiency + spurious nu_spurious) [f_i + v_i(nu_scale) + w_i(nu_width)],

with the di-jet function of five parameters (``dijet_function``), 1_i one inside the window and
zero outside, f_i the fraction of the signal in the bin, and v_i and w_i its changes with energy
scale and resolution,

    v(nu) = nu (v+ - v-) / 2 + h(nu) (v+ + v-) / 2,
    h(nu) = (15 nu^2 - 10 nu^4 + 3 nu^6) / 8 for |nu| <= 1, |nu| beyond,

which has the shapes v+ and v- at one standard deviation, is linear beyond and smooth ("code4p" of
pyhf, what HistFactory does with a histosys). Each nu is a pull with a Gaussian constraint of
unit width; its centre is zero in data and moves in pseudo-data. Minus twice the logarithm is

    -2 ln L = sum_i 2 [mu_i - n_i + n_i ln(n_i / mu_i)] + sum_j (nu_j - centre_j)^2.

With a negative strength mu_i could fall below zero: below a tenth of b_i it falls off
exponentially instead, once continuously differentiable, so that every strength has a likelihood.
The lowest strength that is fitted is minus the background under the signal: no deficit is larger.
"""

from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.statistics.fits.dijet_function import columns
from anode.statistics.fits.loglinear import (
    exponential,
    fitted_counts,
    maximise,
    orthonormal,
    project,
)
from anode.statistics.signal.resonance_shape import Fractions

N_BACKGROUND = 5
N_PULLS = 5
N_VALUES = 1 + N_BACKGROUND + N_PULLS
"""Strength, parameters of the background, pulls: the order of fitted values."""
THETA = slice(1, 1 + N_BACKGROUND)
PULLS = slice(1 + N_BACKGROUND, N_VALUES)

_LINEAR = 0.9  # share of the background that a deficit takes away before it is damped
_DEEPEST = 50.0
_NOTHING = 1e-12  # expected events, to divide by


class Pulls(NamedTuple):
    """Deviations of the uncertain quantities, in standard deviations.

    Attributes:
        window: counts of the window, for over-dispersion and non-closure.
        scale, width: energy scale and resolution of the signal.
        spurious: signal events that the background function alone makes.
        efficiency: of the signal.
    """

    window: float
    scale: float
    width: float
    spurious: float
    efficiency: float


class Systematics(NamedTuple):
    """Sizes of the uncertainties; zero is none.

    Attributes:
        window_error: relative error of the background inside the window: over-dispersion of
            counts and non-closure of the selection.
        spurious: signal events that the background function alone may make.
        efficiency_error: relative error of the signal efficiency, log-normal.
        shape: False to leave out energy scale and resolution.
    """

    window_error: float = 0.0
    spurious: float = 0.0
    efficiency_error: float = 0.0
    shape: bool = True


NO_SYSTEMATICS = Systematics(shape=False)


class SignalModel(NamedTuple):
    """Expected events of T spectra in B bins; a first axis of one serves them all.

    Attributes:
        basis: (B, 5) functions of the background, orthonormal for its fit without signal.
        log_width: (B,) logarithm of the widths of the bins.
        used: (B,) True for bins of the fit.
        start: (T, 5) parameters of the background fitted without signal.
        signal: (T, B) fraction of the signal in each bin.
        scale, width, scale_bend, width_bend: (T, B) changes of these, see ``Fractions``.
        window: (T, B) relative change of the background by one standard deviation.
        spurious: (T,) events by one standard deviation.
        log_kappa: (T,) change of ln s by one standard deviation of the efficiency.
    """

    basis: np.ndarray
    log_width: np.ndarray
    used: np.ndarray
    start: np.ndarray
    signal: np.ndarray
    scale: np.ndarray
    width: np.ndarray
    scale_bend: np.ndarray
    width_bend: np.ndarray
    window: np.ndarray
    spurious: np.ndarray
    log_kappa: np.ndarray

    def rows(self, index: np.ndarray) -> "SignalModel":
        """The model of some spectra; arrays that serve all of them stay as they are."""
        return SignalModel(*self[:3], *(a if len(a) == 1 else a[index] for a in self[3:]))

    def bins(self, chosen: np.ndarray) -> "SignalModel":
        """The model in some bins."""
        return self._replace(
            basis=self.basis[chosen],
            log_width=self.log_width[chosen],
            used=self.used[chosen],
            signal=self.signal[:, chosen],
            scale=self.scale[:, chosen],
            width=self.width[:, chosen],
            scale_bend=self.scale_bend[:, chosen],
            width_bend=self.width_bend[:, chosen],
            window=self.window[:, chosen],
        )

    def lowest(self) -> np.ndarray:
        """(T,) lowest strength: minus the background under the signal, sum b f / sum f^2."""
        background = exponential(self.start @ self.basis.T + self.log_width)
        signal = np.where(self.used, self.signal, 0.0)
        square = np.maximum((signal**2).sum(axis=1), _NOTHING)
        return np.asarray(-(background * signal).sum(axis=1) / square)

    def background(self, values: np.ndarray) -> np.ndarray:
        """(T, B) background events at values (T, N_VALUES)."""
        log = values[:, THETA] @ self.basis.T + self.log_width
        return exponential(log + values[:, PULLS.start, None] * self.window) + _NOTHING

    def signal_events(self, values: np.ndarray) -> np.ndarray:
        """(T, B) signal events, spurious ones included."""
        strength, shape, _ = self._signal(values)
        return np.asarray((strength + self._spurious(values)) * shape)

    def expected(self, values: np.ndarray) -> np.ndarray:
        """(T, B) events."""
        background = self.background(values)
        return np.asarray(background * damped(self.signal_events(values) / background)[0])

    def slopes(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, 6, B) derivatives of ln b by the parameters and the pull of the window, and
        (T, N_VALUES, B) those of the signal's events."""
        strength, shape, kappa = self._signal(values)
        n_rows, n_bins = len(values), len(self.log_width)
        in_log = np.empty((n_rows, N_BACKGROUND + 1, n_bins))
        in_log[:, :-1] = self.basis.T
        in_log[:, -1] = self.window
        in_signal = np.zeros((n_rows, N_VALUES, n_bins))
        in_signal[:, 0] = shape * kappa
        scale, width, spurious, efficiency = range(PULLS.start + 1, PULLS.stop)
        _, bends = _bent(values)
        events = strength + self._spurious(values)
        in_signal[:, scale] = events * (self.scale + bends[0] * self.scale_bend)
        in_signal[:, width] = events * (self.width + bends[1] * self.width_bend)
        in_signal[:, spurious] = self.spurious[:, None] * shape
        in_signal[:, efficiency] = strength * shape * self.log_kappa[:, None]
        return in_log, in_signal

    def _spurious(self, values: np.ndarray) -> np.ndarray:
        """(T, 1) spurious events."""
        return np.asarray(self.spurious[:, None] * values[:, PULLS.start + 3, None])

    def _signal(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Strength with efficiency (T, 1), shape (T, B), and kappa^nu (T, 1)."""
        _, scale, width, _, efficiency = values[:, PULLS].T[..., None]
        kappa = np.exp(self.log_kappa[:, None] * efficiency)
        (bent_scale, bent_width), _ = _bent(values)
        shape = self.signal + scale * self.scale + width * self.width
        shape += bent_scale * self.scale_bend + bent_width * self.width_bend
        return values[:, :1] * kappa, shape, kappa


def signal_model(
    counts: np.ndarray,
    edges: np.ndarray,
    used: np.ndarray,
    inside: np.ndarray,
    fractions: Fractions,
    systematics: Systematics,
) -> SignalModel:
    """The model of T spectra of one binning, its background started at the fits without signal.

    Args:
        counts: (T, B) events.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit.
        inside: (T or 1, B) True for bins of each spectrum's window.
        fractions: signal in the bins, each (B,) or (T, B).
        systematics: sizes of the uncertainties, for all spectra.

    Raises:
        DataError: a spectrum has too few bins with events, or its fit does not converge.
    """
    every = columns(edges, N_BACKGROUND)
    log_width = np.log(np.diff(edges))
    fitted = counts[:, used]
    _check_posed(fitted)
    mean = fitted_counts(fitted.mean(axis=0), every[used], log_width[used])
    basis = every @ orthonormal(every[used], mean)
    first = np.tile(project(np.log(mean) - log_width[used], basis[used], mean), (len(counts), 1))
    first[:, 0] += np.log(fitted.sum(axis=1) / mean.sum()) / basis[0, 0]  # it is a constant
    theta = maximise(fitted, basis[used], log_width[used], first)
    if not np.isfinite(theta).all():
        raise DataError(
            "a di-jet function must be found for each spectrum, but a fit of "
            f"{N_BACKGROUND} parameters did not converge; widen the range of the fit"
        )
    nominal, scale, width, scale_bend, width_bend = (np.atleast_2d(values) for values in fractions)
    on = float(systematics.shape)
    return SignalModel(
        basis,
        log_width,
        used,
        theta,
        nominal,
        scale * on,
        width * on,
        scale_bend * on,
        width_bend * on,
        np.atleast_2d(inside) * np.float64(systematics.window_error),
        np.array([systematics.spurious]),
        np.log1p([systematics.efficiency_error]),
    )


def _bent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, T, 1) h of the pulls of scale and width, and its derivatives."""
    pulls = values[:, PULLS.start + 1 : PULLS.start + 3].T[..., None]
    square = pulls**2
    near = square <= 1
    inside = (15 - 10 * square + 3 * square**2) * square / 8
    slope = (30 - 40 * square + 18 * square**2) * pulls / 8
    return np.where(near, inside, np.abs(pulls)), np.where(near, slope, np.sign(pulls))


def damped(ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """mu / b at a ratio S / b, and its first and second derivatives by it: 1 + ratio where that is
    above a tenth, an exponential below."""
    rest = 1 - _LINEAR
    below = ratio < -_LINEAR
    decay = np.exp(np.clip((ratio + _LINEAR) / rest, -_DEEPEST, 0.0))
    return (
        np.where(below, rest * decay, 1 + ratio),
        np.where(below, decay, 1.0),
        np.where(below, decay / rest, 0.0),
    )


def _check_posed(fitted: np.ndarray) -> None:
    filled = (fitted > 0).sum(axis=1)
    if filled.min(initial=N_VALUES) <= N_BACKGROUND:
        bad = int(filled.argmin())
        raise DataError(
            f"a fit of {N_BACKGROUND} parameters must have at least {N_BACKGROUND + 1} bins with "
            f"events, got {int(fitted[bad].sum())} events in {int(filled[bad])} of "
            f"{fitted.shape[1]} bins; loosen the cut or widen the range of the fit"
        )
