"""Signal that the background function makes on its own, and the bias of strengths.

Both ask what a fit of signal and the di-jet function finds where the true background is another
one: in expected events without fluctuations (spurious signal, as in ATLAS's searches), and in toys
with signals of several masses and strengths (bias test, as in CMS's). Scale, resolution and other
uncertainties are off: none of them makes a signal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.seeding import stream
from anode.statistics.fits.dijet_function import check_bins, check_counts, check_edges
from anode.statistics.signal.resonance_shape import Fractions, SignalShape
from anode.statistics.signal.signal_fit import strengths
from anode.statistics.signal.signal_maximum import maximum
from anode.statistics.signal.signal_model import NO_SYSTEMATICS, SignalModel, signal_model


class SpuriousSignal(NamedTuple):
    """Strength that a fit finds in a background without signal and without fluctuations.

    Attributes:
        mass: mass of the resonance [GeV].
        n_signal: its strength [events].
        error: statistical error of a strength there [events], half the 68% interval.
    """

    mass: float
    n_signal: float
    error: float

    @property
    def in_errors(self) -> float:
        """Strength in units of its statistical error; from 0.2 on it should be added to it."""
        return self.n_signal / self.error


class Bias(NamedTuple):
    """Strengths fitted to toys of one background with one signal.

    Attributes:
        mass: mass of the resonance [GeV].
        n_signal: events injected, over all masses.
        n_toys: number of toys.
        bias, bias_error: mean of fitted less injected events, with its statistical error.
        spread: standard deviation of fitted events.
        pull, pull_width: mean and standard deviation of (fitted - injected) / error.
    """

    mass: float
    n_signal: float
    n_toys: int
    bias: float
    bias_error: float
    spread: float
    pull: float
    pull_width: float


def spurious_signals(
    expected: np.ndarray,
    edges: np.ndarray,
    used: np.ndarray,
    masses: Sequence[float],
    shape: SignalShape,
) -> tuple[SpuriousSignal, ...]:
    """Spurious signals of several masses.

    Args:
        expected: (B,) events of another background: a function of ``background_alternatives``
            fitted to the spectrum, or the spectrum before a cut, as fitted, times the share that
            passes as measured on a template.
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins of the fit.
        masses: masses of the resonance [GeV].
        shape: distribution of m / M.

    Raises:
        DataError: an argument is refused, or too few bins hold events.
    """
    expected, edges, used = _checked(expected, edges, used)
    counts = np.tile(expected, (len(masses), 1))
    found = strengths(_model(counts, edges, used, _fractions(shape, edges, masses)), counts)
    errors = (found.high - found.low) / 2
    return tuple(
        SpuriousSignal(float(mass), float(n), float(error))
        for mass, n, error in zip(masses, found.n_signal, errors, strict=True)
    )


def bias_test(
    expected: np.ndarray,
    edges: np.ndarray,
    used: np.ndarray,
    masses: Sequence[float],
    shape: SignalShape,
    *,
    significances: Sequence[float] = (0.0, 2.0, 5.0),
    n_toys: int = 200,
    seed: int = 0,
) -> tuple[Bias, ...]:
    """Bias of strengths in toys of another background with injected signals.

    Args:
        expected, edges, used, masses, shape: as for ``spurious_signals``.
        significances: strengths injected, in statistical errors without signal.
        n_toys: toys for each mass and strength.
        seed: root seed.

    Raises:
        DataError: an argument is refused, or a toy has too few bins with events.
    """
    spurious = spurious_signals(expected, edges, used, masses, shape)
    expected, edges, used = _checked(expected, edges, used)
    rng = stream(seed, "bias")
    found = []
    for one in spurious:
        fractions = _fractions(shape, edges, [one.mass])
        injected = np.array(significances, dtype=np.float64) * one.error
        mean = expected + injected[:, None] * fractions.nominal
        counts = rng.poisson(np.repeat(mean, n_toys, axis=0)).astype(np.float64)
        best = maximum(_model(counts, edges, used, fractions), counts)
        fitted = best.values[:, 0].reshape(len(injected), n_toys)
        errors = np.where(np.isfinite(best.error), best.error, one.error).reshape(fitted.shape)
        found += [_bias(one.mass, *row) for row in zip(injected, fitted, errors, strict=True)]
    return tuple(found)


def _checked(
    expected: np.ndarray, edges: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    edges, expected = check_edges(edges), check_counts(expected, expectations=True)
    if expected.shape != (len(edges) - 1,):
        raise DataError(
            f"a background must have one number for each bin, got shape {expected.shape} and "
            f"{len(edges)} edges"
        )
    return expected, edges, check_bins(used, len(expected), "the bins of the fit")


def _fractions(shape: SignalShape, edges: np.ndarray, masses: Sequence[float]) -> Fractions:
    nominal = np.array([shape.fractions(edges, mass) for mass in masses])
    return Fractions(nominal, *[np.zeros_like(nominal)] * 4)


def _model(
    counts: np.ndarray, edges: np.ndarray, used: np.ndarray, fractions: Fractions
) -> SignalModel:
    nowhere = np.zeros((1, len(used)), dtype=bool)
    return signal_model(counts, edges, used, nowhere, fractions, NO_SYSTEMATICS)


def _bias(mass: float, n_signal: float, fitted: np.ndarray, errors: np.ndarray) -> Bias:
    n_toys, spread = len(fitted), float(fitted.std())
    pulls = (fitted - n_signal) / errors
    return Bias(
        mass=mass,
        n_signal=float(n_signal),
        n_toys=n_toys,
        bias=float(fitted.mean() - n_signal),
        bias_error=spread / float(np.sqrt(n_toys)),
        spread=spread,
        pull=float(pulls.mean()),
        pull_width=float(pulls.std()),
    )
