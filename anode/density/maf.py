"""Normalizing flows out of nflows transforms: affine MAF, spline MAF, spline coupling.

Each maps x -> z with z ~ N(0, 1), so that

    log p(x|m) = log N(z; 0, 1) + sum over transforms of log |det dz/dx|.

The order of features is reversed between autoregressive transforms. In a MADE (Germain et al.
1502.03509) the parameters of the first feature reach no hidden unit and so do not see the
context: a single transform gives p(x_0) where p(x_0|m) is meant. Two transforms with a reversal
repair that for their composition; ``context_affine`` repairs it for any depth, and is required
for one transform.
"""

import abc
import dataclasses
import math

import torch
from nflows import transforms
from nflows.nn.nets import ResidualNet
from nflows.transforms.made import MaskedLinear
from nflows.transforms.normalization import BatchNorm
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from anode.density.base import ConditionalDensity, DensityConfig
from anode.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class FlowConfig(DensityConfig):
    """Settings every flow shares.

    Attributes:
        n_transforms: number of autoregressive or coupling transforms.
        hidden_features: width of every hidden layer.
        n_blocks: hidden-to-hidden layers of a MADE, residual blocks of a coupling network.
        batch_norm: batch normalisation between transforms (Papamakarios et al. 1705.07057).
        spectral_norm: division of every weight matrix by its largest singular value.
        context_affine: first step x -> (x - shift(m)) exp(-log_scale(m)), feature by feature.
    """

    n_transforms: int
    hidden_features: int
    n_blocks: int
    batch_norm: bool
    spectral_norm: bool
    context_affine: bool

    def __post_init__(self) -> None:
        for key in ("n_transforms", "hidden_features", "n_blocks"):
            if getattr(self, key) < 1:
                raise ConfigError(f"density.{key} must be at least 1, got {getattr(self, key)}")
        if self.n_transforms == 1 and not self.context_affine:
            raise ConfigError(
                "one transform alone gives its first feature no context: set "
                "density.context_affine=true or density.n_transforms=2 or more"
            )


@dataclasses.dataclass(frozen=True)
class SplineConfig(FlowConfig):
    """Settings of rational-quadratic spline flows (Durkan et al. 1906.04032).

    Attributes:
        n_bins: number of spline segments.
        tail_bound: half-width of the spline, on [-tail_bound, tail_bound]; the identity outside.
    """

    n_bins: int
    tail_bound: float


class ContextAffine(transforms.Transform):
    """z = (x - shift(m)) exp(-log_scale(m)), feature by feature.

    A network with one hidden layer gives shift and log_scale; it starts at the identity.
    """

    def __init__(self, n_features: int, n_context: int, hidden_features: int) -> None:
        super().__init__()
        output = nn.Linear(hidden_features, 2 * n_features)
        nn.init.zeros_(output.weight)
        nn.init.zeros_(output.bias)
        self.network = nn.Sequential(nn.Linear(n_context, hidden_features), nn.Tanh(), output)

    def forward(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, D) and log |det dz/dx| (B,) of x (B, D), given m (B, C)."""
        shift, log_scale = self.network(context).chunk(2, dim=1)
        return (inputs - shift) * torch.exp(-log_scale), -log_scale.sum(dim=1)

    def inverse(self, inputs: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, D) and log |det dx/dz| (B,) of z (B, D), given m (B, C)."""
        shift, log_scale = self.network(context).chunk(2, dim=1)
        return inputs * torch.exp(log_scale) + shift, log_scale.sum(dim=1)


class Flow(ConditionalDensity):
    """Composition of transforms to a standard normal; base of the three flows below."""

    reverse = True

    def __init__(self, n_features: int, n_context: int, config: FlowConfig) -> None:
        super().__init__(n_features, n_context)
        self.config = config
        layers: list[nn.Module] = []
        if config.context_affine:
            layers.append(ContextAffine(n_features, n_context, hidden_features=16))
        for index in range(config.n_transforms):
            layers.append(self._transform(index))
            if config.batch_norm:
                layers.append(_batch_norm(n_features))
            if self.reverse:
                layers.append(transforms.ReversePermutation(n_features))
        self.transform = transforms.CompositeTransform(layers)
        if config.spectral_norm:
            _apply_spectral_norm(self)

    @abc.abstractmethod
    def _transform(self, index: int) -> nn.Module:
        """Transform number ``index`` of the composition."""

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        latent, log_abs_det = self.transform(features, context)
        log_normalisation = 0.5 * self.n_features * math.log(2 * math.pi)
        return -0.5 * latent.square().sum(dim=1) - log_normalisation + log_abs_det

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        latent: Tensor = self.transform(features, context)[0]
        return latent

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        latent = torch.randn(len(context), self.n_features, generator=generator)
        features, _ = self.transform.inverse(latent.to(context), context)
        return features


class MaskedAutoregressiveFlow(Flow):
    """Masked autoregressive flow of affine maps (Papamakarios, Pavlakou, Murray 1705.07057).

    z_i = x_i s_i(x_<i, m) + t_i(x_<i, m), s = softplus + 1e-3; feed-forward MADEs with ReLU.
    """

    def _transform(self, index: int) -> nn.Module:
        return transforms.MaskedAffineAutoregressiveTransform(
            features=self.n_features,
            hidden_features=self.config.hidden_features,
            context_features=self.n_context,
            num_blocks=self.config.n_blocks,
            use_residual_blocks=False,
        )


class SplineAutoregressiveFlow(Flow):
    """Masked autoregressive flow of rational-quadratic splines (1906.04032), residual MADEs."""

    config: SplineConfig

    def _transform(self, index: int) -> nn.Module:
        return transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            features=self.n_features,
            hidden_features=self.config.hidden_features,
            context_features=self.n_context,
            num_blocks=self.config.n_blocks,
            num_bins=self.config.n_bins,
            tails="linear",
            tail_bound=self.config.tail_bound,
        )


class SplineCouplingFlow(Flow):
    """Coupling flow of rational-quadratic splines (1906.04032) with residual networks."""

    config: SplineConfig
    reverse = False  # the masks alternate instead

    def __init__(self, n_features: int, n_context: int, config: SplineConfig) -> None:
        if n_features < 2:
            raise ConfigError(f"a coupling flow needs at least 2 features, got {n_features}")
        super().__init__(n_features, n_context, config)

    def _transform(self, index: int) -> nn.Module:
        mask = [(feature + index) % 2 for feature in range(self.n_features)]

        def network(n_inputs: int, n_outputs: int) -> nn.Module:
            return ResidualNet(
                n_inputs,
                n_outputs,
                hidden_features=self.config.hidden_features,
                context_features=self.n_context,
                num_blocks=self.config.n_blocks,
            )

        return transforms.PiecewiseRationalQuadraticCouplingTransform(
            mask,
            network,
            num_bins=self.config.n_bins,
            tails="linear",
            tail_bound=self.config.tail_bound,
        )


def _batch_norm(n_features: int) -> BatchNorm:
    """nflows' batch norm, with a running variance that starts at 1.

    nflows starts it at 0, so that an evaluation after few batches divides by far too little.
    """
    layer = BatchNorm(n_features)
    layer.running_var.fill_(1.0)
    return layer


class _Mask(nn.Module):
    """Parametrisation W -> W * mask, so that spectral norm sees the weights in use."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def _apply_spectral_norm(flow: Flow) -> None:
    for layer in list(flow.modules()):
        if isinstance(layer, MaskedLinear):
            parametrize.register_parametrization(layer, "weight", _Mask(layer.mask))
        if isinstance(layer, nn.Linear):
            parametrizations.spectral_norm(layer)
