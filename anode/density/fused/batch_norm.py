"""Batch norm between the transforms of the fused MAF.

As nflows does it,

    y = beta + alpha (z - mean),   alpha = w / sqrt(var + 1e-5),   w = softplus(v) + 1e-5,

with moments of the batch (unbiased variance) in training and running averages in evaluation.
torch's kernel divides by the biased variance. Given the epsilon 1e-5 (B - 1) / B it computes

    n = deviation (z - mean)   with   alpha = w sqrt((B - 1) / B) deviation.

Backwards, with g the gradient of y, <> its average over events, and G the sum over events of the
gradient of log p, which has log alpha in it,

    dz = alpha (g - <g> - n <g n>) - n deviation G / B,   in evaluation alpha g.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-5
MOMENTUM = 0.1

_normalise = torch.ops.aten.native_batch_norm.out
_backward = torch.ops.aten.native_batch_norm_backward


class BatchNorm:
    """Batch norm after each of K transforms, on (D, B) arrays, and the memory of one pass.

    Args:
        like: tensor of the type and device of the events.
        depth: K.
        n_features: D.
        rows: B.
        keep: True if derivatives are asked for.
    """

    def __init__(
        self, like: Tensor, depth: int, n_features: int, rows: int, *, keep: bool
    ) -> None:
        new = like.detach().new_zeros
        self._rows, self._correction = rows, (rows - 1) / max(rows, 1)
        self._epsilon = EPSILON * self._correction
        self.training = False
        self._z = new(1, n_features, rows)
        # n in training, z in evaluation
        images = new(depth if keep else 1, 1, n_features, rows).expand(depth, -1, -1, -1)
        self._images, self._n = images.unbind(), images[:, 0].unbind()
        mean, self._deviation = new(2, depth, n_features).unbind()
        self._zero, self._one = new(n_features), new(n_features) + 1
        outputs = zip(self._images, mean.unbind(), self._deviation.unbind(), strict=True)
        names = ("out", "save_mean", "save_invstd")
        self._outputs = [dict(zip(names, of_layer, strict=True)) for of_layer in outputs]

    def begin(self, raw: Tensor, mean: Tensor, var: Tensor, *, training: bool) -> None:
        """Prepare a pass, given v and beta (K, 2, D, 1) and running averages (K, D, 1)."""
        self.training = training
        self._weight, shift = norm_weight(raw[:, 0]), raw[:, 1]
        if not training:  # a training pass may move them before this one's derivatives are asked
            mean, var = mean.clone(), var.clone()
        self._running = list(zip(mean[..., 0], var[..., 0], strict=True))
        if training:
            scale = self._weight * math.sqrt(self._correction)
        else:
            self._alpha = scale = self._weight * (var + EPSILON).rsqrt_()
            shift = shift - self._alpha * mean
        self._scale = scale
        self._affine = list(zip(shift.unbind(), scale.unbind(), strict=True))

    def input(self, k: int) -> Tensor:
        """(D, B) where z of transform k belongs."""
        return self._z[0] if self.training else self._n[k]

    def forward(self, k: int, out: Tensor) -> None:
        """Write y (D, B), given z."""
        if self.training:
            _normalise(
                *(self._z, None, None, *self._running[k], True, MOMENTUM, self._epsilon),
                **self._outputs[k],
            )
        shift, scale = self._affine[k]
        torch.addcmul(shift, scale, self._n[k], out=out)

    def end(self) -> Tensor:
        """alpha (K, D, 1), once all transforms are done; running averages have moved."""
        if self.training:
            self._alpha = self._scale * self._deviation[..., None]
        return self._alpha

    def begin_backward(self, total: Tensor) -> None:
        """Prepare derivatives, given G (a scalar)."""
        self._total = total
        self._d_weight: list[Tensor] = []
        self._d_beta: list[Tensor] = []
        if self.training:
            settings: list[tuple[Any, ...]] = [
                (alpha, None, None, self._zero, self._one, True) for alpha in self._alpha[..., 0]
            ]
            self._pull = (self._deviation[..., None] * (-total / self._rows)).unbind()
        else:
            layers = zip(self._weight[..., 0], self._running, strict=True)
            settings = [(weight, *running, None, None, False) for weight, running in layers]
        self._settings = settings

    def backward(self, k: int, g: Tensor, out: Tensor) -> None:
        """Write dz (D, B), given the gradient g of y."""
        dz, d_weight, d_beta = _backward(
            g.contiguous()[None], self._images[k], *self._settings[k], EPSILON, (True, True, True)
        )
        self._d_weight.append(d_weight)
        self._d_beta.append(d_beta)
        if self.training:
            torch.addcmul(dz[0], self._pull[k], self._n[k], out=out)
        else:
            out.copy_(dz[0])

    def end_backward(self, raw: Tensor, d_raw: Tensor) -> None:
        """Write the gradients of v and beta (K, 2, D, 1), once all transforms are done."""
        d_weight, d_beta = (
            torch.stack(sums[::-1])[..., None] for sums in (self._d_weight, self._d_beta)
        )
        if self.training:
            d_weight.mul_(math.sqrt(self._correction))
        v = raw[:, 0]
        d_raw[:, 0] = (d_weight + self._total / self._weight) * v.sigmoid()
        d_raw[:, 1] = d_beta


def norm_weight(v: Tensor) -> Tensor:
    """w = softplus(v) + 1e-5, of any shape."""
    return F.softplus(v) + EPSILON
