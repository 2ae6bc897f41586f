"""One spectrum tested for a resonance: what is expected beside it, and how significant it is."""

from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.statistics.fits.dijet_fit import (
    Prediction,
    Spectrum,
    SpectrumFit,
    fit_spectrum,
    predict,
)
from anode.statistics.fits.dijet_function import N_PARAMETERS
from anode.statistics.fits.root_calibration import RootCalibration, calibrate_root
from anode.statistics.fits.signal_toys import SignalModel, signal_roots

MIN_BESIDE = 10  # events of the fit on either side of a window
MIN_FITTED = 100  # events; fits of fewer have heavy tails: with 30, a median error of 43%


class ResonanceTest(NamedTuple):
    """Test of a resonance in a spectrum, as the toys of a scan repeat it.

    Attributes:
        model: resonance and bins.
        mean: (B,) background of the fit without signal.
        z: signed root, calibrated.
        source: source of its calibration: "asymptotic", "toys", or "above toys" beyond their
            reach.
        strength, error: signal events of highest likelihood, and the standard deviation without
            signal.
        weight: root of the information on the share of signal, see ``counting.ordered_test``.
    """

    model: SignalModel
    mean: np.ndarray
    z: float
    source: str
    strength: float
    error: float
    weight: float


class BesideFit(NamedTuple):
    """The di-jet function fitted beside a window.

    Attributes:
        fit: fit of five parameters.
        predicted: events that it expects in the window.
    """

    fit: SpectrumFit
    predicted: Prediction


class SpectrumBins(NamedTuple):
    """Bins of the spectra of a window.

    Attributes:
        edges: (B+1,) edges of the bins [GeV].
        used: (B,) True for bins beside the window.
        inside: (B,) True for bins of the window.
        shape: (B,) fraction of a resonance at its centre in each bin.
    """

    edges: np.ndarray
    used: np.ndarray
    inside: np.ndarray
    shape: np.ndarray


def fit_beside(counts: np.ndarray, bins: SpectrumBins) -> BesideFit | str:
    """The fit beside a window, always of five parameters; or why there is none.

    A function with fewer parameters, chosen by an F-test, leaves out some that the spectrum has:
    in 9% of windows without signal its Z is above 1.645, with five parameters in 5%.

    Args:
        counts: (B,) events.
        bins: bins of the window.
    """
    reason = _too_few(counts, bins)
    if reason is not None:
        return reason
    try:
        fit = fit_spectrum(Spectrum(counts, bins.edges), bins.used, N_PARAMETERS[-1])
    except DataError as error:
        return str(error)
    if not fit.valid:
        return "the fit did not converge"
    return BesideFit(fit, predict(fit, bins.edges, bins.inside))


def find_resonance(
    counts: np.ndarray, bins: SpectrumBins, window_error: float, rng: np.random.Generator
) -> ResonanceTest | None:
    """Test of a resonance at the centre of a window, in all bins; None where it cannot be made.

    Args:
        counts: (B,) events.
        bins: bins of the window.
        window_error: relative spread of the window's counts beyond Poisson's.
        rng: random stream of the toys that calibrate roots of few events.
    """
    everywhere = bins.used | bins.inside
    model = SignalModel(bins.edges, everywhere, bins.inside, bins.shape, window_error)
    found = signal_roots(counts[None], model)
    if not np.isfinite(found.z[0]):
        return None
    mean, error = found.background[0], float(found.error[0])
    calibration = calibrate_root(mean, model, rng)
    z = float(calibration(found.z)[0])
    per_share = float((bins.shape * mean).sum() / bins.shape.sum())
    return ResonanceTest(
        model, mean, z, _source(calibration, z), float(found.strength[0]), error, per_share / error
    )


def window_error(factor: float, n_expected: float) -> float:
    """Relative standard deviation of counts beyond Poisson's, sqrt((f^2 - 1) / n).

    Args:
        factor: f, standard deviation of counts over that of Poisson counts.
        n_expected: n, events expected in the window.
    """
    return float(np.sqrt(max(factor**2 - 1, 0.0) / max(n_expected, 1.0)))


def _source(calibration: RootCalibration, z: float) -> str:
    if not len(calibration.root):
        return "asymptotic"
    return "toys" if z <= calibration.reach else "above toys"


def _too_few(counts: np.ndarray, bins: SpectrumBins) -> str | None:
    """Why so few events beside a window predict nothing; None if they are enough."""
    low, high = bins.edges[:-1][bins.inside], bins.edges[1:][bins.inside]
    lower, upper, used = bins.edges[:-1], bins.edges[1:], bins.used
    places = (
        ("outside", used, MIN_FITTED),
        ("below", used & (upper <= low.min()), MIN_BESIDE),
        ("above", used & (lower >= high.max()), MIN_BESIDE),
    )
    for place, chosen, least in places:
        n_events = int(counts[chosen].sum())
        if n_events < least:
            return f"{n_events} events {place} the window pass, a fit needs {least}"
    return None
