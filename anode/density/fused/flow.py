"""Affine MAF, weight for weight the model of nflows, at a fraction of the training cost.

Much of nflows' training step goes to masking weights, permuting events and hundreds of small
autograd nodes. Here the whole flow is one autograd function with hand-written derivatives, of one
flat parameter, on [feature, event] arrays. ``passes.py`` and ``batch_norm.py`` have the formulas,
``weights.py`` and ``memory.py`` lay out weights and memory for them, ``density/matmul.py`` picks
the fastest matrix product. Sampling computes each hidden unit just once, as soon as the features
it sees are known.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.density.base import ConditionalDensity
from anode.density.fused.batch_norm import EPSILON, norm_weight
from anode.density.fused.memory import SCORING, Pool
from anode.density.fused.passes import SCALE_FLOOR, StackLogProb, forward
from anode.density.fused.weights import Packing, Weights
from anode.density.maf import FlowConfig, MaskedAutoregressiveFlow
from anode.density.matmul import multiply
from anode.density.mixture import AutoregressiveMixture, MixtureConfig
from anode.errors import ConfigError

CHUNK = 2048  # events evaluated at once: few enough for the cache, a multiple of ``matmul.ROWS``
DRAWN = 2000  # events drawn at once: 2048 would put rows 8 kB apart, where they share cache lines


class FusedMaskedAutoregressiveFlow(ConditionalDensity):
    """``MaskedAutoregressiveFlow``, one block per MADE, several times faster to train.

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
                    f"{str(getattr(config, key)).lower()}; set density=maf density.backend=nflows"
                )
        self.config = config
        self.packing = Packing(n_features, n_context, config)
        self.pool = Pool(keep=True)
        averages = (config.n_transforms, n_features if config.batch_norm else 0, 1)
        self.flat = nn.Parameter(torch.empty(self.packing.size))
        self.register_buffer("mask", self.packing.mask(), persistent=False)
        self.register_buffer("running_mean", torch.empty(averages))
        self.register_buffer("running_var", torch.empty(averages))
        self._take(self.packing.reference())

    def from_nflows_state(self, state: dict[str, Tensor]) -> None:
        """Take the weights and running averages of a ``MaskedAutoregressiveFlow`` state dict."""
        reference = self._blank_reference()
        reference.load_state_dict(state)
        self._take(reference)

    def to_nflows_state(self) -> dict[str, Tensor]:
        """The state dict of the ``MaskedAutoregressiveFlow`` that is the same model."""
        reference = self._blank_reference()
        for own, theirs, index in self._pairs(reference):
            theirs[index] = own.to(theirs.device)
        state: dict[str, Tensor] = reference.state_dict()
        return state

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        if torch.is_grad_enabled() or (self.training and self.config.batch_norm):
            with_normal, latent = StackLogProb.apply(self.flat, features, context, self)
            return self._rebase(with_normal, latent, context)
        log_p = self.flat.new_empty(len(features))
        for rows, with_normal, latent in self._passes(features, context):
            log_p[rows] = self._rebase(with_normal, latent, context[rows])
        return log_p

    def _passes(self, features: Tensor, context: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Chunk by chunk: rows, log p with a normal base, and the last y, valid until the next."""
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            space = SCORING.lend(self.packing, self.flat, len(features[rows]))
            with_normal = forward(self, space, self.flat, features[rows], context[rows])
            yield rows, with_normal, space.layers[-1].y.t()
            SCORING.take_back(space)

    def _rebase(self, with_normal: Tensor, latent: Tensor, context: Tensor) -> Tensor:
        """log p (B,) with this flow's base distribution, given log p with a normal one."""
        return with_normal

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        latent = torch.empty_like(features)
        for rows, _, last in self._passes(features, context):
            latent[rows] = last
        return self._base_latent(latent, context)

    def _base_latent(self, latent: Tensor, context: Tensor) -> Tensor:
        """(B, D) normal noise from (B, D) values of the last y; inverse of ``_sample_base``."""
        return latent.flip(1) if self.config.n_transforms % 2 else latent

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        latent = self._sample_base(context, generator)
        layers = self.packing.unpack(self.flat).layers()
        features = torch.empty_like(latent)
        for start in range(0, len(context), DRAWN):
            rows = slice(start, start + DRAWN)
            z, m = latent[rows].t().contiguous(), context[rows].t().contiguous()
            features[rows] = self._invert(layers, z, m).t()
        return features

    def _sample_base(self, context: Tensor, generator: torch.Generator) -> Tensor:
        """(B, D) latent draws, in the feature order of the last y."""
        latent = torch.randn(len(context), self.n_features, generator=generator).to(context)
        # nflows reverses after each transform, here nothing moves
        return latent.flip(1) if self.config.n_transforms % 2 else latent

    def _invert(self, layers: list[Weights], y: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) which the flow maps to y (D, B), given the context (C, B)."""
        context = torch.cat([context, torch.ones_like(y[:1])])
        for k, w in reversed(list(enumerate(layers))):
            if self.config.batch_norm:
                deviation = (self.running_var[k] + EPSILON).sqrt()
                y = (y - w.norm[1]) / norm_weight(w.norm[0]) * deviation + self.running_mean[k]
            y = self._invert_transform(w, self.packing.features(k), y, context)
        return y

    def _invert_transform(self, w: Weights, order: Tensor, z: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) of z = s x + t, each hidden unit computed when its inputs are known."""
        x = torch.cat([torch.zeros_like(z), torch.ones_like(z[:1])])
        h1 = (w.context @ context).relu_()
        h2 = torch.empty_like(h1)
        done = 0
        for i, known in zip(order.tolist(), self.packing.known, strict=True):
            if known > done:
                new = slice(done, known)
                multiply(w.first[new], x.t(), out=h1[new], add=h1[new]).relu_()
                bias, middle = w.middle[new, -1:], w.middle[new, :known]
                multiply(middle, h1[:known].t(), out=h2[new], add=bias).relu_()
                done = known
            both = slice(i, None, self.n_features)
            u, t = torch.addmm(w.last_bias[both], w.last[both, :known], h2[:known])
            x[i] = (z[i] - t) / (F.softplus(u) + SCALE_FLOOR)
        return x[:-1]

    def _blank_reference(self) -> MaskedAutoregressiveFlow:
        with torch.random.fork_rng(devices=[]):
            return self.packing.reference().to(self.flat.dtype)

    def _take(self, reference: MaskedAutoregressiveFlow) -> None:
        for own, theirs, index in self._pairs(reference):
            own.copy_(theirs[index])
        self.flat.data.mul_(self.mask)  # and so they stay, as their gradients are zero

    def _pairs(self, reference: MaskedAutoregressiveFlow) -> Iterator[tuple[Tensor, Tensor, Any]]:
        """(ours, nflows', index) of parameters and running averages."""
        yield from self.packing.weight_pairs(reference, self.flat.data)
        yield from self.packing.average_pairs(reference, self.running_mean, self.running_var)


@dataclasses.dataclass(frozen=True)
class MixtureFlowConfig(FlowConfig):
    """Settings of a MAF whose base distribution is an autoregressive mixture.

    Attributes:
        base_features: width of the hidden layers of the mixture.
        n_components: number of Gaussians of each feature.
    """

    base_features: int
    n_components: int


class MixtureFlow(FusedMaskedAutoregressiveFlow):
    """A MAF whose base distribution is an ``AutoregressiveMixture`` (MAF MoG of 1705.07057).

    log p(x|m) = log p_mixture(z(x, m)|m) + log |det dz/dx|
    """

    def __init__(self, n_features: int, n_context: int, config: MixtureFlowConfig) -> None:
        if config.base_features < n_features:
            raise ConfigError(
                f"density.base_features must be at least the number of features, {n_features}, "
                f"got {config.base_features}"
            )
        super().__init__(n_features, n_context, config)
        base = MixtureConfig("made_mog", "fused", config.base_features, config.n_components)
        self.base = AutoregressiveMixture(n_features, n_context, base)

    def _rebase(self, with_normal: Tensor, latent: Tensor, context: Tensor) -> Tensor:
        log_normal = -0.5 * (latent.square() + math.log(2 * math.pi)).sum(dim=1)
        return with_normal - log_normal + self.base.log_prob(latent, context)

    def _base_latent(self, latent: Tensor, context: Tensor) -> Tensor:
        return self.base.latent(latent, context)

    def _sample_base(self, context: Tensor, generator: torch.Generator) -> Tensor:
        return self.base.sample(context, generator)
