"""Configuration of a run: Hydra's, checked and turned into frozen dataclasses.

The YAML files in ``configs/`` are the one place where values stand; the dataclasses beside the
code they configure have no defaults, so a key missing here or unknown there is an error with its
name.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anode.classifiers.config import CLASSIFIERS, ClassifierConfig
from anode.configuration.builder import Choice, as_saved, build, by_name, read_saved, resolve
from anode.configuration.composition import compose
from anode.density.base import DensityConfig
from anode.density.build import build_density, density_configs
from anode.density.ensemble import EnsembleConfig
from anode.errors import ConfigError
from anode.evaluation.curves import EvaluationConfig
from anode.methods.base import MethodConfig
from anode.methods.build import fits_density, method_configs, uses_classifier
from anode.methods.combination import CombinationConfig
from anode.methods.outliers.autoencoder import AutoencoderConfig
from anode.methods.r_anode import RAnodeConfig
from anode.pipeline.datasets import config as data_config
from anode.pipeline.datasets.config import DataConfig, with_feature_sets
from anode.records import Json
from anode.regions.crossfit import SplitConfig
from anode.regions.distortion import NONE, DistortionConfig
from anode.regions.injection import InjectionConfig
from anode.regions.preprocessing import PreprocessingConfig
from anode.regions.windows import RegionsConfig
from anode.representations.config import RepresentationConfig
from anode.representations.inputs import Inputs
from anode.representations.networks.base import NetworkConfig
from anode.representations.networks.build import NETWORKS
from anode.representations.representation import latent_names
from anode.training.recipe import TrainerConfig
from anode.training.trackers import TRACKERS

# What may differ between two invocations that share a run directory: it changes no result.
NOT_IDENTITY = ("run_dir", "n_jobs", "threads", "tracker", "store", "figures")


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is made of; keys as in ``configs/run.yaml``."""

    run_dir: str
    seed: int
    device: str
    n_jobs: int
    threads: int
    features: list[str]
    data: DataConfig
    injection: InjectionConfig
    regions: RegionsConfig
    split: SplitConfig
    preprocessing: PreprocessingConfig
    density: DensityConfig
    trainer: TrainerConfig
    ensemble: EnsembleConfig
    method: MethodConfig
    evaluation: EvaluationConfig
    tracker: str
    # Runs of former versions have none of these keys.
    classifier: ClassifierConfig | None = None
    store: str | None = None
    distortion: DistortionConfig = NONE
    figures: bool = True
    representation: RepresentationConfig | None = None

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(f"device must be 'cpu', 'cuda' or 'auto', got {self.device!r}")
        if self.tracker not in TRACKERS:
            raise ConfigError(f"tracker must be one of {TRACKERS}, got {self.tracker!r}")
        for key in ("n_jobs", "threads"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} must be at least 1, got {getattr(self, key)}")
        if not self.features or len(set(self.features)) != len(self.features):
            raise ConfigError(f"features must be named once each, got {self.features}")
        self._check_representation()
        # One that no method fits may be too small for hundreds of features.
        own = [self.density] if fits_density(self.method) else []
        of_method = [each.density for each in _residual(self.method)]
        for density in (*own, *of_method):  # or it says why not
            build_density(density, len(self.seen_features), n_context=1, seed=0)
        self._check_ensemble()
        if self.classifier is None and uses_classifier(self.method):
            raise ConfigError(f"method={self.method.name} needs classifier=hgb or mlp, got null")

    def _check_ensemble(self) -> None:
        """An average over more epochs than there are would be one over fewer than asked for."""
        trainers = [("trainer", self.trainer)]
        trainers += [("method.trainer", each.trainer) for each in _residual(self.method)]
        for key, trainer in trainers:
            if self.ensemble.size > min(trainer.epochs, trainer.keep):
                raise ConfigError(
                    f"ensemble.size={self.ensemble.size} must not exceed the epochs that a fit "
                    f"makes and keeps ({key}.epochs={trainer.epochs}, {key}.keep={trainer.keep}); "
                    "lower it, or train longer"
                )

    def _check_representation(self) -> None:
        if self.representation is None or not self.needs_particles:
            return
        if self.particles_file is None:
            raise ConfigError(
                f"representation.inputs.kind={self.representation.inputs.kind} needs particles: "
                f"data={self.data.reader} has none; choose data=bundled_particles, or make a file "
                "with anode features particles=true"
            )
        if self.data.extra or self.data.extra_background:
            raise ConfigError(
                "data.extra and data.extra_background must be empty where a representation is "
                "made of particles, which are those of data.path alone"
            )

    @property
    def read_features(self) -> tuple[str, ...]:
        """Names of the features that are read: those asked for, and those of a representation."""
        extra = () if self.representation is None else self.representation.extra_features
        return (*self.features, *(name for name in extra if name not in self.features))

    @property
    def needs_particles(self) -> bool:
        """Whether a representation is made of the particles of events."""
        return self.representation is not None and self.representation.inputs.kind != "features"

    @property
    def plain_features(self) -> tuple[str, ...]:
        """Names of the features that methods see without a representation: those asked for, and
        noise."""
        return self.distortion.names(self.features)

    @property
    def seen_features(self) -> tuple[str, ...]:
        """Names of the features that methods see."""
        of, plain = self.representation, self.plain_features
        if of is None or isinstance(self.method, AutoencoderConfig):
            return plain
        latent = latent_names(of, Inputs(of.inputs, plain, None))
        return (*(plain if of.append else ()), *latent)

    @property
    def particles_file(self) -> Path | None:
        """File that may have the particles of the events; None where there is none."""
        given = None if self.representation is None else self.representation.particles
        path = given or self.data.path
        return None if path is None else Path(path)

    @property
    def identity(self) -> dict[str, Json]:
        """The nested configuration without what cannot change a result."""
        content = {k: v for k, v in dataclasses.asdict(self).items() if k not in NOT_IDENTITY}
        hidden = data_config.NOT_IDENTITY
        content["data"] = {k: v for k, v in content["data"].items() if k not in hidden}
        if not uses_classifier(self.method):
            del content["classifier"]
        return content

    def to_yaml(self) -> str:
        """As YAML, ready for ``load_run``."""
        return as_saved(dataclasses.asdict(self))


def _residual(method: MethodConfig) -> list[RAnodeConfig]:
    """The method, or members of it, with a density and trainer beside those of the run."""
    if isinstance(method, CombinationConfig):
        return [each for member in method.members.values() for each in _residual(member)]
    return [method] if isinstance(method, RAnodeConfig) else []


def parse_run(raw: DictConfig) -> RunConfig:
    """Check Hydra's configuration of a run and make it a ``RunConfig``.

    The run directory is Hydra's output directory: ``run_dir`` itself, or below it one folder a
    job of a multirun.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    content = resolve(raw)
    if HydraConfig.initialized():
        content["run_dir"] = HydraConfig.get().runtime.output_dir
    config = from_mapping(content)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda needs a CUDA device, torch finds none; use auto or cpu")
    return config


def from_mapping(content: Mapping[str, Any]) -> RunConfig:
    """A ``RunConfig`` from plain nested mappings, such as a saved ``config.yaml``."""
    content = with_feature_sets(content)
    if content.get("device") == "auto":
        content["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return build(RunConfig, content, choices=CHOICES)


def compose_run(overrides: Sequence[str], run_dir: Path | str) -> RunConfig:
    """The ``RunConfig`` that ``anode run`` would get from these overrides.

    Raises:
        ConfigError: a key or choice is unknown, or a value is of the wrong kind.
    """
    raw = compose("run", [*overrides, "run_dir=replaced"])
    return from_mapping({**resolve(raw), "run_dir": str(run_dir)})


def load_run(path: Path) -> RunConfig:
    """The ``RunConfig`` saved as ``config.yaml``.

    Raises:
        ConfigError: there is no such file, or it is not a run's configuration.
        RunDirectoryError: it is not as it was written.
    """
    if not path.is_file():
        raise ConfigError(f"there is no {path}; is this a run directory?")
    return from_mapping(read_saved(path))


CHOICES: Mapping[type, Choice] = {
    **data_config.CHOICES,
    DensityConfig: by_name(density_configs),
    ClassifierConfig: by_name(lambda: CLASSIFIERS),
    MethodConfig: by_name(method_configs),
    NetworkConfig: by_name(lambda: {name: entry.config for name, entry in NETWORKS.items()}),
}
"""Groups whose keys depend on their ``name`` or ``reader``, for ``builder.build``."""
