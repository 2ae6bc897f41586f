"""Two views of every jet that must be told from all other jets: settings, loss, control.

Every jet is changed twice in ways that leave its physics alone (``parts.augmentations``). With
z and z' the normalised outputs for the two views of a jet, the loss of the jet is

    -log  exp(z . z' / t) / sum over the other 2N - 1 views v of the batch of exp(z . v / t),

averaged over z and z' changing roles, and over the jets of an event. JetCLR, Dillon et al.
2108.04253; NT-Xent, Chen et al. 2002.05709, eq. (1).
"""

import abc
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anode.errors import ConfigError
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.parts.augmentations import Strengths, augmented
from anode.representations.networks.parts.noise import batch_stream


@dataclass(frozen=True)
class ViewsConfig(NetworkConfig):
    """Settings of a network that learns from two views of each jet; each adds its own.

    Attributes:
        head: widths of the network that the loss needs and a representation does not; at least
            one.
        temperature: t; the smaller, the more the most similar jets count.
        shift: largest shift of a jet in d_eta and d_phi.
        smear: width of the smearing in d_eta and d_phi, times the pT fraction.
        split: probability that a free place holds a part of a split constituent.
        trained: False leaves the first, random weights: the control of every claim that training
            found something, for random features pool well too.

    Raises:
        ConfigError: a width below 1, no width, or a number out of range.
    """

    head: list[int]
    temperature: float
    shift: float
    smear: float
    split: float
    trained: bool

    def __post_init__(self) -> None:
        self._check_sizes("head")
        if not self.head:
            raise ConfigError("network.head must name at least 1 width, got []")
        if not self.temperature > 0:
            raise ConfigError(f"network.temperature must be above 0, got {self.temperature}")
        for key in ("shift", "smear"):
            if not getattr(self, key) >= 0:
                raise ConfigError(f"network.{key} must not be negative, got {getattr(self, key)}")
        if not 0 <= self.split <= 1:
            raise ConfigError(f"network.split must lie in [0, 1], got {self.split}")


class ViewsNetwork(Network):
    """A network that is fitted by the loss of the module's docstring, or not at all.

    The loss of an event depends on the events that it is drawn with, its latent vector does not.

    Args:
        config: settings.
    """

    reconstructs = False

    def __init__(self, config: ViewsConfig) -> None:
        super().__init__()
        self.config = config
        self.strengths = Strengths(config.shift, config.smear, config.split)

    @abc.abstractmethod
    def _output(self, jets: Tensor) -> Tensor:
        """(N, L) z of views of jets (N, K, 4), of any length."""

    def _leave_untrained(self) -> None:
        """Freeze all weights that there are."""
        self.requires_grad_(False)
        # An optimiser needs something to move; weight decay leaves a 0 as it is.
        self.nothing = nn.Parameter(torch.zeros(()))

    def _loss(self, inputs: Tensor) -> Tensor:
        if not self.config.trained:
            return 0 * self.nothing.expand(len(inputs))
        generator = batch_stream(inputs)
        jets = inputs.flatten(0, 1)
        first, second = (
            self._output(augmented(jets, self.strengths, generator)) for _ in range(2)
        )
        loss = nt_xent(first, second, self.config.temperature)
        return loss.view(len(inputs), -1).mean(1)


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
