"""Strength of a resonance: signal and background fitted to a whole mass spectrum together.

The likelihood is that of ``signal_model``. With q(s) = -2 ln [L(s) / L(best s)], everything else
at its best for each s (1007.1727, eqs. 7 and 12),

    q0 = q(0),   Z = sign(best s) sqrt(q0),   68% interval: q(s) <= 1.
"""

from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import DataError
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.dijet_function import (
    check_bins,
    check_counts,
    check_edges,
    merged_deviance,
)
from anode.statistics.signal.profile import profile_root
from anode.statistics.signal.resonance_shape import Fractions, SignalShape
from anode.statistics.signal.signal_maximum import Maximum, maximum
from anode.statistics.signal.signal_model import (
    N_BACKGROUND,
    PULLS,
    Pulls,
    SignalModel,
    Systematics,
    signal_model,
)

_N_MASSES = 25


class Strength(NamedTuple):
    """Fitted number of signal events, negative for a deficit, and its 68% interval.

    Attributes:
        n_signal: number of highest likelihood.
        error_low, error_high: distances to the ends of the interval, both positive.
    """

    n_signal: float
    error_low: float
    error_high: float


class Hypothesis(NamedTuple):
    """A fitted hypothesis and how well it describes the spectrum.

    Attributes:
        expected: (B,) events in every bin, also in those left out of the fit.
        deviance, ndf, p_value: goodness of fit of neighbouring bins merged until each expects five
            events (``merged_deviance``); p_value is NaN where no degree of freedom is left.
    """

    expected: np.ndarray
    deviance: float
    ndf: int
    p_value: float


class SignalFit(NamedTuple):
    """Signal of one mass upon background.

    Attributes:
        mass: mass of the resonance [GeV].
        strength: signal events over all masses, negative for a deficit, with their 68% interval.
        q0, z: likelihood ratio to no signal, and its signed root.
        background: hypothesis without signal.
        both: hypothesis with signal.
        signal: (B,) events of the signal in every bin.
        pulls: deviations of the uncertain quantities at the best fit.
        valid: True if every fit converged.
    """

    mass: float
    strength: Strength
    q0: float
    z: float
    background: Hypothesis
    both: Hypothesis
    signal: np.ndarray
    pulls: Pulls
    valid: bool


class MassFit(NamedTuple):
    """Signal of a mass that is fitted too.

    Attributes:
        mass, mass_error: best mass and half of its 68% interval [GeV], energy scale included.
        inside: True if the best mass is not at a bound.
        fit: the fit at this mass.
    """

    mass: float
    mass_error: float
    inside: bool
    fit: SignalFit


class Strengths(NamedTuple):
    """Strengths of T spectra.

    Attributes:
        best, null: fits with free strength and with none.
        n_signal: (T,) best strengths.
        low, high: (T,) ends of the 68% intervals.
        z: (T,) signed roots of q0.
    """

    best: Maximum
    null: Maximum
    n_signal: np.ndarray
    low: np.ndarray
    high: np.ndarray
    z: np.ndarray


def fit_signal(
    spectrum: Spectrum,
    used: np.ndarray,
    inside: np.ndarray,
    *,
    mass: float,
    shape: SignalShape,
    systematics: Systematics = Systematics(),  # noqa: B008
) -> SignalFit:
    """Fit the strength of a resonance of known mass.

    Args:
        spectrum: counts and edges, B bins.
        used: (B,) True for bins of the fit: the window and both its sides, without the turn-on.
        inside: (B,) True for bins of the window, whose background has ``window_error``.
        mass: mass of the resonance [GeV].
        shape: distribution of m / M.
        systematics: sizes of the uncertainties.

    Raises:
        DataError: counts, edges, masks or mass are refused, or too few bins hold events.
    """
    counts, edges, used, inside = checked(spectrum, used, inside)
    fractions = shape.varied(edges, mass)
    model = signal_model(counts[None], edges, used, inside, fractions, systematics)
    found = strengths(model, counts[None])
    return _result(model, counts, found, mass)


def fit_mass(
    spectrum: Spectrum,
    used: np.ndarray,
    inside: np.ndarray,
    *,
    low: float,
    high: float,
    shape: SignalShape,
    systematics: Systematics = Systematics(),  # noqa: B008
) -> MassFit:
    """Fit the mass of a resonance too, between ``low`` and ``high`` [GeV].

    -2 ln L of the best strength, not below zero, is profiled over a grid of masses, and over finer
    ones around its lowest point. The Z of the fit is that of a mass known before, which this one
    was not. Other arguments and errors as ``fit_signal``.
    """
    counts, edges, used, inside = checked(spectrum, used, inside)
    if not 0 < low < high < np.inf:
        raise DataError(f"bounds of a mass must be two rising positive numbers, got {low}, {high}")

    def profiled(masses: np.ndarray) -> np.ndarray:
        varied = [shape.varied(edges, float(m)) for m in masses]
        fractions = Fractions(*map(np.array, zip(*varied, strict=True)))
        repeated = np.tile(counts, (len(masses), 1))
        model = signal_model(repeated, edges, used, inside, fractions, systematics)
        null = maximum(model.rows(first), repeated[first], strength=0.0)
        best = maximum(model, repeated)
        return np.where(best.values[:, 0] > 0, best.q, null.q)

    first = np.array([0])
    masses = np.linspace(low, high, _N_MASSES)
    q = profiled(masses)
    step = masses[1] - masses[0]
    for _ in range(2):
        step /= 6
        near = masses[q.argmin()] + step * np.arange(-6, 7)
        near = near[(near >= low) & (near <= high)]
        masses = np.concatenate([masses, near])
        q = np.concatenate([q, profiled(near)])
    best = float(masses[q.argmin()])
    order = np.argsort(masses)
    error = _half_width(masses[order], q[order] - q.min())
    fit = fit_signal(spectrum, used, inside, mass=best, shape=shape, systematics=systematics)
    return MassFit(best, error, low + step < best < high - step, fit)


def strengths(model: SignalModel, counts: np.ndarray) -> Strengths:
    """Strengths and 68% intervals of T spectra (T, B) of one model."""
    null = maximum(model, counts, strength=0.0)
    best = maximum(model, counts, start=null.values)
    n_signal = best.values[:, 0]
    z = np.sign(n_signal) * np.sqrt(np.maximum(null.q - best.q, 0.0))
    scale = np.where(np.isfinite(best.error), best.error, np.sqrt(np.abs(model.lowest()) + 1.0))
    high = n_signal + profile_root(model, counts, best, scale, 1.0)
    low = n_signal - profile_root(model, counts, best, -scale, 1.0)
    return Strengths(best, null, n_signal, low, high, z)


def checked(
    spectrum: Spectrum, used: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, edges and masks of a fit.

    Raises:
        DataError: one is refused.
    """
    edges, counts = check_edges(spectrum.edges), check_counts(spectrum.counts)
    if counts.shape != (len(edges) - 1,):
        raise DataError(
            f"a spectrum must have one count for each bin, got counts of shape {counts.shape} "
            f"and {len(edges)} edges; use make_spectrum"
        )
    used = check_bins(used, len(counts), "the bins of the fit")
    return counts, edges, used, check_bins(inside, len(counts), "the bins inside the window")


def _result(model: SignalModel, counts: np.ndarray, found: Strengths, mass: float) -> SignalFit:
    best, null = found.best, found.null
    n_signal, low, high, z = (
        float(values[0]) for values in (found.n_signal, found.low, found.high, found.z)
    )
    return SignalFit(
        mass=mass,
        strength=Strength(n_signal, n_signal - low, high - n_signal),
        q0=z * z,
        z=z,
        background=_hypothesis(model, counts, null.values, N_BACKGROUND),
        both=_hypothesis(model, counts, best.values, N_BACKGROUND + 1),
        signal=model.signal_events(best.values)[0],
        pulls=Pulls(*map(float, best.values[0, PULLS])),
        valid=bool(best.converged[0] and null.converged[0]),
    )


def _hypothesis(
    model: SignalModel, counts: np.ndarray, values: np.ndarray, n_parameters: int
) -> Hypothesis:
    expected = model.expected(values)
    merged, n_merged = merged_deviance(counts[None, model.used], expected[:, model.used])
    ndf = int(n_merged[0]) - n_parameters
    p_value = float(scipy.stats.chi2.sf(merged[0], ndf)) if ndf >= 1 else float("nan")
    return Hypothesis(expected[0], float(merged[0]), ndf, p_value)


def _half_width(masses: np.ndarray, q: np.ndarray) -> float:
    """Half the width of the range around the lowest q, of rising masses, in which q <= 1."""
    best = int(q.argmin())
    above = np.flatnonzero(q > 1)
    left, right = above[above < best], above[above > best]
    low, high = masses[0], masses[-1]
    if len(left):
        i = left[-1]
        low = np.interp(1.0, q[[i + 1, i]], masses[[i + 1, i]])
    if len(right):
        i = right[0]
        high = np.interp(1.0, q[[i - 1, i]], masses[[i - 1, i]])
    return float(high - low) / 2
