"""Fully connected networks: widths and an activation -> layers."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from anode.errors import ConfigError, nearest

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
}
"""Name in a configuration -> activation."""


def check_activation(name: str) -> None:
    """Refuse an activation that ``ACTIVATIONS`` does not name.

    Raises:
        ConfigError: the activation is unknown.

    >>> check_activation("rleu")
    Traceback (most recent call last):
    anode.errors.ConfigError: network.activation must be one of relu, leaky_relu, elu, silu, \
gelu, tanh, got 'rleu'; did you mean relu?
    """
    if name not in ACTIVATIONS:
        raise ConfigError(
            f"network.activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}"
            f"{nearest(name, ACTIVATIONS)}"
        )


def mlp(widths: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers between the ``widths``, an activation after all but the last.

    >>> mlp([4, 8, 2], "silu")
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): SiLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])
