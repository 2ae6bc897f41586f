"""Every method with quick settings, and toy events for it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from anode.density.ensemble import EnsembleConfig
from anode.density.mixture import MixtureConfig
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable
from anode.methods.anode import AnodeConfig
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents
from anode.methods.build import build_method
from anode.methods.cathode import CathodeConfig, LaCathodeConfig
from anode.methods.combination import CombinationConfig
from anode.methods.cwola import CwolaConfig
from anode.methods.outliers.autoencoder import AutoencoderConfig
from anode.methods.outliers.isolation_forest import IsolationConfig
from anode.methods.outliers.single_feature import SingleFeatureConfig
from anode.methods.r_anode import RAnodeConfig
from anode.regions.crossfit import SplitConfig
from anode.regions.preprocessing import PreprocessingConfig
from anode.regions.windows import Regions
from anode.representations.config import CompressionConfig, InputConfig, RepresentationConfig
from anode.representations.networks.autoencoder import AutoencoderConfig as NetworkSettings
from helpers.settings import trainer_config
from helpers.small_trees import TREES

MIXTURE = MixtureConfig("made_mog", "fused", 16, 3)


REGIONS = Regions.from_bounds([3300, 3700], [[None, 3300], [3700, None]])


SIMULATION_IDS, PROBE_IDS = 1 << 20, 1 << 21


def r_anode(fraction: str, fractions: list[float], **changes: Any) -> RAnodeConfig:
    trainer = trainer_config(**changes)
    return RAnodeConfig("r_anode", fraction, fractions, 2, MIXTURE, trainer)


CATHODE = CathodeConfig("cathode", 2.0, mass_bandwidth=10.0)


LACATHODE = LaCathodeConfig("lacathode", 2.0)


R_ANODE = r_anode("learned", [0.05])


CWOLA = CwolaConfig("cwola", 200.0)


ISOLATION = IsolationConfig("isolation_forest", 20, 256)


CONFIGS: dict[str, MethodConfig] = {
    "anode": AnodeConfig("anode", warm_start=True),
    "anode_joint": AnodeConfig("anode", warm_start=False, joint=True),
    "r_anode": R_ANODE,
    "r_anode_scanned": r_anode("scanned", [0.01, 0.1]),
    "cathode": CATHODE,
    "lacathode": LACATHODE,
    "cwola": CWOLA,
    "iad": MethodConfig("iad"),
    "supervised": MethodConfig("supervised"),
    "isolation_forest": ISOLATION,
    "autoencoder": AutoencoderConfig("autoencoder", "reconstruction"),
    "anode_on_latents": AnodeConfig("anode", warm_start=True),
    "r_anode_compressed": R_ANODE,
    "single_feature": SingleFeatureConfig("single_feature", "x1", 1),
    "combination": CombinationConfig(
        "combination", {"r_anode": R_ANODE, "cwola": CWOLA, "forest": ISOLATION}
    ),
}


TRUTHFUL = ("iad", "supervised")

OF_SIDEBANDS = ("autoencoder", "single_feature")
"""Fitted to no event of the signal region."""


def representation(**changes: Any) -> RepresentationConfig:
    """An autoencoder of the features, beside them."""
    values = {
        "inputs": InputConfig("features", None, None, None),
        "network": NetworkSettings("ae", hidden=[16], n_latent=2, activation="gelu"),
        "trainer": trainer_config(batch_size=256),
        "particles": None,
        "append": True,
        "compression": None,
    }
    return RepresentationConfig(**{**values, **changes})


REPRESENTED = {
    "autoencoder": representation(),
    "anode_on_latents": representation(),
    "r_anode_compressed": representation(compression=CompressionConfig("linear", 2)),
}


def settings(**changes: Any) -> FitSettings:
    values = {
        "density": MIXTURE,
        "preprocessing": PreprocessingConfig(logit=True, standardise=True),
        "trainer": trainer_config(batch_size=256),
        "classifier": dataclasses.replace(TREES, members=2, max_iter=15),
        "ensemble": EnsembleConfig("last", 2, 1),
        "split": SplitConfig("kfold", 2, 0.2, 0.5, "one_fold"),
        "seed": 1,
        "n_jobs": 1,
        "threads": 1,
        "tracker": "none",
        "device": "cpu",
    }
    return FitSettings(**{**values, **changes})


HOLDOUT = SplitConfig("holdout", 1, 0.2, 0.5, "one_fold")


def method(directory: Path, name: str, **changes: Any) -> AnomalyMethod:
    return build_method(directory, settings_of(name, **changes), CONFIGS[name])


def settings_of(name: str, **changes: Any) -> FitSettings:
    """Settings of a method of ``CONFIGS``, with its representation."""
    own = {"representation": REPRESENTED.get(name), "features": ("x1", "x2", "x3", "x4")}
    return settings(**{**own, **changes})


def sample(n_background: int, n_signal: int, seed: int, id_offset: int = 0) -> EventTable:
    rng = np.random.default_rng(seed)
    return Toy().sample(n_background, n_signal, rng, id_offset=id_offset)


def in_region(table: EventTable) -> EventTable:
    return table[REGIONS.in_signal_region(table.mass)]


def events(name: str, n_background: int = 2500, n_signal: int = 150) -> RegionEvents:
    """Data without labels and, for a method that uses truth, simulation."""
    data = sample(n_background, n_signal, 1).without_label()
    simulation = in_region(sample(1500, 500, 2, SIMULATION_IDS)) if name in TRUTHFUL else None
    sidebands = data[REGIONS.in_sidebands(data.mass)]
    return RegionEvents(in_region(data), sidebands, simulation)
