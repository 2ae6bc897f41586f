"""Autoregressive mixture of Gaussians: the density of best likelihood per second of training.

    p(x|m) = product over d of  sum_k w_dk N(x_d; mu_dk, s_dk),

the weights, means and widths of feature d being a masked network's (MADE, Germain et al.
1502.03509) of the features before it and of the context. With i = (x, c, 1),

    h1 = relu(A i),   h2 = relu(M (h1, 1)),   (q, mu, u) = L h2 + E i,
    w = softmax_k q,   s = softplus(u) + 1e-3,   v = (x - mu) / s,
    log p = sum_d [ logsumexp_k (log w - v^2 / 2 - log s) - log(2 pi) / 2 ].

Hidden units have degrees 0 to D - 1, a unit of degree g seeing the first g features; those of
degree 0 see the context alone, and give it to the first feature, which in a stock MADE has none.
With many features these units are few, and ReLU may silence all of them: the direct connections E
still carry the context.

Backwards, with l the gradient of log p and r = softmax_k(log w - v^2 / 2 - log s),

    dq = l (r - w),   dmu = l r v / s,   du = l r (v^2 - 1) / s sigmoid(u),
    dx = A^T dh1 + E^T (dq, dmu, du) - sum_k dmu.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from anode.density.base import ConditionalDensity, DensityConfig
from anode.density.matmul import product, product_relu
from anode.density.rosenblatt import Conditionals, of_mixture, to_normal
from anode.errors import ConfigError

SCALE_FLOOR = 1e-3
CHUNK = 2048  # events evaluated at once, a multiple of ``matmul.ROWS``

_mask_by_sign = torch.ops.aten.threshold_backward.grad_input


@dataclass(frozen=True)
class MixtureConfig(DensityConfig):
    """Settings of the autoregressive mixture of Gaussians.

    Attributes:
        hidden_features: width of both hidden layers.
        n_components: number of Gaussians of each feature.
    """

    hidden_features: int
    n_components: int

    def __post_init__(self) -> None:
        for key in ("hidden_features", "n_components"):
            if getattr(self, key) < 1:
                raise ConfigError(f"density.{key} must be at least 1, got {getattr(self, key)}")


class _Weights(NamedTuple):
    """Views of a flat tensor: A (H, D + C + 1), M (H, H + 1), L (3DK, H), E (3DK, D + C + 1)."""

    first: Tensor
    middle: Tensor
    last: Tensor
    direct: Tensor


class _Mixture(NamedTuple):
    """Logits q, means and softplus inputs u (..., D, K, B) of every feature's Gaussians."""

    logits: Tensor
    means: Tensor
    raw_scales: Tensor


class AutoregressiveMixture(ConditionalDensity):
    """The density of the module's docstring.

    Args:
        n_features: D.
        n_context: C.
        config: settings.

    Raises:
        ConfigError: fewer hidden units than features.
    """

    flat: nn.Parameter
    mask: Tensor

    def __init__(self, n_features: int, n_context: int, config: MixtureConfig) -> None:
        super().__init__(n_features, n_context)
        if config.hidden_features < n_features:
            raise ConfigError(
                f"density.hidden_features must be at least the number of features, {n_features}, "
                f"got {config.hidden_features}"
            )
        self.config = config
        hidden, inputs = config.hidden_features, n_features + n_context + 1
        outputs = 3 * n_features * config.n_components
        self._shapes = (
            (hidden, inputs),
            (hidden, hidden + 1),
            (outputs, hidden),
            (outputs, inputs),
        )
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.flat = nn.Parameter(torch.empty(sum(self._sizes)))
        self.register_buffer("mask", torch.empty_like(self.flat.data), persistent=False)
        # Sorted, so that what a feature needs is a slice.
        degrees = torch.sort(torch.arange(hidden) % n_features).values
        self.known = [int((degrees <= d).sum()) for d in range(n_features)]
        self._fill_mask(degrees)
        self._initialise()

    def unpack(self, flat: Tensor) -> _Weights:
        """Views of flat tensors (..., P): of parameters, of their mask or of their gradients."""
        parts = flat.split(self._sizes, dim=-1)
        of_shape = zip(parts, self._shapes, strict=True)
        return _Weights(*(part.view(*flat.shape[:-1], *shape) for part, shape in of_shape))

    def split(self, outputs: Tensor) -> _Mixture:
        """The network's outputs (..., 3DK, B) as logits, means and raw scales."""
        split = (3, self.n_features, self.config.n_components)
        return _Mixture(*outputs.unflatten(-2, split).unbind(-4))

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            result: Tensor = MixtureLogProb.apply(self.flat, features, context, self)
            return result
        log_p = self.flat.new_empty(len(features))
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            log_p[rows] = forward(self, self.flat, features[rows], context[rows]).log_p
        return log_p

    def conditionals(self, features: Tensor, context: Tensor) -> Conditionals:
        """log p(x_d | x_<d, m) and its log tails for features (B, D) and context (B, C)."""
        result = Conditionals(*features.new_empty(3, *features.shape, dtype=torch.float64))
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            done = forward(self, self.flat, features[rows], context[rows])
            chunk = of_mixture(done.log_weights, done.v, done.scale)
            for whole, part in zip(result, chunk, strict=True):
                whole[rows] = part
        return result

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        return to_normal(self.conditionals(features, context))

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        shape = (len(context), self.n_features)
        noise = torch.randn(shape, generator=generator).to(context)
        choice = torch.rand(shape, generator=generator).to(context)
        features = torch.empty_like(noise)
        for start in range(0, len(context), CHUNK):
            rows = slice(start, start + CHUNK)
            drawn = self._draw(context[rows].t(), noise[rows].t(), choice[rows].t())
            features[rows] = drawn.t()
        return features

    def _draw(self, context: Tensor, noise: Tensor, choice: Tensor) -> Tensor:
        """x (D, B), each hidden unit computed once, when what it sees is known."""
        w = self.unpack(self.flat)
        inputs = torch.cat([torch.zeros_like(noise), context, torch.ones_like(noise[:1])])
        h1, h2 = inputs.new_empty(2, self.config.hidden_features, inputs.shape[1]).unbind()
        last, direct = (p.view(3, self.n_features, self.config.n_components, -1) for p in w[2:])
        done = 0
        for d, known in enumerate(self.known):
            new = slice(done, known)
            h1[new] = (w.first[new] @ inputs).relu_()
            h2[new] = (w.middle[new, :known] @ h1[:known] + w.middle[new, -1:]).relu_()
            logits, means, raw_scales = last[:, d, :, :known] @ h2[:known] + direct[:, d] @ inputs
            # The last component takes what rounding leaves over.
            above = logits.softmax(0).cumsum(0)[:-1] < choice[d]
            k = above.sum(0, keepdim=True)
            scale = F.softplus(raw_scales.gather(0, k)) + SCALE_FLOOR
            inputs[d] = (means.gather(0, k) + scale * noise[d])[0]
            done = known
        return inputs[: self.n_features]

    def _fill_mask(self, degrees: Tensor) -> None:
        w = self.unpack(self.mask.fill_(1.0))
        feature = torch.arange(self.n_features)
        w.first[:, : self.n_features] = (degrees[:, None] > feature).float()
        w.middle[:, :-1] = (degrees[:, None] >= degrees).float()
        of_output = feature.repeat_interleave(self.config.n_components).repeat(3)[:, None]
        w.last.copy_((degrees <= of_output).float())
        w.direct[:, : self.n_features] = (feature < of_output).float()

    def _initialise(self) -> None:
        """Uniform within +-1 / sqrt(inputs in use), as ``nn.Linear``; means spread out."""
        w, mask = self.unpack(self.flat.data), self.unpack(self.mask)
        for weight, used in zip(w, mask, strict=True):
            bound = used.sum(1, keepdim=True).clamp(min=1).rsqrt()
            weight.uniform_(-1, 1).mul_(bound).mul_(used)
        logits, means, raw_scales = w.direct[:, -1].view(3, -1).unbind()
        logits.zero_()
        means.normal_()
        raw_scales.fill_(math.log(math.e - 1))  # a width of 1


class _Pass(NamedTuple):
    """log p (..., B) and what its derivatives need."""

    log_p: Tensor
    inputs: Tensor
    h1_and_one: Tensor
    h2: Tensor
    raw_scales: Tensor
    log_weights: Tensor
    scale: Tensor
    v: Tensor
    shares: Tensor


def forward(density: AutoregressiveMixture, flat: Tensor, x: Tensor, context: Tensor) -> _Pass:
    """One pass of features (..., B, D) and context (..., B, C), for weights (..., P).

    The leading dimension, if there is one, is that of several densities of the same settings.
    """
    w = density.unpack(flat)
    inputs = torch.cat([x.mT, context.mT, torch.ones_like(x[..., :1]).mT], dim=-2)
    h1 = inputs.new_ones(*w.middle.shape[:-2], w.middle.shape[-1], x.shape[-2])
    torch.matmul(w.first, inputs, out=h1[..., :-1, :]).relu_()
    h2 = product_relu(w.middle, h1.mT)
    outputs = product(w.last, h2.mT).add_(w.direct @ inputs)
    logits, means, raw_scales = density.split(outputs)
    log_weights = torch.log_softmax(logits, -2)
    scale = F.softplus(raw_scales).add_(SCALE_FLOOR)
    v = (inputs[..., : density.n_features, None, :] - means).div_(scale)
    joint = torch.addcmul(log_weights, v, v, value=-0.5).sub_(scale.log())
    # The limit serves events so far away that v^2 overflows.
    peak = joint.amax(-2, keepdim=True).clamp_(min=torch.finfo(joint.dtype).min)
    shares = joint.sub_(peak).exp_()
    total = shares.sum(-2, keepdim=True)
    log_p = total.log().add_(peak).sum((-3, -2))
    log_p -= 0.5 * density.n_features * math.log(2 * math.pi)
    return _Pass(log_p, inputs, h1, h2, raw_scales, log_weights, scale, v, shares.div_(total))


class MixtureLogProb(torch.autograd.Function):
    """log p (..., B) as one node of autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any, flat: Tensor, x: Tensor, context: Tensor, density: AutoregressiveMixture
    ) -> Tensor:
        """log p (..., B), by the function ``forward`` of this module."""
        done = forward(density, flat, x, context)
        ctx.density, ctx.done = density, done._replace(log_p=flat.new_empty(0))
        ctx.save_for_backward(flat)
        return done.log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_log_p: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by flat, x and context, given that of log p (..., B)."""
        density, done = ctx.density, ctx.done
        (flat,) = ctx.saved_tensors
        w, mask = density.unpack(flat), density.unpack(density.mask)
        d_flat = torch.empty_like(flat)
        d = density.unpack(d_flat)
        d_outputs, d_x = _through_mixture(done, d_log_p)
        torch.mul(d_outputs @ done.inputs.mT, mask.direct, out=d.direct)
        torch.mul(product(d_outputs, done.h2), mask.last, out=d.last)
        d_h2 = product(w.last.mT, d_outputs.mT)
        _mask_by_sign(d_h2, done.h2, 0, grad_input=d_h2)
        torch.mul(product(d_h2, done.h1_and_one), mask.middle, out=d.middle)
        d_h1 = product(w.middle[..., :-1].mT, d_h2.mT)
        _mask_by_sign(d_h1, done.h1_and_one[..., :-1, :], 0, grad_input=d_h1)
        torch.mul(d_h1 @ done.inputs.mT, mask.first, out=d.first)
        if not any(ctx.needs_input_grad[1:3]):
            return d_flat, None, None, None
        d_inputs = w.first.mT @ d_h1 + w.direct.mT @ d_outputs
        d_inputs[..., : density.n_features, :] += d_x
        sizes = [density.n_features, density.n_context, 1]
        d_features, d_context, _ = d_inputs.split(sizes, dim=-2)
        return d_flat, d_features.mT, d_context.mT, None


def _through_mixture(done: _Pass, d_log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives by the network's outputs (..., 3DK, B), and by x through v alone (..., D, B)."""
    d_log_p = d_log_p[..., None, None, :]
    pull = done.shares * d_log_p
    *lead, d, k, b = pull.shape
    d_outputs = pull.new_empty(*lead, 3, d, k, b)
    d_logits, d_means, d_raw = d_outputs.unbind(-4)
    torch.addcmul(pull, done.log_weights.exp(), d_log_p, value=-1, out=d_logits)
    pull.div_(done.scale)
    torch.mul(pull, done.v, out=d_means)
    torch.addcmul(-pull, d_means, done.v, out=d_raw).mul_(torch.sigmoid(done.raw_scales))
    return d_outputs.flatten(-4, -2), -d_means.sum(-2)
