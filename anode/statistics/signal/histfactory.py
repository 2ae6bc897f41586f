"""HistFactory workspace of a signal fit, which ``pyhf`` and other tools read.

JSON of pyhf (CERN-OPEN-2012-016), one channel, its bins those of the fit:

    signal:      mu N f_i, energy scale and resolution as histosys, efficiency as normsys; N is a
                 power of ten near the error of the strength, which minimisers need, and stands in
                 the name of the sample;
    background:  b_i of the fit with a signal half-way from the best to the limit; its five
                 parameters, the window and the spurious signal, of nominal shape, as histosys.

It is the likelihood of ``signal_model``, the background's exponential to second order:

    b_i [1 + sum_k (x_ki + x_ki^2 / 2)],   x_ki = alpha_k FAR g_k(i),

with orthonormal g_k, so that 1 / FAR is one standard deviation of alpha_k and its constraint does
not matter; the first is the direction in which the signal moves the background, so that mixed
terms do not matter either. Bins far out, where one standard deviation exceeds a half, are merged.
"""

import numpy as np

from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.loglinear import orthonormal
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_fit import checked
from anode.statistics.signal.signal_limits import upper_limits
from anode.statistics.signal.signal_maximum import maximum
from anode.statistics.signal.signal_model import (
    PULLS,
    THETA,
    SignalModel,
    Systematics,
    signal_model,
)

FAR = 20.0
"""Standard deviations of the background's parameters in one of their constraint."""
_FARTHEST = 5.0  # standard deviations, bounds of minimisers
_MOST = 0.5  # relative error of the background in a bin
_SECOND = 8 / 15  # of x^2 at alpha = +-1: pyhf's interpolation ("code4p") has x^2 / 2 near zero


def workspace(
    spectrum: Spectrum,
    used: np.ndarray,
    inside: np.ndarray,
    *,
    mass: float,
    shape: SignalShape,
    systematics: Systematics = Systematics(),  # noqa: B008
) -> dict[str, object]:
    """The workspace; its CLs limits are those of ``signal_limit`` to about two percent.

    Arguments and errors as ``signal_limit``.
    """
    counts, edges, used, inside = checked(spectrum, used, inside)
    fractions = shape.varied(edges, mass)
    model = signal_model(counts[None], edges, used, inside, fractions, systematics)
    best = maximum(model, counts[None])
    n_signal = max(float(best.values[0, 0]), 0.0)
    limit = float(upper_limits(model, counts[None]).observed[0])
    n_middle, n_limit = (
        maximum(model, counts[None], strength=s, start=best.values).values
        for s in ((n_signal + limit) / 2, limit)
    )
    moved = (n_limit - n_middle)[0, THETA]
    n_middle[:, PULLS] = 0.0
    model, counts = model.bins(used), counts[used]
    background = model.background(n_middle)[0]
    directions = _directions(model.basis, background, moved)
    merge = _Merge(background, directions)
    unit = 10.0 ** round(float(np.log10(limit - n_signal)) - 0.3)
    samples = [
        _signal_sample(model, merge, unit),
        _background_sample(model, merge, background, directions),
    ]
    mu = {
        "name": "mu",
        "bounds": [[0.0, (n_signal + 10 * (limit - n_signal)) / unit]],
        "inits": [(n_signal + limit) / 2 / unit],
    }
    bound = _FARTHEST / FAR
    limited = [
        {"name": _name(k), "bounds": [[-bound, bound]], "inits": [0.0]}
        for k in range(len(directions))
    ]
    config = {"poi": "mu", "parameters": [mu, *limited]}
    return {
        "version": "1.0.0",
        "channels": [{"name": "spectrum", "samples": samples}],
        "observations": [{"name": "spectrum", "data": merge(counts).tolist()}],
        "measurements": [{"name": "search", "config": config}],
    }


class _Merge:
    """Sums over merged bins: those above the first whose background is too uncertain are one."""

    def __init__(self, background: np.ndarray, directions: np.ndarray) -> None:
        error = np.sqrt((directions**2).sum(axis=0))
        index = np.arange(len(background))
        large = np.flatnonzero((error > _MOST) & (index > background.argmax()))
        self.group = np.minimum(index, large[0] if len(large) else len(index))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.group, values)


def _directions(basis: np.ndarray, background: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(5, B) orthonormal functions of the background, the first along the parameters ``moved``."""
    transform = orthonormal(basis, background)
    first = np.linalg.solve(transform, moved)
    axes, _ = np.linalg.qr(np.column_stack([first, np.eye(len(first))]))
    return np.asarray((basis @ transform @ axes).T)


def _signal_sample(model: SignalModel, merge: _Merge, unit: float) -> dict[str, object]:
    signal = unit * merge(model.signal[0])
    modifiers: list[dict[str, object]] = [{"name": "mu", "type": "normfactor", "data": None}]
    for name, change, bend in (
        ("energy scale", model.scale, model.scale_bend),
        ("resolution", model.width, model.width_bend),
    ):
        up, down = (unit * merge(model.signal[0] + s * change[0] + bend[0]) for s in (1, -1))
        modifiers += _histosys(name, up, down)
    kappa = float(np.exp(model.log_kappa[0]))
    if kappa != 1:
        size = {"hi": kappa, "lo": 1 / kappa}
        modifiers.append({"name": "signal efficiency", "type": "normsys", "data": size})
    name = f"signal of {unit:g} events"
    return {"name": name, "data": signal.tolist(), "modifiers": modifiers}


def _background_sample(
    model: SignalModel, merge: _Merge, background: np.ndarray, directions: np.ndarray
) -> dict[str, object]:
    nominal = merge(background)
    modifiers = []
    for k, direction in enumerate(directions):
        x = FAR * direction
        up, down = (merge(background * (1 + s * x + _SECOND * x**2)) for s in (1, -1))
        modifiers += _histosys(_name(k), up, down)
    for name, change in (
        ("window error", background * model.window[0]),
        ("spurious signal", float(model.spurious[0]) * model.signal[0]),
    ):
        modifiers += _histosys(name, nominal + merge(change), nominal - merge(change))
    return {"name": "background", "data": nominal.tolist(), "modifiers": modifiers}


def _name(k: int) -> str:
    return f"background {k + 1}"


def _histosys(name: str, up: np.ndarray, down: np.ndarray) -> list[dict[str, object]]:
    """A modifier, or none where it has no size."""
    if np.array_equal(up, down):
        return []
    data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
    return [{"name": name, "type": "histosys", "data": data}]
