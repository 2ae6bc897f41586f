"""Networks of sets: the constituents of a jet -> numbers that do not depend on their order."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anode.representations.networks.parts.dense import mlp

N_KINEMATICS = 3  # columns of a constituent before its mask: pT fraction, d_eta, d_phi
UNITS = (0.1, 0.2, 0.2)  # sizes of those columns in a typical jet; networks like numbers near 1


def mean_and_max(values: Tensor, mask: Tensor) -> Tensor:
    """(..., 2F) mean and maximum over the K members of sets, 0 of an empty set.

    Args:
        values: (..., K, F).
        mask: (..., K) 1 for a member, 0 for padding.

    >>> values = torch.tensor([[1.0], [3.0], [9.0]])
    >>> mean_and_max(values, torch.tensor([1.0, 1.0, 0.0]))
    tensor([2., 3.])
    """
    member = mask[..., None] > 0
    mean = torch.where(member, values, 0).sum(-2) / member.sum(-2).clamp(min=1)
    largest = values.masked_fill(~member, -torch.inf).amax(-2)
    return torch.cat([mean, torch.where(member.any(-2), largest, 0)], dim=-1)


def pt_mean_and_max(values: Tensor, pt: Tensor, mask: Tensor) -> Tensor:
    """(..., 2F) mean weighted with pT and maximum over the K members of sets, 0 of an empty set.

    A mean that counts all members alike hangs on how many soft ones there are.

    Args:
        values: (..., K, F).
        pt: (..., K) pT, in any unit; that of padding does not count.
        mask: (..., K) 1 for a member, 0 for padding.

    >>> values = torch.tensor([[1.0], [3.0], [9.0]])
    >>> pt_mean_and_max(values, torch.tensor([3.0, 1.0, 5.0]), torch.tensor([1.0, 1.0, 0.0]))
    tensor([1.5000, 3.0000])
    """
    weight = torch.where(mask > 0, pt, 0)
    weight = weight / weight.sum(-1, keepdim=True).clamp(min=1e-9)
    mean = (weight[..., None] * torch.where(mask[..., None] > 0, values, 0)).sum(-2)
    n_features = values.shape[-1]
    return torch.cat([mean, mean_and_max(values, mask)[..., n_features:]], dim=-1)


class DeepSet(nn.Module):
    """Deep set (Zaheer et al. 1703.06114; energy flow networks, Komiske et al. 1810.05165).

        F(mean_k f(x_k), max_k f(x_k))

    over the constituents of a jet, x_k being its kinematics in ``UNITS``, f and F fully connected.

    Args:
        hidden: widths of the hidden layers of f and of F; at least one.
        n_out: numbers that represent a set.
        activation: a key of ``ACTIVATIONS``.
    """

    units: Tensor

    def __init__(self, hidden: Sequence[int], n_out: int, activation: str) -> None:
        super().__init__()
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)
        self.each = mlp([N_KINEMATICS, *hidden], activation)
        self.all = mlp([2 * hidden[-1], *hidden[::-1], n_out], activation)

    def forward(self, jets: Tensor) -> Tensor:
        """(..., K, 4) constituents -> (..., n_out)."""
        values = self.each(jets[..., :N_KINEMATICS] / self.units)
        found: Tensor = self.all(mean_and_max(values, jets[..., N_KINEMATICS]))
        return found
