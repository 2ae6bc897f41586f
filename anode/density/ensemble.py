"""Average of several fits, or epochs, of one density."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anode.density.base import ConditionalDensity
from anode.density.mixture import AutoregressiveMixture
from anode.density.rosenblatt import average, to_normal
from anode.errors import ConfigError


@dataclass(frozen=True)
class EnsembleConfig:
    """Which fits of a density, and which of their epochs, are averaged.

    Attributes:
        mode: choice of epochs: "last" trained, or "best" by validation loss.
        size: number of epochs; fewer where the fit was shorter.
        seeds: number of fits of each density, from other initial weights and orders of events.
    """

    mode: str
    size: int
    seeds: int

    def __post_init__(self) -> None:
        if self.mode not in ("last", "best"):
            raise ConfigError(f"ensemble.mode must be 'last' or 'best', got {self.mode!r}")
        for key in ("size", "seeds"):
            if getattr(self, key) < 1:
                raise ConfigError(f"ensemble.{key} must be at least 1, got {getattr(self, key)}")


class Ensemble(ConditionalDensity):
    """The average of K densities, taken in p and computed in log p:

        log p(x|m) = logsumexp_k log p_k(x|m) - log K,

    stable however small p is, and itself a normalised density. A draw comes from a member chosen
    at random for each event. ``latent`` is exact for autoregressive mixtures, whose average is
    autoregressive too (``rosenblatt``). An average of flows has no such map of its own: the last
    member's is used, in which events are normal as far as the members agree.

    Args:
        members: K densities of the same features and context.

    Raises:
        ConfigError: no member.
    """

    def __init__(self, members: Sequence[ConditionalDensity]) -> None:
        if not members:
            raise ConfigError("an ensemble needs at least one member, got none")
        super().__init__(members[0].n_features, members[0].n_context)
        self.members = nn.ModuleList(members)
        self._densities = tuple(members)  # the same objects, with their type

    @property
    def densities(self) -> tuple[ConditionalDensity, ...]:
        """The K members."""
        return self._densities

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        each = torch.stack([member.log_prob(features, context) for member in self._densities])
        return log_mean_exp(each)

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        mixtures = [m for m in self._densities if isinstance(m, AutoregressiveMixture)]
        if len(mixtures) < len(self._densities):
            return self._densities[-1].latent(features, context)
        return to_normal(average([m.conditionals(features, context) for m in mixtures]))

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        choice = torch.randint(len(self.members), (len(context),), generator=generator)
        features = torch.empty(len(context), self.n_features, dtype=context.dtype)
        for index, member in enumerate(self._densities):
            rows = choice == index
            if rows.any():
                features[rows] = member.sample(context[rows], generator)
        return features


def log_mean_exp(log_values: Tensor) -> Tensor:
    """log of the mean over the first axis of exp(log_values): (K, ...) -> (...)."""
    return torch.logsumexp(log_values, dim=0) - math.log(len(log_values))
