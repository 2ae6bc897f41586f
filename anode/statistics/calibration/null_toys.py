"""Is the Z of a window standard normal without signal? Toy spectra of a known background."""

from typing import NamedTuple

import numpy as np

from anode.statistics.counting.pass_rate import wilson_error
from anode.statistics.fits.root_calibration import calibrate_root
from anode.statistics.fits.signal_toys import SignalModel, signal_roots
from anode.statistics.signal.resonance_shape import SignalShape

CHUNK = 1000  # toys fitted at once, with one calibration


class TailFraction(NamedTuple):
    """Fraction of toys above a level of Z, with the error that their number leaves."""

    fraction: float
    error: float
    n: int


def null_z(
    mean: np.ndarray,
    edges: np.ndarray,
    window: tuple[float, float],
    n_toys: int,
    rng: np.random.Generator,
    *,
    shape: SignalShape,
) -> np.ndarray:
    """(n,) Z of a window in Poisson toys of a background; toys without a fit are left out.

    As in a search: the signed root of a resonance at the window's centre, calibrated by toys of
    the fitted background where events are few. Here a thousand toys share the calibration of the
    first of them, whose fit stands for theirs.

    Args:
        mean: (B,) events expected.
        edges: (B+1,) edges of the bins [GeV].
        window: edges of the window [GeV], among those of the bins.
        n_toys: number of toys.
        rng: random stream.
        shape: distribution of m / M of the resonance.
    """
    inside = (edges[:-1] >= window[0]) & (edges[1:] <= window[1])
    everywhere = np.ones(len(mean), dtype=bool)
    at_centre = shape.fractions(edges, (window[0] + window[1]) / 2)
    model = SignalModel(edges, everywhere, inside, at_centre)
    found = []
    for start in range(0, n_toys, CHUNK):
        counts = rng.poisson(mean, (min(CHUNK, n_toys - start), len(mean))).astype(float)
        roots = signal_roots(counts, model)
        fitted = np.isfinite(roots.z)
        if fitted.any():
            first = int(np.argmax(fitted))
            calibration = calibrate_root(roots.background[first], model, rng)
            found.append(calibration(roots.z[fitted]))
    return np.concatenate(found)


def tail_fraction(z: np.ndarray, level: float) -> TailFraction:
    """Fraction of (n,) Z above a level."""
    n_above = int(np.sum(z > level))
    return TailFraction(n_above / len(z), wilson_error(n_above, len(z)), len(z))
