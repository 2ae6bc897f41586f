"""Table of densities: the class for each name and backend of a configuration."""

from collections.abc import Callable

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

CONFIGS: dict[str, type[DensityConfig]] = {
    "maf": FlowConfig,
    "maf_rqs": SplineConfig,
    "coupling_rqs": SplineConfig,
    "made_mog": MixtureConfig,
    "maf_mog": MixtureFlowConfig,
}

DENSITIES: dict[tuple[str, str], Callable[..., ConditionalDensity]] = {
    ("maf", "fused"): FusedMaskedAutoregressiveFlow,
    ("maf", "nflows"): MaskedAutoregressiveFlow,
    ("maf_rqs", "nflows"): SplineAutoregressiveFlow,
    ("coupling_rqs", "nflows"): SplineCouplingFlow,
    ("made_mog", "fused"): AutoregressiveMixture,
    ("maf_mog", "fused"): MixtureFlow,
}


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
        return DENSITIES[key](n_features, n_context, config)
