"""Networks of the constituents of a jet, whose order and padding they do not see.

A jet is a set of up to K constituents of five columns: z = pT / sum pT, d_eta, d_phi,
ln(pT / GeV), and the mask, 1 for a constituent. What stands in a slot of mask 0 is replaced by 0
first.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from anode.classifiers.binary_network import BinaryNetwork
from anode.classifiers.config import DeepSetConfig, SetConfig, TransformerConfig
from anode.errors import ConfigError

N_COLUMNS = 5
"""Columns of a constituent: ``UNITS``, then its mask."""

UNITS = (0.1, 0.2, 0.2, 3.0)
"""Sizes of z, d_eta, d_phi and ln pT in a typical jet; networks like numbers near 1."""

_SMALLEST = 1e-6
"""Of a distance or a fraction whose logarithm is taken."""

_PAIR_UNITS = (3.0, 6.0, 2.0, 10.0)
"""Sizes of the logarithms of a pair."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """(..., F) mean over the K members of sets, 0 of an empty set.

    Args:
        values: (..., K, F).
        mask: (..., K) True for a member.

    Example:
        >>> values = torch.tensor([[1.0], [3.0], [9.0]])
        >>> masked_mean(values, torch.tensor([True, True, False]))
        tensor([2.])
    """
    total = torch.where(mask[..., None], values, 0).sum(-2)
    return total / mask.sum(-1, keepdim=True).clamp(min=1)


class SetClassifier(BinaryNetwork):
    """Log-odds of sets that come as flat rows.

    Args:
        n_features: K times ``N_COLUMNS``.
        config: settings.

    Raises:
        ConfigError: ``n_features`` is another number.
    """

    chunk = 2048
    units: Tensor

    def __init__(self, n_features: int, config: SetConfig) -> None:
        super().__init__()
        expected = N_COLUMNS * config.members
        if n_features != expected:
            raise ConfigError(
                f"{config.name} takes {config.members} constituents of {N_COLUMNS} columns, "
                f"{expected} features in all, got {n_features}; change classifier.members, or "
                "choose a classifier of features, such as hgb"
            )
        self.members = config.members
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)

    def sets(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K N_COLUMNS) rows -> (B, K, 4) columns, 0 in empty slots, and (B, K) mask."""
        rows = features.unflatten(1, (self.members, N_COLUMNS))
        mask = rows[..., -1] > 0
        return torch.where(mask[..., None], rows[..., :-1], 0), mask


class DeepSet(SetClassifier):
    """Deep set with a mean over the constituents and one weighted with their pT.

        a = F(mean_k f(x_k), sum_k z_k f(x_k), n / K)

    f and F are fully connected, with SiLU between the layers; n is the number of constituents.

    Args:
        n_features: K times ``N_COLUMNS``.
        config: settings.

    Example:
        >>> from anode.training.recipe import TrainerConfig
        >>> trainer = TrainerConfig(1, 8, 0.01, "constant", 1.0, 0.0, None, None, 1)
        >>> network = DeepSet(100, DeepSetConfig("deep_set", 0.2, 20, 1, trainer, 16, 2))
        >>> network(torch.zeros(3, 100)).shape
        torch.Size([3])
    """

    def __init__(self, n_features: int, config: DeepSetConfig) -> None:
        super().__init__(n_features, config)
        hidden = config.hidden_layers * [config.hidden_features]
        self.each = _layers([len(UNITS), *hidden, config.hidden_features])
        self.all = _layers([2 * config.hidden_features + 1, *hidden, 1])

    def forward(self, features: Tensor) -> Tensor:
        """Rows of sets (B, K N_COLUMNS) -> log-odds (B,)."""
        columns, mask = self.sets(features)
        values = self.each(columns / self.units)
        # z is 0 in an empty slot
        weighted = (columns[..., :1] * values).sum(-2)
        filled = mask.sum(-1, keepdim=True) / self.members
        pooled = torch.cat([masked_mean(values, mask), weighted, filled], dim=-1)
        log_odds: Tensor = self.all(pooled).squeeze(-1)
        return log_odds


class ParticleTransformer(SetClassifier):
    """Small particle transformer: attention between constituents, biased by what pairs are like.

    Each head adds a learned function of a pair to its attention (2202.03772, eq. 3),

        ln dR_ij,  ln kT = ln[min(pT_i, pT_j) dR_ij],  ln[min(z_i, z_j) / (z_i + z_j)],
        ln m^2 = ln[pT_i pT_j dR_ij^2],

    in GeV, for massless constituents near each other. Blocks normalise first; the mean over the
    constituents of the last one gives the log-odds.

    Args:
        n_features: K times ``N_COLUMNS``.
        config: settings.

    Example:
        >>> from anode.training.recipe import TrainerConfig
        >>> trainer = TrainerConfig(1, 8, 0.01, "constant", 1.0, 0.0, None, None, 1)
        >>> config = TransformerConfig("transformer", 0.2, 20, 1, trainer, 8, 1, 2)
        >>> ParticleTransformer(100, config)(torch.zeros(3, 100)).shape
        torch.Size([3])
    """

    pair_units: Tensor

    def __init__(self, n_features: int, config: TransformerConfig) -> None:
        super().__init__(n_features, config)
        self.register_buffer("pair_units", torch.tensor(_PAIR_UNITS), persistent=False)
        self.embed = _layers([len(UNITS), config.width, config.width])
        self.pairs = _layers([len(_PAIR_UNITS), 8, config.heads])
        self.blocks = nn.ModuleList(
            _Block(config.width, config.heads) for _ in range(config.blocks)
        )
        self.last = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Rows of sets (B, K N_COLUMNS) -> log-odds (B,)."""
        columns, mask = self.sets(features)
        bias = self.pairs(pair_logarithms(columns) / self.pair_units).movedim(-1, 1)
        # Finite, so that a set without members has numbers, which nothing then reads.
        bias = bias.masked_fill(~mask[:, None, None, :], torch.finfo(bias.dtype).min)
        tokens = self.embed(columns / self.units)
        for block in self.blocks:
            tokens = block(tokens, bias)
        log_odds: Tensor = self.last(masked_mean(tokens, mask)).squeeze(-1)
        return log_odds


def pair_logarithms(columns: Tensor) -> Tensor:
    """(B, K, K, 4) logarithms of distance, kT [GeV], share of the softer one and squared mass
    [GeV^2] of each pair.

    Args:
        columns: (B, K, 4) z, d_eta, d_phi and ln(pT / GeV).
    """
    fraction, eta, phi, log_pt = columns.unbind(-1)
    distance = torch.hypot(
        *(values[:, :, None] - values[:, None, :] for values in (eta, phi))
    ).clamp(min=_SMALLEST)
    one, other = fraction[:, :, None], fraction[:, None, :]
    softer = torch.minimum(one, other)
    share = softer / (one + other).clamp(min=_SMALLEST)
    pt, other_pt, log_distance = log_pt[:, :, None], log_pt[:, None, :], distance.log()
    logs = (
        log_distance,
        torch.minimum(pt, other_pt) + log_distance,
        share.clamp(min=_SMALLEST).log(),
        pt + other_pt + 2 * log_distance,
    )
    return torch.stack(logs, dim=-1)


class _Block(nn.Module):
    """Attention with a bias, then a fully connected layer; both added to what comes in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Tokens (B, K, W) and bias (B, heads, K, K) -> (B, K, W)."""
        joint = self.query_key_value(self.before_attention(tokens))
        query, key, value = joint.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=bias)
        tokens = tokens + self.mixed(seen.transpose(1, 2).flatten(2))
        found: Tensor = tokens + self.narrow(gelu(self.wide(self.before_dense(tokens))))
        return found


def _layers(widths: list[int]) -> nn.Sequential:
    """Linear layers between the widths, SiLU after all but the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def build_set_network(n_features: int, config: SetConfig) -> SetClassifier:
    """The network that settings are for.

    Raises:
        ConfigError: another number of features than the network takes.
    """
    builders: dict[type[SetConfig], Callable[..., SetClassifier]] = {
        DeepSetConfig: DeepSet,
        TransformerConfig: ParticleTransformer,
    }
    return builders[type(config)](n_features, config)
