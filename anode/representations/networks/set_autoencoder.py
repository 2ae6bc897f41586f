"""What few numbers give the constituents of the jets back? An autoencoder of sets.

    J jets of K constituents -> deep set of each jet -> L numbers -> J jets of K constituents,
    loss = sum_k w_k mean over (pT fraction, d_eta, d_phi) of ((found - wanted) / unit)^2,
    w_k = pT fraction of constituent k over the sum of those of the event's jets,

the units 0.1, 0.2 and 0.2 being typical of a jet, so that directions and pT count alike.

Without the weights, the many soft constituents, whose directions are nearly random, would be all
that the network learns. Constituents are compared place by place: they come sorted by pT.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anode.errors import ConfigError
from anode.representations.networks.autoencoder import AutoencoderConfig
from anode.representations.networks.base import Network
from anode.representations.networks.parts.dense import mlp
from anode.representations.networks.parts.sets import N_KINEMATICS, UNITS, DeepSet


@dataclass(frozen=True)
class SetAutoencoderConfig(AutoencoderConfig):
    """Settings of the autoencoder of sets.

    Attributes:
        hidden: widths of the hidden layers per constituent and per jet; the decoder has them in
            reverse. At least one.

    Raises:
        ConfigError: a width below 1, no width, or an unknown activation.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hidden:
            raise ConfigError("network.hidden must name at least 1 width, got []")


class SetAutoencoder(Network):
    """The autoencoder of sets of the module's docstring.

    Its reconstruction has the mask of its input.

    Args:
        input_shape: (J, K, 4).
        config: settings.

    >>> config = SetAutoencoderConfig("set_ae", hidden=[32], n_latent=6, activation="silu")
    >>> network = SetAutoencoder((2, 20, 4), config)
    >>> network.reconstruct(torch.zeros(5, 2, 20, 4)).shape
    torch.Size([5, 2, 20, 4])
    """

    def __init__(self, input_shape: Sequence[int], config: SetAutoencoderConfig) -> None:
        super().__init__()
        self.shape = tuple(input_shape[:2])
        n_jets, n_constituents = self.shape
        width, outputs = config.hidden[-1], n_jets * n_constituents * N_KINEMATICS
        self.n_latent = config.n_latent
        self.jet = DeepSet(config.hidden, width, config.activation)
        self.to_latent = mlp([n_jets * width, width, config.n_latent], config.activation)
        self.decoder = mlp([config.n_latent, *config.hidden[::-1], outputs], config.activation)

    def _loss(self, inputs: Tensor) -> Tensor:
        return self._error(self._reconstruct(inputs), inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        latent: Tensor = self.to_latent(self.jet(inputs).flatten(1))
        return latent

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        found = self.decoder(self._encode(inputs)).view(-1, *self.shape, N_KINEMATICS)
        mask = inputs[..., N_KINEMATICS:]
        return torch.cat([found * self.jet.units * mask, mask], dim=-1)

    def _error(self, found: Tensor, inputs: Tensor) -> Tensor:
        return weighted_error(found, inputs)


def weighted_error(found: Tensor, inputs: Tensor) -> Tensor:
    """(B,) the loss of the module's docstring, of jets (B, J, K, 4); 0 without constituents.

    >>> jets = torch.tensor([[[[0.9, 0.0, 0.0, 1.0], [0.1, 0.0, 0.0, 1.0]]]])
    >>> found = jets.clone()
    >>> found[0, 0, 1, 1] = 0.6  # three units, at a tenth of the pT
    >>> weighted_error(found, jets)
    tensor([0.3000])
    """
    weight = inputs[..., 0] * inputs[..., N_KINEMATICS]
    units = torch.tensor(UNITS, device=inputs.device)
    error = ((found - inputs)[..., :N_KINEMATICS] / units).square().mean(-1)
    total = weight.sum((1, 2)).clamp(min=torch.finfo(weight.dtype).tiny)
    return (weight * error).sum((1, 2)) / total
