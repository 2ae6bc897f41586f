"""The discovery reach of a search: which signal strength it finds, in how many of its experiments.

An experiment is a sample of background with a signal hidden in it, searched in the window of the
signal. Its significance is made global with the trials of a whole scan, so that an experiment says
what a scan would, at a small part of the cost.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from anode.evaluation.comparison import Interval
from anode.records import Record
from anode.seeding import stream

_BAND = (0.158655, 0.841345)
"""Quantiles of a central 68.27% interval."""

LOWEST, HIGHEST = -5.0, 37.0
"""Significances beyond which none is told apart: as good as none, and p-values of 1e-300."""


@dataclass(frozen=True)
class Experiment(Record):
    """One search of one sample.

    Attributes:
        signal: name of the signal.
        strength: S/sqrt(B) that is expected in the window.
        variant: name of the search.
        seed: root seed of sample and fits.
        n_injected: number of signal events in the sample, at all masses.
        n_signal, n_background: numbers of events in the window.
        z_inclusive: local significance of the window without a cut; None if it could not be
            tested.
        z_local: the same of all score categories together.
        cpu_seconds: time of the window's fits and scores [s].
    """

    signal: str
    strength: float
    variant: str
    seed: int
    n_injected: int
    n_signal: int
    n_background: int
    z_inclusive: float | None
    z_local: float | None
    cpu_seconds: float


def global_z(z_local: float | None, n_windows: int) -> float:
    """Significance of a window's excess among the windows of a whole scan.

        p_global = 1 - (1 - p_local)^n

    That of n independent windows, and a lower limit of the significance where they rise together
    (Z. Sidak, JASA 62 (1967) 626). For 3 sigma it needs a local 3.90 of 28 windows; the toys of
    scans of as many overlapping ones, whose fits each leave out the window, 3.88 to 3.91.
    ``LOWEST`` and ``HIGHEST`` are its ends.

    Args:
        z_local: local significance; None, of a window that could not be tested, counts as 0.
        n_windows: number n of windows.

    Example:
        >>> round(global_z(5.0, 28), 2), round(global_z(5.0, 1), 2)
        (4.31, 5.0)
    """
    z = min(0.0 if z_local is None else z_local, HIGHEST)
    log_below = n_windows * scipy.stats.norm.logcdf(z)
    above = float(scipy.stats.norm.isf(-np.expm1(log_below)))
    below = float(scipy.stats.norm.ppf(np.exp(log_below)))
    return max(above if above > 0 else below, LOWEST)


def share_found(z: Sequence[float], level: float) -> Interval:
    """Share of significances of at least ``level``, with its central 68% (Clopper-Pearson).

    Example:
        >>> found = share_found([2.0, 3.5, 4.0, 5.0], 3.0)
        >>> found.median, round(found.low, 2), round(found.high, 2)
        (0.75, 0.38, 0.96)
    """
    n, k = len(z), int(np.sum(np.asarray(z) >= level))
    low = scipy.stats.beta.ppf(_BAND[0], k, n - k + 1) if k else 0.0
    high = scipy.stats.beta.ppf(_BAND[1], k + 1, n - k) if k < n else 1.0
    return Interval(k / n, float(low), float(high), n)


@dataclass(frozen=True)
class HalfFound:
    """Strength at which half of the searches reach a level.

    Attributes:
        level: global significance.
        strength: S/sqrt(B), where the median significance crosses the level between two strengths
            that were tried; None where it does not.
        low, high: central 68% over resampled seeds; None where the end lies outside all strengths.
        outside: "" or why there is no number: "below" all strengths, or "above" them.
    """

    level: float
    strength: float | None
    low: float | None
    high: float | None
    outside: str

    def __str__(self) -> str:
        if self.strength is None:
            return f"{self.outside} all"
        low, high = (f"{e:.2f}" if e is not None else "..." for e in (self.low, self.high))
        return f"{self.strength:.2f} [{low}, {high}]"


def half_found(
    z: Mapping[float, Mapping[int, float]],
    level: float,
    rng: np.random.Generator,
    *,
    n_resamples: int = 1000,
) -> HalfFound:
    """Strength at which the median of the significances crosses a level.

    Strengths are tried with the same seeds, whose samples share background: seeds are resampled as
    a whole. A strength may lack some of them; its median is that of those it has.

    Args:
        z: strength -> seed -> significance.
        level: significance to be reached.
        rng: randomness of the resamples.
        n_resamples: their number.

    Example:
        >>> z = {1.0: {1: 1.0, 2: 2.0, 3: 3.0}, 2.0: {1: 5.0, 2: 4.0, 3: 6.0}}
        >>> half_found(z, 3.5, np.random.default_rng(1)).strength
        1.5
    """
    strengths = np.array(sorted(z))
    seeds = sorted(set.union(*({*of_seed} for of_seed in z.values())))
    values = np.array([[z[s].get(seed, np.nan) for seed in seeds] for s in strengths])
    central = _crossing(strengths, np.nanmedian(values, axis=1), level)
    drawn = rng.integers(len(seeds), size=(n_resamples, len(seeds)))
    drawn = drawn[np.isfinite(values[:, drawn]).any(axis=2).all(axis=0)]
    medians = np.nanmedian(values[:, drawn], axis=2).T
    crossed = np.array([_crossing(strengths, each, level) for each in medians])
    low, high = np.quantile(crossed, _BAND, method="nearest")
    if not np.isfinite(central):
        outside = "below" if central < 0 else "above"
        return HalfFound(level, None, _finite(low), _finite(high), outside)
    return HalfFound(level, float(central), _finite(low), _finite(high), "")


def _crossing(strengths: np.ndarray, medians: np.ndarray, level: float) -> float:
    """First strength from which on the medians stay above; infinite where that is outside."""
    below = np.flatnonzero(medians < level)
    if not below.size:
        return -np.inf
    last = int(below[-1])
    if last == len(strengths) - 1:
        return np.inf
    rise = (level - medians[last]) / (medians[last + 1] - medians[last])
    return float(strengths[last] + rise * (strengths[last + 1] - strengths[last]))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class ReachTable(NamedTuple):
    """All experiments of a study.

    Attributes:
        experiments: searches that are done.
        n_windows: number of windows of the scan whose trials make a significance global.
    """

    experiments: tuple[Experiment, ...]
    n_windows: int

    @property
    def signals(self) -> list[str]:
        """Names, in order of first appearance."""
        return list(dict.fromkeys(e.signal for e in self.experiments))

    @property
    def variants(self) -> list[str]:
        """Names, in order of first appearance."""
        return list(dict.fromkeys(e.variant for e in self.experiments))

    @property
    def strengths(self) -> list[float]:
        """Strengths, rising."""
        return sorted({e.strength for e in self.experiments})

    def of(self, signal: str, variant: str) -> dict[float, list[Experiment]]:
        """Strength -> experiments, of the strengths that have some."""
        found: dict[float, list[Experiment]] = {}
        for each in sorted(self.experiments, key=lambda e: (e.strength, e.seed)):
            if (each.signal, each.variant) == (signal, variant):
                found.setdefault(each.strength, []).append(each)
        return found

    def z(self, signal: str, variant: str, *, inclusive: bool = False) -> dict[float, list[float]]:
        """Strength -> global significances; of the spectrum without a cut if ``inclusive``."""
        local = "z_inclusive" if inclusive else "z_local"
        return {
            strength: [global_z(getattr(e, local), self.n_windows) for e in own]
            for strength, own in self.of(signal, variant).items()
        }

    def half(self, signal: str, variant: str, level: float) -> HalfFound | None:
        """Where half of the searches reach a level; None of a single strength."""
        own = self.of(signal, variant)
        by_seed = {
            s: {e.seed: global_z(e.z_local, self.n_windows) for e in rows}
            for s, rows in own.items()
        }
        if len(by_seed) < 2:
            return None
        return half_found(by_seed, level, stream(0, "reach", signal, variant))


def best_z(strength: float, n_background: int, passing: Mapping[float, float]) -> float:
    """Expected significance of counting the categories of a score, the background being known.

        Z^2 = sum_i 2 [(s_i + b_i) ln(1 + s_i / b_i) - s_i]

    (1007.1727, eq. 97, summed over categories): what a search with this score cannot exceed on
    average.

    Args:
        strength: S/sqrt(B) of all events of the window.
        n_background: B.
        passing: background efficiency of each cut -> signal efficiency, both within the window.

    Example:
        >>> round(best_z(2.0, 10_000, {1.0: 1.0}), 2), round(best_z(2.0, 10_000, {0.01: 0.5}), 2)
        (1.99, 8.79)
    """
    n_signal = strength * np.sqrt(n_background)
    cuts = sorted(passing.items(), reverse=True)
    edges = [*cuts, (0.0, 0.0)]
    total = 0.0
    for (b, s), (b_next, s_next) in itertools.pairwise(edges):
        background, signal = (b - b_next) * n_background, max(s - s_next, 0.0) * n_signal
        if background > 0:
            log = np.log1p(signal / background)
            total += 2 * ((signal + background) * log - signal)
    return float(np.sqrt(total))
