"""Configuration of ``anode dark_anomalies``."""

from dataclasses import dataclass

from omegaconf import DictConfig

from anode.classifiers.config import ForestConfig, TreesConfig
from anode.configuration.builder import build, resolve
from anode.density.base import DensityConfig
from anode.density.ensemble import EnsembleConfig
from anode.errors import ConfigError
from anode.evaluation.dark_sector.detection import KNOWLEDGE
from anode.pipeline.runs.config import CHOICES
from anode.pipeline.studies.dark_classifiers.config import (
    JetFiles,
    check_choice,
    check_samples,
)
from anode.regions.preprocessing import PreprocessingConfig
from anode.representations.config import RepresentationConfig
from anode.training.recipe import TrainerConfig

MATCHINGS = ("none", "test")
"""Where Standard Model jets get the pT of the signal; never in the fit of a background-only score,
which would then know the signal."""


@dataclass(frozen=True)
class AnomaliesConfig:
    """Keys of ``configs/dark_anomalies.yaml``.

    Attributes:
        output: folder for table, figures and fits.
        data: files of jets.
        detectors: some of ``KNOWLEDGE``.
        seeds: seeds of splits and fits.
        matching: some of ``MATCHINGS``.
        features: features that scores see.
        s_over_b: dark jets over Standard Model jets in the mixture of weak supervision.
        test: share of the collisions that is tested on.
        validation: share of the collisions of a density's fit that it is validated on.
        jets_per_event: number of rows that are one collision, for files without ``event_id``.
        n_jobs: number of processes.
        forest, autoencoder, trees: settings of the scores.
        density, trainer, ensemble, preprocessing: settings of the densities.

    Raises:
        ConfigError: a value is impossible.
    """

    output: str
    data: JetFiles
    detectors: list[str]
    seeds: list[int]
    matching: list[str]
    features: list[str]
    s_over_b: float
    test: float
    validation: float
    jets_per_event: int | None
    n_jobs: int
    forest: ForestConfig
    autoencoder: RepresentationConfig
    density: DensityConfig
    trainer: TrainerConfig
    ensemble: EnsembleConfig
    preprocessing: PreprocessingConfig
    trees: TreesConfig

    def __post_init__(self) -> None:
        check_choice("detectors", self.detectors, tuple(KNOWLEDGE))
        check_choice("matching", self.matching, MATCHINGS)
        check_samples(self)
        if not 0 < self.s_over_b <= 1:
            raise ConfigError(f"s_over_b must lie in (0, 1], got {self.s_over_b}")
        if not 0 < self.validation < 1:
            raise ConfigError(f"validation must lie in (0, 1), got {self.validation}")
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")
        if self.autoencoder.inputs.kind != "features" or self.autoencoder.inputs.names:
            raise ConfigError(
                "autoencoder.inputs.kind must be features, and autoencoder.inputs.names null: "
                "every score sees the jets by the same features; give these as features=[...]"
            )
        if self.ensemble.seeds > 1 or self.preprocessing.dequantise:
            raise ConfigError(
                "ensemble.seeds must be 1 and preprocessing.dequantise false, which this command "
                f"does not read, got {self.ensemble.seeds} and {self.preprocessing.dequantise}"
            )


def parse_anomalies(raw: DictConfig) -> AnomaliesConfig:
    """Check Hydra's configuration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(AnomaliesConfig, resolve(raw), choices=CHOICES)
