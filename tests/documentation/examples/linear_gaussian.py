"""Gaussian whose mean is linear in the context: p(x|m) = N(x; a + B m, L L^T)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anode.density.base import ConditionalDensity, DensityConfig
from anode.errors import ConfigError


@dataclass(frozen=True)
class LinearGaussianConfig(DensityConfig):
    """Keys below ``density``, besides name and backend; values stand in
    ``configs/density/linear_gaussian.yaml``.

    Attributes:
        initial_scale: standard deviation of every feature before the fit.
    """

    initial_scale: float

    def __post_init__(self) -> None:
        if not self.initial_scale > 0:
            raise ConfigError(f"density.initial_scale must be above 0, got {self.initial_scale}")


class LinearGaussian(ConditionalDensity):
    """The density of the module's docstring.

    Public methods check shapes; these compute. Features (B, D) and context (B, C) are of order 1:
    preprocessing, physical units, epochs and ensembles are not a density's business.
    """

    def __init__(self, n_features: int, n_context: int, config: LinearGaussianConfig) -> None:
        super().__init__(n_features, n_context)
        self.mean = nn.Linear(n_context, n_features)
        self.log_diagonal = nn.Parameter(torch.full((n_features,), math.log(config.initial_scale)))
        self.below = nn.Parameter(torch.zeros(n_features, n_features))

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        z = self._noise(features, context)
        log_norm = 0.5 * self.n_features * math.log(2 * math.pi) + self.log_diagonal.sum()
        return -0.5 * z.square().sum(dim=1) - log_norm

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        return self._noise(features, context)

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(len(context), self.n_features, generator=generator)
        return self.mean(context) + noise @ self._triangle().T

    def _noise(self, features: Tensor, context: Tensor) -> Tensor:
        """z = L^-1 (x - a - B m): (B, D)."""
        left = features - self.mean(context)
        return torch.linalg.solve_triangular(self._triangle(), left.T, upper=False).T

    def _triangle(self) -> Tensor:
        """L: (D, D)."""
        return self.below.tril(-1) + torch.diag(self.log_diagonal.exp())
