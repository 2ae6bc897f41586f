"""Table of networks: the class and the settings for each name of a configuration."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from anode.errors import ConfigError, nearest
from anode.representations.networks.autoencoder import Autoencoder, AutoencoderConfig
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.contrastive import Contrastive, ContrastiveConfig
from anode.representations.networks.convolutional import (
    ConvolutionalAutoencoder,
    ConvolutionalConfig,
)
from anode.representations.networks.pooled import Pooled, PooledConfig
from anode.representations.networks.set_autoencoder import SetAutoencoder, SetAutoencoderConfig
from anode.representations.networks.sparse_autoencoder import (
    SparseAutoencoder,
    SparseAutoencoderConfig,
)
from anode.representations.networks.unet import UNet, UNetConfig
from anode.representations.networks.variational import Variational, VariationalConfig
from anode.representations.networks.vit import VisionConfig, VisionTransformer


class Entry(NamedTuple):
    """A network, its settings and its input.

    Attributes:
        config: dataclass of the settings.
        network: (input_shape, config) -> the network, freshly initialised.
        input: what it represents, a key of ``INPUTS``.
    """

    config: type[NetworkConfig]
    network: Callable[..., Network]
    input: str


INPUTS = {"features": "(D,)", "images": "(C, S, S)", "constituents": "(J, K, 4)"}
"""Kind of input -> shape of an event."""

NETWORKS: dict[str, Entry] = {
    "ae": Entry(AutoencoderConfig, Autoencoder, "features"),
    "vae": Entry(VariationalConfig, Variational, "features"),
    "cae": Entry(ConvolutionalConfig, ConvolutionalAutoencoder, "images"),
    "unet": Entry(UNetConfig, UNet, "images"),
    "vit": Entry(VisionConfig, VisionTransformer, "images"),
    "sparse_ae": Entry(SparseAutoencoderConfig, SparseAutoencoder, "images"),
    "set_ae": Entry(SetAutoencoderConfig, SetAutoencoder, "constituents"),
    "contrastive": Entry(ContrastiveConfig, Contrastive, "constituents"),
    "pooled": Entry(PooledConfig, Pooled, "constituents"),
}
"""Name -> network; a new one is a module of its own and a line here."""


def build_network(config: NetworkConfig, input_shape: Sequence[int], seed: int) -> Network:
    """The network ``config`` names, freshly initialised.

    Args:
        config: settings; ``config.name`` picks the class.
        input_shape: shape of one event: (D,), (C, S, S) or (J, K, 4).
        seed: seeds the initial weights, and nothing else: torch's global state is restored.

    Raises:
        ConfigError: there is no such network, it takes inputs of another shape, or it does not
            take these settings.

    >>> config = AutoencoderConfig("ae", hidden=[16], n_latent=2, activation="silu")
    >>> build_network(config, (4,), seed=1).n_latent
    2
    """
    if config.name not in NETWORKS:
        raise ConfigError(
            f"network.name must be one of {', '.join(NETWORKS)}, got {config.name!r}"
            f"{nearest(config.name, NETWORKS)}"
        )
    entry = NETWORKS[config.name]
    shape = tuple(input_shape)
    fits = {
        "features": len(shape) == 1,
        "images": len(shape) == 3 and shape[1] == shape[2],
        "constituents": len(shape) == 3 and shape[2] == 4,
    }
    if not fits[entry.input]:
        raise ConfigError(
            f"network={config.name} takes {entry.input} of shape {INPUTS[entry.input]}, got "
            f"{shape}; choose another network or another input"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return entry.network(shape, config)
