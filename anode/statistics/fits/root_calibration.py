"""Calibration of a signed root by toys: to a normal variable where few events are fitted.

The signed root of a likelihood ratio is normal for many events. With few it is shifted and skewed:
at 1000 events of a falling spectrum its mean is 0.15. The toys of the very spectrum say by how
much; beyond their reach the shift of the last quantiles is kept.
"""

from typing import NamedTuple

import numpy as np
import scipy

from anode.statistics.fits.signal_toys import SignalModel, signal_roots

N_TOYS = 5000
ENOUGH = 20_000
"""Events from which on no toys are needed: the shift is below 0.03."""
_TAIL = 25
"""Toys beyond the last quantile that is used."""
_DEGREE = 2  # of the polynomial that smooths the shift over the quantiles


class RootCalibration(NamedTuple):
    """Map of signed roots to a standard normal variable.

    Attributes:
        root: (K,) rising quantiles of the toys' roots; empty if none are needed.
        normal: (K,) the same quantiles of a normal variable.
    """

    root: np.ndarray
    normal: np.ndarray

    @property
    def reach(self) -> float:
        """Largest z that toys reach; infinity where none are needed."""
        return float(self.normal[-1]) if len(self.normal) else np.inf

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Calibrated z, of any shape; NaN stays NaN."""
        z = np.asarray(z, dtype=float)
        if not len(self.root):
            return z
        shift = self.normal - self.root
        moved = np.interp(z, self.root, shift)  # beyond the ends the last shift
        return np.where(np.isnan(z), np.nan, z + moved)


NO_CALIBRATION = RootCalibration(np.empty(0), np.empty(0))


def calibrate_root(
    mean: np.ndarray,
    model: SignalModel,
    rng: np.random.Generator,
    *,
    n_toys: int = N_TOYS,
) -> RootCalibration:
    """The calibration of one spectrum's root.

    Args:
        mean: (B,) background events of the spectrum.
        model: resonance and bins.
        rng: random stream of the toys.
        n_toys: number of toys.
    """
    if mean[model.used].sum() >= ENOUGH:
        return NO_CALIBRATION
    means = np.tile(mean, (n_toys, 1))
    if model.window_error > 0:
        delta = rng.normal(scale=model.window_error, size=(n_toys, 1))
        means = means * np.exp(np.where(model.inside, delta, 0.0))
    roots = signal_roots(rng.poisson(means), model).z
    roots = np.sort(roots[np.isfinite(roots)])
    n = len(roots)
    if n < 4 * _TAIL:
        return NO_CALIBRATION
    # Quantiles evenly spaced in the normal variable, so that noise is smoothed in the middle.
    farthest = float(scipy.stats.norm.isf(_TAIL / n))
    normal = np.linspace(-farthest, farthest, 25)
    root = np.quantile(roots, scipy.stats.norm.cdf(normal))
    # A quantile's error is sqrt(p (1 - p) / n) / density: little is known in the tails.
    density, p = scipy.stats.norm.pdf(normal), scipy.stats.norm.cdf(normal)
    shift = np.polyfit(root, normal - root, _DEGREE, w=density / np.sqrt(p * (1 - p)))
    return RootCalibration(root, root + np.polyval(shift, root))
