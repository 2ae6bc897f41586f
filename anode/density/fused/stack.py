"""log p under many fused MAFs of one layout, in common products: the epochs and folds of a score.

One flow at a few events is a hundred small operations, most of whose time is that of their call.
Sixty flows at once need as many calls as one, each of a batch of sixty products. The formulas are
those of ``passes.py``, in evaluation mode.

Bits are those of the flows themselves only where torch rounds a batch of products as it does a
single one, and a block of few events as one of many. It does in blocks of ``SMALL`` and ``LARGE``
events on the processors that were tried; who relies on it checks (``density.physical_stack``).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from anode.density.base import ConditionalDensity
from anode.density.fused.batch_norm import EPSILON, norm_weight
from anode.density.fused.flow import FusedMaskedAutoregressiveFlow
from anode.density.fused.passes import SCALE_FLOOR
from anode.density.fused.weights import Weights

SMALL, LARGE = 32, 128
"""Events of a block: for a few events, and the fastest for many."""


def can_stack(members: Sequence[ConditionalDensity]) -> bool:
    """True if these are fused MAFs with a normal base, at least one, all of one layout."""
    kinds = {m.packing.kind if type(m) is FusedMaskedAutoregressiveFlow else None for m in members}
    return len(kinds) == 1 and None not in kinds


class FlowStack:
    """F flows of D features and C context values, with H hidden units and K transforms.

    Args:
        flows: F flows for which ``can_stack`` holds; later changes of their weights do not reach
            the stack.

    Attributes:
        kind: layout of the flows, and F.

    Example:
        >>> from anode.density.maf import FlowConfig
        >>> config = FlowConfig("maf", "fused", 2, 8, 1, True, False, False)
        >>> flows = [FusedMaskedAutoregressiveFlow(3, 1, config).eval() for _ in range(4)]
        >>> x, m = torch.randn(32, 3), torch.randn(32, 1)
        >>> stack = FlowStack(flows)
        >>> log_p = stack.log_prob(x.t().expand(4, -1, -1), m.t().expand(4, -1, -1))
        >>> bool(torch.allclose(log_p[2], flows[2].log_prob(x, m), atol=1e-4))
        True
    """

    def __init__(self, flows: Sequence[FusedMaskedAutoregressiveFlow]) -> None:
        with torch.no_grad():
            each = [flow.packing.unpack(flow.flat.detach()) for flow in flows]
            packed = Weights(*(torch.stack(parts, dim=1) for parts in zip(*each, strict=True)))
            norm = packed.norm
            constants = [_log_scale_of_norm(*pair) for pair in zip(flows, each, strict=True)]
            self._constant = torch.stack(constants)[:, None]
            self._has_norm = flows[0].config.batch_norm
            if self._has_norm:
                mean = torch.stack([flow.running_mean for flow in flows], dim=1)
                var = torch.stack([flow.running_var for flow in flows], dim=1)
                self._alpha = norm_weight(norm[:, :, 0]) * (var + EPSILON).rsqrt_()
                self._shift = norm[:, :, 1] - self._alpha * mean
        self._weights = packed
        self._n_transforms = flows[0].config.n_transforms
        self.kind = (flows[0].packing.kind, len(flows))

    def log_prob(self, features: Tensor, context: Tensor, flows: slice = slice(None)) -> Tensor:
        """log p of every flow at events of its own.

        Args:
            features: (F, D, B) x, as the flows see it.
            context: (F, C, B) m.
            flows: which flows these are; all unless given.

        Returns:
            (F, B) log densities.
        """
        one = torch.ones_like(context[:, :1])
        x, c = torch.cat([features, one], dim=1), torch.cat([context, one], dim=1)
        hidden = x.new_ones(len(x), self._weights.middle.shape[-1], x.shape[2])
        d = features.shape[1]
        scales = x.new_empty(len(x), self._n_transforms, d, x.shape[2])
        for k in range(self._n_transforms):
            w = Weights(*(part[k, flows] for part in self._weights))
            of_context = torch.bmm(w.context, c).relu_()
            torch.baddbmm(of_context, w.first, x, out=hidden[:, :-1]).relu_()
            h2 = torch.bmm(w.middle, hidden).relu_()
            ut = torch.baddbmm(w.last_bias, w.last, h2)
            s = torch.add(F.softplus(ut[:, :d]), SCALE_FLOOR)
            scales[:, k] = s
            z = torch.addcmul(ut[:, d:], s, x[:, :-1])
            if self._has_norm:
                z = torch.addcmul(self._shift[k, flows], self._alpha[k, flows], z)
            x[:, :-1] = z
        log_p = scales.log().sum((1, 2)).sub_(x[:, :-1].square().sum(1), alpha=0.5)
        return log_p.add_(self._constant[flows])


def _log_scale_of_norm(flow: FusedMaskedAutoregressiveFlow, weights: Weights) -> Tensor:
    """log |det| of a flow's batch norms, and the constant of its base, summed as in ``passes``."""
    constant = -0.5 * flow.n_features * math.log(2 * math.pi)
    if not flow.config.batch_norm:
        return torch.tensor(constant, dtype=flow.flat.dtype)
    alpha = norm_weight(weights.norm[:, 0]) * (flow.running_var + EPSILON).rsqrt()
    return alpha.log().sum() + constant
