"""How is the affine MAF trained at a fraction of the cost, weight for weight the same model?

Much of nflows' training step goes to masking weights, permuting events and hundreds of small
autograd nodes. Here the whole flow is one autograd function with hand-written derivatives, of one
flat parameter, on [feature, event] arrays. Transform k maps x (D, B), given context c (C, B), to

    r  = relu(C c + a),   h1 = relu(A x + b + r),   h2 = relu(M h1 + d),
    (u, t) = L h2 + e,    s = softplus(u) + 1e-3,   z = s x + t,
    y = beta + alpha (z - mean),   alpha = (softplus(v) + 1e-5) / sqrt(var + 1e-5),

the last line being batch norm: moments of the batch (unbiased variance) in training, running
averages in evaluation. With N(.; 0, 1) the normal density of the last y,

    log p = log N(y; 0, 1) + sum over transforms and features of (log s + log alpha).

Backwards, with l the gradient of log p (B,), G its sum, and g that of y (D, B),

    dz = alpha (g - <g>) - (z - mean) (alpha sum[g (z - mean)] + G) / ((B - 1) (var + 1e-5)),
    dt = dz,   du = (dz x + l / s) sigmoid(u),   dx = s dz + A^T dh1,

where <> averages over events; in evaluation dz = alpha g. Reversals between transforms are folded
into the order of the weights. Hidden units are sorted by their MADE degree, which makes M block
triangular: products skip its zero blocks, and the inverse computes each unit just once, as soon as
the features it sees are known.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from nflows.transforms.made import MADE, MaskedLinear
from nflows.transforms.normalization import BatchNorm
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from anode.density.base import ConditionalDensity
from anode.density.maf import FlowConfig, MaskedAutoregressiveFlow
from anode.errors import ConfigError

SCALE_FLOOR = 1e-3
NORM_EPS = 1e-5
NORM_MOMENTUM = 0.1
CHUNK = 1024  # events evaluated at once: few enough for the cache
BLOCK = 20  # least hidden units for which a matrix product of their own pays
POOL_SIZE = 2  # the batches of a fit have at most two sizes

_mask_by_sign = torch.ops.aten.threshold_backward.grad_input


class _Weights(NamedTuple):
    """The parameters of all transforms, views of one flat tensor; bias columns ride along.

    Attributes:
        first: A and b (K, H, D + 1).
        context: C and a (K, H, C + 1).
        middle: M (K, H, H).
        middle_bias: d (K, H, 1).
        last: L (K, 2D, H).
        last_bias: e (K, 2D, 1).
        norm: v and beta (K, 2, D, 1); empty without batch norm.
    """

    first: Tensor
    context: Tensor
    middle: Tensor
    middle_bias: Tensor
    last: Tensor
    last_bias: Tensor
    norm: Tensor

    def layers(self) -> list["_Weights"]:
        """The same, transform by transform."""
        return [_Weights(*views) for views in zip(*(w.unbind() for w in self), strict=True)]


class FusedMaskedAutoregressiveFlow(ConditionalDensity):
    """``MaskedAutoregressiveFlow``, one block per MADE, two to three times faster to train.

    Args:
        n_features: D.
        n_context: C.
        config: settings; equal seeds give the weights of the nflows backend.

    Raises:
        ConfigError: a setting that only the nflows backend has.
    """

    flat: nn.Parameter
    mask: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_features: int, n_context: int, config: FlowConfig) -> None:
        super().__init__(n_features, n_context)
        for key, needed in (("n_blocks", 1), ("spectral_norm", False), ("context_affine", False)):
            if getattr(config, key) != needed:
                raise ConfigError(
                    f"density.backend=fused needs density.{key}={str(needed).lower()}, got "
                    f"{str(getattr(config, key)).lower()}; set density.backend=nflows"
                )
        self.config = config
        depth, hidden = config.n_transforms, config.hidden_features
        self._shapes = (
            (depth, hidden, n_features + 1),
            (depth, hidden, n_context + 1),
            (depth, hidden, hidden),
            (depth, hidden, 1),
            (depth, 2 * n_features, hidden),
            (depth, 2 * n_features, 1),
            (depth, 2, n_features if config.batch_norm else 0, 1),
        )
        size = sum(math.prod(shape) for shape in self._shapes)
        self.flat = nn.Parameter(torch.empty(size))
        self.register_buffer("mask", torch.empty(size), persistent=False)
        if config.batch_norm:
            self.register_buffer("running_mean", torch.empty(depth, n_features, 1))
            self.register_buffer("running_var", torch.empty(depth, n_features, 1))
        self._pool: list[_Workspace] = []
        reference = self._reference()
        degrees = _nets(reference)[0].initial_layer.degrees
        self._order = torch.argsort(degrees, stable=True)
        # Entry d: how many hidden units need no more than the first d features.
        self._known = [int((degrees <= d).sum()) for d in range(n_features)]
        self.blocks = _blocks(self._known)
        self._take(reference, self.flat.data)
        _turn_into_masks(reference)
        self._take(reference, self.mask)

    def from_nflows_state(self, state: dict[str, Tensor]) -> None:
        """Take the weights and running averages of a ``MaskedAutoregressiveFlow``."""
        reference = self._blank_reference()
        reference.load_state_dict(state)
        self._take(reference, self.flat.data)

    def to_nflows_state(self) -> dict[str, Tensor]:
        """The state dict of the ``MaskedAutoregressiveFlow`` that is this very model."""
        reference = self._blank_reference()
        for own, theirs, index in self._pairs(reference, self.flat.data):
            theirs[index] = own.to(theirs.device)
        state: dict[str, Tensor] = reference.state_dict()
        return state

    def unpack(self, flat: Tensor) -> _Weights:
        """Views of a flat tensor: of parameters, of their mask or of their gradients."""
        parts = flat.split([math.prod(shape) for shape in self._shapes])
        return _Weights(*(p.view(s) for p, s in zip(parts, self._shapes, strict=True)))

    def lend(self, rows: int) -> "_Workspace":
        """Memory for a training step, that of a finished step if there is one of its size."""
        for index, space in enumerate(self._pool):
            if space.fits(self.flat, rows):
                return self._pool.pop(index)
        return _Workspace(self, rows, keep=True)

    def take_back(self, space: "_Workspace") -> None:
        """Keep the memory of a finished step for the next."""
        if all(space is not other for other in self._pool):
            self._pool = [*self._pool, space][-POOL_SIZE:]

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        if torch.is_grad_enabled() or (self.training and self.config.batch_norm):
            result: Tensor = StackLogProb.apply(self.flat, features, context, self)
            return result
        log_p = self.flat.new_empty(len(features))
        space: _Workspace | None = None
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            if space is None or not space.fits(self.flat, len(features[rows])):
                space = _Workspace(self, len(features[rows]), keep=False)
            log_p[rows] = _forward(self, space, self.flat, features[rows], context[rows])
        return log_p

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        latent = torch.randn(len(context), self.n_features, generator=generator).to(context)
        if self.config.n_transforms % 2:
            latent = latent.flip(1)  # nflows reverses after each transform, here nothing moves
        layers = self.unpack(self.flat * self.mask).layers()
        features = torch.empty_like(latent)
        for start in range(0, len(context), CHUNK):
            rows = slice(start, start + CHUNK)
            features[rows] = self._invert(layers, latent[rows].t(), context[rows].t()).t()
        return features

    def _invert(self, layers: list[_Weights], y: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) which the flow maps to y (D, B), given the context (C, B)."""
        context = torch.cat([context, torch.ones_like(y[:1])])
        for k, w in reversed(list(enumerate(layers))):
            if self.config.batch_norm:
                deviation = (self.running_var[k] + NORM_EPS).sqrt()
                y = (y - w.norm[1]) / _norm_weight(w.norm[0]) * deviation + self.running_mean[k]
            y = self._invert_transform(w, self._features(k), y, context)
        return y

    def _invert_transform(self, w: _Weights, order: Tensor, z: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) of z = s x + t, each hidden unit computed when what it sees is known."""
        x = torch.cat([torch.zeros_like(z), torch.ones_like(z[:1])])
        h1 = (w.context @ context).relu_()
        h2 = torch.empty_like(h1)
        done = 0
        for i, known in zip(order.tolist(), self._known, strict=True):
            new = slice(done, known)
            h1[new] = (w.first[new] @ x + h1[new]).relu_()
            h2[new] = (w.middle[new, :known] @ h1[:known] + w.middle_bias[new]).relu_()
            both = slice(i, None, self.n_features)
            u, t = w.last[both, :known] @ h2[:known] + w.last_bias[both]
            x[i] = (z[i] - t) / (F.softplus(u) + SCALE_FLOOR)
            done = known
        return x[:-1]

    def _features(self, k: int) -> Tensor:
        """The order in which transform k visits the features: every other one is reversed."""
        order = torch.arange(self.n_features)
        return order.flip(0) if k % 2 else order

    def _reference(self) -> MaskedAutoregressiveFlow:
        config = dataclasses.replace(self.config, backend="nflows")
        return MaskedAutoregressiveFlow(self.n_features, self.n_context, config)

    def _blank_reference(self) -> MaskedAutoregressiveFlow:
        with torch.random.fork_rng(devices=[]):
            return self._reference().to(self.flat.dtype)

    def _take(self, reference: MaskedAutoregressiveFlow, flat: Tensor) -> None:
        for own, theirs, index in self._pairs(reference, flat):
            own.copy_(theirs[index])

    def _pairs(
        self, reference: MaskedAutoregressiveFlow, flat: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Any]]:
        """(ours, nflows', index), such that ours = nflows'[index], tensor by tensor."""
        units, rows = self._order, self._order[:, None]
        layers = self.unpack(flat).layers()
        for k, (w, net) in enumerate(zip(layers, _nets(reference), strict=True)):
            seen, middle = self._features(k), net.blocks[0].linear
            # nflows interleaves (u_1, t_1, u_2, t_2, ...); here come all u, then all t.
            outputs = torch.cat([2 * seen, 2 * seen + 1])
            yield w.first[:, :-1], net.initial_layer.weight.data, (rows, seen)
            yield w.first[:, -1], net.initial_layer.bias.data, units
            yield w.context[:, :-1], net.context_layer.weight.data, units
            yield w.context[:, -1], net.context_layer.bias.data, units
            yield w.middle, middle.weight.data, (rows, units)
            yield w.middle_bias[:, 0], middle.bias.data, units
            yield w.last, net.final_layer.weight.data, (outputs[:, None], units)
            yield w.last_bias[:, 0], net.final_layer.bias.data, outputs
        for k, norm in enumerate(m for m in reference.modules() if isinstance(m, BatchNorm)):
            seen = self._features(k)
            yield layers[k].norm[0, :, 0], norm.unconstrained_weight.data, seen
            yield layers[k].norm[1, :, 0], norm.bias.data, seen
            yield self.running_mean[k, :, 0], norm.running_mean, seen
            yield self.running_var[k, :, 0], norm.running_var, seen


class _Layer(NamedTuple):
    """Memory of one transform, named as in the module's formulas; y is the next one's x.

    ``products`` are the blocks of M h1 + d: (d, M, h1, where the result goes).
    """

    x: Tensor
    x_and_one: Tensor
    r: Tensor
    h1: Tensor
    h2: Tensor
    ut: Tensor
    u: Tensor
    t: Tensor
    s: Tensor
    centred: Tensor
    y: Tensor
    products: list[tuple[Tensor, ...]]


class _Gradients(NamedTuple):
    """Memory of one transform's derivatives, and the transposed views these multiply by.

    ``products`` are the blocks of M^T dh2: (M^T, dh2, where the result goes).
    """

    weights: _Weights
    ut: Tensor
    u: Tensor
    t: Tensor
    sums: Tensor
    sum_g: Tensor
    sum_product: Tensor
    first_t: Tensor
    last_t: Tensor
    x_and_one_t: Tensor
    h1_t: Tensor
    h2_t: Tensor
    products: list[tuple[Tensor, ...]]


class _Workspace:
    """Memory of a pass over ``rows`` events, with every view of it made once.

    Args:
        flow: what passes.
        rows: how many events.
        keep: whether derivatives are asked for; if not, all transforms share their hidden units.
    """

    def __init__(self, flow: FusedMaskedAutoregressiveFlow, rows: int, *, keep: bool) -> None:
        new = flow.flat.detach().new_empty
        depth, width = flow.config.n_transforms, flow.config.hidden_features
        n_features, blocks = flow.n_features, flow.blocks
        self.rows, self.leases, self.training = rows, 0, False
        self.flat = new(flow.flat.shape)
        self.weights = w = flow.unpack(self.flat)
        self.layer_weights = w.layers()
        self.context = new(flow.n_context + 1, rows).fill_(1.0)
        self.s = new(depth, n_features, rows)
        self.ut = new(depth, 2 * n_features, rows)
        self.alpha = self.var = new(depth, 0, 1)
        self.floor = torch.full_like(self.s[0, 0, 0], SCALE_FLOOR)
        x = new(depth + 1, n_features + 1, rows).fill_(1.0)
        r, h1, h2 = (new(depth if keep else 1, width, rows).expand(depth, -1, -1) for _ in "123")
        u, t = self.ut.split(n_features, dim=1)
        centred = new(depth, n_features, rows)
        views = (x[:-1, :-1], x[:-1], r, h1, h2, self.ut, u, t, self.s, centred, x[1:, :-1])
        products = [
            [
                (w.middle_bias[k, a:b], w.middle[k, a:b, :b], h1[k, :b], h2[k, a:b])
                for a, b in blocks
            ]
            for k in range(depth)
        ]
        by_layer = zip(*(view.unbind() for view in views), products, strict=True)
        self.layers = [_Layer(*fields) for fields in by_layer]
        if not keep:
            return
        self.d_flat = new(flow.flat.shape)
        self.d_weights = flow.unpack(self.d_flat)
        self.d_ut = new(depth, 2 * n_features, rows)
        self.sums = new(depth, 2 * n_features, 1)
        self.g_and_product = new(2 * n_features, rows)
        self.d_hidden = d_h2, d_h1, _ = new(3, width, rows).unbind()
        views = (
            *(self.d_ut, *self.d_ut.split(n_features, dim=1)),
            *(self.sums, *self.sums.split(n_features, dim=1)),
            *(w.first[:, :, :-1].mT, w.last.mT, x[:-1].mT, h1.mT, h2.mT),
        )
        d_products = [
            [(w.middle[k, a:, a:b].t(), d_h2[a:], d_h1[a:b]) for a, b in blocks]
            for k in range(depth)
        ]
        d_layers = self.d_weights.layers()
        by_layer = zip(d_layers, *(view.unbind() for view in views), d_products, strict=True)
        self.gradients = [_Gradients(*fields) for fields in by_layer]

    def fits(self, flat: Tensor, rows: int) -> bool:
        """Whether this serves ``rows`` events with parameters like ``flat``."""
        same_kind = self.flat.dtype == flat.dtype and self.flat.device == flat.device
        return same_kind and self.rows == rows


def _forward(
    flow: FusedMaskedAutoregressiveFlow,
    space: _Workspace,
    flat: Tensor,
    features: Tensor,
    context: Tensor,
) -> Tensor:
    """log p (B,), leaving in ``space`` what the derivatives need."""
    torch.mul(flat, flow.mask, out=space.flat)
    space.layers[0].x.copy_(features.t())
    space.context[:-1].copy_(context.t())
    space.training = flow.training
    norm_weight = _norm_weight(space.weights.norm[:, 0]).unbind()
    beta = space.weights.norm[:, 1].unbind()
    moments = []
    for k, (a, w) in enumerate(zip(space.layers, space.layer_weights, strict=True)):
        torch.mm(w.context, space.context, out=a.r).relu_()
        torch.addmm(a.r, w.first, a.x_and_one, out=a.h1).relu_()
        for bias, middle, seen, result in a.products:
            torch.addmm(bias, middle, seen, out=result)
        a.h2.relu_()
        torch.addmm(w.last_bias, w.last, a.h2, out=a.ut)
        torch.add(F.softplus(a.u), space.floor, out=a.s)
        if not flow.config.batch_norm:
            torch.addcmul(a.t, a.s, a.x, out=a.y)
            continue
        torch.addcmul(a.t, a.s, a.x, out=a.centred)
        if flow.training:
            var, mean = torch.var_mean(a.centred, dim=1, keepdim=True)
        else:
            var, mean = flow.running_var[k], flow.running_mean[k]
        alpha = norm_weight[k] * (var + NORM_EPS).rsqrt_()
        a.centred.sub_(mean)
        torch.addcmul(beta[k], alpha, a.centred, out=a.y)
        moments.append((mean, var, alpha))
    constant = -0.5 * flow.n_features * math.log(2 * math.pi)
    log_p = space.s.log().sum((0, 1)).sub_(space.layers[-1].y.square().sum(0), alpha=0.5)
    if moments:
        mean, space.var, space.alpha = (torch.stack(m) for m in zip(*moments, strict=True))
        if flow.training:
            flow.running_mean.lerp_(mean, NORM_MOMENTUM)
            flow.running_var.lerp_(space.var, NORM_MOMENTUM)
    return log_p.add_(space.alpha.log().sum() + constant)


def _backward(
    flow: FusedMaskedAutoregressiveFlow,
    space: _Workspace,
    d_log_p: Tensor,
    d_context: Tensor | None,
) -> Tensor:
    """dx (D, B); fills ``space.d_flat``, and ``d_context`` (C, B) if given."""
    d_log_s = (d_log_p / space.s).unbind()
    slope = torch.sigmoid(space.ut[:, : flow.n_features]).unbind()
    g, product = space.g_and_product.split(flow.n_features)
    torch.mul(space.layers[-1].y, -d_log_p, out=g)
    total = d_log_p.sum()
    # dz = alpha (g - <g>) + (z - mean) (by_sum * sum of g (z - mean) + by_total)
    pull = -1 / ((space.var + NORM_EPS) * (space.rows - 1))
    alpha, by_sum, by_total = (f.unbind() for f in (space.alpha, pull * space.alpha, pull * total))
    d_h2, d_h1, d_r = space.d_hidden
    context_t = space.context.t()
    for k in reversed(range(len(space.layers))):
        a, w, d = space.layers[k], space.layer_weights[k], space.gradients[k]
        if flow.config.batch_norm:
            torch.mul(g, a.centred, out=product)
            torch.sum(space.g_and_product, dim=1, keepdim=True, out=d.sums)
            if space.training:
                g.sub_(d.sum_g, alpha=1 / space.rows)
            torch.mul(g, alpha[k], out=d.t)
            if space.training:
                d.t.addcmul_(a.centred, torch.addcmul(by_total[k], by_sum[k], d.sum_product))
        else:
            d.t.copy_(g)
        torch.addcmul(d_log_s[k], d.t, a.x, out=d.u).mul_(slope[k])
        torch.mm(d.ut, d.h2_t, out=d.weights.last)
        torch.mm(d.last_t, d.ut, out=d_h2)
        _mask_by_sign(d_h2, a.h2, 0, grad_input=d_h2)
        torch.mm(d_h2, d.h1_t, out=d.weights.middle)
        torch.sum(d_h2, dim=1, keepdim=True, out=d.weights.middle_bias)
        for middle_t, seeing, result in d.products:
            torch.mm(middle_t, seeing, out=result)
        _mask_by_sign(d_h1, a.h1, 0, grad_input=d_h1)
        torch.mm(d_h1, d.x_and_one_t, out=d.weights.first)
        torch.mul(d.t, a.s, out=g).addmm_(d.first_t, d_h1)
        _mask_by_sign(d_h1, a.r, 0, grad_input=d_r)
        torch.mm(d_r, context_t, out=d.weights.context)
        if d_context is not None:
            d_context.addmm_(w.context[:, :-1].t(), d_r)
    torch.sum(space.d_ut, dim=2, keepdim=True, out=space.d_weights.last_bias)
    if flow.config.batch_norm:
        v, d_norm = space.weights.norm[:, 0], space.d_weights.norm
        sum_g, sum_product = space.sums.split(flow.n_features, dim=1)
        d_norm[:, 0] = (sum_product * space.alpha + total) / _norm_weight(v) * v.sigmoid()
        d_norm[:, 1] = sum_g
    return g


class StackLogProb(torch.autograd.Function):
    """log p as one node of autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any,
        flat: Tensor,
        features: Tensor,
        context: Tensor,
        flow: FusedMaskedAutoregressiveFlow,
    ) -> Tensor:
        space = flow.lend(len(features))
        space.leases += 1
        ctx.flow, ctx.space, ctx.lease = flow, space, space.leases
        return _forward(flow, space, flat, features, context)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_log_p: Tensor) -> tuple[Tensor | None, ...]:
        flow, space = ctx.flow, ctx.space
        if space.leases != ctx.lease:
            raise RuntimeError("the memory of this graph serves a later one; call backward first")
        d_context = torch.zeros_like(space.context[:-1]) if ctx.needs_input_grad[2] else None
        d_features = _backward(flow, space, d_log_p, d_context)
        flow.take_back(space)
        return (
            space.d_flat * flow.mask,
            d_features.t().clone() if ctx.needs_input_grad[1] else None,
            None if d_context is None else d_context.t(),
            None,
        )


def _norm_weight(v: Tensor) -> Tensor:
    return F.softplus(v) + NORM_EPS


def _blocks(ends: list[int]) -> list[tuple[int, int]]:
    """The hidden units cut where their degree changes, in blocks of at least ``BLOCK``."""
    cuts = [0]
    for end in ends:
        if end - cuts[-1] >= BLOCK:
            cuts.append(end)
    # What is left after the last cut joins the block before it.
    return list(itertools.pairwise([0, *cuts[1:-1], ends[-1]]))


def _nets(reference: MaskedAutoregressiveFlow) -> list[MADE]:
    return [module for module in reference.modules() if isinstance(module, MADE)]


def _turn_into_masks(reference: MaskedAutoregressiveFlow) -> None:
    """Overwrite every weight with 1 where it is in use and 0 where it is masked."""
    for parameter in reference.parameters():
        parameter.data.fill_(1.0)
    for module in reference.modules():
        if isinstance(module, MaskedLinear):
            module.weight.data.copy_(module.mask)
