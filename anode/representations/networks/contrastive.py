"""What do two views of one jet share, and no other jet? Contrastive learning of deep sets.

The loss is that of ``parts.views``. The latent vector of a jet is its constituents pooled,

    (sum_k z_k f(x_k), mean_k f(x_k), max_k f(x_k)),

with x_k the kinematics of a constituent and log z_k, z_k its share of pT, and f fully connected:
what the head, which the loss needs and a representation does not, takes in. Of the head's hidden
numbers fewer tell signal from background. Untrained, it is the control.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anode.errors import ConfigError
from anode.representations.networks.parts.dense import check_activation, mlp
from anode.representations.networks.parts.sets import (
    N_KINEMATICS,
    UNITS,
    mean_and_max,
    pt_mean_and_max,
)
from anode.representations.networks.parts.views import ViewsConfig, ViewsNetwork

SOFTEST = 1e-4  # share of pT below which all constituents are alike
LOG_CENTRE, LOG_WIDTH = -4.0, 2.0  # of the log of the shares in a typical jet


@dataclass(frozen=True)
class ContrastiveConfig(ViewsConfig):
    """Settings of contrastive learning.

    Attributes:
        hidden: widths of the layers per constituent, at least one; of the last, W, a jet has 3 W
            latent numbers.
        activation: a key of ``anode.representations.networks.parts.dense.ACTIVATIONS``.

    Raises:
        ConfigError: a width below 1, no width, an unknown activation, or a number out of range.
    """

    hidden: list[int]
    activation: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sizes("hidden")
        check_activation(self.activation)
        if not self.hidden:
            raise ConfigError("network.hidden must name at least 1 width, got []")


class Contrastive(ViewsNetwork):
    """The network of the module's docstring.

    Args:
        input_shape: (J, K, 4).
        config: settings.

    >>> config = ContrastiveConfig("contrastive", head=[32], temperature=0.1, shift=0.0,
    ...     smear=1e-3, split=0.1, trained=True, hidden=[32, 8], activation="relu")
    >>> Contrastive((2, 20, 4), config).encode(torch.zeros(5, 2, 20, 4)).shape
    torch.Size([5, 48])
    """

    config: ContrastiveConfig
    units: Tensor

    def __init__(self, input_shape: Sequence[int], config: ContrastiveConfig) -> None:
        super().__init__(config)
        width = 3 * config.hidden[-1]
        self.n_latent = input_shape[0] * width
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)
        self.each = mlp([N_KINEMATICS + 1, *config.hidden], config.activation)
        self.head = mlp([width, *config.head], config.activation)
        if not config.trained:
            self._leave_untrained()

    def _output(self, jets: Tensor) -> Tensor:
        output: Tensor = self.head(self._pooled(jets))
        return output

    def _encode(self, inputs: Tensor) -> Tensor:
        return self._pooled(inputs).flatten(1)

    def _pooled(self, jets: Tensor) -> Tensor:
        """(..., 3 W) the latent vectors of jets (..., K, 4)."""
        share, mask = jets[..., 0], jets[..., N_KINEMATICS]
        log_share = (share.clamp(min=SOFTEST).log() - LOG_CENTRE) / LOG_WIDTH
        kinematics = jets[..., :N_KINEMATICS] / self.units
        values = self.each(torch.cat([kinematics, log_share[..., None]], dim=-1))
        weighted = pt_mean_and_max(values, share, mask)[..., : values.shape[-1]]
        return torch.cat([weighted, mean_and_max(values, mask)], dim=-1)
