"""How do several densities of the same settings compute their losses at once?

Small networks and batches leave a processor waiting for the next call. With the weights of S
mixtures side by side every call serves S of them (``make benchmark`` measures what it gains).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anode.density.base import DensityConfig, Trainable
from anode.density.mog import AutoregressiveMixture, MixtureConfig, MixtureLogProb
from anode.errors import ConfigError


def fit_together(config: DensityConfig) -> bool:
    """Whether ``mean_losses`` takes several densities of these settings."""
    return isinstance(config, MixtureConfig)


def mean_losses(
    densities: Sequence[Trainable], features: Sequence[Tensor], context: Sequence[Tensor]
) -> Tensor:
    """Mean loss (S,) of each of S densities, or one other module, on a batch of its own.

    Args:
        densities: one module of any kind, or several mixtures of the same settings.
        features: S times (B_s, D).
        context: S times (B_s, C).

    Raises:
        ConfigError: several densities of another kind.
    """
    if len(densities) == 1:
        return densities[0].loss(features[0], context[0]).mean(0, keepdim=True)
    mixtures = [d for d in densities if isinstance(d, AutoregressiveMixture)]
    if len(mixtures) != len(densities):
        raise ConfigError(
            "densities fitted at once must be made_mog, got "
            f"{', '.join(type(d).__name__ for d in densities)}; set trainer.at_once=1"
        )
    flat = torch.stack([mixture.flat for mixture in mixtures])
    # Shorter batches are filled up with events that count nothing.
    x, m = (pad_sequence(list(rows), batch_first=True) for rows in (features, context))
    weight = pad_sequence([f.new_full((len(f),), 1 / len(f)) for f in features], batch_first=True)
    return -(MixtureLogProb.apply(flat, x, m, mixtures[0]) * weight).sum(1)
