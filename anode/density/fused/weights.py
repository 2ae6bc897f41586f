"""Layout of the weights of nflows' affine MAF in one flat tensor.

Hidden units are sorted by their MADE degree and the reversals between transforms are folded into
the order of features, so that the fused flow moves no event and knows, feature by feature, which
hidden units are ready.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from nflows.transforms.made import MADE, MaskedLinear
from nflows.transforms.normalization import BatchNorm
from torch import Tensor

from anode.density.maf import FlowConfig, MaskedAutoregressiveFlow


class Weights(NamedTuple):
    """The parameters of K transforms, views of one flat tensor; biases are the last columns.

    Attributes:
        first: A and b (K, H, D + 1).
        context: C and a (K, H, C + 1).
        middle: M and d (K, H, H + 1).
        last: L (K, 2D, H), first for all u, then for all t.
        last_bias: e (K, 2D, 1).
        norm: v and beta (K, 2, D, 1); empty without batch norm.
    """

    first: Tensor
    context: Tensor
    middle: Tensor
    last: Tensor
    last_bias: Tensor
    norm: Tensor

    def layers(self) -> list["Weights"]:
        """The same, transform by transform."""
        return [Weights(*views) for views in zip(*(w.unbind() for w in self), strict=True)]


class Packing:
    """Position of every parameter of a ``MaskedAutoregressiveFlow`` in a flat tensor.

    Args:
        n_features: D.
        n_context: C.
        config: settings of the flow; one block per MADE.

    Attributes:
        kind: D, C and settings; flows of equal kind have the same layout.
        size: number of parameters P.
        known: number of hidden units, in our order, that need no more than the first d features,
            for d = 0 to D - 1.
    """

    def __init__(self, n_features: int, n_context: int, config: FlowConfig) -> None:
        self.n_features, self.n_context, self.config = n_features, n_context, config
        depth, hidden = config.n_transforms, config.hidden_features
        self._shapes = (
            (depth, hidden, n_features + 1),
            (depth, hidden, n_context + 1),
            (depth, hidden, hidden + 1),
            (depth, 2 * n_features, hidden),
            (depth, 2 * n_features, 1),
            (depth, 2, n_features if config.batch_norm else 0, 1),
        )
        self.kind = (n_features, n_context, config)
        self.size = sum(math.prod(shape) for shape in self._shapes)
        with torch.random.fork_rng(devices=[]):
            degrees = _nets(self.reference())[0].initial_layer.degrees
        self._order = torch.argsort(degrees, stable=True)
        self.known = [int((degrees <= d).sum()) for d in range(n_features)]

    def reference(self) -> MaskedAutoregressiveFlow:
        """nflows' flow of the same settings, its weights drawn from torch's global generator."""
        config = dataclasses.replace(self.config, backend="nflows")
        return MaskedAutoregressiveFlow(self.n_features, self.n_context, config)

    def unpack(self, flat: Tensor) -> Weights:
        """Views of a flat tensor (P,): of parameters, of their mask or of their gradients."""
        parts = flat.split([math.prod(shape) for shape in self._shapes])
        return Weights(*(p.view(s) for p, s in zip(parts, self._shapes, strict=True)))

    def mask(self) -> Tensor:
        """(P,) 1 where a weight is in use and 0 where it is masked."""
        with torch.random.fork_rng(devices=[]):
            reference = self.reference()
        for parameter in reference.parameters():
            parameter.data.fill_(1.0)
        for module in reference.modules():
            if isinstance(module, MaskedLinear):
                module.weight.data.copy_(module.mask)
        mask = torch.empty(self.size)
        for own, theirs, index in self.weight_pairs(reference, mask):
            own.copy_(theirs[index])
        return mask

    def features(self, k: int) -> Tensor:
        """The order in which transform k visits the features: every other one is reversed."""
        order = torch.arange(self.n_features)
        return order.flip(0) if k % 2 else order

    def weight_pairs(
        self, reference: MaskedAutoregressiveFlow, flat: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Any]]:
        """(ours, nflows', index), such that ours = nflows'[index], tensor by tensor of (P,)."""
        units, rows = self._order, self._order[:, None]
        layers = self.unpack(flat).layers()
        for k, (w, net) in enumerate(zip(layers, _nets(reference), strict=True)):
            seen, middle = self.features(k), net.blocks[0].linear
            # nflows interleaves (u_1, t_1, u_2, t_2, ...); here come all u, then all t.
            outputs = torch.cat([2 * seen, 2 * seen + 1])
            yield w.first[:, :-1], net.initial_layer.weight.data, (rows, seen)
            yield w.first[:, -1], net.initial_layer.bias.data, units
            yield w.context[:, :-1], net.context_layer.weight.data, units
            yield w.context[:, -1], net.context_layer.bias.data, units
            yield w.middle[:, :-1], middle.weight.data, (rows, units)
            yield w.middle[:, -1], middle.bias.data, units
            yield w.last, net.final_layer.weight.data, (outputs[:, None], units)
            yield w.last_bias[:, 0], net.final_layer.bias.data, outputs
        for k, norm in enumerate(_norms(reference)):
            seen = self.features(k)
            yield layers[k].norm[0, :, 0], norm.unconstrained_weight.data, seen
            yield layers[k].norm[1, :, 0], norm.bias.data, seen

    def average_pairs(
        self, reference: MaskedAutoregressiveFlow, mean: Tensor, var: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Any]]:
        """The same for the running averages of batch norm, ours being (K, D, 1)."""
        for k, norm in enumerate(_norms(reference)):
            yield mean[k, :, 0], norm.running_mean, self.features(k)
            yield var[k, :, 0], norm.running_var, self.features(k)


def _nets(reference: MaskedAutoregressiveFlow) -> list[MADE]:
    return [module for module in reference.modules() if isinstance(module, MADE)]


def _norms(reference: MaskedAutoregressiveFlow) -> list[BatchNorm]:
    return [module for module in reference.modules() if isinstance(module, BatchNorm)]
