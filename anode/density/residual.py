"""Residual density p_sig: what the data have and the background does not explain.

    p_data(x|m) = w p_sig(x|m) + (1 - w) p_bg(x|m)

with p_bg known and fixed: p_sig, and w if asked, are fitted to the data. p_sig need not repeat the
bulk, whose noise drowns a small signal in a density of all data. R-ANODE, Das, Kasieczka, Shih
2312.11629, eq. (5), with p_sig conditional on m.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import optimize, special
from torch import Tensor, nn

from anode.density.base import ConditionalDensity
from anode.errors import ConfigError

SMALLEST_FRACTION = 1e-4
LARGEST_FRACTION = 0.5  # that is learned; beyond it p_sig describes the bulk
LARGEST_STEP = math.log(1.25)  # of log w in an epoch, so that an unfinished p_sig cannot end w


class Residual(ConditionalDensity):
    """The mixture w p_sig + (1 - w) p_bg, a function of p_sig and of w.

    log p_bg is no part of the module: it is the last column of the context, computed once for
    every event, in the space of the features. Then

        log p_data = logaddexp(log w + log p_sig, log(1 - w) + log p_bg).

    Args:
        signal: p_sig, of D features and C context values.
        fraction: w, or its first value, in (0, 1).
        learned: True if ``learn_fraction`` moves w.

    Raises:
        ConfigError: ``fraction`` is not in (0, 1).
    """

    logit_fraction: Tensor

    def __init__(self, signal: ConditionalDensity, *, fraction: float, learned: bool) -> None:
        super().__init__(signal.n_features, signal.n_context + 1)
        if not 0 < fraction < 1:
            raise ConfigError(f"the signal fraction must lie in (0, 1), got {fraction}")
        self.signal = signal
        self.learned = learned
        self.register_buffer("logit_fraction", torch.tensor(0.0, dtype=torch.float64))
        self.set_fraction(fraction)

    @property
    def fraction(self) -> float:
        """The signal fraction w."""
        return torch.sigmoid(self.logit_fraction).item()

    def set_fraction(self, fraction: float) -> None:
        """Set w, in (0, 1)."""
        self.logit_fraction.fill_(math.log(fraction) - math.log1p(-fraction))

    def mixed(self, log_p_signal: Tensor, log_p_background: Tensor) -> Tensor:
        """log p_data of events, given both densities: (...,), (...,) -> (...,)."""
        log_w = nn.functional.logsigmoid(self.logit_fraction).to(log_p_signal.dtype)
        log_rest = nn.functional.logsigmoid(-self.logit_fraction).to(log_p_signal.dtype)
        return torch.logaddexp(log_w + log_p_signal, log_rest + log_p_background)

    def log_ratio(self, features: Tensor, context: Tensor) -> Tensor:
        """(B,) log p_sig - log p_bg, in float64 and without gradients."""
        with torch.no_grad():
            log_p_signal = self.signal.log_prob(features, context[:, :-1])
        return log_p_signal.double() - context[:, -1].double()

    def _log_prob(self, features: Tensor, context: Tensor) -> Tensor:
        return self.mixed(self.signal.log_prob(features, context[:, :-1]), context[:, -1])

    def _sample(self, context: Tensor, generator: torch.Generator) -> Tensor:
        """Draws of p_sig: the module holds no p_bg."""
        return self.signal.sample(context[:, :-1], generator)

    def _latent(self, features: Tensor, context: Tensor) -> Tensor:
        """The latent space of p_sig."""
        return self.signal.latent(features, context[:, :-1])


def learn_fraction(
    residuals: Sequence[Residual], samples: Sequence[tuple[Tensor, Tensor]]
) -> None:
    """Move the common w of several fits towards the likeliest one for their validation events.

    Args:
        residuals: S fits of one w.
        samples: features (N_s, D) and context (N_s, C + 1) of validation events of each.
    """
    ratios = [
        residual.eval().log_ratio(*sample)
        for residual, sample in zip(residuals, samples, strict=True)
    ]
    before = residuals[0].fraction
    best, _ = likeliest_fraction(torch.cat(ratios).cpu().numpy())
    step = max(-LARGEST_STEP, min(LARGEST_STEP, math.log(best / before)))
    for residual in residuals:
        residual.set_fraction(min(LARGEST_FRACTION, before * math.exp(step)))


def likeliest_fraction(log_ratio: np.ndarray) -> tuple[float, float]:
    """The w that maximises sum log(1 + w (p_sig / p_bg - 1)) over N events, and its error.

    The sum is concave, so w is the one root of its slope, sum (p_sig - p_bg) / p_data, or the end
    of [1e-4, 1 - 1e-4] towards which the sum rises. The error is that of the curvature,
    1 / sqrt(sum ((p_sig - p_bg) / p_data)^2).

    Args:
        log_ratio: (N,) log p_sig - log p_bg, N >= 1.
    """

    def slopes(w: float) -> np.ndarray:
        # (p_s - p_b) / (w p_s + (1 - w) p_b), written so that neither tail overflows.
        p_signal = special.expit(log_ratio + np.log(w) - np.log1p(-w))
        slope: np.ndarray = p_signal / w - (1 - p_signal) / (1 - w)
        return slope

    low, high = SMALLEST_FRACTION, 1 - SMALLEST_FRACTION
    if slopes(low).sum() <= 0:
        w = low
    elif slopes(high).sum() >= 0:
        w = high
    else:
        w = float(optimize.brentq(lambda each: slopes(each).sum(), low, high, rtol=1e-12))
    curvature = float(np.sum(slopes(w) ** 2))
    return w, 1 / math.sqrt(curvature) if curvature > 0 else math.inf


def signal_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of p_sig out of those of a ``Residual``; those of another density as they are."""
    if "logit_fraction" not in state:
        return state
    prefix = "signal."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
