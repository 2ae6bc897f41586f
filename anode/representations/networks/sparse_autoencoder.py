"""What few numbers give the image of a whole event back? A sparse convolutional autoencoder.

An event of 200 x 200 pixels has a few hundred active ones. The encoder computes those alone: at
each level a submanifold convolution, which leaves the sites as they are, and one of stride 2,
which joins sites across gaps that no 3 x 3 submanifold layer could cross. The deepest level is
small enough to be dense, and becomes L numbers; the decoder is dense.

As of every image network, compare its loss with the mean square of the images: a black image is
nearly right for a whole event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from anode.representations.networks.base import Network, squared_error
from anode.representations.networks.convolutional import ConvolutionalConfig
from anode.representations.networks.sparse_conv import (
    SparseConvolution,
    SparseTensor,
    rulebook,
    to_dense,
    to_sparse,
)

KERNEL = 3


@dataclass(frozen=True)
class SparseAutoencoderConfig(ConvolutionalConfig):
    """Settings of the sparse autoencoder: those of the convolutional one, with any side."""


class SparseAutoencoder(Network):
    """The sparse autoencoder of the module's docstring.

    Args:
        input_shape: (C, S, S).
        config: settings.

    >>> import torch
    >>> config = SparseAutoencoderConfig("sparse_ae", channels=[8, 16], n_latent=128)
    >>> network = SparseAutoencoder((3, 50, 50), config)
    >>> network.encode(torch.zeros(5, 3, 50, 50)).shape
    torch.Size([5, 128])
    """

    def __init__(self, input_shape: Sequence[int], config: SparseAutoencoderConfig) -> None:
        super().__init__()
        n_channels, size, _ = input_shape
        self.n_latent = config.n_latent
        widths = [n_channels, *config.channels]
        self.sizes = [size]
        for _ in config.channels:
            self.sizes.append((self.sizes[-1] + 1) // 2)
        steps = list(pairwise(widths))
        self.keep = nn.ModuleList(SparseConvolution(a, b, kernel=KERNEL) for a, b in steps)
        self.halve = nn.ModuleList(SparseConvolution(b, b, kernel=KERNEL) for _, b in steps)
        small = self.sizes[-1]
        flat = widths[-1] * small**2
        self.to_latent = nn.Linear(flat, config.n_latent)
        self.from_latent = nn.Sequential(
            nn.Linear(config.n_latent, flat), nn.Unflatten(1, (widths[-1], small, small))
        )
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 4, stride=2, padding=1) for a, b in steps[::-1]
        )

    def _loss(self, inputs: Tensor) -> Tensor:
        return squared_error(self._reconstruct(inputs), inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        x = to_sparse(inputs)
        for keep, halve in zip(self.keep, self.halve, strict=True):
            x = _activated(keep(x, rulebook(x, kernel=KERNEL)))
            x = _activated(halve(x, rulebook(x, kernel=KERNEL, stride=2)))
        latent: Tensor = self.to_latent(to_dense(x).flatten(1))
        return latent

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        image: Tensor = self.from_latent(self._encode(inputs))
        for enlarge, size in zip(self.enlarge, self.sizes[-2::-1], strict=True):
            # An odd side was rounded up when it was halved.
            image = enlarge(F.silu(image))[:, :, :size, :size]
        return image


def _activated(x: SparseTensor) -> SparseTensor:
    return x._replace(features=F.silu(x.features))
