"""Rosenblatt transform: events of a density become normal noise, independent of the mass.

The transform (Ann. Math. Stat. 23 (1952) 470) maps x ~ p(x|m), feature by feature, to

    z_d = Phi^-1(F_d(x_d)),   F_d the distribution function of p(x_d | x_<d, m),

which is standard normal in D dimensions for every m. Each tail of F_d is computed as itself, in
logarithms, and z_d from the smaller one, so that nothing is lost however far out an event is.

For one feature's mixture of Gaussians F = sum_k w_k Phi(v_k). An average of K densities
factorises as well, each member weighed by its likelihood of the features before:

    p(x_d | x_<d) = sum_k pi_kd p_k(x_d | x_<d),   pi_kd ~ prod_{j<d} p_k(x_j | x_<j),

where sum_k pi_kd = 1.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.special import ndtri_exp
from torch import Tensor

SMALLEST_TAIL = 1e-250  # far below it float64 has no numbers, and logarithms are summed instead


class Conditionals(NamedTuple):
    """log p(x_d | x_<d, m), log F_d(x_d) and log (1 - F_d(x_d)), each (B, D) in float64."""

    log_p: Tensor
    log_cdf: Tensor
    log_sf: Tensor


def of_mixture(log_weights: Tensor, v: Tensor, scale: Tensor) -> Conditionals:
    """The conditionals of mixtures of K Gaussians.

    Args:
        log_weights: log w_k, (D, K, B).
        v: pulls (x - mu_k) / s_k, (D, K, B).
        scale: widths s_k, (D, K, B).
    """
    log_weights, v = log_weights.double(), v.double()
    log_p = torch.logsumexp(log_weights - 0.5 * v * v - scale.log(), 1)
    log_p -= 0.5 * math.log(2 * math.pi)
    log_cdf, log_sf = _log_tail(log_weights, v), _log_tail(log_weights, -v)
    return Conditionals(log_p.t(), log_cdf.t(), log_sf.t())


def average(each: Sequence[Conditionals]) -> Conditionals:
    """The conditionals of the average, in p, of autoregressive densities."""
    log_p, log_cdf, log_sf = (torch.stack(values) for values in zip(*each, strict=True))
    log_pi = torch.log_softmax(log_p.cumsum(-1) - log_p, 0)
    return Conditionals(
        *(torch.logsumexp(log_pi + values, 0) for values in (log_p, log_cdf, log_sf))
    )


def to_normal(conditionals: Conditionals) -> Tensor:
    """z (B, D) of the module's docstring, in float64."""
    _, log_cdf, log_sf = conditionals
    below = torch.from_numpy(ndtri_exp(torch.minimum(log_cdf, log_sf).cpu().numpy()))
    below = below.to(log_cdf.device)
    return torch.where(log_cdf < log_sf, below, -below)


def _log_tail(log_weights: Tensor, v: Tensor) -> Tensor:
    """log sum_k w_k Phi(v_k): (D, K, B) -> (D, B)."""
    tail = torch.special.erfc(v * -math.sqrt(0.5)).mul_(log_weights.exp()).sum(1).mul_(0.5)
    log_tail = tail.log()
    far = tail < SMALLEST_TAIL
    if far.any():
        joint = log_weights.mT[far] + torch.special.log_ndtr(v.mT[far])
        log_tail[far] = torch.logsumexp(joint, -1)
    return log_tail
