"""Anomaly scores of dark-sector jets: fitted on the Standard Model, tested on every signal."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.evaluation.dark_sector.detection import (
    KNOWLEDGE,
    DetectionTable,
    DetectionTrial,
    detection_table,
)
from anode.evaluation.dark_sector.matching import match_pt
from anode.evaluation.dark_sector.weighted_roc import effective_size, quality
from anode.events.dark_sector.names import SignalPoint
from anode.pipeline.studies.dark_anomalies.background_only import (
    SCORES,
    BackgroundFit,
    as_table,
)
from anode.pipeline.studies.dark_anomalies.classified import fit_and_score
from anode.pipeline.studies.dark_anomalies.config import AnomaliesConfig
from anode.pipeline.studies.dark_classifiers.samples import JetSample, Samples, read_samples
from anode.records import plain
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.detection_figures import detection_figure, parameter_figure
from anode.reporting.dataset.detection_page import detection_page, short_table
from anode.seeding import stream

LABEL = "1: dark jets of a signal file; 0: all jets of NominalSM.h5; other jets are left out"
"""Meaning of the classes of the test, as ``anomalies.json`` says it."""

PT, GIRTH = "jet_pt", "girth"

Scored = dict[SignalPoint, tuple[np.ndarray, np.ndarray]]
"""Signal -> scores of its dark jets of the test, and of the Standard Model jets of the test."""


def dark_anomalies(config: AnomaliesConfig) -> None:
    """Fit what is missing; write ``anomalies.json``, ``anomalies.md`` and the figures.

    Raises:
        DataError: the jets cannot be read, or are too few to fit or to test.
    """
    samples = read_samples(config, more=[GIRTH])
    trials: list[DetectionTrial] = []
    n_parts = len(config.seeds) * len(config.detectors)
    with progress.task("anomalies", total=n_parts, unit="scores") as done:
        for seed in config.seeds:
            fitted, tested = samples.split(seed, config.test)
            for detector in config.detectors:
                scored: dict[bool, Scored] = {}
                for matching in config.matching:
                    # only the ceiling may know the pT of the signal
                    matched = detector == "supervised" and matching == "test"
                    if matched not in scored:
                        scored[matched] = _scores(config, detector, matched, seed, fitted, tested)
                    made = (detector, matching, seed)
                    trials += [_trial(*made, p, scored[matched], tested) for p in tested.signals]
                done.update()
    write_results(config, samples, detection_table(trials))


def write_results(config: AnomaliesConfig, samples: Samples, table: DetectionTable) -> None:
    """Write and print the table, and draw the figures."""
    output = Path(config.output)
    files = [*samples.signals.values(), samples.standard_model]
    settings = plain(config)
    assert isinstance(settings, dict)
    io.write_json(
        output / "anomalies.json",
        {
            "label": LABEL,
            "files": {jets.source: jets.digest for jets in files},
            "seeds": config.seeds,
            "test": config.test,
            "features": config.features,
            "s_over_b": config.s_over_b,
            "settings": {name: settings[name] for name in _SETTINGS},
            "detections": plain(table.detections),
        },
    )
    figures = {f"anomalies_{m}": detection_figure(table, m) for m in table.matchings}
    figures["parameters"] = parameter_figure(table)
    for name, figure in figures.items():
        save_figure(figure, output / name)
    page = detection_page(table, config.seeds, config.features, config.s_over_b, list(figures))
    io.write_text(output / "anomalies.md", page)
    print(short_table(table))
    print(f"table and figures: {output}")


_OF_BACKGROUND = (
    "forest", "autoencoder", "density", "trainer", "ensemble", "preprocessing", "validation",
)  # fmt: skip
_SETTINGS = (*_OF_BACKGROUND, "trees")
"""Keys that fits hang on, beside the jets."""


def _scores(
    config: AnomaliesConfig,
    detector: str,
    matched: bool,
    seed: int,
    fitted: Samples,
    tested: Samples,
) -> Scored:
    """Fit what is missing, and score the test."""
    if KNOWLEDGE[detector] in ("mixture", "labels"):
        folders = {
            point: _folder(config, seed, [signal, fitted.standard_model], ("trees", "s_over_b"))
            for point, signal in fitted.signals.items()
        }
        return fit_and_score(config, detector, matched, seed, folders, fitted, tested)
    blocks = [tested.standard_model, *tested.signals.values()]
    if detector in SCORES:
        columns = fitted.columns(config.features) or []
        found = SCORES[detector](
            BackgroundFit(
                config,
                seed,
                _folder(config, seed, [fitted.standard_model], _OF_BACKGROUND) / detector,
                as_table([fitted.standard_model], config.features, columns),
                as_table(blocks, config.features, columns),
            )
        )
    else:
        found = _floor(detector, seed, blocks, tested.names.index(GIRTH))
    background, *signals = np.split(found, np.cumsum([len(jets.pt) for jets in blocks])[:-1])
    return {point: (own, background) for point, own in zip(tested.signals, signals, strict=True)}


def _floor(detector: str, seed: int, blocks: list[JetSample], girth: int) -> np.ndarray:
    """A score that is told nothing: a random number, or one feature as it is."""
    if detector == "random":
        return stream(seed, "random score").uniform(size=sum(len(jets.pt) for jets in blocks))
    return np.concatenate(
        [jets.pt if detector == PT else jets.features[:, girth] for jets in blocks]
    )


def _trial(
    detector: str,
    matching: str,
    seed: int,
    point: SignalPoint,
    scores: Mapping[SignalPoint, tuple[np.ndarray, np.ndarray]],
    tested: Samples,
) -> DetectionTrial:
    signal, background = scores[point]
    weights = np.ones(len(background))
    if matching == "test":
        found = match_pt(tested.signals[point].pt, tested.standard_model.pt)
        signal, weights = signal[found.matched], found.weights
    auc, efficiency = quality(signal, background, weights)
    size = effective_size(weights)
    return DetectionTrial(detector, matching, seed, point, auc, efficiency, len(signal), size)


def _folder(
    config: AnomaliesConfig, seed: int, jets: Sequence[JetSample], keys: Sequence[str]
) -> Path:
    """Folder of the fits of some files: another one for other jets or other settings, so that
    nothing is taken for what it is not."""
    settings = dataclasses.asdict(config)
    content = {
        "files": [each.digest for each in jets],
        **{name: settings[name] for name in (*keys, "features", "test", "jets_per_event")},
    }
    digest = io.sha256_text(json.dumps(content, sort_keys=True))[:12]
    return Path(config.output) / "fits" / digest / f"seed_{seed}"
