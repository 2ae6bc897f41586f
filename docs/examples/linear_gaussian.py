"""Conditional Gaussian whose mean is linear in the context.

p(x|m) = N(x; A m + a, L L^T),      z = L^-1 (x - A m - a),      L lower triangular
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anode.density.base import ConditionalDensity, DensityConfig
from anode.errors import ConfigError


@dataclass(frozen=True)
class LinearGaussianConfig(DensityConfig):
    """Settings, with the keys of ``configs/density/linear_gaussian.yaml``.

    Attributes:
        smallest_width: floor of the widths of L.
    """

    smallest_width: float

    def __post_init__(self) -> None:
        if not self.smallest_width > 0:
            raise ConfigError(f"density.smallest_width must be above 0, got {self.smallest_width}")


class LinearGaussian(ConditionalDensity):
    """The density of the module's docstring.

    Args:
        n_features: D.
        n_context: C.
        config: settings.
    """

    def __init__(self, n_features: int, n_context: int, config: LinearGaussianConfig) -> None:
        super().__init__(n_features, n_context)
        self.config = config
        self.mean = nn.Linear(n_context, n_features)
        self.raw = nn.Parameter(torch.zeros(n_features, n_features))

    def _factor(self) -> Tensor:
        """L (D, D), with a positive diagonal."""
        widths = nn.functional.softplus(self.raw.diagonal()) + self.config.smallest_width
        return self.raw.tril(-1) + torch.diag(widths)

    def _whitened(self, features: Tensor, context: Tensor) -> Tensor:
        centred = (features - self.mean(context)).t()
        return torch.linalg.solve_triangular(self._factor(), centred, upper=False).t()

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        z = self._whitened(features, context)
        log_normalisation = 0.5 * self.n_features * math.log(2 * math.pi)
        log_det = self._factor().diagonal().log().sum()
        return -0.5 * z.square().sum(dim=1) - log_normalisation - log_det

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        return self._whitened(features, context)

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(len(context), self.n_features, generator=generator).to(context)
        return self.mean(context) + noise @ self._factor().t()
