"""Can the largest excess be trusted? Other functions, the pass rate, injected signal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anode.errors import DataError
from anode.records import Record
from anode.seeding import stream
from anode.statistics.fits.signal_toys import SignalModel, signal_roots
from anode.statistics.scan.window_result import LargestExcess
from anode.statistics.scan.window_spectra import Spectra
from anode.statistics.signal.background_alternatives import (
    NAMES,
    alternative,
    bias,
    spurious_signal,
    with_pass_rate,
)
from anode.statistics.signal.resonance_shape import SignalShape

PASS_RATE = "pass rate"
SMALL_SHARE = 0.2
"""Spurious signal over its statistical error that is left out of the error."""
STRENGTHS = (0.0, 2.0, 5.0)
"""Injected signals, in standard deviations of the strength without signal."""
DISTANCE = 400.0  # GeV, of further masses at which signal is injected


@dataclass(frozen=True)
class Spurious(Record):
    """Signal that a background of another shape makes in the spectrum of the largest excess.

    Attributes:
        background: function of the background: "UA2", "root", or "pass rate", the inclusive
            di-jet function times the pass rate of the cut.
        n_signal: signal events that the fit finds.
        sigma: the same over the statistical error of the strength.
    """

    background: str
    n_signal: float
    sigma: float


@dataclass(frozen=True)
class InjectedBias(Record):
    """Bias of the strength where a background of another function has signal of known size.

    Attributes:
        background: function of the background.
        mass: mass of the injected signal [GeV].
        injected: injected signal events.
        bias, bias_error: mean of fitted - injected over the spread of toys, and its error.
        spread: standard deviation of fitted strengths [events].
    """

    background: str
    mass: float
    injected: float
    bias: float
    bias_error: float
    spread: float


@dataclass(frozen=True)
class Trust(Record):
    """Tests of the fit that gives the largest excess its significance and strength.

    Attributes:
        spurious: spurious signals.
        biases: biases of injected signals.
    """

    spurious: tuple[Spurious, ...]
    biases: tuple[InjectedBias, ...]

    @property
    def largest(self) -> Spurious | None:
        """The largest spurious signal; None without any."""
        return max(self.spurious, key=lambda one: abs(one.sigma), default=None)


def trust_in(
    spectra: Spectra,
    best: LargestExcess,
    *,
    shape: SignalShape,
    window_error: float,
    seed: int,
) -> Trust:
    """Tests of the fit of the largest excess, at its cut.

    Args:
        spectra: mass spectra of the scan.
        best: largest excess.
        shape: distribution of m / M.
        window_error: relative spread of the window's counts beyond Poisson's.
        seed: root seed, of the toys.
    """
    window = int(np.flatnonzero(spectra.low == best.low)[0])
    cut = int(np.flatnonzero(np.isclose(spectra.efficiency, best.efficiency))[0])
    beside, inside = spectra.used[window], spectra.inside[window]

    def model(mass: float) -> SignalModel:
        fractions = shape.fractions(spectra.edges, mass)
        return SignalModel(spectra.edges, beside | inside, inside, fractions, window_error)

    backgrounds = _backgrounds(spectra, window, (cut, None))
    spurious = [
        Spurious(name, *spurious_signal(events, model(best.mass)))
        for name, events in backgrounds.items()
    ]
    biases = []
    for name in [n for n in NAMES if n in backgrounds]:
        events = backgrounds[name]
        for mass in (best.mass - DISTANCE, best.mass, best.mass + DISTANCE):
            if not spectra.edges[0] < mass < spectra.edges[-1]:
                continue
            one = model(mass)
            error = float(signal_roots(events[None], one).error[0])
            for strength in STRENGTHS:
                rng = stream(seed, "bias", name, f"{mass:g}", f"{strength:g}")
                found = bias(events, one, strength * error, rng)
                biases.append(InjectedBias(name, mass, strength * error, *found))
    return Trust(tuple(spurious), tuple(biases))


def spurious_share(
    spectra: Spectra, window: int, levels: Sequence[tuple[int, int | None]], shape: SignalShape
) -> float:
    """Largest spurious signal in some spectra of a window, over its statistical error.

    Args:
        spectra: mass spectra of the scan.
        window: number of the window.
        levels: cuts (first, last) between which the events of each spectrum lie; last is None for
            the tightest.
        shape: distribution of m / M.
    """
    mass = 0.5 * (spectra.low[window] + spectra.high[window])
    inside = spectra.inside[window]
    fractions = shape.fractions(spectra.edges, mass)
    model = SignalModel(spectra.edges, spectra.used[window] | inside, inside, fractions)
    found = [
        abs(spurious_signal(events, model).sigma)
        for between in levels
        for events in _backgrounds(spectra, window, between).values()
    ]
    return max((sigma for sigma in found if np.isfinite(sigma)), default=0.0)


def with_spurious(z: float, share: float) -> float:
    """Z of an excess with a spurious signal of ``share`` statistical errors in its error,

        Z / sqrt(1 + share^2),

    where that is more than ``SMALL_SHARE`` and the excess positive.

    Example:
        >>> with_spurious(5.0, 0.1), round(with_spurious(5.0, 1.0), 2)
        (5.0, 3.54)
    """
    return z if share <= SMALL_SHARE or z <= 0 else z / float(np.hypot(1.0, share))


def _backgrounds(
    spectra: Spectra, window: int, levels: tuple[int, int | None]
) -> dict[str, np.ndarray]:
    """(B,) events of other backgrounds, fitted beside the window; those that can be."""
    first, last = levels
    every, beside = spectra.counts[window], spectra.used[window]
    counts = every[first] - (0 if last is None else every[last])
    found = {}
    for name in NAMES:
        try:
            found[name] = alternative(name, counts, spectra.edges, beside)
        except DataError:
            continue
    if first > 0:
        try:
            inclusive = alternative("root", every[0], spectra.edges, beside)
            found[PASS_RATE] = with_pass_rate(counts, inclusive, spectra.edges, beside)
        except DataError:
            pass
    return found
