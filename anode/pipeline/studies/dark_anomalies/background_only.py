"""Scores that know Standard Model jets alone: distance, forest, autoencoder, densities.

A function here is given the Standard Model jets of the fit and the jets to score, in which
Standard Model and signals stand side by side without a label: no truth can reach a fit.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.classifiers.isolation_forest import evaluate_forest, fit_forest
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.outliers.gaussian import Gaussian
from anode.pipeline.studies.dark_anomalies.config import AnomaliesConfig
from anode.pipeline.studies.dark_classifiers.samples import JetSample
from anode.regions.splits import uniform_of
from anode.representations.inputs import Inputs
from anode.representations.representation import Representation, Resources
from anode.seeding import stream
from anode.training.densities import FitJob, fit_all
from anode.training.evaluate import EvaluateJob, evaluate_all

RECONSTRUCTION = "reconstruction"


class BackgroundFit(NamedTuple):
    """What a background-only score is made of.

    Attributes:
        config: settings.
        seed: root seed.
        directory: folder of the fit, whose name names its random streams.
        background: Standard Model jets of the fit, N of them.
        tested: M jets to score.
    """

    config: AnomaliesConfig
    seed: int
    directory: Path
    background: EventTable
    tested: EventTable


def as_table(
    jets: Sequence[JetSample], names: Sequence[str], columns: Sequence[int]
) -> EventTable:
    """Jets of samples, one after the other, as events without labels; their mass is the pT.

    Args:
        jets: samples, each with all features.
        names: D names of the features that are taken.
        columns: their D places.
    """
    pt = np.concatenate([each.pt for each in jets])
    return EventTable(
        np.arange(len(pt)),
        pt,
        np.concatenate([each.inputs(columns) for each in jets]),
        tuple(names),
        ("",) * len(names),
        identity=np.concatenate([each.collision for each in jets]),
    )


def mahalanobis(fit: BackgroundFit) -> np.ndarray:
    """(M,) distance from the mean, in units of the covariance."""
    return Gaussian.fit(fit.background.features).distance(fit.tested.features)


def isolation_forest(fit: BackgroundFit) -> np.ndarray:
    """(M,) log of the forest's score."""
    fit_forest(fit.directory, fit.background.features, fit.config.forest, seed=fit.seed)
    return np.log(evaluate_forest(fit.directory, fit.tested.features))


def autoencoder(fit: BackgroundFit) -> np.ndarray:
    """(M,) error of the reconstruction.

    Raises:
        DataError: the network reconstructs nothing.
    """
    settings = fit.config.autoencoder
    inputs = Inputs(settings.inputs, fit.tested.names, None)
    found = Representation(
        fit.directory, settings, inputs, Resources(fit.seed, tracker="none", device="cpu")
    )
    found.fit(fit.background)
    parts = found.loss(fit.tested)
    if RECONSTRUCTION not in parts:
        raise DataError(
            f"autoencoder.network must reconstruct its input, but {settings.network.name} does "
            "not; choose representation@autoencoder=ae or vae"
        )
    return parts[RECONSTRUCTION]


def density(fit: BackgroundFit) -> np.ndarray:
    """(M,) -log p(x).

    Densities here are conditional. The pT that this one is conditional on is drawn anew from that
    of the Standard Model for every jet, whatever its own: nothing hangs on it.
    """
    rng = stream(fit.seed, "density", "pT of other jets")
    given = (rng.permutation(fit.background.mass), np.median(fit.background.mass))
    background = dataclasses.replace(fit.background, mass=given[0])
    tested = dataclasses.replace(fit.tested, mass=np.full(len(fit.tested), given[1]))
    return density_given_pt(fit._replace(background=background, tested=tested))


def density_given_pt(fit: BackgroundFit) -> np.ndarray:
    """(M,) -log p(x | pT): how improbable a jet is among those of its pT."""
    config, jets = fit.config, fit.background
    held = uniform_of(jets.identity, fit.seed, "validation of a density") < config.validation
    if held.all() or not held.any():
        raise DataError(
            f"{fit.directory.name}: fit and validation need collisions, but {len(jets)} jets "
            "leave one of them empty; give more, or another validation="
        )
    job = FitJob(
        directory=fit.directory,
        train=jets[~held],
        validation=jets[held],
        density=config.density,
        preprocessing=config.preprocessing,
        trainer=config.trainer,
        seed=fit.seed,
    )
    fit_all([job], n_jobs=1, threads=1)
    asked = EvaluateJob([fit.directory], config.ensemble, fit.tested.features, fit.tested.mass)
    (found,) = evaluate_all([asked], n_jobs=1, threads=1)
    return -found.log_p


SCORES: dict[str, Callable[[BackgroundFit], np.ndarray]] = {
    "mahalanobis": mahalanobis,
    "isolation_forest": isolation_forest,
    "autoencoder": autoencoder,
    "density": density,
    "density_given_pt": density_given_pt,
}
"""Name -> fit, as far as it is not there, and scores; larger is stranger."""
