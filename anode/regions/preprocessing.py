"""Invertible maps of features and mass to the space a density is fitted in, with Jacobians."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anode.errors import DataError

TAIL_EVENTS = 10
SMALLEST_MARGIN = 1e-5


@dataclass(frozen=True)
class PreprocessingConfig:
    """Steps after the min-max scaling, and what is done to features before it.

    Attributes:
        logit: map of (0, 1) to all real numbers, for features with hard edges.
        standardise: scaling of every feature to mean 0 and standard deviation 1.
        dequantise: spread of values that many events share, as ``regions.dequantise`` says.
        binary_features: True if features may have the values 0 and 1 alone, which are refused
            otherwise: labels have them.
    """

    logit: bool
    standardise: bool
    # Unknown to former versions.
    dequantise: bool = False
    binary_features: bool = False


class _Float64Module(nn.Module):
    """Keeps its buffers in float64 when a parent module is cast with ``.float()`` or ``.half()``.

    Physical ranges and masses need more digits than network weights: in float32 an event next
    to the edge of the fitted range would be rounded onto it, and its logit be infinite.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "_Float64Module":
        exact = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            moved = self._buffers[name]
            if buffer is not None and moved is not None and moved.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(moved.device)
        return self


class Preprocessing(_Float64Module):
    r"""Min-max to (0, 1), logit, standardise: x -> z, one feature at a time.

        u = (x - a) / (b - a)              (a, b): a little wider than the fitted sample
        y = log u - log(1 - u) = log(x - a) - log(b - x)
        z = (y - mean y) / std y

        log |det dz/dx| = sum_D [ log(b - a) - log(x - a) - log(b - x) - log std y ]

    The recipe of ANODE and CATHODE (arXiv:2001.04990; arXiv:2109.00546 and its code), with two
    differences. There a = min, b = max, which sends the extreme events to infinity, and events
    outside are dropped. Here a and b lie beyond the extremes by the mean spacing of the
    ``TAIL_EVENTS`` outermost events, about where the next event would fall: narrow at a hard edge
    (delta_mj >= 0), wide in a thin tail. On 60k real SR events this keeps every abs(z) below 9,
    where a fixed margin of 1e-5 of the range gives 16, and one of 1e-2 folds the events at a hard
    edge into a wall. And events outside are moved to the edge, half a margin inside (a, b),
    counted by ``n_outside``, and never dropped.

    Fitted by :meth:`fit`, or filled by ``load_state_dict``, which restores the options as well;
    until then its parameters are NaN. Computes in float64 whatever the dtype of its input.

    Args:
        n_features: D.
        logit: True for the logit; without it the map is affine and nothing is moved to an edge.
        standardise: True for mean 0 and standard deviation 1 of every fitted feature.

    Example:
        >>> x = np.random.default_rng(0).uniform(size=(1000, 2))
        >>> preprocessing = Preprocessing.fit(x, ["tau21_1", "tau21_2"])
        >>> z, log_abs_det = preprocessing(torch.as_tensor(x))
        >>> z.shape, z.dtype, log_abs_det.shape
        (torch.Size([1000, 2]), torch.float32, torch.Size([1000]))
        >>> bool(torch.allclose(preprocessing.inverse(z), torch.as_tensor(x), atol=1e-6))
        True
    """

    low: Tensor
    high: Tensor
    edge_low: Tensor
    edge_high: Tensor
    mean: Tensor
    scale: Tensor
    options: Tensor

    def __init__(self, n_features: int, *, logit: bool = True, standardise: bool = True) -> None:
        super().__init__()
        self.n_features = n_features
        self.logit = logit
        self.standardise = standardise
        for name in ("low", "high", "edge_low", "edge_high", "mean", "scale"):
            unknown = torch.full((n_features,), torch.nan, dtype=torch.float64)
            self.register_buffer(name, unknown)
        self.register_buffer("options", torch.tensor([logit, standardise], dtype=torch.uint8))
        self.register_load_state_dict_post_hook(_restore_options)

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        names: Sequence[str] | None = None,
        *,
        logit: bool = True,
        standardise: bool = True,
    ) -> "Preprocessing":
        """Fit the map to a sample.

        Args:
            features: (N, D) physical values, N >= 2.
            names: D names for error messages; default "feature 0", "feature 1", ...
            logit: True for the logit, as in the class.
            standardise: True for mean 0 and standard deviation 1, as in the class.

        Raises:
            DataError: a value is NaN or infinite, a column is constant, or the shape is wrong.
        """
        features = np.asarray(features, dtype=np.float64)
        _check_sample(features, names)
        self = cls(features.shape[1], logit=logit, standardise=standardise)
        low_margin, high_margin = _margins(features)
        minimum, maximum = features.min(axis=0), features.max(axis=0)
        self.low.copy_(torch.from_numpy(minimum - low_margin))
        self.high.copy_(torch.from_numpy(maximum + high_margin))
        self.edge_low.copy_(torch.from_numpy(minimum - low_margin / 2))
        self.edge_high.copy_(torch.from_numpy(maximum + high_margin / 2))
        self.mean.zero_()
        self.scale.fill_(1.0)
        if standardise:
            y, _ = self._unstandardised(torch.from_numpy(features))
            self.mean.copy_(y.mean(dim=0))
            self.scale.copy_(y.std(dim=0, correction=0))
        return self

    def forward(self, x: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Map physical features to the space of the density.

        Args:
            x: (B, D) physical values, float32 or float64.
            dtype: type of z.

        Returns:
            z: (B, D), and log |det dz/dx|: (B,) in float64. For an event moved to the edge both
            are those of the edge.

        Raises:
            DataError: the shape is wrong, or a value is NaN or infinite.
        """
        y, log_slope = self._unstandardised(self._checked(x))
        z = (y - self.mean) / self.scale
        return z.to(dtype), (log_slope - self.scale.log()).sum(dim=-1)

    def inverse(self, z: Tensor) -> Tensor:
        """Map (B, D) values of the density's space back: (B, D) physical values in float64.

        Every finite z falls strictly inside (a, b), or on its rounded edge.

        Raises:
            DataError: the shape is wrong, or a value is NaN or infinite.
        """
        y = self._checked(z) * self.scale + self.mean
        width = self.high - self.low
        if not self.logit:
            return self.low + width * y
        # Measured from the nearer edge, so that 1 - u never cancels.
        from_edge = width * torch.sigmoid(-y.abs())
        return torch.where(y < 0, self.low + from_edge, self.high - from_edge)

    def outside(self, x: Tensor) -> Tensor:
        """(B,) True for events (B, D) that ``forward`` moves to an edge in some feature."""
        x = self._checked(x)
        if not self.logit:
            return torch.zeros(len(x), dtype=torch.bool)
        return ((x < self.edge_low) | (x > self.edge_high)).any(dim=-1)

    def n_outside(self, x: Tensor) -> int:
        """Number of the events (B, D) that lie ``outside``."""
        return int(self.outside(x).sum())

    def _unstandardised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) float64 -> y (B, D) and log dy/dx (B, D)."""
        width = self.high - self.low
        if not self.logit:
            return (x - self.low) / width, -width.log().expand_as(x)
        x = torch.clamp(x, self.edge_low, self.edge_high)
        below, above = (x - self.low).log(), (self.high - x).log()
        return below - above, width.log() - below - above

    def _checked(self, values: Tensor) -> Tensor:
        if values.ndim != 2 or values.shape[1] != self.n_features:
            raise DataError(
                f"features must have shape (B, {self.n_features}), got {tuple(values.shape)}"
            )
        finite = torch.isfinite(values)
        if not finite.all():
            row, column = (int(i) for i in (~finite).nonzero()[0])
            raise DataError(
                f"features must be finite, but row {row}, feature {column} is "
                f"{values[row, column].item()}; remove or repair this event"
            )
        return values.to(torch.float64)


class ContextScaling(_Float64Module):
    """The context of a density: (m_jj - centre) / scale, of order 1.

    Fitted by :meth:`fit`, or filled by ``load_state_dict``; NaN until then.

    Example:
        >>> scaling = ContextScaling.fit(np.array([3000.0, 4000.0]))
        >>> scaling(torch.tensor([3500.0, 4000.0]))
        tensor([[0.],
                [1.]])
    """

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(torch.nan, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(torch.nan, dtype=torch.float64))

    @classmethod
    def fit(cls, mass: np.ndarray) -> "ContextScaling":
        """Centre and scale are the mean and standard deviation of masses (N,) [GeV].

        Raises:
            DataError: a mass is NaN or infinite, or all are equal, or there are fewer than two.
        """
        mass = np.asarray(mass, dtype=np.float64).reshape(-1, 1)
        _check_sample(mass, ["mass"])
        self = cls()
        self.centre.fill_(float(mass.mean()))
        self.scale.fill_(float(mass.std()))
        return self

    def forward(self, mass: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Masses (B,) or (B, 1) [GeV] -> context (B, 1)."""
        return ((mass.reshape(-1, 1).to(torch.float64) - self.centre) / self.scale).to(dtype)

    def inverse(self, context: Tensor) -> Tensor:
        """Context (B, 1) -> masses (B,) [GeV] in float64."""
        return context.reshape(-1).to(torch.float64) * self.scale + self.centre


def _restore_options(module: nn.Module, _: Any) -> None:
    """After ``load_state_dict``: take the saved options, not those of the constructor."""
    if isinstance(module, Preprocessing):
        module.logit, module.standardise = (bool(option) for option in module.options.tolist())


def _check_sample(features: np.ndarray, names: Sequence[str] | None) -> None:
    if features.ndim != 2 or len(features) < 2:
        raise DataError(
            f"preprocessing needs a sample of shape (N >= 2, D) to be fitted, got {features.shape}"
        )
    names = names or [f"feature {i}" for i in range(features.shape[1])]
    if len(names) != features.shape[1]:
        raise DataError(f"preprocessing got {len(names)} names for {features.shape[1]} columns")
    for name, values in zip(names, features.T, strict=True):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise DataError(
                f"preprocessing: column '{name}' must be finite, but {bad.size} values are not, "
                f"first row {bad[0]} ({values[bad[0]]}); remove or repair these events"
            )
        spread, size = np.ptp(values), np.abs(values).max()
        # Below this the margins would vanish in the rounding of the values themselves.
        if spread <= 1e-9 * size or spread == 0:
            raise DataError(
                f"preprocessing: column '{name}' is constant ({values[0]}) and cannot be scaled; "
                "leave it out of features"
            )


def _margins(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D,) widths added below the minimum and above the maximum: mean spacing in the tails."""
    k = min(TAIL_EVENTS, len(features) - 1)
    ordered = np.partition(features, (0, k, -1 - k, -1) if k else 0, axis=0)
    smallest = SMALLEST_MARGIN * (ordered[-1] - ordered[0])
    low = np.maximum((ordered[k] - ordered[0]) / k, smallest)
    high = np.maximum((ordered[-1] - ordered[-1 - k]) / k, smallest)
    return low, high
