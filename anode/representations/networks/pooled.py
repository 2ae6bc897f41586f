"""Where in a jet is a constituent? Mean and maximum of what an image network sees at each.

Each jet is an image of the square root of pT; submanifold convolutions give every active pixel W
features. A constituent has 3 + W numbers: pT fraction, d_eta, d_phi, and the features of its
pixel. Their mean and maximum over all constituents of the event are the latent vector, of
L = 2 (3 + W) numbers: 134 for W = 64.

The network learns without labels to predict sqrt(pT) of pixels that are hidden from it, from the
pixels around them; the loss is the mean squared error of an event's hidden pixels. Untrained, it
is the control of every claim that training found something: random features pool well too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.parts.noise import batch_stream
from anode.representations.networks.parts.sets import N_KINEMATICS, mean_and_max
from anode.representations.networks.sparse_conv import (
    SparseConvolution,
    SparseTensor,
    rulebook,
)


@dataclass(frozen=True)
class PooledConfig(NetworkConfig):
    """Settings of the pooled network.

    Attributes:
        kernels: side of each layer's kernel, odd; 5 and above cross gaps between pixels.
        width: features W of a pixel; L = 2 (3 + W).
        pixels: side of a jet's image [pixels].
        radius: half of that side in d_eta and d_phi; constituents beyond are in the outer pixels.
        hide_fraction: fraction of pixels that are hidden.
        trained: False leaves the first, random weights.

    Raises:
        ConfigError: a size below 1, no layer, an even kernel, or a number out of range.
    """

    kernels: list[int]
    width: int
    pixels: int
    radius: float
    hide_fraction: float
    trained: bool

    def __post_init__(self) -> None:
        self._check_sizes("kernels", "width", "pixels")
        self._check_between("hide_fraction", 0, 1)
        if not self.kernels or any(kernel % 2 == 0 for kernel in self.kernels):
            raise ConfigError(
                f"network.kernels must be odd numbers, at least one, got {self.kernels}"
            )
        if not self.radius > 0:
            raise ConfigError(f"network.radius must be above 0, got {self.radius}")


class Pixels(NamedTuple):
    """The active pixels of N jets with K constituents each.

    Attributes:
        jets: square root of the pT fraction in each of the P active pixels, (P, 1).
        site: (N, K) number of each constituent's pixel; of padding, any.
    """

    jets: SparseTensor
    site: Tensor


class Pooled(Network):
    """The network of the module's docstring.

    Args:
        input_shape: (J, K, 4).
        config: settings.

    >>> config = PooledConfig("pooled", kernels=[5, 3], width=64, pixels=32, radius=0.8,
    ...     hide_fraction=0.3, trained=True)
    >>> Pooled((2, 20, 4), config).encode(torch.zeros(5, 2, 20, 4)).shape
    torch.Size([5, 134])
    """

    reconstructs = False

    def __init__(self, input_shape: Sequence[int], config: PooledConfig) -> None:
        super().__init__()
        del input_shape  # constituents are pooled, however many there are
        self.config = config
        self.n_latent = 2 * (N_KINEMATICS + config.width)
        # A pixel's inputs: its pT, and whether it is hidden.
        widths = [2] + [config.width] * len(config.kernels)
        self.layers = nn.ModuleList(
            SparseConvolution(a, b, kernel=kernel)
            for a, b, kernel in zip(widths[:-1], widths[1:], config.kernels, strict=True)
        )
        self.head = nn.Linear(config.width, 1)
        if not config.trained:
            self.requires_grad_(False)
            # An optimiser needs something to move; weight decay leaves a 0 as it is.
            self.nothing = nn.Parameter(torch.zeros(()))

    def _features(self, x: SparseTensor, hidden: Tensor) -> Tensor:
        """(P, W) features of the pixels, some of which (P,) are hidden."""
        flag = hidden[:, None].to(x.features)
        x = x._replace(features=torch.cat([x.features * (1 - flag), flag], dim=1))
        books = {k: rulebook(x, kernel=k) for k in set(self.config.kernels)}
        for layer, kernel in zip(self.layers, self.config.kernels, strict=True):
            x = layer(x, books[kernel])
            x = x._replace(features=F.silu(x.features))
        return x.features

    def _loss(self, inputs: Tensor) -> Tensor:
        if not self.config.trained:
            return 0 * self.nothing.expand(len(inputs))
        x = self._pixels(inputs.flatten(0, 1)).jets
        noise = torch.rand(len(x.coordinates), generator=batch_stream(inputs))
        hidden = (noise < self.config.hide_fraction).to(inputs.device)
        error = (self.head(self._features(x, hidden)) - x.features).square()[:, 0]
        event = torch.div(x.coordinates[:, 0], inputs.shape[1], rounding_mode="floor")
        both = torch.stack([error * hidden, hidden.to(error)], dim=1)
        total, number = inputs.new_zeros(len(inputs), 2).index_add(0, event, both).unbind(1)
        return total / number.clamp(min=1)

    def _encode(self, inputs: Tensor) -> Tensor:
        jets = inputs.flatten(0, 1)
        x, site = self._pixels(jets)
        features = self._features(x, torch.zeros_like(x.features[:, 0], dtype=torch.bool))
        # Padding reads an additional row of zeros, which is there without any pixel.
        padding = features.new_zeros(1, features.shape[1])
        at_constituents = torch.cat([padding, features])[site + 1]
        rows = torch.cat([jets[..., :N_KINEMATICS], at_constituents], dim=-1)
        n_events = len(inputs)
        return mean_and_max(
            rows.reshape(n_events, -1, rows.shape[-1]),
            jets[..., N_KINEMATICS].reshape(n_events, -1),
        )

    def _pixels(self, jets: Tensor) -> Pixels:
        """The images of jets (N, K, 4)."""
        pt, eta, phi, mask = jets.unbind(-1)
        n_jets, size, radius = len(jets), self.config.pixels, self.config.radius
        row, column = (
            ((x / radius + 1) / 2 * size).floor().long().clamp(0, size - 1) for x in (eta, phi)
        )
        jet = torch.arange(n_jets, device=jets.device)[:, None]
        pixel = (jet * size + row) * size + column
        both = torch.stack([pt * mask, mask], dim=-1).flatten(0, 1)
        image = jets.new_zeros(n_jets * size**2, 2).index_add(0, pixel.flatten(), both)
        active = image[:, 1] > 0
        number = torch.where(active, active.cumsum(0) - 1, -1)
        site = torch.where(mask > 0, number[pixel], -1)
        coordinates = active.view(n_jets, size, size).nonzero()
        features = image[active, :1].clamp(min=0).sqrt()
        return Pixels(SparseTensor(coordinates, features, n_jets, size), site)
