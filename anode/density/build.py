"""Table of densities: the class for each name and backend of a configuration."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from anode.density.base import ConditionalDensity, DensityConfig
from anode.density.fused.flow import FusedMaskedAutoregressiveFlow, MixtureFlow, MixtureFlowConfig
from anode.density.maf import (
    FlowConfig,
    MaskedAutoregressiveFlow,
    SplineAutoregressiveFlow,
    SplineConfig,
    SplineCouplingFlow,
)
from anode.density.mixture import AutoregressiveMixture, MixtureConfig
from anode.errors import ConfigError


class Entry(NamedTuple):
    """A density and its settings.

    Attributes:
        config: dataclass of the keys below ``density``.
        density: (n_features, n_context, config) -> the density, freshly initialised.
    """

    config: type[DensityConfig]
    density: Callable[..., ConditionalDensity]


DENSITIES: dict[tuple[str, str], Entry] = {
    ("maf", "fused"): Entry(FlowConfig, FusedMaskedAutoregressiveFlow),
    ("maf", "nflows"): Entry(FlowConfig, MaskedAutoregressiveFlow),
    ("maf_rqs", "nflows"): Entry(SplineConfig, SplineAutoregressiveFlow),
    ("coupling_rqs", "nflows"): Entry(SplineConfig, SplineCouplingFlow),
    ("made_mog", "fused"): Entry(MixtureConfig, AutoregressiveMixture),
    ("maf_mog", "fused"): Entry(MixtureFlowConfig, MixtureFlow),
}
"""(name, backend) -> density; a new one is a module of its own and a line here."""


def density_configs() -> dict[str, type[DensityConfig]]:
    """Name -> dataclass of the settings."""
    return {name: entry.config for (name, _), entry in DENSITIES.items()}


def build_density(
    config: DensityConfig, n_features: int, n_context: int, seed: int
) -> ConditionalDensity:
    """The density ``config`` names, freshly initialised.

    Args:
        config: settings; ``config.name`` and ``config.backend`` pick the class.
        n_features: D.
        n_context: C.
        seed: seeds the initial weights, and nothing else: torch's global state is restored.

    Raises:
        ConfigError: the backend does not have this density, or not with these settings.
    """
    key = (config.name, config.backend)
    if key not in DENSITIES:
        backends = ", ".join(backend for name, backend in DENSITIES if name == config.name)
        raise ConfigError(
            f"density.backend must be one of {backends} for density={config.name}, got "
            f"{config.backend!r}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DENSITIES[key].density(n_features, n_context, config)
