"""Where in a jet is a constituent? Mean and maximum of what an image network sees at each.

Each jet is an image; its active pixels hold the root of pT, its log, and where they are, of which
submanifold convolutions make W features of each. A constituent has 3 + W numbers: pT fraction,
d_eta, d_phi, and the features of its pixel. Their pT-weighted mean and their maximum over all
constituents of the event are the latent vector, of L = 2 (3 + W) numbers: 134 for W = 64.

The network learns without labels to tell two views of a jet from other jets (``parts.views``), by
the same mean and maximum over the jet. Untrained, it is the control of every claim that training
found something: random features pool well too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.parts.dense import mlp
from anode.representations.networks.parts.sets import N_KINEMATICS, UNITS, pt_mean_and_max
from anode.representations.networks.parts.views import ViewsConfig, ViewsNetwork
from anode.representations.networks.sparse_conv import (
    SparseConvolution,
    SparseTensor,
    rulebook,
)

N_INPUTS = 4  # of a pixel
ROOT_UNIT, LOG_CENTRE, SOFTEST = 0.3, -2.0, 1e-2  # of the root of a pixel's share of pT


@dataclass(frozen=True)
class PooledConfig(ViewsConfig):
    """Settings of the pooled network.

    Attributes:
        kernels: side of each layer's kernel, odd; 5 and above cross gaps between pixels, 1 sees
            one pixel.
        width: features W of a pixel; L = 2 (3 + W).
        pixels: side of a jet's image [pixels].
        radius: half of that side in d_eta and d_phi; constituents beyond are in the outer pixels.

    Raises:
        ConfigError: a size below 1, no layer, an even kernel, or a number out of range.
    """

    kernels: list[int]
    width: int
    pixels: int
    radius: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sizes("kernels", "width", "pixels")
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


class Pooled(ViewsNetwork):
    """The network of the module's docstring.

    Args:
        input_shape: (J, K, 4).
        config: settings.

    >>> config = PooledConfig("pooled", head=[32], temperature=0.1, shift=0.0, smear=1e-3,
    ...     split=0.1, trained=True, kernels=[5, 1], width=64, pixels=32, radius=0.8)
    >>> Pooled((2, 20, 4), config).encode(torch.zeros(5, 2, 20, 4)).shape
    torch.Size([5, 134])
    """

    config: PooledConfig
    units: Tensor

    def __init__(self, input_shape: Sequence[int], config: PooledConfig) -> None:
        super().__init__(config)
        del input_shape  # constituents are pooled, however many there are
        self.n_latent = 2 * (N_KINEMATICS + config.width)
        units = torch.cat([torch.tensor(UNITS), torch.ones(config.width)]).repeat(2)
        self.register_buffer("units", units, persistent=False)
        widths = [N_INPUTS] + [config.width] * len(config.kernels)
        self.layers = nn.ModuleList(
            SparseConvolution(a, b, kernel=kernel)
            for a, b, kernel in zip(widths[:-1], widths[1:], config.kernels, strict=True)
        )
        self.head = mlp([self.n_latent, *config.head], "relu")
        if not config.trained:
            self._leave_untrained()

    def _features(self, x: SparseTensor) -> Tensor:
        """(P, W) features of the pixels."""
        middle = (x.coordinates[:, 1:].to(x.features) + 0.5) / x.size
        place = self.config.radius * (2 * middle - 1) / UNITS[1]
        root = x.features
        log = root.clamp(min=SOFTEST).log() - LOG_CENTRE
        x = x._replace(features=torch.cat([root / ROOT_UNIT, log, place], dim=1))
        books = {k: rulebook(x, kernel=k) for k in set(self.config.kernels)}
        for number, (layer, kernel) in enumerate(
            zip(self.layers, self.config.kernels, strict=True)
        ):
            if number:  # none behind the last layer: a unit that is never on has no density
                x = x._replace(features=F.relu(x.features))
            x = layer(x, books[kernel])
        return x.features

    def _output(self, jets: Tensor) -> Tensor:
        output: Tensor = self.head(self._pooled(jets, 1) / self.units)
        return output

    def _encode(self, inputs: Tensor) -> Tensor:
        return self._pooled(inputs.flatten(0, 1), inputs.shape[1])

    def _pooled(self, jets: Tensor, each: int) -> Tensor:
        """(N / each, L) mean and maximum over the constituents of so many jets of (N, K, 4)."""
        x, site = self._pixels(jets)
        features = self._features(x)
        # Padding reads an additional row of zeros, which is there without any pixel.
        padding = features.new_zeros(1, features.shape[1])
        at_constituents = torch.cat([padding, features])[site + 1]
        rows = torch.cat([jets[..., :N_KINEMATICS], at_constituents], dim=-1)
        values, share, mask = (
            part.reshape(len(jets) // each, -1, *part.shape[2:])
            for part in (rows, jets[..., 0], jets[..., N_KINEMATICS])
        )
        return pt_mean_and_max(values, share, mask)

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
