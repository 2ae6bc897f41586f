"""How classifiers that learn one dark sector do on others: a number for each pair of signals.

A trial is one fit, of one signal against the Standard Model, tested on one signal against the
Standard Model. Over seeds, which draw collisions and first weights anew, there is a median and the
central 68%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from anode.evaluation.comparison import Interval
from anode.evaluation.dark_sector.over_seeds import over_seeds
from anode.evaluation.dark_sector.slices import Slice, benchmark, one_parameter
from anode.events.dark_sector.names import ALPHAS, PARAMETERS, SignalPoint

Pair = tuple[SignalPoint, SignalPoint]
"""Signal that a classifier has learned, and signal that it is tested on."""

MATCHINGS = ("none", "test", "both")
"""Where Standard Model jets get the pT of the signal: nowhere, in the test, in fit and test."""


class Trial(NamedTuple):
    """One fit, tested once.

    Attributes:
        classifier: name of the classifier.
        matching: one of ``MATCHINGS``.
        seed: seed of split and fit.
        trained_on, tested_on: signals.
        auc: area under the ROC curve.
        efficiency: share of the dark jets that pass where 1% of the Standard Model's do.
        n_signal: number of dark jets of the test.
        n_background: effective number of Standard Model jets of the test.
    """

    classifier: str
    matching: str
    seed: int
    trained_on: SignalPoint
    tested_on: SignalPoint
    auc: float
    efficiency: float
    n_signal: int
    n_background: float


@dataclass(frozen=True)
class Transfer:
    """One pair of signals over all seeds.

    Attributes:
        classifier: name of the classifier.
        matching: where Standard Model jets have the pT of the signal: none, test or both.
        trained_on: signal that the classifier has learned.
        tested_on: signal that it is tested on.
        auc: area under the ROC curve, median and central 68% over the seeds.
        efficiency: share of the dark jets that pass where 1% of the Standard Model's do.
        auc_by_seed, efficiency_by_seed: values in the order of the seeds.
        n_signal: smallest number of dark jets that a seed tests on.
        n_background: smallest effective number of Standard Model jets, (sum w)^2 / sum w^2.
    """

    classifier: str
    matching: str
    trained_on: SignalPoint
    tested_on: SignalPoint
    auc: Interval
    efficiency: Interval
    auc_by_seed: tuple[float, ...]
    efficiency_by_seed: tuple[float, ...]
    n_signal: int
    n_background: float


class TransferTable(NamedTuple):
    """All pairs of signals.

    Attributes:
        transfers: a pair each, for every classifier and matching.
    """

    transfers: tuple[Transfer, ...]

    @property
    def classifiers(self) -> list[str]:
        """Names, in order of first appearance."""
        return list(dict.fromkeys(t.classifier for t in self.transfers))

    @property
    def matchings(self) -> list[str]:
        """Matchings, in order of first appearance."""
        return list(dict.fromkeys(t.matching for t in self.transfers))

    @property
    def points(self) -> list[SignalPoint]:
        """Signals, in order of first appearance."""
        return list(dict.fromkeys(t.trained_on for t in self.transfers))

    def of(
        self, classifier: str, matching: str
    ) -> dict[tuple[SignalPoint, SignalPoint], Transfer]:
        """(trained on, tested on) -> transfer, of one classifier."""
        return {
            (t.trained_on, t.tested_on): t
            for t in self.transfers
            if (t.classifier, t.matching) == (classifier, matching)
        }


def transfer_table(trials: Sequence[Trial]) -> TransferTable:
    """Trials, taken together over their seeds.

    Example:
        >>> point = SignalPoint(2000.0, 1.0, 0.3, "peak")
        >>> trials = [Trial("trees", "none", s, point, point, 0.7 + s / 100, 0.1, 50, 60.0)
        ...           for s in (1, 2, 3)]
        >>> transfer_table(trials).transfers[0].auc.median
        0.72
    """
    groups: dict[tuple[str, str, SignalPoint, SignalPoint], list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        key = (trial.classifier, trial.matching, trial.trained_on, trial.tested_on)
        groups.setdefault(key, []).append(trial)
    order = list(dict.fromkeys((t.classifier, t.matching) for t in trials))
    ranked = sorted(groups.items(), key=lambda item: order.index(item[0][:2]))
    return TransferTable(tuple(_together(own) for _, own in ranked))


class Sensitivity(NamedTuple):
    """Signals that differ in one parameter alone.

    Attributes:
        param: name of the parameter.
        trained_on: signal that the fixed classifier has learned.
        values: value of the parameter -> signal.
    """

    param: str
    trained_on: SignalPoint
    values: Mapping[float | str, SignalPoint]


def sensitivities(points: Sequence[SignalPoint]) -> list[Sensitivity]:
    """For each parameter that some signals vary alone, these signals, in the order of its values.

    The fixed classifier is that of the benchmark if it is among them, and of the first otherwise.

    Example:
        >>> points = [SignalPoint(2000.0, 1.0, rinv, "peak") for rinv in (0.2, 0.3)]
        >>> [(each.param, list(each.values)) for each in sensitivities(points)]
        [('rinv', [0.2, 0.3])]
    """
    central = benchmark(list(points))
    found = []
    for param in PARAMETERS:
        slices: list[Slice] = one_parameter(list(points), param)
        slices = sorted(slices, key=lambda each: _rank(each.value))
        values = {each.value: each.points[0] for each in slices}
        if values:
            fixed = central if central in values.values() else next(iter(values.values()))
            found.append(Sensitivity(param, fixed, values))
    return found


def _rank(value: float | str) -> float:
    """Place of a value on its axis: strengths of the coupling go from low to high."""
    return ALPHAS.index(value) if isinstance(value, str) else value


def _together(trials: Sequence[Trial]) -> Transfer:
    first = trials[0]
    return Transfer(
        first.classifier,
        first.matching,
        first.trained_on,
        first.tested_on,
        *over_seeds(trials),
    )
