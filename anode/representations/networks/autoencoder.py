"""What few numbers give the features of an event back? A plain autoencoder.

    z = f(x),  loss = mean over features of (g(z) - x)^2,

f and g being fully connected networks. The last layer is linear: inputs are standardised, and a
sigmoid could never reach the negative half of them. Without hidden layers f and g span the first
L principal components (Baldi and Hornik, Neural Networks 2 (1989) 53).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from anode.representations.networks.base import Network, NetworkConfig, squared_error
from anode.representations.networks.parts.dense import check_activation, mlp


@dataclass(frozen=True)
class AutoencoderConfig(NetworkConfig):
    """Settings of the autoencoder.

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        n_latent: number L of latent numbers.
        activation: a key of ``anode.representations.networks.parts.dense.ACTIVATIONS``.

    Raises:
        ConfigError: a width below 1, or an unknown activation.
    """

    hidden: list[int]
    n_latent: int
    activation: str

    def __post_init__(self) -> None:
        self._check_sizes("hidden", "n_latent")
        check_activation(self.activation)


class Autoencoder(Network):
    """The autoencoder of the module's docstring.

    Args:
        input_shape: (D,).
        config: settings.

    >>> import torch
    >>> config = AutoencoderConfig("ae", hidden=[16], n_latent=2, activation="silu")
    >>> network = Autoencoder((4,), config)
    >>> network.encode(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, input_shape: Sequence[int], config: AutoencoderConfig) -> None:
        super().__init__()
        (n_inputs,) = input_shape
        widths = [n_inputs, *config.hidden, config.n_latent]
        self.n_latent = config.n_latent
        self.encoder = mlp(widths, config.activation)
        self.decoder = mlp(widths[::-1], config.activation)

    def _loss(self, inputs: Tensor) -> Tensor:
        return squared_error(self._reconstruct(inputs), inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        latent: Tensor = self.encoder(inputs)
        return latent

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.encoder(inputs))
        return found
