"""Configuration of ``anode classify``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from omegaconf import DictConfig

from anode.classifiers.config import (
    ClassifierConfig,
    DeepSetConfig,
    TransformerConfig,
    TreesConfig,
)
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError, nearest
from anode.evaluation.dark_sector.transfer import MATCHINGS
from anode.events.dark_sector.features import check_names

JET_PT = "jet_pt"
"""Classifier that sees the momentum of the jet alone, and the feature that it sees."""

NAMES = (JET_PT, "trees", "deep_set", "transformer")
"""Classifiers there are."""


@dataclass(frozen=True)
class JetFiles:
    """Where the jets are.

    Attributes:
        path: folder of the files.
    """

    path: str


class SamplesConfig(Protocol):
    """Keys that say which jets are read, and how they are divided."""

    @property
    def data(self) -> JetFiles: ...
    @property
    def seeds(self) -> list[int]: ...
    @property
    def features(self) -> list[str]: ...
    @property
    def test(self) -> float: ...
    @property
    def jets_per_event(self) -> int | None: ...


@dataclass(frozen=True)
class ClassifyConfig:
    """Keys of ``configs/classify.yaml``.

    Attributes:
        output: folder for table, figures and fits.
        data: files of jets.
        classifiers: some of ``NAMES``.
        seeds: seeds of splits and fits.
        matching: some of ``MATCHINGS``.
        features: features of the boosted trees.
        test: share of the collisions that is tested on.
        jets_per_event: number of rows that are one collision, for files without ``event_id``.
        n_jobs: number of processes.
        trees, deep_set, transformer: settings of the classifiers.

    Raises:
        ConfigError: a value is impossible.
    """

    output: str
    data: JetFiles
    classifiers: list[str]
    seeds: list[int]
    matching: list[str]
    features: list[str]
    test: float
    jets_per_event: int | None
    n_jobs: int
    trees: TreesConfig
    deep_set: DeepSetConfig
    transformer: TransformerConfig

    def __post_init__(self) -> None:
        check_choice("classifiers", self.classifiers, NAMES)
        check_choice("matching", self.matching, MATCHINGS)
        check_samples(self)
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")

    def settings(self, classifier: str) -> ClassifierConfig:
        """Settings of one of ``NAMES``."""
        known: dict[str, ClassifierConfig] = {
            JET_PT: self.trees,
            "trees": self.trees,
            "deep_set": self.deep_set,
            "transformer": self.transformer,
        }
        return known[classifier]

    def columns(self, classifier: str) -> list[str]:
        """Features that a classifier sees; none for networks, which see constituents."""
        return {JET_PT: [JET_PT], "trees": self.features}.get(classifier, [])


def parse_classify(raw: DictConfig) -> ClassifyConfig:
    """Check Hydra's configuration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(ClassifyConfig, resolve(raw))


def check_samples(config: SamplesConfig) -> None:
    """Refuse impossible keys of ``SamplesConfig``.

    Raises:
        ConfigError: a value is impossible.
    """
    if not config.seeds or len(set(config.seeds)) < len(config.seeds):
        raise ConfigError(f"seeds must be at least one, all different, got {config.seeds}")
    check_names(config.features)
    if not 0 < config.test < 1:
        raise ConfigError(f"test must lie in (0, 1), got {config.test}")
    if config.jets_per_event is not None and config.jets_per_event < 1:
        raise ConfigError(f"jets_per_event must be at least 1, got {config.jets_per_event}")


def check_choice(key: str, given: list[str], known: Sequence[str]) -> None:
    """Refuse names that are unknown or repeated, and an empty list.

    Raises:
        ConfigError: the names are refused.
    """
    for name in given:
        if name not in known:
            raise ConfigError(
                f"{key} must be some of {', '.join(known)}, got {name!r}{nearest(name, known)}"
            )
    if not given or len(set(given)) < len(given):
        raise ConfigError(f"{key} must be at least one, all different, got {given}")
