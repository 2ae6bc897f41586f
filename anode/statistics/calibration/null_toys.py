"""Is the Z of a window standard normal without signal? Toy spectra of a known background."""

from typing import NamedTuple

import numpy as np

from anode.statistics.counting.ordered_test import ordered_z
from anode.statistics.counting.pass_rate import wilson_error
from anode.statistics.fits.root_calibration import calibrate_root
from anode.statistics.fits.signal_toys import SignalModel, SignalRoots, signal_roots
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
    model = _resonance(edges, window, shape)
    found = [
        roots.z[np.isfinite(roots.z)]
        for roots in (_calibrated(mean, model, n, rng) for n in _chunks(n_toys))
    ]
    return np.concatenate(found)


def combined_null_z(
    means: np.ndarray,
    edges: np.ndarray,
    window: tuple[float, float],
    n_toys: int,
    rng: np.random.Generator,
    *,
    shape: SignalShape,
) -> np.ndarray:
    """(n,) Z of all score categories of a window together, as ``null_z`` of one.

    Args:
        means: (C, B) events expected in each category, scores rising.
        edges, window, n_toys, rng, shape: as for ``null_z``.
    """
    model = _resonance(edges, window, shape)
    found = []
    for n in _chunks(n_toys):
        categories = [_calibrated(mean, model, n, rng) for mean in means]
        z = np.stack([roots.z for roots in categories], axis=1)
        fitted = np.isfinite(z).all(axis=1)
        weight = [
            _weight(mean, model, roots) for mean, roots in zip(means, categories, strict=True)
        ]
        found.append(ordered_z(z[fitted], np.array(weight)))
    return np.concatenate(found)


def _resonance(edges: np.ndarray, window: tuple[float, float], shape: SignalShape) -> SignalModel:
    inside = (edges[:-1] >= window[0]) & (edges[1:] <= window[1])
    at_centre = shape.fractions(edges, (window[0] + window[1]) / 2)
    return SignalModel(edges, np.ones(len(inside), dtype=bool), inside, at_centre)


def _chunks(n_toys: int) -> list[int]:
    return [min(CHUNK, n_toys - start) for start in range(0, n_toys, CHUNK)]


def _calibrated(
    mean: np.ndarray, model: SignalModel, n_toys: int, rng: np.random.Generator
) -> SignalRoots:
    """Tests of toys, calibrated by those of the first that can be fitted."""
    roots = signal_roots(rng.poisson(mean, (n_toys, len(mean))), model)
    fitted = np.flatnonzero(np.isfinite(roots.z))
    if not len(fitted):
        return roots
    calibration = calibrate_root(roots.background[fitted[0]], model, rng)
    return roots._replace(z=calibration(roots.z))


def _weight(mean: np.ndarray, model: SignalModel, roots: SignalRoots) -> float:
    """Root of the information on the share of signal, as a search has it."""
    per_share = float((model.shape * mean).sum() / model.shape.sum())
    return per_share / float(np.nanmedian(roots.error))


def tail_fraction(z: np.ndarray, level: float) -> TailFraction:
    """Fraction of (n,) Z above a level."""
    n_above = int(np.sum(z > level))
    return TailFraction(n_above / len(z), wilson_error(n_above, len(z)), len(z))
