"""ROC and SIC curves of a score: how well it tells signal from background, and how surely.

Everything here counts test events above a cut. Two kinds of uncertainty come with the counts: a
binomial error per point and a bootstrap over test events. **Neither contains the training
variance**: how much the numbers move when the densities are trained again, with another seed or
another injection, only several runs can tell (``anode compare``).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.evaluation.roc import MIN_BACKGROUND as MIN_BACKGROUND
from anode.evaluation.roc import Roc as Roc
from anode.evaluation.roc import auc as auc
from anode.evaluation.roc import roc as roc
from anode.evaluation.roc import thinned

_BAND = (0.158655, 0.841345)
"""Quantiles of a central 68.27% interval."""


class SicCurve(NamedTuple):
    """Significance improvement TPR / sqrt(FPR) where at least 25 background events pass.

    Attributes:
        fpr: (P,) false positive rate, strictly rising from at or just above ``fpr_floor``.
        tpr: (P,) true positive rate of the loosest cut with this FPR.
        sic: (P,) significance improvement TPR / sqrt(FPR).
        sic_error: (P,) binomial error at a fixed cut.
        sic_low, sic_high: (P,) 68% bootstrap band of SIC at this fixed FPR. Times sqrt(FPR) it
            is the band of the TPR, rising in FPR like the TPR itself.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    sic: np.ndarray
    sic_error: np.ndarray
    sic_low: np.ndarray
    sic_high: np.ndarray


class Performance(NamedTuple):
    """What one run's ``metrics.json`` and figures say about the score.

    Attributes:
        auc, auc_error: area under the ROC curve (ties count one half), bootstrap error.
        max_sic, max_sic_error, max_sic_fpr: the highest SIC of all cuts above the floor, its
            bootstrap error, and the FPR of that cut; None where even no cut leaves 25 events.
        sic_at_fpr: FPR -> (SIC, bootstrap error), or None below the floor.
        fpr_floor: 25 / n_background, the lowest FPR at which SIC is quoted.
        n_signal, n_background: numbers of test events.
        roc: thinned ROC curve, floor or not.
        sic: thinned SIC curve.
    """

    auc: float
    auc_error: float
    max_sic: float | None
    max_sic_error: float | None
    max_sic_fpr: float | None
    sic_at_fpr: dict[float, tuple[float, float] | None]
    fpr_floor: float
    n_signal: int
    n_background: int
    roc: Roc
    sic: SicCurve


def performance(
    score: np.ndarray,
    label: np.ndarray,
    rng: np.random.Generator,
    *,
    at_fpr: Sequence[float] = (1e-2, 1e-3),
    n_bootstrap: int = 200,
    max_points: int = 2000,
) -> Performance:
    """AUC, SIC and their errors for test events with truth labels.

    SIC = TPR / sqrt(FPR) is the factor by which a cut multiplies S / sqrt(B) [1001.4819]; a score
    without information gives sqrt(TPR). It is read only where at least 25 test background events
    pass. Between two cuts, ``sic_at_fpr`` follows the straight line of the ROC curve, which is
    what breaking ties at random gives.

    **The maximum of a noisy curve is biased upward**, more so with fewer test events: compare
    max SIC only at equal test statistics, and prefer SIC at a fixed FPR for a claim. The
    bootstrap resamples test events of both classes; it knows nothing of the training variance.

    Args:
        score: (N,) finite scores; higher means more signal-like.
        label: (N,) class, 1 for signal, 0 for background.
        rng: randomness of the bootstrap only; the central values do not depend on it.
        at_fpr: false positive rates in (0, 1] at which SIC is quoted.
        n_bootstrap: number of resamples, at least 2.
        max_points: largest number of points of the stored curves; central values use every cut.

    Raises:
        DataError: shapes differ, a score is not finite, a label is not 0/1, a class is absent.
        ConfigError: an option is out of its range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> label = np.repeat([0, 1], [20_000, 2_000])
        >>> result = performance(rng.normal(size=22_000) + 2 * label, label, rng)
        >>> round(result.auc, 2), result.fpr_floor
        (0.92, 0.00125)
    """
    if n_bootstrap < 2 or max_points < 20 or not all(0 < fpr <= 1 for fpr in at_fpr):
        raise ConfigError(
            "performance needs n_bootstrap >= 2, max_points >= 20 and every at_fpr in (0, 1], "
            f"got {n_bootstrap}, {max_points} and {list(at_fpr)}"
        )
    full = roc(score, label)
    floor = MIN_BACKGROUND / full.n_background
    peak = _peak(full)
    thin = thinned(full, max_points, [] if peak is None else [peak])
    resampled = _Bootstrap.draw(thin, n_bootstrap, rng)
    return Performance(
        auc=auc(full),
        auc_error=float(resampled.auc().std(ddof=1)),
        max_sic=None if peak is None else float(full.tpr[peak] / np.sqrt(full.fpr[peak])),
        max_sic_error=None if peak is None else float(resampled.max_sic().std(ddof=1)),
        max_sic_fpr=None if peak is None else float(full.fpr[peak]),
        sic_at_fpr={
            float(fpr): _sic_at(full, resampled, fpr) if fpr >= floor else None for fpr in at_fpr
        },
        fpr_floor=floor,
        n_signal=full.n_signal,
        n_background=full.n_background,
        roc=thin,
        sic=_sic_curve(thin, resampled),
    )


def fpr_key(fpr: float) -> str:
    """Name of a false positive rate in files and tables.

    Example:
        >>> fpr_key(0.001), fpr_key(0.025)
        ('1e-3', '2.5e-2')
    """
    mantissa, exponent = f"{fpr:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def curve_from_datasets(datasets: Mapping[str, np.ndarray]) -> SicCurve:
    """Read a ``SicCurve`` back from the datasets of ``curves.h5`` (its fields by name).

    Files that hold only ``tpr, fpr, sic, sic_error`` get the binomial error as their band.

    Raises:
        DataError: one of these four is missing.
    """
    needed = ("fpr", "tpr", "sic", "sic_error")
    missing = [name for name in needed if name not in datasets]
    if missing:
        raise DataError(
            f"a SIC curve needs the datasets {', '.join(needed)}, but {', '.join(missing)} is "
            "missing; evaluate the run again"
        )
    fpr, tpr, sic, error = (np.asarray(datasets[name], dtype=float) for name in needed)
    low = np.asarray(datasets["sic_low"] if "sic_low" in datasets else sic - error, dtype=float)
    high = np.asarray(datasets["sic_high"] if "sic_high" in datasets else sic + error, dtype=float)
    return SicCurve(fpr, tpr, sic, error, low, high)


class _Bootstrap(NamedTuple):
    """Resampled counts at the cuts of a thinned ROC curve: (R, P) each, last column the total.

    Events between two neighbouring cuts are interchangeable, so drawing how many of them a
    resample holds (multinomial, per class) equals resampling the events themselves.
    """

    signal: np.ndarray
    background: np.ndarray

    @classmethod
    def draw(cls, curve: Roc, n: int, rng: np.random.Generator) -> "_Bootstrap":
        def resample(passing: np.ndarray) -> np.ndarray:
            total = passing[-1]
            counts = rng.multinomial(total, np.diff(passing) / total, size=n)
            return np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))

        return cls(resample(curve.passing_signal), resample(curve.passing_background))

    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """(R, P) false and true positive rates."""
        return self.background / self.background[:, -1:], self.signal / self.signal[:, -1:]

    def auc(self) -> np.ndarray:
        """(R,) areas under the resampled ROC curves."""
        fpr, tpr = self.rates()
        area: np.ndarray = np.sum(np.diff(fpr, axis=1) * (tpr[:, 1:] + tpr[:, :-1]) / 2, axis=1)
        return area

    def max_sic(self) -> np.ndarray:
        """(R,) highest SIC of each resample, under the same cut on passing background."""
        fpr, tpr = self.rates()
        quoted = np.where(self.background >= MIN_BACKGROUND, fpr, np.inf)
        highest: np.ndarray = np.max(tpr / np.sqrt(quoted), axis=1)
        return highest

    def sic_at(self, fpr: np.ndarray) -> np.ndarray:
        """(R, F) resampled SIC at fixed FPR (F,)."""
        tpr = [np.interp(fpr, x, y) for x, y in zip(*self.rates(), strict=True)]
        sic: np.ndarray = np.stack(tpr) / np.sqrt(fpr)
        return sic


def _peak(curve: Roc) -> int | None:
    """Index of the cut with the highest SIC above the floor; the loosest of equals."""
    allowed = np.flatnonzero(curve.passing_background >= MIN_BACKGROUND)
    if not allowed.size:
        return None
    sic = curve.tpr[allowed] / np.sqrt(curve.fpr[allowed])
    return int(allowed[len(sic) - 1 - np.argmax(sic[::-1])])


def _sic_at(curve: Roc, resampled: _Bootstrap, fpr: float) -> tuple[float, float]:
    """SIC of the full curve at one FPR and the spread of the resamples there."""
    value = np.interp(fpr, curve.fpr, curve.tpr) / np.sqrt(fpr)
    return float(value), float(resampled.sic_at(np.array([fpr])).std(ddof=1))


def _sic_curve(curve: Roc, resampled: _Bootstrap) -> SicCurve:
    """SIC with both errors at the loosest cut of each FPR above the floor."""
    loosest = np.append(np.diff(curve.passing_background) > 0, True)
    kept = loosest & (curve.passing_background >= MIN_BACKGROUND)
    fpr, tpr = curve.fpr[kept], curve.tpr[kept]
    signal_variance = tpr * (1 - tpr) / curve.n_signal
    background_variance = fpr * (1 - fpr) / curve.n_background
    error = np.sqrt(signal_variance / fpr + background_variance * tpr**2 / (4 * fpr**3))
    low, high = np.quantile(resampled.sic_at(fpr), _BAND, axis=0)
    return SicCurve(fpr, tpr, tpr / np.sqrt(fpr), error, low, high)


@dataclass(frozen=True)
class EvaluationConfig:
    """How results are judged.

    Attributes:
        n_bootstrap: resamples of the test events for errors and bands.
        n_closure: events generated from p_bg for the closure test.
    """

    n_bootstrap: int
    n_closure: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 2:
                raise ConfigError(
                    f"evaluation.{field.name} must be at least 2, got {getattr(self, field.name)}"
                )
