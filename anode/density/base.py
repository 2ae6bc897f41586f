"""What is a conditional density, to every part of this project?"""

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from anode.errors import DataError


@dataclass(frozen=True)
class DensityConfig:
    """Settings every density has; each adds its own.

    Attributes:
        name: which density, as in ``anode.density.build``.
        backend: what computes it: "fused", written for speed, or "nflows", the reference.
    """

    name: str
    backend: str


class Trainable(Protocol):
    """What the training loop fits: a module with a loss, be it a density or not."""

    def loss(self, features: Tensor, context: Tensor) -> Tensor:
        """Loss of every event, not reduced: (B, D), (B, C) -> (B,)."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...

    def to(self, device: str) -> Self: ...

    def train(self) -> Self: ...

    def eval(self) -> Self: ...


class ConditionalDensity(nn.Module, abc.ABC):
    """p(x|m) for D features x given C context values m, in the space the density was fitted in.

    The public methods check shapes; subclasses implement the underscored ones.

    Args:
        n_features: D.
        n_context: C.
    """

    def __init__(self, n_features: int, n_context: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_context = n_context

    def log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        """log p(x|m), natural logarithm.

        Args:
            features: (B, D).
            context: (B, C).

        Returns:
            (B,) log densities.

        Raises:
            DataError: a shape differs.
        """
        self._check("features", features, self.n_features)
        self._check("context", context, self.n_context)
        if len(features) != len(context):
            raise DataError(
                f"features and context must have as many rows, got {len(features)} and "
                f"{len(context)}"
            )
        return self._log_prob(features, context)

    def sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        """One draw x ~ p(x|m) for every row of ``context``: (B, C) -> (B, D)."""
        self._check("context", context, self.n_context)
        with torch.no_grad():
            return self._sample(context, generator)

    def loss(self, features: Tensor, context: Tensor) -> Tensor:
        """Negative log-likelihood of every event, not reduced: (B, D), (B, C) -> (B,)."""
        return -self.log_prob(features, context)

    @abc.abstractmethod
    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor: ...

    @abc.abstractmethod
    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor: ...

    @staticmethod
    def _check(name: str, values: Tensor, columns: int) -> None:
        if values.ndim != 2 or values.shape[1] != columns:
            raise DataError(f"{name} must have shape (B, {columns}), got {tuple(values.shape)}")
