"""Scores that classifiers learn: from a mixture without labels, and from the labels.

``cwola`` (1708.02949) tells a mixture of Standard Model jets and a few dark ones from other
Standard Model jets; ``supervised`` dark jets from Standard Model jets. Both are boosted trees of
the same features, so that the step from one to the other is the labels'.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.classifiers.fit import ClassifierEvaluateJob, evaluate_classifiers, fit_classifiers
from anode.classifiers.job import ClassifierJob
from anode.errors import DataError
from anode.evaluation.dark_sector.matching import match_pt
from anode.events.dark_sector.names import SignalPoint
from anode.pipeline.studies.dark_anomalies.config import AnomaliesConfig
from anode.pipeline.studies.dark_classifiers.samples import JetSample, Samples
from anode.regions.splits import uniform_of


class Mixture(NamedTuple):
    """Jets for weak supervision, no collision in both.

    Attributes:
        data: Standard Model jets, and dark ones among them that nothing marks.
        reference: other Standard Model jets.
        n_signal: number of dark jets.
    """

    data: JetSample
    reference: JetSample
    n_signal: int


def mixture(background: JetSample, signal: JetSample, s_over_b: float, seed: int) -> Mixture:
    """Half of the Standard Model with dark jets added, and the other half.

    Args:
        background: Standard Model jets of the fit.
        signal: dark jets of the fit.
        s_over_b: dark jets over Standard Model jets of the half.
        seed: root seed.

    Raises:
        DataError: there are not enough dark jets, or it takes not even one.
    """
    is_data = uniform_of(background.collision, seed, "mixture") < 0.5
    n_signal = round(s_over_b * int(np.count_nonzero(is_data)))
    if not 1 <= n_signal <= len(signal.pt):
        raise DataError(
            f"{signal.source}: with s_over_b={s_over_b:g} the mixture must get between 1 and "
            f"{len(signal.pt)} dark jets, got {n_signal}; change s_over_b, or generate more events"
        )
    drawn = np.argsort(uniform_of(signal.collision, seed, "mixed dark jets"), kind="stable")
    data, added = background.where(is_data), signal.where(np.sort(drawn[:n_signal]))
    joined = (np.concatenate(pair) for pair in zip(data[2:], added[2:], strict=True))
    whole = JetSample(data.source, data.digest, *joined)
    return Mixture(whole, background.where(~is_data), n_signal)


def fit_and_score(
    config: AnomaliesConfig,
    detector: str,
    matched: bool,
    seed: int,
    folders: Mapping[SignalPoint, Path],
    fitted: Samples,
    tested: Samples,
) -> dict[SignalPoint, tuple[np.ndarray, np.ndarray]]:
    """Signal -> scores of its jets of the test, and of the Standard Model's, by the classifier
    that has learned it.

    Args:
        config: settings.
        detector: "cwola" or "supervised".
        matched: True to fit with the Standard Model's pT matched to the signal's.
        seed: root seed.
        folders: folder of the fits of each signal.
        fitted, tested: jets of the two sides.
    """
    columns = fitted.columns(config.features)
    jobs, asked = [], []
    for point, signal in fitted.signals.items():
        # the name of a folder is that of the random streams of its fit
        name = f"{detector}{'_matched' if matched else ''}_{point.name}"
        directory = folders[point] / name
        if detector == "cwola":
            mixed = mixture(fitted.standard_model, signal, config.s_over_b, seed)
            positive, negative, weight = mixed.data, mixed.reference, None
        else:
            positive, negative, weight = signal, fitted.standard_model, None
        if matched:
            matching = match_pt(positive.pt, negative.pt)
            positive, weight = positive.where(matching.matched), matching.weights
        jobs.append(
            ClassifierJob(
                directory=directory,
                positive=positive.inputs(columns),
                negative=negative.inputs(columns),
                config=config.trees,
                seed=seed,
                negative_weight=weight,
                positive_identity=positive.collision,
                negative_identity=negative.collision,
            )
        )
        blocks = (tested.signals[point], tested.standard_model)
        inputs = np.concatenate([jets.inputs(columns) for jets in blocks])
        asked.append(ClassifierEvaluateJob(directory, inputs))
    fit_classifiers(jobs, n_jobs=config.n_jobs, threads=1)
    scores = evaluate_classifiers(asked, n_jobs=config.n_jobs, threads=1)
    return {
        point: (each[: len(tested.signals[point].pt)], each[len(tested.signals[point].pt) :])
        for point, each in zip(fitted.signals, scores, strict=True)
    }
