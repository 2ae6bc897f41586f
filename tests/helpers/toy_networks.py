"""One small network of every kind, and toy events that it can learn."""

from typing import Any

import torch
from torch import Tensor

from anode.representations.networks.autoencoder import AutoencoderConfig
from anode.representations.networks.base import Network, NetworkConfig
from anode.representations.networks.build import NETWORKS, build_network
from anode.representations.networks.contrastive import ContrastiveConfig
from anode.representations.networks.convolutional import ConvolutionalConfig
from anode.representations.networks.pooled import PooledConfig
from anode.representations.networks.set_autoencoder import SetAutoencoderConfig
from anode.representations.networks.sparse_autoencoder import SparseAutoencoderConfig
from anode.representations.networks.unet import UNetConfig
from anode.representations.networks.variational import VariationalConfig
from anode.representations.networks.vit import VisionConfig

SHAPES = {"features": (6,), "images": (2, 16, 16), "constituents": (2, 8, 4)}

VIEWS: dict[str, Any] = {
    "head": [16, 8],
    "temperature": 0.2,
    "shift": 0.1,
    "smear": 1e-4,
    "split": 0.5,
    "trained": True,
}
CONTRASTIVE = ContrastiveConfig(
    "contrastive",
    **VIEWS,
    hidden=[16, 12],
    activation="silu",
)
POOLED = PooledConfig("pooled", **VIEWS, kernels=[5, 3], width=8, pixels=12, radius=0.8)
CONFIGS: dict[str, NetworkConfig] = {
    "ae": AutoencoderConfig("ae", hidden=[16, 12], n_latent=2, activation="silu"),
    "vae": VariationalConfig("vae", hidden=[16, 12], n_latent=2, activation="silu", beta=0.1),
    "cae": ConvolutionalConfig("cae", channels=[4, 8], n_latent=5),
    "unet": UNetConfig("unet", channels=[4, 8, 6]),
    "vit": VisionConfig("vit", patch=4, width=12, depth=2, heads=2, mask_fraction=0.6),
    "sparse_ae": SparseAutoencoderConfig("sparse_ae", channels=[4, 8], n_latent=5),
    "set_ae": SetAutoencoderConfig("set_ae", hidden=[16, 12], n_latent=4, activation="silu"),
    "contrastive": CONTRASTIVE,
    "pooled": POOLED,
}


def network(name: str, seed: int = 1) -> Network:
    return build_network(CONFIGS[name], SHAPES[NETWORKS[name].input], seed)


def inputs(name: str, n: int, seed: int = 0) -> Tensor:
    """(n, ...) toy events for the network of that name."""
    toys = {"features": features, "images": images, "constituents": constituents}
    return toys[NETWORKS[name].input](n, torch.Generator().manual_seed(seed))


def features(n: int, generator: torch.Generator) -> Tensor:
    """(n, 6) of which two directions hold nearly everything."""
    mixing = torch.randn(2, 6, generator=torch.Generator().manual_seed(5))
    noise = 0.1 * torch.randn(n, 6, generator=generator)
    return torch.randn(n, 2, generator=generator) @ mixing + noise


def images(n: int, generator: torch.Generator) -> Tensor:
    """(n, 2, 16, 16): one or two of six pixels of each image are 1, the others empty."""
    flat = torch.zeros(n, 2, 256)
    places = torch.tensor([35, 44, 120, 135, 200, 220])
    chosen = places[torch.randint(6, (n, 2, 2), generator=generator)]
    return flat.scatter(2, chosen, 1.0).view(n, 2, 16, 16)


def constituents(n: int, generator: torch.Generator) -> Tensor:
    """(n, 2, 8, 4): jets of 3 to 8 constituents, of one or of two prongs, sorted by pT."""
    prongs = torch.randint(2, (n, 2, 1), generator=generator)
    side = torch.randint(2, (n, 2, 8), generator=generator) * prongs
    angle = 6.28 * torch.rand(n, 2, 1, generator=generator)
    axis = torch.stack([angle.cos(), angle.sin()], -1)
    place = 0.3 * (2 * side - prongs)[..., None] * axis
    place = place + 0.05 * torch.randn(n, 2, 8, 2, generator=generator)
    mask = torch.arange(8) < torch.randint(3, 9, (n, 2, 1), generator=generator)
    pt = torch.rand(n, 2, 8, generator=generator).square().add(0.01).sort(descending=True)[0]
    pt = pt * mask / (pt * mask).sum(-1, keepdim=True)
    jets = torch.cat([pt[..., None], place, torch.ones_like(pt)[..., None]], -1)
    return jets * mask[..., None]
