"""Mass, width and number of events of a resonance in a mass spectrum.

Di-jet function plus a Gaussian, fitted to all bins at once by the binned Poisson likelihood:

    mu_i = width_i f(m_i) + n_signal [Phi((e_(i+1) - mass) / width) - Phi((e_i - mass) / width)]

with f of ``anode.statistics.fits.dijet_function`` and e the edges of the bins.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from iminuit import Minuit
from scipy.special import ndtr

from anode.errors import ConfigError, DataError
from anode.statistics.fits.dijet_fit import Spectrum, SpectrumFit, fit_spectrum
from anode.statistics.fits.dijet_function import check_bins, columns, deviance
from anode.statistics.fits.loglinear import exponential

WIDTHS = (0.015, 0.08)
"""Smallest and largest standard deviation of the Gaussian over its mass: the resolution of two
jets, and a resonance as wide as a window."""

_N_STARTS = 5
_SMALLEST = 1e-3
"""Smallest total expectation of a bin, as a fraction of its background."""
_NOTHING = 1e-50


class Resonance(NamedTuple):
    """A Gaussian on top of a di-jet function.

    Attributes:
        mass, mass_error: mass of the centre [GeV].
        width, width_error: standard deviation [GeV]; error 0 if the width is at a bound.
        n_signal, n_signal_error: area in events, over all masses; negative for a deficit.
        n_parameters: number of parameters of the di-jet function.
        p_value, z: local significance of n_signal, see :func:`fit_resonance`.
        expected: (B,) events in every bin, background and signal.
        signal: (B,) events of the Gaussian in every bin.
        valid: True if the fit converged with an accurate covariance, the mass not at a bound.
    """

    mass: float
    mass_error: float
    width: float
    width_error: float
    n_signal: float
    n_signal_error: float
    n_parameters: int
    p_value: float
    z: float
    expected: np.ndarray
    signal: np.ndarray
    valid: bool


def fit_resonance(
    spectrum: Spectrum,
    used: np.ndarray,
    *,
    low: float,
    high: float,
    n_parameters: int,
    widths: tuple[float, float] = WIDTHS,
) -> Resonance:
    """Fit mass, width, number of events and the background together.

    The significance compares with the fit without signal:

        q0 = 2 [ln L(s, mass, width) - ln L(0)],   z = sign(s) sqrt(q0),   p = Phi(-z).

    It is local, and not calibrated: sqrt(q0) is the significance of a Gaussian whose mass and
    width were known before (1007.1727, eq. 52). Both were chosen by the fit here and do not exist
    without signal, so that q0 does not follow chi2 with one degree of freedom (R. B. Davies,
    Biometrika 74, 33; Gross & Vitells 1005.1891), and p is too small. Quote a global p-value from
    toys of the whole search beside it.

    Args:
        spectrum: counts and edges, B bins.
        used: (B,) True for bins of the fit: the window and both its sides.
        low, high: bounds of the mass [GeV].
        n_parameters: number of parameters of the di-jet function, 3, 4 or 5.
        widths: bounds of width / mass.

    Raises:
        ConfigError: bounds of mass or width are not two rising positive numbers.
        DataError: no bin of the fit touches [low, high), or as ``fit_spectrum``.
    """
    _check_bounds("the mass [GeV]", low, high)
    _check_bounds("width / mass", *widths)
    used = check_bins(used, len(spectrum.counts), "the bins of the fit")
    if not (used & (spectrum.edges[1:] > low) & (spectrum.edges[:-1] < high)).any():
        raise DataError(
            f"a resonance is fitted with the bins of its window, but none of [{low:g}, {high:g}) "
            "GeV is among the bins of the fit; include the window in them"
        )
    background = fit_spectrum(spectrum, used, n_parameters)
    shape = _Shape(spectrum, used, background)
    fits = [_minimise(shape, start, (low, high), widths) for start in _starts(low, high, widths)]
    best = min(fits, key=lambda fit: (not fit.valid, fit.fval))
    inside = _settle(best)
    gain = float(deviance(spectrum.counts[used], background.expected[used])) - float(best.fval)
    return _result(shape, best, gain, inside, n_parameters)


def _check_bounds(name: str, low: float, high: float) -> None:
    if not (0 < low < high < np.inf):
        raise ConfigError(
            f"bounds of {name} must be two rising positive numbers, got {low}, {high}"
        )


class _Shape:
    """Expected events against (mass, width / mass, n_signal, parameters of the background)."""

    def __init__(self, spectrum: Spectrum, used: np.ndarray, fit: SpectrumFit) -> None:
        self.counts, self.edges, self.used = spectrum.counts, spectrum.edges, used
        self.basis = columns(spectrum.edges, fit.n_parameters) @ fit.transform
        self.log_width = np.log(np.diff(spectrum.edges))
        self.start = fit.parameters
        self.background = fit.expected

    def gaussian(self, mass: float, ratio: float) -> np.ndarray:
        """(B,) fraction of the signal in every bin."""
        return np.asarray(np.diff(ndtr((self.edges - mass) / (ratio * mass))))

    def parts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B,) events of background and of signal."""
        background = exponential(self.basis @ values[3:] + self.log_width)
        return background, values[2] * self.gaussian(values[0], values[1])

    def deviance(self, values: np.ndarray) -> float:
        background, signal = self.parts(values)
        # A deficit deeper than the background is impossible, and its logarithm undefined.
        total = np.maximum(background + signal, np.maximum(_SMALLEST * background, _NOTHING))
        return float(deviance(self.counts[self.used], total[self.used]))


def _starts(low: float, high: float, widths: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """First values of mass and width / mass; several, as the likelihood has several maxima."""
    ratio = float(np.sqrt(widths[0] * widths[1]))
    for mass in low + (high - low) * (np.arange(_N_STARTS) + 0.5) / _N_STARTS:
        yield float(mass), ratio


def _minimise(
    shape: _Shape,
    start: tuple[float, float],
    masses: tuple[float, float],
    widths: tuple[float, float],
) -> Minuit:
    mass, ratio = start
    fraction = np.where(shape.used, shape.gaussian(mass, ratio), 0.0)
    weight = fraction / shape.background
    # Linear estimate of the area that fits best at this mass and width.
    variance = 1 / (weight @ fraction + 1e-300)
    n_signal = variance * (weight @ (shape.counts - shape.background))
    names = ("mass", "ratio", "n_signal", *(f"theta_{k}" for k in range(len(shape.start))))
    minuit = Minuit(shape.deviance, [mass, ratio, n_signal, *shape.start], name=names)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.errors["mass"], minuit.errors["ratio"] = ratio * mass / 4, ratio / 4
    minuit.errors["n_signal"] = np.sqrt(variance)
    minuit.limits["mass"], minuit.limits["ratio"] = masses, widths
    minuit.migrad()
    return minuit


def _settle(minuit: Minuit) -> bool:
    """Fix parameters at a bound, where they have no error, and compute the covariance of the rest.

    Returns:
        True if the mass is inside its bounds.
    """
    for name in ("mass", "ratio"):
        low, high = minuit.limits[name]
        value, room = minuit.values[name], 1e-3 * (high - low)
        if value < low + room or value > high - room:
            minuit.values[name] = low if value < low + room else high
            minuit.fixed[name] = True
    if minuit.fixed["mass"] or minuit.fixed["ratio"]:
        minuit.migrad()
    minuit.hesse()
    return not minuit.fixed["mass"]


def _result(
    shape: _Shape, minuit: Minuit, gain: float, inside: bool, n_parameters: int
) -> Resonance:
    mass, ratio, n_signal = (float(minuit.values[name]) for name in ("mass", "ratio", "n_signal"))
    error = {name: float(minuit.errors[name]) for name in ("mass", "ratio", "n_signal")}
    for name in ("mass", "ratio"):
        if minuit.fixed[name]:
            error[name] = 0.0
    background, signal = shape.parts(np.array(minuit.values))
    z = float(np.sign(n_signal) * np.sqrt(max(gain, 0.0)))
    return Resonance(
        mass=mass,
        mass_error=error["mass"],
        width=ratio * mass,
        width_error=error["ratio"] * mass,
        n_signal=n_signal,
        n_signal_error=error["n_signal"],
        n_parameters=n_parameters,
        p_value=float(ndtr(-z)),
        z=z,
        expected=background + signal,
        signal=signal,
        valid=bool(minuit.valid and minuit.accurate and inside),
    )
