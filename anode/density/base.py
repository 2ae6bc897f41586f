"""Interface of a conditional density p(x|m): log p, latent space, draws and loss."""

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
        name: name of the density, a key of ``anode.density.build.CONFIGS``.
        backend: implementation: "fused", written for speed, or "nflows", the reference.
    """

    name: str
    backend: str


class Trainable(Protocol):
    """Any module with a loss, as the training loop needs it; the rest is torch's ``nn.Module``."""

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
            features: x (B, D).
            context: m (B, C).

        Returns:
            (B,) log densities.

        Raises:
            DataError: a shape differs.
        """
        self._check_events(features, context)
        return self._log_prob(features, context)

    def latent(self, features: Tensor, context: Tensor) -> Tensor:
        """z = T(x; m), which is standard normal in D dimensions for every m if x ~ p(x|m).

        T is invertible, so that p(x|m) = N(z; 0, 1) |det dz/dx|. No gradients; batch norm needs
        evaluation mode.

        Args:
            features: x (B, D).
            context: m (B, C).

        Returns:
            (B, D) z in float64.

        Raises:
            DataError: a shape differs.
        """
        self._check_events(features, context)
        with torch.no_grad():
            return self._latent(features, context).double()

    def sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        """One draw x ~ p(x|m) for every row of ``context``: (B, C) -> (B, D).

        Raises:
            DataError: the shape differs.
        """
        self._check("context", context, self.n_context)
        with torch.no_grad():
            return self._sample(context, generator)

    def loss(self, features: Tensor, context: Tensor) -> Tensor:
        """-log p(x|m) of every event, not reduced: (B, D), (B, C) -> (B,)."""
        return -self.log_prob(features, context)

    @abc.abstractmethod
    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor: ...

    @abc.abstractmethod
    def _latent(self, features: Tensor, context: Tensor) -> Tensor: ...

    @abc.abstractmethod
    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor: ...

    def _check_events(self, features: Tensor, context: Tensor) -> None:
        self._check("features", features, self.n_features)
        self._check("context", context, self.n_context)
        if len(features) != len(context):
            raise DataError(
                f"features and context must have as many rows, got {len(features)} and "
                f"{len(context)}"
            )

    @staticmethod
    def _check(name: str, values: Tensor, columns: int) -> None:
        if values.ndim != 2 or values.shape[1] != columns:
            raise DataError(f"{name} must have shape (B, {columns}), got {tuple(values.shape)}")
