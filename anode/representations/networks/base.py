"""Interface of a network that represents events: latent vector, reconstruction, losses."""

import abc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anode.errors import ConfigError, DataError

CHUNK = 512
"""Events evaluated at once where no gradient is needed: images are large."""


@dataclass(frozen=True)
class NetworkConfig:
    """Settings every network has; each adds its own.

    Attributes:
        name: name of the network, a key of ``anode.representations.networks.build.NETWORKS``.
    """

    name: str

    def _check_sizes(self, *keys: str) -> None:
        """Refuse a size, or one of a list of sizes, below 1."""
        for key in keys:
            value = getattr(self, key)
            if any(size < 1 for size in (value if isinstance(value, list) else [value])):
                raise ConfigError(f"network.{key} must be at least 1, got {value}")

    def _check_between(self, key: str, low: float, high: float) -> None:
        """Refuse a number outside the open interval (low, high)."""
        value = getattr(self, key)
        if not low < value < high:
            raise ConfigError(f"network.{key} must lie in ({low}, {high}), got {value}")


class Network(nn.Module, abc.ABC):
    """Input of an event -> latent vector of L numbers; fitted by the loop of all densities.

    Inputs are float32, (B, ...) of the shape that the network was built for: (B, D) features,
    (B, C, S, S) images, or (B, J, K, 4) constituents of J jets, the last column of which is 1 for
    a constituent and 0 for padding.

    Attributes:
        n_latent: number L of latent numbers.
        reconstructs: True if ``reconstruct`` gives an input back.
    """

    n_latent: int
    reconstructs: bool = True

    def loss(self, features: Tensor, context: Tensor) -> Tensor:
        """(B,) loss that the training minimises.

        Args:
            features: (B, ...) inputs.
            context: (B, C), which is not used: a representation does not know the mass.
        """
        del context
        if torch.is_grad_enabled():
            return self._loss(features)
        return self.in_chunks(self._loss, features)

    def encode(self, inputs: Tensor) -> Tensor:
        """(B, L) latent vectors of (B, ...) inputs, without gradients, in evaluation mode."""
        return self._evaluated(self._encode, inputs)

    def reconstruct(self, inputs: Tensor) -> Tensor:
        """(B, ...) what the network makes of (B, ...) inputs, without gradients.

        Raises:
            DataError: it reconstructs nothing.
        """
        if not self.reconstructs:
            raise DataError(
                f"{type(self).__name__} learns without a reconstruction; choose score=mahalanobis "
                "or latent_density"
            )
        return self._evaluated(self._reconstruct, inputs)

    def terms(self, inputs: Tensor) -> dict[str, Tensor]:
        """Terms of the loss that serve as anomaly scores, by name, each (B,): "reconstruction",
        and of a variational network "kl" and "elbo"; the larger, the more anomalous."""
        names: list[str] = []

        def stacked(part: Tensor) -> Tensor:
            found = self._terms(part)
            names[:] = list(found)
            return torch.stack(list(found.values()), dim=1)

        if not self.reconstructs:
            return {}
        values = self._evaluated(stacked, inputs)
        return dict(zip(names, values.unbind(1), strict=True))

    def blank_error(self, inputs: Tensor) -> Tensor:
        """(B,) error of a reconstruction of nothing but zeros, as "reconstruction" counts it."""
        return self._evaluated(lambda part: self._error(torch.zeros_like(part), part), inputs)

    def _evaluated(self, function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        was_training = self.training
        self.eval()
        with torch.no_grad():
            result = self.in_chunks(function, inputs)
        self.train(was_training)
        return result

    @staticmethod
    def in_chunks(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """A function of (B, ...) inputs, applied to at most ``CHUNK`` of them at a time."""
        return torch.cat([function(part) for part in inputs.split(CHUNK)])

    @abc.abstractmethod
    def _loss(self, inputs: Tensor) -> Tensor:
        """(B,) loss."""

    @abc.abstractmethod
    def _encode(self, inputs: Tensor) -> Tensor:
        """(B, L) latent vectors."""

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        """(B, ...) reconstruction."""
        raise NotImplementedError

    def _terms(self, inputs: Tensor) -> dict[str, Tensor]:
        """Mean squared error of each event; networks with another loss say more."""
        return {"reconstruction": self._error(self._reconstruct(inputs), inputs)}

    def _error(self, found: Tensor, inputs: Tensor) -> Tensor:
        """(B,) distance of a reconstruction from its inputs, both (B, ...)."""
        return squared_error(found, inputs)


def squared_error(found: Tensor, inputs: Tensor) -> Tensor:
    """(B,) mean over an event's numbers of (found - inputs)^2, both (B, ...).

    >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([2.])
    """
    return (found - inputs).square().flatten(1).mean(1)
