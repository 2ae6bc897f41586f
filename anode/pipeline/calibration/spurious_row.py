"""Row F of the acceptance table: signal that the choice of the di-jet function makes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from anode.pipeline.calibration.acceptance_config import AcceptanceConfig
from anode.pipeline.calibration.toy_rows import BIN, WIDTH, spectrum_truth
from anode.pipeline.search.signal_shape import WPRIME, read_shape
from anode.statistics.calibration.acceptance import Check
from anode.statistics.fits.signal_toys import SignalModel
from anode.statistics.signal.background_alternatives import NAMES, alternative, spurious_signal
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_fit import Strengths, strengths
from anode.statistics.signal.signal_model import Systematics, signal_model

ALLOWED = 0.2  # standard deviations; more is added to the error
CENTRE, HEIGHT = 3500.0, 0.3  # GeV; of the pass rate 1 + HEIGHT tanh((m - CENTRE) / scale)


class _Background(NamedTuple):
    """A spectrum without fluctuations, and what it is."""

    name: str
    expected: np.ndarray
    is_smooth: bool


class _Worst(NamedTuple):
    """The largest spurious signal over masses."""

    mass: float
    n_signal: float
    sigma: float


def spurious_row(config: AcceptanceConfig) -> list[Check]:
    """Row F: strength in expected events of other functions and pass rates; and the significance
    that is left once a spurious signal is part of the error."""
    truth, wanted, shape = spectrum_truth(tuple(config.overrides)), config.F, read_shape(WPRIME)
    edges = np.arange(truth.low, truth.high + 1, BIN)
    smooth = truth.expected(edges, wanted.n_events)
    checks = []
    for background in _backgrounds(smooth, edges, wanted.scales):
        worst = _worst(background.expected, edges, wanted.masses, shape)
        at, n = f"{background.name}, at {worst.mass / 1000:g} TeV", len(wanted.masses)
        if background.is_smooth:
            what = f"spurious signal over its error: {at}"
            checks.append(Check(what, worst.sigma, None, -ALLOWED, ALLOWED, n))
            continue
        z = _with_its_size(background.expected, edges, worst, shape)
        what = f"Z with a spurious signal of {worst.sigma:.1f} sigma in the error: {at}"
        checks.append(Check(what, z, None, -1.0, 1.0, n))
    return checks


def _worst(
    expected: np.ndarray, edges: np.ndarray, masses: list[float], shape: SignalShape
) -> _Worst:
    everywhere = np.ones(len(expected), dtype=bool)
    found = []
    for mass in masses:
        model = SignalModel(edges, everywhere, ~everywhere, shape.fractions(edges, mass))
        found.append(_Worst(mass, *spurious_signal(expected, model)))
    return max(found, key=lambda one: abs(one.sigma))


def _backgrounds(
    smooth: np.ndarray, edges: np.ndarray, scales: list[float]
) -> Iterator[_Background]:
    used = np.ones(len(smooth), dtype=bool)
    for name in NAMES:
        expected = alternative(name, smooth, edges, used)
        yield _Background(f"function {name}", expected, is_smooth=True)
    centres = 0.5 * (edges[1:] + edges[:-1])
    for scale in scales:
        rate = 1 + HEIGHT * np.tanh((centres - CENTRE) / scale)
        name = f"pass rate 1 + {HEIGHT:g} tanh over {scale:g} GeV"
        yield _Background(name, smooth * rate, is_smooth=False)


def _with_its_size(
    expected: np.ndarray, edges: np.ndarray, worst: _Worst, shape: SignalShape
) -> float:
    low, high = worst.mass - WIDTH / 2, worst.mass + WIDTH / 2
    inside = (edges[:-1] >= low) & (edges[1:] <= high)
    used = np.ones(len(expected), dtype=bool)
    fractions = shape.varied(edges, worst.mass)

    def found(spurious: float) -> Strengths:
        size = Systematics(spurious=spurious)
        model = signal_model(expected[None], edges, used, inside, fractions, size)
        return strengths(model, expected[None])

    # What this fit finds, its energy scale and resolution free, is what its error has to hold.
    return float(found(abs(float(found(0.0).n_signal[0]))).z[0])
