"""What does one pass of events through the fused MAF compute, forwards and backwards?

Transform k maps x (D, B), given context c (C, B), to

    r  = relu(C c + a),   h1 = relu(A x + b + r),   h2 = relu(M h1 + d),
    (u, t) = L h2 + e,    s = softplus(u) + 1e-3,   z = s x + t,
    y = beta + alpha (z - mean),   alpha = (softplus(v) + 1e-5) / sqrt(var + 1e-5),

the last line being batch norm: moments of the batch (unbiased variance) in training, running
averages in evaluation. With N(.; 0, 1) the normal density of the last y,

    log p = log N(y; 0, 1) + sum over transforms and features of (log s + log alpha).

Backwards, with l the gradient of log p (B,), G its sum, and g that of y (D, B),

    dz = alpha (g - <g>) - (z - mean) (alpha sum[g (z - mean)] + G) / ((B - 1) (var + 1e-5)),
    dt = dz,   du = (dz x + l / s) sigmoid(u),   dx = s dz + A^T dh1,

where <> averages over events; in evaluation dz = alpha g.

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

from anode.density.fused_memory import Pool, Workspace
from anode.density.fused_weights import Packing
from anode.density.products import multiply, product, product_relu

SCALE_FLOOR = 1e-3
NORM_EPS = 1e-5
NORM_MOMENTUM = 0.1

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
    """log p (B,), leaving in ``space`` what the derivatives need."""
    batch_norm = flow.packing.config.batch_norm
    space.see(flat)
    space.layers[0].x.copy_(features.t())
    space.context[:-1, : space.rows].copy_(context.t())
    space.training = flow.training
    weight, beta = norm_weight(space.weights.norm[:, 0]), space.weights.norm[:, 1]
    if not flow.training:
        mean, space.var = flow.running_mean, flow.running_var
        space.alpha = weight * (space.var + NORM_EPS).rsqrt_()
        known = list(zip(mean.unbind(), space.alpha.unbind(), strict=True))
    weight_of, beta_of, moments = weight.unbind(), beta.unbind(), []
    for k, (a, w) in enumerate(zip(space.layers, space.layer_weights, strict=True)):
        multiply(w.context, space.context_t, out=a.r).relu_()
        multiply(w.first, a.x_and_one_t, out=a.h1, add=a.r).relu_()
        space.h2[k] = h2 = product_relu(w.middle, a.h1_and_one_t)
        multiply(w.last, h2.t(), out=a.ut_full, add=w.last_bias)
        torch.add(F.softplus(a.u), SCALE_FLOOR, out=a.s)
        if not batch_norm:
            torch.addcmul(a.t, a.s, a.x, out=a.y)
            continue
        torch.addcmul(a.t, a.s, a.x, out=a.centred)
        if flow.training:
            var, mean = torch.var_mean(a.centred, dim=1, keepdim=True)
            alpha = weight_of[k] * (var + NORM_EPS).rsqrt_()
            moments.append((mean, var, alpha))
        else:
            mean, alpha = known[k]
        a.centred.sub_(mean)
        torch.addcmul(beta_of[k], alpha, a.centred, out=a.y)
    if moments:
        mean, space.var, space.alpha = (torch.stack(m) for m in zip(*moments, strict=True))
        flow.running_mean.lerp_(mean, NORM_MOMENTUM)
        flow.running_var.lerp_(space.var, NORM_MOMENTUM)
    constant = -0.5 * flow.packing.n_features * math.log(2 * math.pi)
    log_p = space.s.log().sum((0, 1)).sub_(space.layers[-1].y.square().sum(0), alpha=0.5)
    return log_p.add_(space.alpha.log().sum() + constant)


def backward(
    flow: Stack,
    space: Workspace,
    d_log_p: Tensor,
    d_latent: Tensor | None,
    d_context: Tensor | None,
) -> Tensor:
    """dx (D, B), with the gradient of the last y (B, D) if it was used too; fills
    ``space.d_flat``, and ``d_context`` (C, columns) if given."""
    n_features, batch_norm = flow.packing.n_features, flow.packing.config.batch_norm
    torch.div(d_log_p, space.s, out=space.d_log_s)
    torch.sigmoid(space.u, out=space.slope)
    g_full, _ = space.g_and_product.split(n_features)
    g, product_of_g = space.g_and_product[:, : space.rows].split(n_features)
    g_full[:, space.rows :].zero_()
    torch.mul(space.layers[-1].y, -d_log_p, out=g)
    if d_latent is not None:
        g.add_(d_latent.t())
    total = d_log_p.sum()
    # dz = alpha (g - <g>) + (z - mean) (by_sum * sum of g (z - mean) + by_total)
    pull = -1 / ((space.var + NORM_EPS) * (space.rows - 1))
    alpha, by_sum, by_total = (f.unbind() for f in (space.alpha, pull * space.alpha, pull * total))
    d_h2, d_r, mask = space.d_h2, space.d_r, flow.packing.unpack(flow.mask)
    d_h2_t = d_h2.t()
    space.middle_t.copy_(space.weights.middle[:, :, :-1].mT)
    for k in reversed(range(len(space.layers))):
        a, t, d, h2 = space.layers[k], space.transposed[k], space.gradients[k], space.h2[k]
        w = space.layer_weights[k]
        if batch_norm:
            torch.mul(g, a.centred, out=product_of_g)
            torch.sum(space.g_and_product, dim=1, keepdim=True, out=d.sums)
            if space.training:
                g.sub_(d.sum_g, alpha=1 / space.rows)
            torch.mul(g, alpha[k], out=d.t)
            if space.training:
                d.t.addcmul_(a.centred, torch.addcmul(by_total[k], by_sum[k], d.sum_product))
        else:
            d.t.copy_(g)
        torch.addcmul(d.log_s, d.t, a.x, out=d.u).mul_(d.slope)
        multiply(d.ut_full, h2, out=d.weights.last)
        multiply(t.last, d.ut_full_t, out=d_h2)
        _mask_by_sign(d_h2, h2, 0, grad_input=d_h2)
        torch.mul(product(d_h2, a.h1_and_one), mask.middle[0], out=d.weights.middle)
        d_h1 = product(t.middle, d_h2_t)
        _mask_by_sign(d_h1, a.h1, 0, grad_input=d_h1)
        multiply(d_h1, a.x_and_one, out=d.weights.first)
        torch.mul(d.t, a.s, out=g)
        multiply(t.first, d_h1.t(), out=g_full, add=g_full)
        multiply(w.context, space.context_t, out=d_r)
        _mask_by_sign(d_h1, d_r, 0, grad_input=d_r)
        multiply(d_r, space.context, out=d.weights.context)
        if d_context is not None:
            multiply(t.context, d_r.t(), out=d_context, add=d_context)
    w = space.d_weights
    w.first.mul_(mask.first)
    w.last.mul_(mask.last)
    torch.sum(space.d_ut, dim=2, keepdim=True, out=w.last_bias)
    if batch_norm:
        v = space.weights.norm[:, 0]
        sum_g, sum_product = space.sums.split(n_features, dim=1)
        w.norm[:, 0] = (sum_product * space.alpha + total) / norm_weight(v) * v.sigmoid()
        w.norm[:, 1] = sum_g
    return g


class StackLogProb(torch.autograd.Function):
    """log p (B,) and the last y (B, D) as one node of autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, features: Tensor, context: Tensor, flow: Stack
    ) -> tuple[Tensor, Tensor]:
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


def norm_weight(v: Tensor) -> Tensor:
    """The weight of batch norm, softplus(v) + 1e-5."""
    return F.softplus(v) + NORM_EPS
