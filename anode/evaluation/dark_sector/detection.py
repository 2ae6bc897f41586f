"""How well anomaly scores find dark jets: a number for each score and signal, over seeds.

A trial is one score on one signal against the Standard Model. What a score has been told says how
it is to be read (``KNOWLEDGE``): a floor learns nothing, a background-only score has seen Standard
Model jets alone, weak supervision a mixture without labels, the ceiling has the labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from anode.evaluation.comparison import Interval
from anode.evaluation.dark_sector.over_seeds import over_seeds
from anode.events.dark_sector.names import SignalPoint

KNOWLEDGE = {
    "random": "nothing",
    "jet_pt": "nothing",
    "girth": "nothing",
    "mahalanobis": "background",
    "isolation_forest": "background",
    "autoencoder": "background",
    "density": "background",
    "density_given_pt": "background",
    "cwola": "mixture",
    "supervised": "labels",
}
"""Name of a score -> what its fit is told, from floor to ceiling."""


class DetectionTrial(NamedTuple):
    """One score, tested once.

    Attributes:
        detector: name of the score, of ``KNOWLEDGE``.
        matching: "none", or "test" where Standard Model jets of the test have the signal's pT.
        seed: seed of split and fit.
        signal: signal that it is tested on.
        auc: area under the ROC curve; below one half where the signal looks more ordinary.
        efficiency: share of the dark jets that pass where 1% of the Standard Model's do.
        n_signal: number of dark jets of the test.
        n_background: effective number of Standard Model jets of the test.
    """

    detector: str
    matching: str
    seed: int
    signal: SignalPoint
    auc: float
    efficiency: float
    n_signal: int
    n_background: float


@dataclass(frozen=True)
class Detection:
    """One score on one signal, over all seeds.

    Attributes:
        detector: name of the score.
        knows: what its fit is told: nothing, background, mixture or labels.
        matching: none or test.
        signal: signal that it is tested on.
        auc: area under the ROC curve, median and central 68% over the seeds.
        efficiency: share of the dark jets that pass where 1% of the Standard Model's do.
        auc_by_seed, efficiency_by_seed: values in the order of the seeds.
        n_signal: smallest number of dark jets that a seed tests on.
        n_background: smallest effective number of Standard Model jets, (sum w)^2 / sum w^2.
    """

    detector: str
    knows: str
    matching: str
    signal: SignalPoint
    auc: Interval
    efficiency: Interval
    auc_by_seed: tuple[float, ...]
    efficiency_by_seed: tuple[float, ...]
    n_signal: int
    n_background: float


class DetectionTable(NamedTuple):
    """All scores on all signals.

    Attributes:
        detections: a score and signal each, for every matching.
    """

    detections: tuple[Detection, ...]

    @property
    def detectors(self) -> list[str]:
        """Names, in order of first appearance."""
        return list(dict.fromkeys(d.detector for d in self.detections))

    @property
    def matchings(self) -> list[str]:
        """Matchings, in order of first appearance."""
        return list(dict.fromkeys(d.matching for d in self.detections))

    @property
    def points(self) -> list[SignalPoint]:
        """Signals, in order of first appearance."""
        return list(dict.fromkeys(d.signal for d in self.detections))

    def of(self, matching: str) -> dict[tuple[str, SignalPoint], Detection]:
        """(name of the score, signal) -> detection, of one matching."""
        return {(d.detector, d.signal): d for d in self.detections if d.matching == matching}


def detection_table(trials: Sequence[DetectionTrial]) -> DetectionTable:
    """Trials, taken together over their seeds; scores go from floors to the ceiling.

    Example:
        >>> point = SignalPoint(2000.0, 1.0, 0.3, "peak")
        >>> trials = [DetectionTrial("girth", "none", s, point, 0.7 + s / 100, 0.1, 50, 60.0)
        ...           for s in (1, 2, 3)]
        >>> found = detection_table(trials).detections[0]
        >>> found.knows, found.auc.median
        ('nothing', 0.72)
    """
    order = list(KNOWLEDGE)
    groups: dict[tuple[str, str, SignalPoint], list[DetectionTrial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        groups.setdefault((trial.detector, trial.matching, trial.signal), []).append(trial)
    ranked = sorted(groups.items(), key=lambda item: order.index(item[0][0]))
    return DetectionTable(tuple(_together(own) for _, own in ranked))


def _together(trials: Sequence[DetectionTrial]) -> Detection:
    first = trials[0]
    return Detection(
        first.detector,
        KNOWLEDGE[first.detector],
        first.matching,
        first.signal,
        *over_seeds(trials),
    )
