"""Scores of background-only representations: reconstruction, KL, ELBO, density, distance.

Fitted to the sidebands, and to no event of the signal region: what is unlike the background is
anomalous, wherever it lies. No over-density in the mass is asked for.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io
from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.methods.base import (
    ExtraMetrics,
    FitSettings,
    MethodConfig,
    RegionEvents,
    Scores,
)
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.methods.outliers.gaussian import Gaussian
from anode.methods.outliers.one_fit import OneFit
from anode.methods.wrappers.represented import representation_of
from anode.representations.representation import latent_names
from anode.training.evaluate import evaluate_all

SCORES = ("reconstruction", "kl", "elbo", "latent_density", "mahalanobis")
GAUSSIAN = "gaussian.h5"


@dataclass(frozen=True)
class AutoencoderConfig(MethodConfig):
    """Settings of the method.

    Attributes:
        score: one of ``SCORES``. "latent_density" is -log p_bg(z|m), of the run's density;
            "mahalanobis" the distance of z from the mean of the sidebands, in units of their
            covariance; of the features themselves without a representation.
    """

    score: str

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ConfigError(
                f"method.score must be one of {', '.join(SCORES)}, got {self.score!r}"
            )


class Autoencoder(OneFit):
    """Anomaly scores of a representation; ``AnomalyMethod`` documents its methods."""

    title = "autoencoder"
    meaning = "how unlike background an event is"

    def __init__(self, directory: Path, settings: FitSettings, config: AutoencoderConfig) -> None:
        super().__init__(directory, settings)
        self.config = config
        of = settings.representation
        if of is None and config.score != "mahalanobis":
            raise ConfigError(
                f"method.score={config.score} needs a representation, got none; choose one, "
                "representation=ae"
            )
        self.representation = None if of is None else representation_of(directory, settings)
        self.fits = DensityFits(directory, settings)
        name = "features" if of is None else of.network.name
        self.title = f"{name}, {config.score.replace('_', ' ')}"  # type: ignore[misc]

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """The configured score; parts are all that cost nothing more."""
        latent = self._latent(events)
        parts = {"mahalanobis": self._distance(latent.features)}
        if self.representation is not None:
            parts |= self.representation.loss(events)
        was_clipped = np.zeros(len(events), dtype=bool)
        if self.config.score == "latent_density":
            job = self.fits.evaluate_job(BACKGROUND, latent)
            (found,) = evaluate_all([job], n_jobs=1, threads=self.settings.threads)
            parts["latent_density"], was_clipped = -found.log_p, found.was_clipped
        if self.config.score not in parts:
            raise DataError(
                f"method.score={self.config.score} must be one that the representation has, "
                f"{', '.join(parts)} or latent_density"
            )
        score = parts[self.config.score]
        return Scores(events.event_id, events.mass, score, parts, was_clipped)

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """``reconstruction_gain``: share of a blank prediction's loss that is saved."""
        gain = None if self.representation is None else self.representation.gain
        return ExtraMetrics(other={} if gain is None else {"reconstruction_gain": gain})

    def _latent(self, events: EventTable) -> EventTable:
        """The events with latent numbers as their only features."""
        if self.representation is None:
            return events
        of = self.representation
        names = latent_names(of.config, of.inputs)
        return EventTable(
            events.event_id,
            events.mass,
            of.encode(events),
            names,
            ("",) * len(names),
            events.label,
            events.source,
            identity=events.identity,
        )

    def _distance(self, values: np.ndarray) -> np.ndarray:
        """(N,) Mahalanobis distances of (N, L) numbers."""
        with io.open_hdf5(self.directory / GAUSSIAN) as file:
            found = Gaussian(file["mean"][:], file["whitening"][:])
        return found.distance(values)

    def _fit(self, events: RegionEvents) -> None:
        if self.representation is not None:
            self.representation.fit(events.sidebands)
        latent = self._latent(events.sidebands)
        if not (self.directory / GAUSSIAN).is_file():
            found = Gaussian.fit(latent.features)
            io.write_hdf5(self.directory / GAUSSIAN, found._asdict())
        if self.config.score == "latent_density":
            self.fits.fit_background(latent)
