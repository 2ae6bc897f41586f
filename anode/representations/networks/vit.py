"""Can hidden patches of an image be told from the others? A masked transformer.

An image is cut into N patches of p x p pixels. The encoder sees some of them, the decoder fills in
the hidden ones, and the loss is the mean squared error of the hidden patches (masked autoencoder,
He et al. 2111.06377, with the vision transformer of Dosovitskiy et al. 2010.11929).

In training, patches are hidden at random. A score must not be random: in evaluation a few fixed
masks hide every patch in turn, and a patch is reconstructed by the masks that hide it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.parts.noise import batch_stream
from anode.seeding import torch_stream

POSITION_SCALE = 0.02  # of the first embeddings, as in the paper
WIDENING = 2  # of a transformer's hidden layer over its tokens


@dataclass(frozen=True)
class VisionConfig(NetworkConfig):
    """Settings of the masked transformer.

    Attributes:
        patch: side p of a patch [pixels].
        width: numbers of a token, and L.
        depth: number of the encoder's layers; the decoder has one.
        heads: attention heads.
        mask_fraction: fraction of patches that are hidden.

    Raises:
        ConfigError: a size below 1, a width that the heads do not divide, or a fraction
            not in (0, 1).
    """

    patch: int
    width: int
    depth: int
    heads: int
    mask_fraction: float

    def __post_init__(self) -> None:
        self._check_sizes("patch", "width", "depth", "heads")
        self._check_between("mask_fraction", 0, 1)
        if self.width % self.heads:
            raise ConfigError(
                f"network.width must be a multiple of network.heads, got {self.width} and "
                f"{self.heads}"
            )


class VisionTransformer(Network):
    """The masked transformer of the module's docstring.

    The latent vector is the mean of the encoder's tokens where it sees all patches.

    Args:
        input_shape: (C, S, S).
        config: settings.

    Raises:
        ConfigError: S is no multiple of the patch, or there are fewer than two patches.

    >>> config = VisionConfig("vit", patch=8, width=16, depth=1, heads=2, mask_fraction=0.5)
    >>> VisionTransformer((1, 32, 32), config).encode(torch.zeros(5, 1, 32, 32)).shape
    torch.Size([5, 16])
    """

    masks: Tensor

    def __init__(self, input_shape: Sequence[int], config: VisionConfig) -> None:
        super().__init__()
        n_channels, size, _ = input_shape
        side, width = size // config.patch, config.width
        if size % config.patch or side < 2:
            raise ConfigError(
                f"network.patch must divide the image's side, {size} pixels, into at least 2, got "
                f"{config.patch}"
            )
        self.n_latent, self.patch, self.side = width, config.patch, side
        n_patches, n_numbers = side**2, n_channels * config.patch**2
        self.n_hidden = min(max(round(config.mask_fraction * n_patches), 1), n_patches - 1)
        self.embed = nn.Linear(n_numbers, width)
        self.positions = nn.Parameter(POSITION_SCALE * torch.randn(n_patches, width))
        self.encoder = _transformer(width, config.heads, config.depth)
        self.hidden = nn.Parameter(POSITION_SCALE * torch.randn(width))
        self.positions_out = nn.Parameter(POSITION_SCALE * torch.randn(n_patches, width))
        self.decoder = _transformer(width, config.heads, 1)
        self.last = nn.Linear(width, n_numbers)
        self.register_buffer("masks", _fixed_masks(n_patches, self.n_hidden), persistent=False)

    def _loss(self, inputs: Tensor) -> Tensor:
        patches = to_patches(inputs, self.patch)
        noise = torch.rand(patches.shape[:2], generator=batch_stream(inputs))
        order = noise.argsort(1).to(inputs.device)
        hidden = order[:, : self.n_hidden]
        error = (self._fill(patches, order) - patches).square().mean(2)
        return error.gather(1, hidden).mean(1)

    def _encode(self, inputs: Tensor) -> Tensor:
        tokens = self.embed(to_patches(inputs, self.patch)) + self.positions
        latent: Tensor = self.encoder(tokens).mean(1)
        return latent

    def _reconstruct(self, inputs: Tensor) -> Tensor:
        patches = to_patches(inputs, self.patch)
        total, times = torch.zeros_like(patches), patches.new_zeros(len(self.positions), 1)
        for order in self.masks:
            hidden = order[: self.n_hidden]
            found = self._fill(patches, order.expand(len(patches), -1))
            total[:, hidden] += found[:, hidden]
            times[hidden] += 1
        return to_image(total / times, self.patch)

    def _fill(self, patches: Tensor, order: Tensor) -> Tensor:
        """(B, N, C p p) all patches, the first ``n_hidden`` of ``order`` (B, N) being hidden."""
        seen = order[:, self.n_hidden :, None]
        tokens = self.embed(patches) + self.positions
        tokens = tokens.gather(1, seen.expand(-1, -1, self.n_latent))
        encoded = self.encoder(tokens)
        filled = self.hidden.expand(*patches.shape[:2], -1)
        filled = filled.scatter(1, seen.expand(-1, -1, self.n_latent), encoded)
        found: Tensor = self.last(self.decoder(filled + self.positions_out))
        return found


def to_patches(images: Tensor, patch: int) -> Tensor:
    """(B, C, S, S) -> (B, N, C p p), N = (S / p)^2 patches row by row.

    >>> to_patches(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 1]
    tensor([2., 3., 6., 7.])
    """
    side = images.shape[2] // patch
    split = images.unflatten(3, (side, patch)).unflatten(2, (side, patch))
    return split.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def to_image(patches: Tensor, patch: int) -> Tensor:
    """The inverse of ``to_patches``: (B, N, C p p) -> (B, C, S, S).

    >>> image = torch.rand(2, 3, 8, 8)
    >>> torch.equal(to_image(to_patches(image, 4), 4), image)
    True
    """
    side = round(patches.shape[1] ** 0.5)
    split = patches.unflatten(2, (-1, patch, patch)).unflatten(1, (side, side))
    return split.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def _fixed_masks(n_patches: int, n_hidden: int) -> Tensor:
    """(K, N) orders of the patches, the first ``n_hidden`` of each hidden, all hidden by some."""
    order = torch.randperm(n_patches, generator=torch_stream(0, "masks"))
    starts = range(0, n_patches, n_hidden)
    return torch.stack([order.roll(-start) for start in starts])


def _transformer(width: int, heads: int, depth: int) -> nn.TransformerEncoder:
    # No dropout: torch's global random state, which it draws from, is not resumed.
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        dim_feedforward=WIDENING * width,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    return nn.TransformerEncoder(
        layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False
    )
