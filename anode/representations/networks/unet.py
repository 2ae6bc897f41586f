"""What does an image keep at every scale? A U-Net.

    image -> pairs of 3 x 3 convolutions, the side halved between pairs -> the same way back,

each level of the way back also seeing the level of the same size on the way down (Ronneberger et
al. 1505.04597). The latent vector is the mean over pixels of the deepest level. The connections
carry the image past the bottleneck: such a network reconstructs everything better, anomalies
included, and a smaller loss does not mean a better score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig, squared_error
from anode.representations.networks.convolutional import check_halvings


@dataclass(frozen=True)
class UNetConfig(NetworkConfig):
    """Settings of the U-Net.

    Attributes:
        channels: channels of each level, the first at full size; the last ones are the L latent
            numbers.

    Raises:
        ConfigError: a size below 1, or fewer than two levels.
    """

    channels: list[int]

    def __post_init__(self) -> None:
        self._check_sizes("channels")
        if len(self.channels) < 2:
            raise ConfigError(f"network.channels must name at least 2 levels, got {self.channels}")


class UNet(Network):
    """The U-Net of the module's docstring.

    Args:
        input_shape: (C, S, S).
        config: settings.

    Raises:
        ConfigError: S is no multiple of 2^(levels - 1).

    >>> network = UNet((2, 32, 32), UNetConfig("unet", channels=[8, 16, 32]))
    >>> network.encode(torch.zeros(5, 2, 32, 32)).shape
    torch.Size([5, 32])
    """

    def __init__(self, input_shape: Sequence[int], config: UNetConfig) -> None:
        super().__init__()
        n_channels, size, _ = input_shape
        widths = config.channels
        check_halvings(size, len(widths) - 1)
        self.n_latent = widths[-1]
        self.down = nn.ModuleList(_pair(a, b) for a, b in pairwise([n_channels, *widths]))
        steps = list(pairwise(widths[::-1]))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in steps)
        self.up = nn.ModuleList(_pair(2 * b, b) for _, b in steps)
        self.last = nn.Conv2d(widths[0], n_channels, 1)

    def _levels(self, inputs: Tensor) -> list[Tensor]:
        """(B, channels[l], S / 2^l, S / 2^l) of every level l on the way down."""
        levels: list[Tensor] = []
        for pair in self.down:
            levels.append(pair(F.max_pool2d(levels[-1], 2) if levels else inputs))
        return levels

    def _loss(self, inputs: Tensor) -> Tensor:
        return squared_error(self._reconstruct(inputs), inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        return self._levels(inputs)[-1].mean((2, 3))

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        *levels, deepest = self._levels(inputs)
        for enlarge, pair, level in zip(self.enlarge, self.up, levels[::-1], strict=True):
            deepest = pair(torch.cat([enlarge(deepest), level], dim=1))
        found: Tensor = self.last(deepest)
        return found


def _pair(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.SiLU(),
    )
