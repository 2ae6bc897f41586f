"""Memory of a pass through the fused MAF, shared by training steps.

Every view of it is made once: at the batch sizes of a fit, making views and buffers anew costs as
much as the small arithmetic on them.
"""

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anode.density.fused.batch_norm import BatchNorm
from anode.density.fused.weights import Packing, Weights
from anode.density.matmul import multiply_for

POOL_SIZE = 2  # the batches of a fit, like the chunks of a scoring, have two sizes at most
# Rows a multiple of 2 kB apart share cache lines: at 4 kB small products take four times as long.
COLUMNS_IN_PHASE, EXTRA_COLUMNS = 512, 16


class _Layer(NamedTuple):
    """Memory of one transform, named as in the module's formulas; y is the next one's x.

    Arrays of hidden units, and those with ``one``, a last row of ones, have unused columns.
    """

    x: Tensor
    x_and_one: Tensor
    x_and_one_t: Tensor
    h1: Tensor
    h1_and_one: Tensor
    h1_and_one_t: Tensor
    ut_full: Tensor
    u: Tensor
    t: Tensor
    s: Tensor
    y: Tensor


class _Gradients(NamedTuple):
    """Memory of one transform's derivatives."""

    weights: Weights
    ut_full: Tensor
    ut_full_t: Tensor
    u: Tensor
    t: Tensor
    log_s: Tensor
    slope: Tensor


class _Transposed(NamedTuple):
    """Views of one transform's weights without their bias columns."""

    first: Tensor
    context: Tensor
    middle: Tensor
    last: Tensor


class Workspace:
    """Memory of a pass over ``rows`` events, with every view of it made once.

    Unused columns at the end of a row hold zeros in x and in the gradients, so that they add
    nothing to a product over events.

    Args:
        packing: layout of the flow's weights.
        flat: parameters of the flow, (P,), for their type and device.
        rows: number of events.
        keep: True if derivatives are asked for; if not, all transforms share their hidden units.
    """

    def __init__(self, packing: Packing, flat: Tensor, rows: int, *, keep: bool) -> None:
        new = flat.detach().new_zeros
        depth, hidden = packing.config.n_transforms, packing.config.hidden_features
        d = packing.n_features
        width = rows + (EXTRA_COLUMNS if rows % COLUMNS_IN_PHASE == 0 else 0)
        self.rows, self.leases = rows, 0
        self.packing, self.source = packing, flat.new_empty(0)
        self.see(flat)
        self.multiply_first = multiply_for(hidden, d + 1, rows, like=flat)
        self.multiply_last = multiply_for(2 * d, hidden, rows, like=flat)
        batch_norm = packing.config.batch_norm
        self.norm = BatchNorm(flat, depth, d, rows, keep=keep) if batch_norm else None
        self.context = new(packing.n_context + 1, width)
        self.context[-1] = 1.0
        self.context_t = self.context.t()
        self.s = new(depth, d, rows)
        ut = new(depth, 2 * d, width)
        self.u = ut[:, :d, :rows]
        x, h1 = new(depth + 1, d + 1, width), new(depth if keep else 1, hidden + 1, width)
        x[:, -1], h1[:, -1] = 1.0, 1.0
        h1 = h1.expand(depth, -1, -1)
        self.h2: list[Tensor] = [new(0)] * depth  # the products bring their own memory
        inputs, outputs = x[:-1, :-1, :rows], x[1:, :-1, :rows]
        hidden_views = (h1[:, :-1], h1, h1.mT)
        output_views = (ut, self.u, ut[:, d:, :rows], self.s, outputs)
        views = (inputs, x[:-1], x[:-1].mT, *hidden_views, *output_views)
        self.layers = [
            _Layer(*fields) for fields in zip(*(v.unbind() for v in views), strict=True)
        ]
        if not keep:
            return
        self.d_flat = new(flat.shape)
        self.d_weights = packing.unpack(self.d_flat)
        self.d_ut = new(depth, 2 * d, width)
        self.d_log_s, self.slope = new(depth, d, rows), new(depth, d, rows)
        self.g_full = new(d, width)
        self.d_h2, self.d_r = new(hidden, width), new(hidden, width)
        d_views = (
            *(self.d_ut, self.d_ut.mT, self.d_ut[:, :d, :rows], self.d_ut[:, d:, :rows]),
            *(self.d_log_s, self.slope),
        )
        by_layer = zip(self.d_weights.layers(), *(v.unbind() for v in d_views), strict=True)
        self.gradients = [_Gradients(*fields) for fields in by_layer]

    def see(self, flat: Tensor) -> None:
        """Make views of the parameters (P,), unless those at hand are of the same memory."""
        if self.source.is_set_to(flat):
            return
        self.source = flat.detach()
        self.weights = w = self.packing.unpack(self.source)
        self.layer_weights = w.layers()
        self.middle_t = torch.empty_like(
            w.middle[:, :, :-1], memory_format=torch.contiguous_format
        )
        cut = (w.first[:, :, :-1].mT, w.context[:, :, :-1].mT, self.middle_t, w.last.mT)
        self.transposed = [
            _Transposed(*views) for views in zip(*(v.unbind() for v in cut), strict=True)
        ]

    def fits(self, packing: Packing, flat: Tensor, rows: int) -> bool:
        """True for ``rows`` events of a flow of this layout, its parameters like ``flat`` (P,)."""
        same_kind = self.source.dtype == flat.dtype and self.source.device == flat.device
        return same_kind and self.rows == rows and self.packing.kind == packing.kind


class Pool:
    """Memory of finished passes, lent to the next ones.

    Args:
        keep: True if derivatives are asked for.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._spaces: list[Workspace] = []

    def lend(self, packing: Packing, flat: Tensor, rows: int) -> Workspace:
        """Memory for a pass of parameters (P,): that of a finished one of its size, or new."""
        for index, space in enumerate(self._spaces):
            if space.fits(packing, flat, rows):
                return self._spaces.pop(index)
        with torch.inference_mode(False):  # or it could serve in inference mode alone
            return Workspace(packing, flat, rows, keep=self._keep)

    def take_back(self, space: Workspace) -> None:
        """Keep the memory of a finished pass for the next."""
        if all(space is not other for other in self._spaces):
            self._spaces = [*self._spaces, space][-POOL_SIZE:]

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy begins without memory: pickled views would no longer share any."""
        return functools.partial(Pool, keep=self._keep), ()


SCORING = Pool(keep=False)
"""Shared by all flows of this process, since an ensemble has many and scores one at a time."""
