"""How is the affine MAF trained at a fraction of the cost, weight for weight the same model?

Much of nflows' training step goes to masking weights, permuting events and hundreds of small
autograd nodes. Here the whole flow is one autograd function with hand-written derivatives, of one
flat parameter, on [feature, event] arrays. ``fused_pass.py`` has the formulas, ``fused_weights``
and ``fused_memory`` lay out weights and memory for them, ``products.py`` picks the fastest
matrix product. Sampling computes each hidden unit just once, as soon as the features it sees are
known.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.density.base import ConditionalDensity
from anode.density.fused_memory import Pool, Workspace
from anode.density.fused_pass import NORM_EPS, SCALE_FLOOR, StackLogProb, forward, norm_weight
from anode.density.fused_weights import Packing, Weights
from anode.density.maf import FlowConfig, MaskedAutoregressiveFlow
from anode.errors import ConfigError

CHUNK = 1000  # events evaluated at once: few enough for the cache


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
                    f"{str(getattr(config, key)).lower()}; set density.backend=nflows"
                )
        self.config = config
        self.packing = Packing(n_features, n_context, config)
        self.pool = Pool()
        averages = (config.n_transforms, n_features if config.batch_norm else 0, 1)
        self.flat = nn.Parameter(torch.empty(self.packing.size))
        self.register_buffer("mask", self.packing.mask(), persistent=False)
        self.register_buffer("running_mean", torch.empty(averages))
        self.register_buffer("running_var", torch.empty(averages))
        self._take(self.packing.reference())

    def from_nflows_state(self, state: dict[str, Tensor]) -> None:
        """Take the weights and running averages of a ``MaskedAutoregressiveFlow``."""
        reference = self._blank_reference()
        reference.load_state_dict(state)
        self._take(reference)

    def to_nflows_state(self) -> dict[str, Tensor]:
        """The state dict of the ``MaskedAutoregressiveFlow`` that is this very model."""
        reference = self._blank_reference()
        for own, theirs, index in self._pairs(reference):
            theirs[index] = own.to(theirs.device)
        state: dict[str, Tensor] = reference.state_dict()
        return state

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        if torch.is_grad_enabled() or (self.training and self.config.batch_norm):
            result: Tensor = StackLogProb.apply(self.flat, features, context, self)
            return result
        log_p = self.flat.new_empty(len(features))
        space: Workspace | None = None
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            if space is None or not space.fits(self.flat, len(features[rows])):
                space = Workspace(self.packing, self.flat, len(features[rows]), keep=False)
            log_p[rows] = forward(self, space, self.flat, features[rows], context[rows])
        return log_p

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        latent = torch.randn(len(context), self.n_features, generator=generator).to(context)
        if self.config.n_transforms % 2:
            latent = latent.flip(1)  # nflows reverses after each transform, here nothing moves
        layers = self.packing.unpack(self.flat).layers()
        features = torch.empty_like(latent)
        for start in range(0, len(context), CHUNK):
            rows = slice(start, start + CHUNK)
            features[rows] = self._invert(layers, latent[rows].t(), context[rows].t()).t()
        return features

    def _invert(self, layers: list[Weights], y: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) which the flow maps to y (D, B), given the context (C, B)."""
        context = torch.cat([context, torch.ones_like(y[:1])])
        for k, w in reversed(list(enumerate(layers))):
            if self.config.batch_norm:
                deviation = (self.running_var[k] + NORM_EPS).sqrt()
                y = (y - w.norm[1]) / norm_weight(w.norm[0]) * deviation + self.running_mean[k]
            y = self._invert_transform(w, self.packing.features(k), y, context)
        return y

    def _invert_transform(self, w: Weights, order: Tensor, z: Tensor, context: Tensor) -> Tensor:
        """The x (D, B) of z = s x + t, each hidden unit computed when what it sees is known."""
        x = torch.cat([torch.zeros_like(z), torch.ones_like(z[:1])])
        h1 = (w.context @ context).relu_()
        h2 = torch.empty_like(h1)
        done = 0
        for i, known in zip(order.tolist(), self.packing.known, strict=True):
            new = slice(done, known)
            h1[new] = (w.first[new] @ x + h1[new]).relu_()
            h2[new] = (w.middle[new, :known] @ h1[:known] + w.middle[new, -1:]).relu_()
            both = slice(i, None, self.n_features)
            u, t = w.last[both, :known] @ h2[:known] + w.last_bias[both]
            x[i] = (z[i] - t) / (F.softplus(u) + SCALE_FLOOR)
            done = known
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
