"""Other smooth functions than the di-jet function: what would it make of a spectrum of theirs?

Their logarithms are linear in the parameters, with x = m / 13 TeV:

    UA2:   f = p0 x^-p1 exp(-p2 x - p3 x^2 - p4 x^3)          (UA2, Z. Phys. C 49 (1991) 17)
    root:  f = p0 (1 - x^(1/3))^p1 x^(p2 + p3 ln x + p4 ln^2 x)   (ATLAS di-photon, 1606.03833)

The spurious signal is what the fit of signal and di-jet function finds in a spectrum without
fluctuations that follows another function.
"""

from typing import NamedTuple

import numpy as np

from anode.statistics.fits.dijet_function import SQRT_S
from anode.statistics.fits.loglinear import (
    exponential,
    fitted_counts,
    orthonormal,
    project,
)
from anode.statistics.fits.signal_toys import SignalModel, signal_roots

NAMES = ("UA2", "root")
"""Names of the functions."""
_N_RATE = 5


class SpuriousSignal(NamedTuple):
    """Signal that the background alone makes.

    Attributes:
        n_signal: fitted signal events.
        sigma: the same over the statistical error of the strength.
    """

    n_signal: float
    sigma: float


class Bias(NamedTuple):
    """Fitted strengths in toys of another function with signal.

    Attributes:
        mean, error: mean of fitted - injected over the spread, and its error.
        spread: standard deviation of the fitted strengths [events].
    """

    mean: float
    error: float
    spread: float


def alternative(name: str, counts: np.ndarray, edges: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(B,) events of another function fitted to some bins, in all of them.

    Args:
        name: name of the function, one of ``NAMES``.
        counts: (B,) events.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit.

    Raises:
        DataError: the fit does not converge.
    """
    x = 0.5 * (edges[1:] + edges[:-1]) / SQRT_S
    log = np.log(x)
    columns = {
        "UA2": [np.ones_like(x), log, x, x**2, x**3],
        "root": [np.ones_like(x), np.log1p(-np.cbrt(x)), log, log**2, log**3],
    }[name]
    return _everywhere(counts, np.stack(columns, axis=1), np.log(np.diff(edges)), used)


def with_pass_rate(
    counts: np.ndarray, inclusive: np.ndarray, edges: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """(B,) events of a smooth inclusive spectrum times the pass rate of a cut, ln r a quartic in
    ln m, fitted to the events that pass.

    Args:
        counts: (B,) events that pass.
        inclusive: (B,) background of all events, positive.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit.

    Raises:
        DataError: the fit does not converge.
    """
    log = np.log(0.5 * (edges[1:] + edges[:-1]) / SQRT_S)
    powers = np.vander(log, _N_RATE, increasing=True)
    return _everywhere(counts, powers, np.log(inclusive), used)


def spurious_signal(expected: np.ndarray, model: SignalModel) -> SpuriousSignal:
    """What the fit of signal and di-jet function finds in expected events.

    Args:
        expected: (B,) background events, without fluctuations.
        model: resonance and bins.

    Example:
        >>> edges = np.arange(2600.0, 6050.0, 50.0)
        >>> m = (edges[1:] + edges[:-1]) / 2
        >>> peak = np.exp(-0.5 * ((m - 3500) / 140) ** 2)
        >>> model = SignalModel(edges, m > 0, abs(m - 3500) < 200, peak / peak.sum())
        >>> smooth = 1e4 * (m / 2600) ** -9
        >>> abs(spurious_signal(smooth, model).sigma) < 0.01
        True
    """
    found = signal_roots(expected[None], model)
    strength, error = float(found.strength[0]), float(found.error[0])
    return SpuriousSignal(strength, strength / error)


def bias(
    expected: np.ndarray,
    model: SignalModel,
    injected: float,
    rng: np.random.Generator,
    *,
    n_toys: int = 400,
) -> Bias:
    """Pulls of the strength in toys of a background with signal.

    Args:
        expected: (B,) background events.
        model: resonance and bins.
        injected: signal events, at any mass.
        rng: random stream.
        n_toys: number of toys.
    """
    toys = rng.poisson(expected + injected * model.shape, (n_toys, len(expected)))
    strength = signal_roots(toys, model).strength
    strength = strength[np.isfinite(strength)]
    spread = float(strength.std())
    return Bias(float(strength.mean() - injected) / spread, len(strength) ** -0.5, spread)


def _everywhere(
    counts: np.ndarray, columns: np.ndarray, offset: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """(B,) log-linear function fitted to some bins, extended to all."""
    inside = fitted_counts(counts[used], columns[used], offset[used])
    basis = columns @ orthonormal(columns[used], inside)
    theta = project(np.log(inside) - offset[used], basis[used], inside)
    return exponential(basis @ theta + offset)
