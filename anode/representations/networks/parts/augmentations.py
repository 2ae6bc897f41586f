"""Changes of a jet that leave its physics alone: rotations, shifts, splittings, soft smearing.

The augmentations of JetCLR (Dillon et al. 2108.04253, section 2.2). Jets are (N, K, 4): pT as a
fraction of the jet's, d_eta, d_phi, and 1 for a constituent or 0 for padding, which stays 0.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

LARGEST_SMEAR = 0.1  # in d_eta and d_phi, of the softest constituents


class Strengths(NamedTuple):
    """How strong the augmentations are.

    Attributes:
        shift: largest shift of a jet in d_eta and in d_phi.
        smear: width of the smearing times the pT fraction of the constituent; 1e-4 is 100 MeV for
            a jet of 1 TeV, as in the paper.
        split: probability that a free place holds a part of a split constituent.
    """

    shift: float
    smear: float
    split: float


def augmented(jets: Tensor, strengths: Strengths, generator: torch.Generator) -> Tensor:
    """(N, K, 4) the jets, split, smeared, rotated and shifted, each at random.

    >>> jets = torch.tensor([[[1.0, 0.1, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]])
    >>> changed = augmented(jets, Strengths(0.0, 0.0, 1.0), torch.Generator().manual_seed(1))
    >>> changed[0, :, 3].tolist(), round(changed[0, :, 0].sum().item(), 6)
    ([1.0, 1.0], 1.0)
    """
    jets = split(jets, strengths.split, generator)
    jets = smeared(jets, strengths.smear, generator)
    return shifted(rotated(jets, generator), strengths.shift, generator)


def rotated(jets: Tensor, generator: torch.Generator) -> Tensor:
    """Each jet turned about its axis, (d_eta, d_phi) = 0, by an angle uniform in [0, 2 pi)."""
    angle = 2 * math.pi * _uniform((len(jets), 1), generator, jets)
    pt, eta, phi, mask = jets.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([pt, cos * eta - sin * phi, sin * eta + cos * phi, mask], dim=-1)


def shifted(jets: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Each jet moved as a whole, in d_eta and d_phi each, uniformly in +-``largest``."""
    move = largest * (2 * _uniform((len(jets), 1, 2), generator, jets) - 1)
    pt, place, mask = jets.split([1, 2, 1], dim=-1)
    return torch.cat([pt, place + mask * move, mask], dim=-1)


def smeared(jets: Tensor, smear: float, generator: torch.Generator) -> Tensor:
    """Soft constituents moved: Gaussian, of width ``smear`` / pT fraction, at most 0.1."""
    pt, place, mask = jets.split([1, 2, 1], dim=-1)
    noise = torch.randn(place.shape, generator=generator).to(jets)
    width = (smear / pt.clamp(min=1e-9)).clamp(max=LARGEST_SMEAR)
    return torch.cat([pt, place + mask * width * noise, mask], dim=-1)


def split(jets: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Constituents split in two of the same direction, a uniform fraction of pT to each part.

    The second parts fill free places, each with the probability, no constituent splitting twice.
    """
    shape = jets.shape[:2]
    member = jets[..., 3] > 0
    chance, share = (_uniform(shape, generator, jets) for _ in range(2))
    # Constituents in random order, padding last: the r-th free place takes from the r-th.
    order = _uniform(shape, generator, jets).masked_fill(~member, 2).argsort(1)
    rank = (~member).cumsum(1) - 1
    filled = ~member & (rank < member.sum(1, keepdim=True)) & (chance < probability)
    parent = order.gather(1, rank.clamp(min=0))
    children = jets.gather(1, parent[..., None].expand(-1, -1, 4))
    taken = torch.where(filled, share * children[..., 0], 0)
    pt = (jets[..., 0] - torch.zeros_like(taken).scatter_add(1, parent, taken)) + taken
    kept = torch.where(filled[..., None], children, jets)
    return torch.cat([pt[..., None], kept[..., 1:]], dim=-1)


def _uniform(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=generator).to(like)
