"""Convolutions at the few active pixels of an image: a rulebook and one product per offset.

A 3 x 3 convolution has nine offsets. The rulebook lists, for each offset, the pairs (input site,
output site) that it joins; the layer gathers the inputs of an offset, multiplies them by the
offset's matrix and adds the products to the outputs. Empty pixels cost nothing.

- Submanifold (stride 1): output sites are the input's, so that activity does not spread. It equals
  the dense convolution times the mask of active pixels. Graham and van der Maaten 1706.01307.
- Strided (stride 2): output sites are those with an active input below the kernel. It equals the
  dense convolution where the bias is not added to empty sites.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.errors import ConfigError


class SparseTensor(NamedTuple):
    """Features at the N active sites of a batch of square images.

    Attributes:
        coordinates: (N, 3) int64 image, row and column of each site, each site once.
        features: (N, F).
        batch_size: number B of images, empty ones included.
        size: side S of the images.
    """

    coordinates: Tensor
    features: Tensor
    batch_size: int
    size: int


class Rulebook(NamedTuple):
    """What a convolution joins.

    Attributes:
        sources: (P,) int64 input sites, sorted by offset.
        targets: (P,) int64 output sites of the same pairs.
        counts: number of pairs of each of the K^2 offsets, whose sum is P.
        coordinates: (M, 3) int64 output sites.
        size: side of the output images.
    """

    sources: Tensor
    targets: Tensor
    counts: list[int]
    coordinates: Tensor
    size: int


def to_sparse(images: Tensor) -> SparseTensor:
    """The pixels of images (B, C, S, S) that are not zero in every channel.

    >>> image = torch.zeros(1, 2, 4, 4)
    >>> image[0, 1, 2, 3] = 5.0
    >>> to_sparse(image)[:2]
    (tensor([[0, 2, 3]]), tensor([[0., 5.]]))
    """
    coordinates = (images != 0).any(1).nonzero()
    image, row, column = coordinates.unbind(1)
    features = images.permute(0, 2, 3, 1)[image, row, column]
    return SparseTensor(coordinates, features, len(images), images.shape[2])


def to_dense(x: SparseTensor) -> Tensor:
    """(B, F, S, S) images, zero at the sites that are not active.

    >>> image = torch.rand(2, 3, 8, 8)
    >>> torch.equal(to_dense(to_sparse(image)), image)
    True
    """
    image, row, column = x.coordinates.unbind(1)
    shape = (x.batch_size * x.size**2, x.features.shape[1])
    flat = (image * x.size + row) * x.size + column
    pixels = x.features.new_zeros(shape).index_copy(0, flat, x.features)
    return pixels.view(x.batch_size, x.size, x.size, -1).permute(0, 3, 1, 2)


def rulebook(x: SparseTensor, *, kernel: int, stride: int = 1) -> Rulebook:
    """The pairs of sites that a convolution of ``x`` joins, zeros being beyond the edges.

    Layers with the same kernel on the same sites share it: only the first one pays.

    Args:
        x: input; its features are not looked at.
        kernel: side of the kernel, odd.
        stride: 1 for a submanifold convolution, above for one with fewer output sites.

    Raises:
        ConfigError: an even kernel, or a stride below 1.

    >>> book = rulebook(to_sparse(torch.ones(1, 1, 2, 2)), kernel=3)
    >>> book.counts  # offsets row by row, the centre in the middle
    [1, 2, 1, 2, 4, 2, 1, 2, 1]
    """
    if kernel % 2 == 0 or stride < 1:
        raise ConfigError(
            f"a sparse convolution needs an odd kernel and a stride of at least 1, got {kernel} "
            f"and {stride}"
        )
    reach = kernel // 2
    padded = x.size + 2 * reach
    device, n_sites = x.coordinates.device, len(x.coordinates)
    # The number of the site at each pixel, -1 if it is not active, edges included: int32, for
    # whole-event images are large.
    table = torch.full((x.batch_size, padded, padded), -1, dtype=torch.int32, device=device)
    image, row, column = x.coordinates.unbind(1)
    table[image, row + reach, column + reach] = torch.arange(n_sites, dtype=torch.int32).to(device)
    coordinates, size = x.coordinates, x.size
    if stride > 1:
        active = (table[:, reach : reach + size, reach : reach + size] >= 0).float()
        pooled = F.max_pool2d(active[:, None], kernel, stride, padding=reach)
        coordinates, size = pooled[:, 0].nonzero(), pooled.shape[2]
    steps = torch.arange(kernel, device=device)
    offsets = (steps[:, None] * padded + steps).flatten()
    image, row, column = coordinates.unbind(1)
    corners = (image * padded + stride * row) * padded + stride * column
    found = table.view(-1)[offsets[:, None] + corners]
    offset, targets = (found >= 0).nonzero().unbind(1)
    counts = torch.bincount(offset, minlength=kernel**2).tolist()
    return Rulebook(found[offset, targets].long(), targets, counts, coordinates, size)


class SparseConvolution(nn.Module):
    """Convolution of a ``SparseTensor``; ``nn.Conv2d`` with zero padding is its dense equal.

    Args:
        n_in: features of an input site.
        n_out: features of an output site.
        kernel: side K of the kernel, odd.

    Attributes:
        weight: (K^2, n_in, n_out), of a dense layer ``weight.permute(2, 3, 1, 0).flatten(0, 1)``.
        bias: (n_out,).

    >>> x = to_sparse(torch.ones(1, 2, 8, 8))
    >>> layer = SparseConvolution(2, 4, kernel=3)
    >>> layer(x, rulebook(x, kernel=3, stride=2)).features.shape
    torch.Size([16, 4])
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int) -> None:
        super().__init__()
        bound = (kernel**2 * n_in) ** -0.5  # as of nn.Conv2d
        weight = torch.empty(kernel**2, n_in, n_out).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))

    def forward(self, x: SparseTensor, book: Rulebook) -> SparseTensor:
        """Sites (N,) with n_in features -> sites (M,) of the rulebook with n_out features."""
        result = self.bias.expand(len(book.coordinates), -1)
        sources, targets = book.sources.split(book.counts), book.targets.split(book.counts)
        # Of one offset every site is in at most one pair: the sum has a fixed order.
        for source, target, weight in zip(sources, targets, self.weight, strict=True):
            result = result.index_add(0, target, x.features.index_select(0, source) @ weight)
        return SparseTensor(book.coordinates, result, x.batch_size, book.size)
