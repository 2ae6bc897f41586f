"""Upper limits on the strength of a resonance, from the likelihood of the whole spectrum.

CLs (A. Read, J. Phys. G 28, 2693) with q-tilde (1007.1727, eq. 16):

    CLs(s) = P(q >= q_observed | s + b) / P(q >= q_observed | b),   excluded: CLs < 1 - level.

The distribution of q is that of large samples (eqs. 29, 64 and 65), its width from expected events
without fluctuations (Asimov data): the background fitted without signal to the data, pulls
included. No limit is below that of a count of nothing,

    CLs(s) = exp(-s sum_i f_i),   s = -ln(1 - level) / sum_i f_i,   3.0 events at 95%,

the smallest CLs that a count can have, which the asymptotic form falls short of (1.9 events) where
nothing is expected and nothing seen. Coverage: row D of ``anode acceptance``.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from anode.errors import DataError
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.signal.profile import profile_root, rising_root
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_fit import checked
from anode.statistics.signal.signal_maximum import maximum
from anode.statistics.signal.signal_model import PULLS, SignalModel, Systematics, signal_model

BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Standard deviations at which limits expected of background alone are given."""


class Limit(NamedTuple):
    """Upper limit on a signal.

    Attributes:
        observed: limit from the observed counts [events, or fb].
        expected: limits expected of background alone at -2, -1, 0, 1 and 2 standard deviations.
    """

    observed: float
    expected: tuple[float, float, float, float, float]


class Exposure(NamedTuple):
    """What turns events into a cross-section.

    Attributes:
        efficiency: fraction of the produced signal that is selected.
        luminosity: integrated luminosity [fb^-1].
    """

    efficiency: float
    luminosity: float


class Limits(NamedTuple):
    """Upper limits of T spectra.

    Attributes:
        observed: (T,) limits [events].
        expected: (T, 5) limits of background alone at -2, -1, 0, 1 and 2 standard deviations.
    """

    observed: np.ndarray
    expected: np.ndarray


def signal_limit(
    spectrum: Spectrum,
    used: np.ndarray,
    inside: np.ndarray,
    *,
    mass: float,
    shape: SignalShape,
    systematics: Systematics = Systematics(),  # noqa: B008
    level: float = 0.95,
) -> Limit:
    """Upper limit on the signal events of a resonance of known mass, over all masses.

    Args:
        spectrum, used, inside, mass, shape, systematics: as for ``fit_signal``; for a limit on a
            cross-section ``systematics`` has the error of the efficiency.
        level: confidence level.

    Raises:
        DataError: as ``fit_signal``, or the level is not inside (0, 1).
    """
    counts, edges, used, inside = checked(spectrum, used, inside)
    if not 0 < level < 1:
        raise DataError(f"the level of a limit must lie between 0 and 1, got {level}; give 0.95")
    fractions = shape.varied(edges, mass)
    model = signal_model(counts[None], edges, used, inside, fractions, systematics)
    found = upper_limits(model, counts[None], level=level)
    low2, low1, median, high1, high2 = map(float, found.expected[0])
    return Limit(float(found.observed[0]), (low2, low1, median, high1, high2))


def cross_section_limit(limit: Limit, exposure: Exposure) -> Limit:
    """A limit on events as one on the cross-section [fb]: sigma = s / (efficiency luminosity).

    Raises:
        DataError: efficiency or luminosity are not positive, or the efficiency is above one.

    Example:
        >>> limit = Limit(30.0, (10.0, 15.0, 20.0, 30.0, 40.0))
        >>> cross_section_limit(limit, Exposure(efficiency=0.1, luminosity=100.0)).observed
        3.0
    """
    if not (0 < exposure.efficiency <= 1 and 0 < exposure.luminosity < np.inf):
        raise DataError(
            "a cross-section needs an efficiency between 0 and 1 and a luminosity above 0 fb^-1, "
            f"got {exposure.efficiency} and {exposure.luminosity}"
        )
    scale = exposure.efficiency * exposure.luminosity
    low2, low1, median, high1, high2 = (value / scale for value in limit.expected)
    return Limit(limit.observed / scale, (low2, low1, median, high1, high2))


def upper_limits(model: SignalModel, counts: np.ndarray, *, level: float = 0.95) -> Limits:
    """Limits of T spectra (T, B) of one model."""
    alpha = 1 - level
    test = _Test(model, counts)
    scale = 2 * np.where(np.isfinite(test.best.error), test.best.error, test.rough)
    observed = test.start + rising_root(
        lambda distance: -test.log_cls(test.start + distance), scale, -np.log(alpha)
    )
    bands = [
        profile_root(
            model,
            test.pseudo,
            test.flat,
            scale,
            band - float(ndtri(alpha * ndtr(band))),
            centres=test.centres,
        )
        for band in BANDS
    ]
    least = -np.log(alpha) / np.where(model.used, model.signal, 0.0).sum(axis=1)
    expected = np.stack(np.broadcast_arrays(*bands), axis=1)
    return Limits(np.maximum(observed, least), np.maximum(expected, least[:, None]))


def confidence(model: SignalModel, counts: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """(T,) CLs of given strengths (T,) above zero in T spectra (T, B) of one model.

    A strength is excluded at 95% where it is below 0.05.
    """
    unseen = np.exp(-strength * np.where(model.used, model.signal, 0.0).sum(axis=1))
    test = _Test(model, counts)
    above = strength > test.start
    tested = np.where(above, strength, test.start + test.rough)
    return np.where(above, np.maximum(np.exp(test.log_cls(tested)), unseen), 1.0)


class _Test:
    """What the tests of all strengths share.

    Attributes:
        best: fits with free strength.
        start: (T,) best strengths, not below zero.
        rough: (T,) rough errors of strengths.
        pseudo: (T, B) expected events of the fits without signal (Asimov data).
        centres: (T, 5) their pulls.
        flat: fits of these without signal.
    """

    def __init__(self, model: SignalModel, counts: np.ndarray) -> None:
        self.model, self.counts = model, counts
        null = maximum(model, counts, strength=0.0)
        self.best = maximum(model, counts, start=null.values)
        self.pseudo, self.centres = model.expected(null.values), null.values[:, PULLS]
        self.flat = maximum(
            model, self.pseudo, strength=0.0, start=null.values, centres=self.centres
        )
        excess = self.best.values[:, 0] > 0
        self.start = np.where(excess, self.best.values[:, 0], 0.0)
        self.rough = np.sqrt(1.0 - model.lowest()) + np.zeros(len(counts))
        self._lowest = np.where(excess, self.best.q, null.q)
        self._latest = np.where(excess[:, None], self.best.values, null.values)
        self._latest_flat = self.flat.values

    def log_cls(self, strength: np.ndarray) -> np.ndarray:
        """(T,) ln CLs of strengths (T,) not below ``start``."""
        fit = maximum(self.model, self.counts, strength=strength, start=self._latest)
        flat = maximum(
            self.model,
            self.pseudo,
            strength=strength,
            start=self._latest_flat,
            centres=self.centres,
        )
        self._latest, self._latest_flat = fit.values, flat.values
        q = np.maximum(fit.q - self._lowest, 0.0)
        q_a = np.maximum(flat.q - self.flat.q, 1e-12)
        root = np.sqrt(q_a)
        t = np.where(q <= q_a, np.sqrt(q) - root, (q - q_a) / (2 * root))
        return np.asarray(log_ndtr(-t - root) - log_ndtr(-t))
