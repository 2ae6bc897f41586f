"""Crystal balls fitted to generated resonances."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy
from iminuit import Minuit

from anode.errors import DataError
from anode.statistics.signal.resonance_shape import CrystalBall, CrystalBallShape

_LIMITS = ((0.5, 1.5), (2e-3, 0.5), (0.1, 6.0), (1.1, 100.0), (0.1, 6.0), (1.1, 100.0))
_START = (1.0, 0.04, 1.0, 4.0, 1.0, 4.0)


class ShapeFit(NamedTuple):
    """A crystal ball fitted to generated masses.

    Attributes:
        shape: the crystal ball.
        chi2, ndf: of bins of m / M of 0.01 that expect at least 10 events.
        ks_distance: largest distance between the cumulative distributions.
        ks_p_value: its p-value, somewhat too large as the shape was fitted.
    """

    shape: CrystalBall
    chi2: float
    ndf: int
    ks_distance: float
    ks_p_value: float


def fit_crystal_ball(x: np.ndarray) -> ShapeFit:
    """Fit a crystal ball to (N,) values of m / M by the unbinned likelihood.

    Raises:
        DataError: fewer than 100 values, one is not finite, or the fit does not converge.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 1 or len(x) < 100 or not np.isfinite(x).all():
        raise DataError(
            "a shape is fitted to at least 100 finite masses of generated events, got an array "
            f"of shape {x.shape}"
        )

    def minus_log_likelihood(parameters: np.ndarray) -> float:
        return -float(CrystalBall(*parameters).log_density(x).sum())

    minuit = Minuit(minus_log_likelihood, _START, name=CrystalBall._fields)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.limits = _LIMITS
    minuit.migrad()
    if not minuit.valid:
        raise DataError(
            "a crystal ball must describe the masses of generated events, but its fit did not "
            f"converge ({len(x)} events, median m/M {np.median(x):.3f}); give a histogram instead"
        )
    ball = CrystalBall(*(float(value) for value in minuit.values))
    bins = np.arange(0.2, 2.0, 0.01)
    expected = len(x) * np.diff(ball.cumulative(bins))
    enough = expected >= 10
    pull = (np.histogram(x, bins)[0] - expected)[enough] / np.sqrt(expected[enough])
    ks = scipy.stats.kstest(x, ball.cumulative)
    return ShapeFit(
        ball,
        float((pull**2).sum()),
        int(enough.sum()) - len(ball),
        float(ks.statistic),
        float(ks.pvalue),
    )


def fit_shape(samples: Mapping[float, np.ndarray]) -> CrystalBallShape:
    """Crystal balls of generated resonances, by their mass.

    Args:
        samples: mass of each resonance [GeV] -> (N,) di-jet masses of its events [GeV].

    Raises:
        DataError: as ``fit_crystal_ball``, or there is no sample.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> shape = fit_shape({3500.0: rng.normal(3500, 100, 2000)})
        >>> round(shape.at(3500.0).mean, 2), round(shape.at(3500.0).width, 2)
        (1.0, 0.03)
    """
    masses = tuple(sorted(samples))
    fitted = (fit_crystal_ball(np.asarray(samples[mass]) / mass).shape for mass in masses)
    return CrystalBallShape(masses, tuple(fitted))
