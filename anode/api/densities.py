"""Conditional densities by name, and their fit to arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anode.density.base import ConditionalDensity


class FittedDensity:
    """p(x|m) in physical units: ``log_prob(x, m)``, ``sample(m, seed=)``, ``latent(x, m)``."""

    def log_prob(self, x: ArrayLike, m: ArrayLike) -> NDArray[np.float64]: ...

    def sample(self, m: ArrayLike, *, seed: int) -> NDArray[np.float64]: ...

    def latent(self, x: ArrayLike, m: ArrayLike) -> NDArray[np.float64]: ...


class DensityFit(NamedTuple):
    density: FittedDensity
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]


def make_density(
    name: str, *, n_features: int, n_context: int = 1, seed: int = 1, **settings: Any
) -> ConditionalDensity: ...


def fit(
    density: ConditionalDensity,
    x: ArrayLike,
    m: ArrayLike,
    *,
    validation: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    trainer: str | Mapping[str, Any] | None = None,
    ensemble: int | Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> DensityFit: ...
