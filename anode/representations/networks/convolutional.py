"""What few numbers give the image of an event back? A convolutional autoencoder.

    image (C, S, S) -> levels of 3 x 3 convolutions, each halving S -> L numbers -> image,

trained by the mean squared error of all pixels. Most pixels of a jet or event are empty, so a
network that draws a black image is already nearly right: compare its loss with the mean square of
the images before trusting a score. Farina, Nakai, Shih 1808.08992; Heimel et al. 1808.08979.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig, squared_error


@dataclass(frozen=True)
class ConvolutionalConfig(NetworkConfig):
    """Settings of the convolutional autoencoder.

    Attributes:
        channels: channels of each level; every level halves the image's side.
        n_latent: number L of latent numbers.

    Raises:
        ConfigError: a size below 1, or no level.
    """

    channels: list[int]
    n_latent: int

    def __post_init__(self) -> None:
        self._check_sizes("channels", "n_latent")
        if not self.channels:
            raise ConfigError("network.channels must name at least 1 level, got []")


def check_halvings(size: int, halvings: int) -> None:
    """Refuse images whose side cannot be halved so many times.

    Raises:
        ConfigError: the side is no multiple of 2^halvings.

    >>> check_halvings(48, 5)
    Traceback (most recent call last):
    anode.errors.ConfigError: network.channels halves the image 5 times, so its side must be a \
multiple of 32 pixels, got 48; take fewer channels or another number of pixels
    """
    if size % 2**halvings:
        raise ConfigError(
            f"network.channels halves the image {halvings} times, so its side must be a multiple "
            f"of {2**halvings} pixels, got {size}; take fewer channels or another number of pixels"
        )


class ConvolutionalAutoencoder(Network):
    """The convolutional autoencoder of the module's docstring.

    Args:
        input_shape: (C, S, S).
        config: settings.

    Raises:
        ConfigError: S is no multiple of 2^levels.

    >>> import torch
    >>> config = ConvolutionalConfig("cae", channels=[8, 16], n_latent=4)
    >>> network = ConvolutionalAutoencoder((1, 48, 48), config)
    >>> network.reconstruct(torch.zeros(5, 1, 48, 48)).shape
    torch.Size([5, 1, 48, 48])
    """

    def __init__(self, input_shape: Sequence[int], config: ConvolutionalConfig) -> None:
        super().__init__()
        n_channels, size, _ = input_shape
        check_halvings(size, len(config.channels))
        self.n_latent = config.n_latent
        widths = [n_channels, *config.channels]
        small = size // 2 ** len(config.channels)
        flat = widths[-1] * small**2
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for outer, inner in pairwise(widths):
            down += [nn.Conv2d(outer, inner, 3, stride=2, padding=1), nn.SiLU()]
            up = [nn.SiLU(), nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1), *up]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, config.n_latent))
        self.decoder = nn.Sequential(
            nn.Linear(config.n_latent, flat), nn.Unflatten(1, (widths[-1], small, small)), *up
        )

    def _loss(self, inputs: Tensor) -> Tensor:
        return squared_error(self._reconstruct(inputs), inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        latent: Tensor = self.encoder(inputs)
        return latent

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.encoder(inputs))
        return found
