"""One pass of events through the fused MAF, forwards and backwards.

Transform k maps x (D, B), given context c (C, B), to

    r  = relu(C c + a),   h1 = relu(A x + b + r),   h2 = relu(M h1 + d),
    (u, t) = L h2 + e,    s = softplus(u) + 1e-3,   z = s x + t,
    y = beta + alpha (z - mean),

the last line being batch norm (``batch_norm.py``). With N(.; 0, 1) the normal density of the last
y,

    log p = log N(y; 0, 1) + sum over transforms and features of (log s + log alpha).

Backwards, with l the gradient of log p (B,) and that of z coming from batch norm,

    dt = dz,   du = (dz x + l / s) sigmoid(u),   dx = s dz + A^T dh1.

M is block triangular, hidden units being sorted by degree, but its zero blocks are multiplied all
the same: with three blocks the call overhead of torch takes back what they save (128 units: 72
against 77 us in MKL, and 46 at once in oneDNN), with 64 units more than that.
"""

import math
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from anode.density.fused.memory import Pool, Workspace
from anode.density.fused.weights import Packing
from anode.density.matmul import product, product_relu

SCALE_FLOOR = 1e-3

_mask_by_sign = torch.ops.aten.threshold_backward.grad_input


class Stack(Protocol):
    """What a pass reads of a flow, and the running averages it moves."""

    packing: Packing
    pool: Pool
    mask: Tensor
    running_mean: Tensor
    running_var: Tensor
    training: bool


def forward(
    flow: Stack, space: Workspace, flat: Tensor, features: Tensor, context: Tensor
) -> Tensor:
    """log p (B,) of features (B, D) and context (B, C); ``space`` keeps what derivatives need."""
    space.see(flat)
    space.layers[0].x.copy_(features.t())
    space.context[:-1, : space.rows].copy_(context.t())
    norm = space.norm
    if norm is not None:
        averages = (flow.running_mean, flow.running_var)
        norm.begin(space.weights.norm, *averages, training=flow.training)
    for k, (a, w) in enumerate(zip(space.layers, space.layer_weights, strict=True)):
        torch.mm(w.context, space.context, out=a.h1).relu_()
        space.multiply_first(w.first, a.x_and_one_t, out=a.h1, add=a.h1).relu_()
        space.h2[k] = h2 = product_relu(w.middle, a.h1_and_one_t)
        space.multiply_last(w.last, h2.t(), out=a.ut_full, add=w.last_bias)
        torch.add(F.softplus(a.u), SCALE_FLOOR, out=a.s)
        torch.addcmul(a.t, a.s, a.x, out=a.y if norm is None else norm.input(k))
        if norm is not None:
            norm.forward(k, out=a.y)
    constant = -0.5 * flow.packing.n_features * math.log(2 * math.pi)
    log_p = space.s.log().sum((0, 1)).sub_(space.layers[-1].y.square().sum(0), alpha=0.5)
    log_p.add_(constant if norm is None else norm.end().log().sum() + constant)
    return log_p


def backward(
    flow: Stack,
    space: Workspace,
    d_log_p: Tensor,
    d_latent: Tensor | None,
    d_context: Tensor | None,
) -> Tensor:
    """dx (D, B), given the gradients of log p (B,) and, if it was used, of the last y (B, D).

    Fills ``space.d_flat``, and ``d_context`` (C, columns) if given.
    """
    torch.div(d_log_p, space.s, out=space.d_log_s)
    torch.sigmoid(space.u, out=space.slope)
    norm, g_full = space.norm, space.g_full
    g = g_full[:, : space.rows]
    g_full[:, space.rows :].zero_()
    torch.mul(space.layers[-1].y, -d_log_p, out=g)
    if d_latent is not None:
        g.add_(d_latent.t())
    if norm is not None:
        norm.begin_backward(d_log_p.sum())
    d_h2, d_r, mask = space.d_h2, space.d_r, flow.packing.unpack(flow.mask)
    d_h2_t = d_h2.t()
    space.middle_t.copy_(space.weights.middle[:, :, :-1].mT)
    for k in reversed(range(len(space.layers))):
        a, t, d, h2 = space.layers[k], space.transposed[k], space.gradients[k], space.h2[k]
        w = space.layer_weights[k]
        if norm is None:
            d.t.copy_(g)
        else:
            norm.backward(k, g, out=d.t)
        torch.addcmul(d.log_s, d.t, a.x, out=d.u).mul_(d.slope)
        space.multiply_last(d.ut_full, h2, out=d.weights.last)
        space.multiply_last(t.last, d.ut_full_t, out=d_h2)
        _mask_by_sign(d_h2, h2, 0, grad_input=d_h2)
        torch.mul(product(d_h2, a.h1_and_one), mask.middle[0], out=d.weights.middle)
        d_h1 = product(t.middle, d_h2_t)
        _mask_by_sign(d_h1, a.h1, 0, grad_input=d_h1)
        space.multiply_first(d_h1, a.x_and_one, out=d.weights.first)
        torch.mul(d.t, a.s, out=g)
        space.multiply_first(t.first, d_h1.t(), out=g_full, add=g_full)
        torch.mm(w.context, space.context, out=d_r)
        _mask_by_sign(d_h1, d_r, 0, grad_input=d_r)
        torch.mm(d_r, space.context_t, out=d.weights.context)
        if d_context is not None:
            torch.addmm(d_context, t.context, d_r, out=d_context)
    w = space.d_weights
    w.first.mul_(mask.first)
    w.last.mul_(mask.last)
    torch.sum(space.d_ut, dim=2, keepdim=True, out=w.last_bias)
    if norm is not None:
        norm.end_backward(space.weights.norm, w.norm)
    return g


class StackLogProb(torch.autograd.Function):
    """log p (B,) and the last y (B, D) as one node of autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, features: Tensor, context: Tensor, flow: Stack
    ) -> tuple[Tensor, Tensor]:
        """log p (B,) and the last y (B, D), by the function ``forward`` of this module."""
        space = flow.pool.lend(flow.packing, flat, len(features))
        space.leases += 1
        ctx.flow, ctx.space, ctx.lease = flow, space, space.leases
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(flat)
        log_p = forward(flow, space, flat, features, context)
        return log_p, space.layers[-1].y.t().clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_log_p: Tensor | None, d_latent: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients by flat, features and context.

        Raises:
            RuntimeError: another pass has taken the memory of this one.
        """
        flow, space = ctx.flow, ctx.space
        _ = ctx.saved_tensors  # refuses parameters that have changed since
        if d_log_p is None:
            d_log_p = space.s.new_zeros(space.rows)
        if space.leases != ctx.lease:
            raise RuntimeError("the memory of this graph serves a later one; call backward first")
        d_context = torch.zeros_like(space.context[:-1]) if ctx.needs_input_grad[2] else None
        d_features = backward(flow, space, d_log_p, d_latent, d_context)
        flow.pool.take_back(space)
        return (
            space.d_flat.clone(),
            d_features.t().clone() if ctx.needs_input_grad[1] else None,
            None if d_context is None else d_context[:, : space.rows].t(),
            None,
        )
