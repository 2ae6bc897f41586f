"""Table of methods: the class and the settings for each name of a configuration."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from anode.methods.anode import Anode, AnodeConfig
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig
from anode.methods.cathode import Cathode, CathodeConfig, LaCathode, LaCathodeConfig
from anode.methods.classifier_method import TwoSampleMethod
from anode.methods.combination import Combination, CombinationConfig
from anode.methods.cwola import Cwola, CwolaConfig
from anode.methods.outliers.autoencoder import Autoencoder, AutoencoderConfig
from anode.methods.outliers.isolation_forest import Isolation, IsolationConfig
from anode.methods.outliers.single_feature import SingleFeature, SingleFeatureConfig
from anode.methods.r_anode import RAnode, RAnodeConfig
from anode.methods.sideband_folds import SidebandFolds
from anode.methods.truth_level import Idealised, Supervised
from anode.methods.wrappers.compressed import Compressed
from anode.methods.wrappers.dequantised import Dequantised
from anode.methods.wrappers.represented import Represented
from anode.regions.crossfit import SplitConfig


class Entry(NamedTuple):
    """Class of a method, and class of its settings."""

    config: type[MethodConfig]
    method: Any


METHODS: dict[str, Entry] = {
    "anode": Entry(AnodeConfig, Anode),
    "r_anode": Entry(RAnodeConfig, RAnode),
    "cathode": Entry(CathodeConfig, Cathode),
    "lacathode": Entry(LaCathodeConfig, LaCathode),
    "cwola": Entry(CwolaConfig, Cwola),
    "iad": Entry(MethodConfig, Idealised),
    "supervised": Entry(MethodConfig, Supervised),
    "isolation_forest": Entry(IsolationConfig, Isolation),
    "autoencoder": Entry(AutoencoderConfig, Autoencoder),
    "single_feature": Entry(SingleFeatureConfig, SingleFeature),
    "combination": Entry(CombinationConfig, Combination),
}
"""Name -> method; a new one is a module of its own and a line here."""


def method_configs() -> dict[str, type[MethodConfig]]:
    """Name -> dataclass of the settings."""
    return {name: entry.config for name, entry in METHODS.items()}


def build_method(directory: Path, settings: FitSettings, config: MethodConfig) -> AnomalyMethod:
    """The method that ``config`` names, with its fits in ``directory``.

    Raises:
        ConfigError: settings contradict each other.
    """
    if settings.preprocessing.dequantise:
        steps = dataclasses.replace(settings.preprocessing, dequantise=False)
        plain = dataclasses.replace(settings, preprocessing=steps)
        return Dequantised(directory, settings, build_method(directory, plain, config))
    if settings.split.sideband_folds > 1:

        def member(folder: Path, split: SplitConfig) -> AnomalyMethod:
            return build_method(folder, dataclasses.replace(settings, split=split), config)

        return SidebandFolds(directory, settings, member)
    if settings.representation is not None and not isinstance(config, AutoencoderConfig):
        if settings.representation.compression is not None:
            return Compressed(directory, settings, lambda f, own: build_method(f, own, config))
        plain = dataclasses.replace(settings, representation=None)
        return Represented(directory, settings, build_method(directory, plain, config))
    if isinstance(config, CombinationConfig):
        members = {
            name: build_method(directory / name, settings, member)
            for name, member in config.members.items()
        }
        return Combination(directory, settings, members)
    return METHODS[config.name].method(directory, settings, config)


def uses_classifier(config: MethodConfig) -> bool:
    """True if the method, or one of its members, is a classifier."""
    if isinstance(config, CombinationConfig):
        return any(uses_classifier(member) for member in config.members.values())
    method = METHODS[config.name].method
    return isinstance(method, type) and issubclass(method, TwoSampleMethod)


def fits_density(config: MethodConfig) -> bool:
    """True if the method, or one of its members, may fit the density of a run."""
    if isinstance(config, CombinationConfig):
        return any(fits_density(member) for member in config.members.values())
    fits: bool = METHODS[config.name].method.fits_density
    return fits
