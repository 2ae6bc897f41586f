"""Is the Z of a window standard normal without signal? Toy spectra of a known background."""

from typing import NamedTuple

import numpy as np

from anode.statistics.counting.pass_rate import wilson_error
from anode.statistics.counting.significance import z_values
from anode.statistics.fits.dijet_fit_toys import predict_toys

CHUNK = 4000  # toys fitted at once


class TailFraction(NamedTuple):
    """Fraction of toys above a level of Z, with the error that their number leaves."""

    fraction: float
    error: float
    n: int


def local_z(
    counts: np.ndarray, edges: np.ndarray, used: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """(T,) local Z of a window in T spectra, as a search has it.

    Args:
        counts: (T, B) events.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit beside the window.
        inside: (B,) True for bins of the window.
    """
    expected = predict_toys(counts, edges, used, inside, parameters=(5,))
    return z_values(counts[:, inside].sum(axis=1), expected.n_expected, expected.n_expected_error)


def null_z(
    mean: np.ndarray,
    edges: np.ndarray,
    window: tuple[float, float],
    n_toys: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(n,) Z of a window in Poisson toys of a background; toys without a fit are left out.

    Args:
        mean: (B,) events expected.
        edges: (B+1,) edges of the bins [GeV].
        window: edges of the window [GeV], among those of the bins.
        n_toys: number of toys.
        rng: random stream.
    """
    inside = (edges[:-1] >= window[0]) & (edges[1:] <= window[1])
    found = []
    for start in range(0, n_toys, CHUNK):
        counts = rng.poisson(mean, (min(CHUNK, n_toys - start), len(mean))).astype(float)
        found.append(local_z(counts, edges, ~inside, inside))
    z = np.concatenate(found)
    return z[np.isfinite(z)]


def tail_fraction(z: np.ndarray, level: float) -> TailFraction:
    """Fraction of (n,) Z above a level."""
    n_above = int(np.sum(z > level))
    return TailFraction(n_above / len(z), wilson_error(n_above, len(z)), len(z))
