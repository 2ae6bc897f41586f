"""Several physical densities evaluated together, with the bits that each has alone.

Whether the quick way rounds as the plain one hangs on processor and libraries. So it is tried at
``N_TRIED`` events of each density, and not taken where a single bit differs.
"""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from anode.density.base import ConditionalDensity
from anode.density.ensemble import Ensemble, log_mean_exp
from anode.density.fused.flow import FusedMaskedAutoregressiveFlow
from anode.density.fused.stack import LARGE, SMALL, FlowStack, can_stack
from anode.density.matmul import ROWS, whole_blocks
from anode.density.physical import CHUNK, PhysicalDensity

N_TRIED = ROWS

_AGREE: dict[Hashable, bool] = {}
"""Kind of a stack -> whether it agrees, on this processor."""


class Asked(NamedTuple):
    """Events of one density.

    Attributes:
        features: (N, D) physical features.
        mass: (N,) masses [GeV].
    """

    features: np.ndarray
    mass: np.ndarray


class PhysicalStack:
    """Densities whose flows, all of one layout, are evaluated at once; ``of`` makes one.

    Args:
        densities: P densities for which ``can_stack`` holds of all members together.
    """

    def __init__(self, densities: Sequence[PhysicalDensity]) -> None:
        members = [_members(density) for density in densities]
        ends = list(itertools.accumulate(len(each) for each in members))
        self._densities = densities
        self._places = [slice(*pair) for pair in zip([0, *ends[:-1]], ends, strict=True)]
        flat = itertools.chain(*members)
        self._flows = FlowStack([m for m in flat if isinstance(m, FusedMaskedAutoregressiveFlow)])

    @property
    def kind(self) -> Hashable:
        """All sizes and settings of the stack."""
        steps = [d.preprocessing for d in self._densities]
        kinds = [(p.n_features, p.logit, p.standardise) for p in steps]
        return self._flows.kind, tuple(map(self._n_members, range(len(steps)))), tuple(kinds)

    @classmethod
    def of(cls, densities: Sequence[PhysicalDensity]) -> "PhysicalStack | None":
        """The stack of densities; None where they cannot be stacked, or would round otherwise."""
        if not can_stack([m for density in densities for m in _members(density)]):
            return None
        stack = cls(densities)
        if stack.kind not in _AGREE:  # another choice of code comes with other sizes alone
            _AGREE[stack.kind] = stack.agrees()
        return stack if _AGREE[stack.kind] else None

    def evaluate(self, asked: Sequence[Asked]) -> list[np.ndarray]:
        """log p(x|m) (N,) of each density at events of its own, N as it comes."""
        results = [np.empty(len(each.mass)) for each in asked]
        with torch.inference_mode():
            for start in range(0, max(map(len, results), default=0), CHUNK):
                rows = slice(start, start + CHUNK)
                part = [Asked(each.features[rows], each.mass[rows]) for each in asked]
                for result, log_p in zip(results, self._chunk(part), strict=True):
                    result[rows] = log_p[: len(result[rows])]
        return results

    def agrees(self) -> bool:
        """Whether all bits are those of the densities one by one, in blocks of both sizes, all at
        once and each for itself."""
        asked = [trial_events(density) for density in self._densities]
        pairs = zip(self._densities, asked, strict=True)
        expected = [density.evaluate(*events) for density, events in pairs]
        nothing = [Asked(each.features[:0], each.mass[:0]) for each in asked]
        together = [asked]
        together += [[*nothing[:i], events, *nothing[i + 1 :]] for i, events in enumerate(asked)]
        starts = range(0, N_TRIED, SMALL)
        few = [[_rows(e, slice(s, s + SMALL)) for e in each] for each in together for s in starts]
        in_small_blocks = [self.evaluate(each) for each in few]
        n = len(starts)
        for number, each in enumerate(together):
            small = in_small_blocks[number * n : (number + 1) * n]
            joined = [np.concatenate(parts) for parts in zip(*small, strict=True)]
            for got in (self.evaluate(each), joined):
                for values, right in zip(got, expected, strict=True):
                    if len(values) and not np.array_equal(values, right):
                        return False
        return True

    def _chunk(self, asked: Sequence[Asked]) -> list[np.ndarray]:
        pairs = zip(self._densities, asked, strict=True)
        inputs = [_Inputs.of(density, events) for density, events in pairs]
        results = [torch.empty_like(each.log_abs_det) for each in inputs]
        longest = max(len(each.z) for each in inputs)
        size = SMALL if longest == SMALL else LARGE
        for start in range(0, longest, size):
            rows = slice(start, start + size)
            left = [i for i, each in enumerate(inputs) if len(each.z) > start]
            # Neighbours in the stack are a view of its weights, others would be a copy.
            for some in [left] if len(left) == len(inputs) else [[i] for i in left]:
                for i, log_p in zip(some, self._block(inputs, some, rows), strict=True):
                    results[i][rows] = log_p + inputs[i].log_abs_det[rows]
        return [result.numpy() for result in results]

    def _block(self, inputs: list["_Inputs"], some: list[int], rows: slice) -> Iterator[Tensor]:
        """log p (B,) of some densities, all or one, in their own space."""
        of_stack = slice(self._places[some[0]].start, self._places[some[-1]].stop)
        sizes = [len(inputs[i].z[rows]) for i in some]
        log_p = self._flows.log_prob(
            self._columns([inputs[i].z[rows] for i in some], some),
            self._columns([inputs[i].context[rows] for i in some], some),
            of_stack,
        )
        for i, size in zip(some, sizes, strict=True):
            place = self._places[i]
            of_density = log_p[place.start - of_stack.start : place.stop - of_stack.start]
            yield log_mean_exp(of_density)[:size]

    def _columns(self, parts: list[Tensor], some: list[int]) -> Tensor:
        """(F, D, B) one for each flow of some densities, of (B, D) for each density."""
        size = max(map(len, parts))
        return torch.cat(
            [
                F.pad(part.t(), (0, size - len(part))).expand(self._n_members(i), -1, -1)
                for i, part in zip(some, parts, strict=True)
            ]
        )

    def _n_members(self, i: int) -> int:
        return self._places[i].stop - self._places[i].start


class _Inputs(NamedTuple):
    """Events as a density sees them, filled up to whole blocks.

    Attributes:
        z: (B, D) features in the density's space.
        context: (B, C) masses in it.
        log_abs_det: (B,) log |det dz/dx| in float64.
    """

    z: Tensor
    context: Tensor
    log_abs_det: Tensor

    @classmethod
    def of(cls, density: PhysicalDensity, asked: Asked) -> "_Inputs":
        block = SMALL if len(asked.mass) <= SMALL else LARGE
        x, m = (whole_blocks(torch.as_tensor(v, dtype=torch.float64), block) for v in asked)
        z, log_abs_det = density.preprocessing(x)
        return cls(z, density.context_scaling(m), log_abs_det)


def small_blocks_agree(density: PhysicalDensity) -> bool:
    """Whether a density has the same bits in blocks of ``SMALL`` events."""
    asked = trial_events(density)
    return np.array_equal(density.evaluate(*asked, block=SMALL), density.evaluate(*asked))


def trial_events(density: PhysicalDensity) -> Asked:
    """``N_TRIED`` events where the density has its own, and in its tails."""
    draw = torch.Generator().manual_seed(0)
    z = 1.5 * torch.randn(N_TRIED, density.density.n_features, generator=draw)
    context = torch.randn(N_TRIED, 1, generator=draw)
    features = density.preprocessing.inverse(z).numpy()
    return Asked(features, density.context_scaling.inverse(context).numpy())


def _members(density: PhysicalDensity) -> Sequence[ConditionalDensity]:
    inner = density.density
    return inner.densities if isinstance(inner, Ensemble) else [inner]


def _rows(asked: Asked, rows: slice) -> Asked:
    return Asked(asked.features[rows], asked.mass[rows])
