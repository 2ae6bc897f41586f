"""Losses of several densities of the same settings, computed at once.

Small networks and batches leave a processor waiting for the next call. With the weights of S
mixtures side by side every call serves S of them (``make benchmark`` measures the gain).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from anode.density.base import DensityConfig, Trainable
from anode.density.mixture import AutoregressiveMixture, MixtureConfig, MixtureLogProb
from anode.density.residual import Residual, learn_fraction
from anode.errors import ConfigError


def can_batch(config: DensityConfig) -> bool:
    """True if ``mean_losses`` takes several densities of these settings."""
    return isinstance(config, MixtureConfig)


def mean_losses(
    densities: Sequence[Trainable], features: Sequence[Tensor], context: Sequence[Tensor]
) -> Tensor:
    """Mean loss (S,) of each of S densities, or of one other module, on a batch of its own.

    Args:
        densities: one module of any kind, or several mixtures of the same settings, or residuals.
        features: features of each, S times (B_s, D).
        context: context of each, S times (B_s, C).

    Raises:
        ConfigError: several densities of another kind.
    """
    if len(densities) == 1:
        return densities[0].loss(features[0], context[0]).mean(0, keepdim=True)
    residuals = [d for d in densities if isinstance(d, Residual)]
    mixed = residuals[0] if len(residuals) == len(densities) else None
    signals: Sequence[Any] = (
        densities if mixed is None else [residual.signal for residual in residuals]
    )
    mixtures = [d for d in signals if isinstance(d, AutoregressiveMixture)]
    if len(mixtures) != len(densities):
        if mixed is not None:
            each = zip(residuals, features, context, strict=True)
            return torch.stack([d.loss(x, m).mean() for d, x, m in each])
        raise ConfigError(
            "densities fitted at once must be made_mog, got "
            f"{', '.join(type(d).__name__ for d in densities)}; set trainer.at_once=1"
        )
    flat = torch.stack([mixture.flat for mixture in mixtures])
    # Shorter batches are filled up with events of weight 0.
    x, m = (pad_sequence(list(rows), batch_first=True) for rows in (features, context))
    weight = pad_sequence([f.new_full((len(f),), 1 / len(f)) for f in features], batch_first=True)
    seen = m if mixed is None else m[..., :-1]
    log_p = MixtureLogProb.apply(flat, x, seen, mixtures[0])
    if mixed is not None:
        log_p = mixed.mixed(log_p, m[..., -1])
    return -(log_p * weight).sum(1)


def end_epoch(
    densities: Sequence[Trainable], features: Sequence[Tensor], context: Sequence[Tensor]
) -> None:
    """Fit the common w of residuals to validation events; other densities stay as they are.

    For epochs after the peak of the learning rate: before it, p_sig describes no excess yet, and w
    would be driven to 0.

    Args:
        densities: S densities.
        features: features of S validation samples, (N_s, D).
        context: context of the same samples, (N_s, C).
    """
    residuals = [d for d in densities if isinstance(d, Residual) and d.learned]
    if residuals:
        learn_fraction(residuals, list(zip(features, context, strict=True)))
