"""Classifiers of dark-sector jets: each fitted on each signal and tested on all, seed by seed."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io, progress
from anode.classifiers.fit import ClassifierEvaluateJob, evaluate_classifiers, fit_classifiers
from anode.classifiers.job import ClassifierJob
from anode.evaluation.dark_sector.matching import Matching, match_pt
from anode.evaluation.dark_sector.transfer import TransferTable, Trial, transfer_table
from anode.evaluation.dark_sector.weighted_roc import effective_size, quality
from anode.events.dark_sector.names import SignalPoint
from anode.pipeline.studies.dark_classifiers.config import ClassifyConfig
from anode.pipeline.studies.dark_classifiers.samples import JetSample, Samples, read_samples
from anode.records import plain
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.transfer_figures import (
    matching_figure,
    sensitivity_figure,
    transfer_figure,
)
from anode.reporting.dataset.transfer_page import short_table, transfer_page

LABEL = "1: dark jets of a signal file; 0: all jets of NominalSM.h5; other jets are left out"
"""Meaning of the classes, as ``classify.json`` says it."""


class _Fit(NamedTuple):
    """One classifier: what it has learned, and where it lies."""

    trained_on: SignalPoint
    is_matched: bool
    directory: Path


def classify(config: ClassifyConfig) -> None:
    """Fit what is missing; write ``classify.json``, ``classify.md`` and the figures.

    Raises:
        DataError: the jets cannot be read, or are too few to fit or to test.
    """
    samples = read_samples(config)
    trials: list[Trial] = []
    n_parts = len(config.seeds) * len(config.classifiers)
    with progress.task("classify", total=n_parts, unit="classifiers") as done:
        for seed in config.seeds:
            halves = samples.split(seed, config.test)
            for classifier in config.classifiers:
                trials += _trials(config, classifier, seed, *halves)
                done.update()
    # in the order of the configuration, whatever the order of the work
    trials.sort(key=lambda t: config.classifiers.index(t.classifier))
    write_results(config, samples, transfer_table(trials))


def write_results(config: ClassifyConfig, samples: Samples, table: TransferTable) -> None:
    """Write and print the table, and draw the figures."""
    output = Path(config.output)
    files = [*samples.signals.values(), samples.standard_model]
    io.write_json(
        output / "classify.json",
        {
            "label": LABEL,
            "files": {jets.source: jets.digest for jets in files},
            "seeds": config.seeds,
            "test": config.test,
            "features": config.features,
            "settings": {name: plain(config.settings(name)) for name in config.classifiers},
            "transfers": plain(table.transfers),
        },
    )
    figures = {f"transfer_{m}": transfer_figure(table, m) for m in table.matchings}
    figures["matching"] = matching_figure(table)
    figures["sensitivity"] = sensitivity_figure(table)
    for name, figure in figures.items():
        save_figure(figure, output / name)
    io.write_text(output / "classify.md", transfer_page(table, config.seeds, list(figures)))
    print(short_table(table))
    print(f"table and figures: {output}")


def _trials(
    config: ClassifyConfig, classifier: str, seed: int, fitted: Samples, tested: Samples
) -> list[Trial]:
    """Fit one kind of classifier on every signal, and test each on every signal."""
    fits = _fits(config, classifier, seed, fitted)
    columns = fitted.columns(config.columns(classifier))
    blocks = [tested.standard_model, *tested.signals.values()]
    inputs = np.concatenate([jets.inputs(columns) for jets in blocks])
    jobs = [ClassifierEvaluateJob(fit.directory, inputs) for fit in fits]
    ends = np.cumsum([len(jets.pt) for jets in blocks])[:-1]
    matchings = {
        point: match_pt(jets.pt, tested.standard_model.pt)
        for point, jets in tested.signals.items()
    }
    trials = []
    scores = evaluate_classifiers(jobs, n_jobs=config.n_jobs, threads=1)
    for fit, each in zip(fits, scores, strict=True):
        background, *signals = np.split(each, ends)
        for point, signal in zip(tested.signals, signals, strict=True):
            for matching in config.matching:
                if fit.is_matched == (matching == "both"):
                    weights = None if matching == "none" else matchings[point]
                    made = (classifier, matching, seed, fit.trained_on, point)
                    trials.append(_trial(made, signal, background, weights))
    return trials


def _trial(
    made: tuple[str, str, int, SignalPoint, SignalPoint],
    signal: np.ndarray,
    background: np.ndarray,
    matching: Matching | None,
) -> Trial:
    weights = np.ones(len(background)) if matching is None else matching.weights
    kept = signal if matching is None else signal[matching.matched]
    found = quality(kept, background, weights)
    return Trial(*made, found.auc, found.efficiency, len(kept), effective_size(weights))


def _fits(config: ClassifyConfig, classifier: str, seed: int, fitted: Samples) -> list[_Fit]:
    """Fit one kind of classifier on every signal, as far as it is not there."""
    columns = fitted.columns(config.columns(classifier))
    wanted = sorted({matching == "both" for matching in config.matching})
    fits, jobs = [], []
    for point, signal in fitted.signals.items():
        for is_matched in wanted:
            folder = _folder(config, classifier, seed, signal, fitted.standard_model)
            # the name of a folder is that of the random streams of its fit
            directory = (
                folder / f"{classifier}_{'matched' if is_matched else 'plain'}_{point.name}"
            )
            fits.append(_Fit(point, is_matched, directory))
            jobs.append(_job(config, fits[-1], classifier, seed, columns, signal, fitted))
    fit_classifiers(jobs, n_jobs=config.n_jobs, threads=1)
    return fits


def _job(
    config: ClassifyConfig,
    fit: _Fit,
    classifier: str,
    seed: int,
    columns: list[int] | None,
    signal: JetSample,
    fitted: Samples,
) -> ClassifierJob:
    other = fitted.standard_model
    matching = match_pt(signal.pt, other.pt) if fit.is_matched else None
    kept = signal if matching is None else signal.where(matching.matched)
    return ClassifierJob(
        directory=fit.directory,
        positive=kept.inputs(columns),
        negative=other.inputs(columns),
        config=config.settings(classifier),
        seed=seed,
        negative_weight=None if matching is None else matching.weights,
        positive_identity=kept.collision,
        negative_identity=other.collision,
    )


def _folder(
    config: ClassifyConfig, classifier: str, seed: int, signal: JetSample, other: JetSample
) -> Path:
    """Folder of the fits of one signal: another one for other jets or other settings, so that
    nothing is taken for what it is not."""
    content = {
        "files": [signal.digest, other.digest],
        "settings": dataclasses.asdict(config.settings(classifier)),
        "features": config.columns(classifier),
        "test": config.test,
        "jets_per_event": config.jets_per_event,
    }
    digest = io.sha256_text(json.dumps(content, sort_keys=True))[:12]
    return Path(config.output) / "fits" / digest / f"seed_{seed}"
