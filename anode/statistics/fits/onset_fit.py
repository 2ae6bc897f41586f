"""Onset of a mass spectrum: where the trigger has turned on.

It is fitted together with the smooth spectrum and a resonance (``onset_shape``). The onset rises
from 0 to 1 and never falls, and the smooth spectrum under it has one maximum. So a resonance,
which lies above a falling spectrum on both sides, cannot be taken for it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.statistics.fits.dijet_function import N_PARAMETERS
from anode.statistics.fits.onset_shape import Shape, Trial, climb

FULL = 0.99
"""Efficiency from which the onset has ended."""
_END = 2.3263478740408408  # Phi^-1(FULL)
_RISE = 0.1
"""Bins are fitted from this fraction of the maximum on: far below it events are not an onset's
but stragglers, of another shape."""
_ENOUGH = 60_000.0
"""Events; more are counted in part. No trigger follows Phi to the per mille that more would see,
and a misfit of the rise would be taken for a resonance."""
_RISES = 0.9  # of its maximum, that the first bin of a rising spectrum does not reach
_SMOOTHED = 4  # bins, for the maximum
_SEEDS = ((0.02, 0.03), (0.04, 0.05), (0.07, 0.08))  # sigma / mass and step / mass of first values
_PENALTY = 4.0
"""Fall of the deviance that a further parameter must bring."""
_AS_GOOD = 4.0
"""Further cost of a trial that is as good as the best."""
_ANYWHERE = 8.0
"""Further fall that a resonance must bring, whose mass was not known before."""
_MOST = 0.995  # of the events lie below the highest mass at which a resonance is looked for
_WAVE = 0.01  # of a bin, by which a spectrum may go the wrong way
_POLISHED = 5  # resonances that are fitted to the end


class Peak(NamedTuple):
    """A resonance seen without any selection.

    Attributes:
        mass, sigma: mean and standard deviation [GeV].
    """

    mass: float
    sigma: float


class Onset(NamedTuple):
    """The rise of a spectrum.

    Attributes:
        middle, width: mass of half efficiency and standard deviation of the rise [GeV].
        end: mass of 99% efficiency [GeV], the lowest fitted edge or above.
        maximum: mass at which the spectrum without the resonance is highest [GeV]. Where no
            spectrum with one maximum describes it, middle and end are there too, and width is 0.
        peak: resonance; None where none is needed.
    """

    middle: float
    width: float
    end: float
    maximum: float
    peak: Peak | None


def fit_onset(counts: np.ndarray, edges: np.ndarray) -> Onset:
    """Fit the onset, the smooth spectrum above it, and a resonance if that is needed.

    Bins count from where the spectrum first reaches a tenth of its maximum. f has 3 to 5
    parameters, each of which must lower the deviance by 4; a resonance must by 20.

    Args:
        counts: (B,) events.
        edges: (B+1,) edges of the bins, of one width [GeV].

    Raises:
        DataError: too few bins hold events for three parameters and an onset.
    """
    counts = counts * min(1.0, _ENOUGH / max(counts.sum(), 1.0))
    coarse = np.convolve(counts, np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    top = float(coarse.max())
    begin = _begin(counts, top)
    best = _best(counts[begin:], edges[begin:])
    if best.shape.resonance:  # which may be higher than the smooth spectrum
        lower = _begin(counts, best.smooth.max())
        best = best if lower >= begin else _best(counts[lower:], edges[lower:])
    if not np.isfinite(_cost(best)):  # no spectrum with one maximum describes this one
        maximum = float(edges[coarse.argmax()])
        return Onset(maximum, 0.0, maximum, maximum, None)
    smooth, low = best.smooth, float(best.shape.edges[0])
    middle, width = best.onset
    # A spectrum that is cut off, or falls from its first bin, shows no rise to see the end of.
    rises = smooth[0] < _RISES * smooth.max()
    return Onset(
        middle,
        width,
        end=max(_end(best), low) if rises else low,
        maximum=float(best.shape.edges[smooth.argmax()]),
        peak=Peak(*best.peak) if best.shape.resonance else None,
    )


def _begin(counts: np.ndarray, top: float) -> int:
    """First bin that is fitted, where the spectrum has this maximum."""
    return int(np.argmax(counts >= _RISE * top))


def _best(counts: np.ndarray, edges: np.ndarray) -> Trial:
    """The trial of least cost, with a resonance or without."""
    n_bins = int((counts > 0).sum())
    posed = [n for n in N_PARAMETERS if n <= n_bins - 3]
    if not posed:
        raise DataError(
            f"an onset must have at least {N_PARAMETERS[0] + 3} bins with events, got "
            f"{int(counts.sum())} events in {n_bins} of {len(counts)} bins; widen the range or "
            "take narrower bins"
        )
    first, width = edges[0], edges[1] - edges[0]
    none = (first - width / 2, width / 8)  # efficiency 1 in all bins
    rises = [(first + k * width, w * width) for k in (0.0, 0.5, 1.0, 2.0) for w in (0.6, 2.0)]
    plain = [climb(Shape(counts, edges, posed[-1]), rise, steps=15) for rise in (none, *rises)]
    rise = min(plain, key=lambda trial: trial.deviance).onset
    smooth = [climb(Shape(counts, edges, n), onset) for n in posed for onset in (rise, none)]
    best = min(smooth, key=_cost)
    most = edges[np.searchsorted(np.cumsum(counts), _MOST * counts.sum())]
    quick = Shape(counts, edges, posed[0], resonance=True)
    lows = (best.onset, (first + 0.5 * width, 1.5 * width))
    seeds = [climb(quick, low, peak, steps=4) for low in lows for peak in _peaks(first, most)]
    trials = [
        climb(Shape(counts, edges, n, resonance=True), seed.onset, seed.peak)
        for seed in _different(seeds, width)
        for n in posed
        if n <= n_bins - 6
    ]
    return min([best, *_lowest(trials)], key=_cost)


def _cost(trial: Trial) -> float:
    """Deviance and a penalty for each parameter; infinite if the smooth part is no spectrum."""
    shape = trial.shape
    if not _one_maximum(trial.smooth, shape.counts):
        return np.inf
    n_free = shape.n_smooth + (2 if trial.efficiency[0] < FULL else 0)
    resonance = 3 * _PENALTY + _ANYWHERE if shape.resonance else 0.0
    return trial.deviance + _PENALTY * n_free + resonance


def _end(trial: Trial) -> float:
    middle, width = trial.onset
    return middle + _END * width


def _lowest(trials: list[Trial]) -> list[Trial]:
    """Of the trials that describe the spectrum as well as the best, the one that ends the lowest:
    a resonance upon the rise is no reason to start later. Nothing of none."""
    least = min((_cost(trial) for trial in trials), default=0.0) + _AS_GOOD
    good = [trial for trial in trials if _cost(trial) <= least]
    return [min(good, key=_end)] if good else []


def _peaks(low: float, high: float) -> Iterator[tuple[float, float]]:
    """First values of mass and sigma of a resonance."""
    for ratio, step in _SEEDS:
        n_steps = int(np.log(high / low) / np.log1p(step))
        for mass in low * (1 + step) ** np.arange(n_steps):
            yield float(mass), float(ratio * mass)


def _different(trials: list[Trial], width: float) -> list[Trial]:
    """The best few that are not the same resonance and onset."""
    chosen: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: trial.deviance):
        same = [
            abs(trial.peak[0] - other.peak[0]) < 0.5 * other.peak[1]
            and abs(trial.onset[0] - other.onset[0]) < width
            for other in chosen
        ]
        if not any(same):
            chosen.append(trial)
        if len(chosen) == _POLISHED:
            break
    return chosen


def _one_maximum(smooth: np.ndarray, counts: np.ndarray) -> bool:
    """Whether a spectrum rises to its maximum and falls behind it; far above, a few do not.

    A rise behind a fall is a resonance that was taken for the onset.
    """
    most = int(np.searchsorted(np.cumsum(counts), _MOST * counts.sum()))
    steps, top = np.diff(smooth[:most]), int(smooth[:most].argmax())
    slack = _WAVE * smooth[: most - 1]
    return bool((steps[:top] > -slack[:top]).all() and (steps[top:] < slack[top:]).all())
