"""What do two views of one jet share, and no other jet? Contrastive learning.

Every jet is changed twice in ways that leave its physics alone (``parts.augmentations``). With
z and z' the normalised outputs for the two views of a jet, the loss of the jet is

    -log  exp(z . z' / t) / sum over the other 2N - 1 views v of the batch of exp(z . v / t),

averaged over z and z' changing roles, and over the jets of an event. JetCLR, Dillon et al.
2108.04253; NT-Xent, Chen et al. 2002.05709, eq. (1). The latent vector of a jet is what the last
network, which the loss needs and a representation does not, takes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.parts.augmentations import Strengths, augmented
from anode.representations.networks.parts.dense import check_activation, mlp
from anode.representations.networks.parts.noise import batch_stream
from anode.representations.networks.parts.sets import DeepSet


@dataclass(frozen=True)
class ContrastiveConfig(NetworkConfig):
    """Settings of contrastive learning.

    Attributes:
        hidden: widths of the hidden layers per constituent and per jet; at least one.
        jet_latent: latent numbers of each jet; L is J times as many.
        activation: a key of ``anode.representations.networks.parts.dense.ACTIVATIONS``.
        temperature: t; the smaller, the more the most similar jets count.
        shift: largest shift of a jet in d_eta and d_phi.
        smear: width of the smearing in d_eta and d_phi, times the pT fraction.
        split: probability that a free place holds a part of a split constituent.

    Raises:
        ConfigError: a width below 1, no width, an unknown activation, or a number out of range.
    """

    hidden: list[int]
    jet_latent: int
    activation: str
    temperature: float
    shift: float
    smear: float
    split: float

    def __post_init__(self) -> None:
        self._check_sizes("hidden", "jet_latent")
        check_activation(self.activation)
        if not self.hidden:
            raise ConfigError("network.hidden must name at least 1 width, got []")
        if not self.temperature > 0:
            raise ConfigError(f"network.temperature must be above 0, got {self.temperature}")
        for key in ("shift", "smear"):
            if not getattr(self, key) >= 0:
                raise ConfigError(f"network.{key} must not be negative, got {getattr(self, key)}")
        if not 0 <= self.split <= 1:
            raise ConfigError(f"network.split must lie in [0, 1], got {self.split}")


class Contrastive(Network):
    """The network of the module's docstring.

    The loss of an event depends on the events that it is drawn with, its latent vector does not.

    Args:
        input_shape: (J, K, 4).
        config: settings.

    >>> config = ContrastiveConfig("contrastive", hidden=[32], jet_latent=8, activation="silu",
    ...     temperature=0.1, shift=0.1, smear=1e-4, split=0.5)
    >>> Contrastive((2, 20, 4), config).encode(torch.zeros(5, 2, 20, 4)).shape
    torch.Size([5, 16])
    """

    reconstructs = False

    def __init__(self, input_shape: Sequence[int], config: ContrastiveConfig) -> None:
        super().__init__()
        self.n_jets, width = input_shape[0], config.jet_latent
        self.n_latent = self.n_jets * width
        self.temperature = config.temperature
        self.strengths = Strengths(config.shift, config.smear, config.split)
        self.jet = DeepSet(config.hidden, width, config.activation)
        self.head = mlp([width, width, width], config.activation)

    def _loss(self, inputs: Tensor) -> Tensor:
        generator = batch_stream(inputs)
        jets = inputs.flatten(0, 1)
        first, second = (
            self.head(self.jet(augmented(jets, self.strengths, generator))) for _ in range(2)
        )
        return nt_xent(first, second, self.temperature).view(-1, self.n_jets).mean(1)

    def _encode(self, inputs: Tensor) -> Tensor:
        latent: Tensor = self.jet(inputs).flatten(1)
        return latent


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """(N,) the loss of the module's docstring.

    Args:
        first: (N, L) outputs for one view of each jet, of any length.
        second: (N, L) those for the other view.
        temperature: t.

    >>> nt_xent(torch.eye(2), torch.eye(2), 1.0)  # log(1 + 2 / e)
    tensor([0.5514, 0.5514])
    """
    n = len(first)
    views = F.normalize(torch.cat([first, second]), dim=1)
    similarity = views @ views.t() / temperature
    itself = torch.eye(2 * n, dtype=torch.bool, device=views.device)
    partner = torch.arange(2 * n, device=views.device).roll(n)
    loss = F.cross_entropy(similarity.masked_fill(itself, -torch.inf), partner, reduction="none")
    return loss.view(2, n).mean(0)
