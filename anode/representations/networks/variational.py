"""What few numbers, with the precision they need, give the features back? A variational one.

    q(z|x) = N(mu(x), s(x)^2),   z = mu + s e,  e ~ N(0, 1),
    loss = mean over the D features of (g(z) - x)^2  +  beta KL(q(z|x) || N(0, 1)),
    KL = sum over latent numbers of  (mu^2 + s^2 - 1) / 2 - log s.

Kingma and Welling 1312.6114, appendix B; beta of Higgins et al. (ICLR 2017). For beta = 2/D the
loss is 2/D times the bound on -log p(x) of a decoder with unit Gaussian noise, less log(2 pi).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.autoencoder import AutoencoderConfig
from anode.representations.networks.base import Network, squared_error
from anode.representations.networks.parts.dense import mlp
from anode.representations.networks.parts.noise import batch_stream

WIDTH_FLOOR = 1e-3  # of s, whose logarithm is in the loss


@dataclass(frozen=True)
class VariationalConfig(AutoencoderConfig):
    """Settings of the variational autoencoder.

    Attributes:
        beta: weight of the KL divergence against the mean squared error.

    Raises:
        ConfigError: a width below 1, an unknown activation, or a negative beta.
    """

    beta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta >= 0:
            raise ConfigError(f"network.beta must not be negative, got {self.beta}")


class Posterior(NamedTuple):
    """q(z|x): means and widths (B, L)."""

    mean: Tensor
    width: Tensor


class Variational(Network):
    """The variational autoencoder of the module's docstring.

    ``encode`` gives mu, and the terms are those of z = mu: "reconstruction", "kl", and "elbo",
    which is the first plus beta times the second.

    Args:
        input_shape: (D,).
        config: settings.

    >>> config = VariationalConfig("vae", hidden=[16], n_latent=2, activation="silu", beta=0.1)
    >>> list(Variational((4,), config).terms(torch.zeros(5, 4)))
    ['reconstruction', 'kl', 'elbo']
    """

    def __init__(self, input_shape: Sequence[int], config: VariationalConfig) -> None:
        super().__init__()
        (n_inputs,) = input_shape
        self.n_latent, self.beta = config.n_latent, config.beta
        self.encoder = mlp([n_inputs, *config.hidden, 2 * config.n_latent], config.activation)
        self.decoder = mlp([config.n_latent, *config.hidden[::-1], n_inputs], config.activation)

    def _posterior(self, inputs: Tensor) -> Posterior:
        mean, raw = self.encoder(inputs).chunk(2, dim=1)
        return Posterior(mean, F.softplus(raw) + WIDTH_FLOOR)

    def _loss(self, inputs: Tensor) -> Tensor:
        q = self._posterior(inputs)
        noise = torch.randn(q.mean.shape, generator=batch_stream(inputs)).to(inputs)
        found = self.decoder(q.mean + q.width * noise)
        return squared_error(found, inputs) + self.beta * divergence(q)

    def _encode(self, inputs: Tensor) -> Tensor:
        return self._posterior(inputs).mean

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.decoder(self._encode(inputs))
        return found

    def _terms(self, inputs: Tensor) -> dict[str, Tensor]:
        q = self._posterior(inputs)
        reconstruction, kl = squared_error(self.decoder(q.mean), inputs), divergence(q)
        return {
            "reconstruction": reconstruction,
            "kl": kl,
            "elbo": reconstruction + self.beta * kl,
        }


def divergence(q: Posterior) -> Tensor:
    """(B,) KL(q || N(0, 1)) [nats] of a Gaussian with independent components.

    >>> divergence(Posterior(torch.tensor([[0.0, 2.0]]), torch.ones(1, 2)))
    tensor([2.])
    """
    return ((q.mean.square() + q.width.square() - 1) / 2 - q.width.log()).sum(1)
