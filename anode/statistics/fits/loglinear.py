"""Poisson likelihood fits of log-linear functions, for many data sets at once.

Expected events mu_i = exp(offset_i + sum_k theta_k g_k(i)). The logarithm of the Poisson
likelihood, sum_i [n_i ln mu_i - mu_i], is concave in theta: there is one maximum, and Newton's
method (here the same as Fisher's scoring) finds it for many data sets at once.
"""

import numpy as np
from scipy import linalg

from anode.errors import DataError

_MAX_LOG = 700.0  # exp of it is still finite
_NOTHING = -23.0  # ln of 1e-10 expected events
_MAX_STEPS = 200
_CONVERGED = 1e-16  # gradient . step: squared distance to the maximum in standard deviations


def exponential(log: np.ndarray) -> np.ndarray:
    """exp of any shape, clipped to stay finite for functions that a minimiser tries."""
    return np.asarray(np.exp(np.clip(log, -_MAX_LOG, _MAX_LOG)))


def orthonormal(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(P, P) transform that makes ``columns @ transform`` orthonormal in a weighted sum over bins.

    With expected events as weights the Fisher information is the unit matrix: parameters have
    error one and no correlation however collinear the columns are, and every minimiser
    converges. The transform is triangular: its leading block serves the leading columns.

    Args:
        columns: (B, P) functions in the bins of the fit only.
        weight: (B,) positive weights.
    """
    r = np.linalg.qr(np.sqrt(weight)[:, None] * columns, mode="r")
    return np.asarray(linalg.solve_triangular(r, np.eye(len(r))))


def project(log: np.ndarray, basis: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(..., P) weighted least squares of ``log`` (..., B) in an ``orthonormal`` basis (B, P)."""
    return np.asarray(log @ (basis * weight[:, None]))


def information(expected: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """(T, P, P) Fisher information sum_i mu_i g_k(i) g_l(i) of T data sets."""
    n_bins, n_parameters = basis.shape
    products = (basis[:, :, None] * basis[:, None, :]).reshape(n_bins, n_parameters**2)
    return np.asarray((expected @ products).reshape(-1, n_parameters, n_parameters))


def maximise(
    counts: np.ndarray,
    basis: np.ndarray,
    offset: np.ndarray,
    start: np.ndarray,
    *,
    penalty: np.ndarray | None = None,
) -> np.ndarray:
    """(T, P) parameters of the highest likelihood.

    A step is shortened by ln(1 + d) / d, d the largest change of any ln mu: with it Newton's
    method for sums of exponentials climbs from everywhere [generalised self-concordant functions
    of order 2, Sun and Tran-Dinh 1703.04599].

    Args:
        counts: (T, B) events; more than P bins of each row must hold some, else the maximum may
            lie at infinity.
        basis: (B, P) functions g_k, roughly orthonormal.
        offset: (B,) fixed part of ln mu.
        start: (T, P) first parameters.
        penalty: (P,) inverse variances of Gaussian constraints of the parameters about 0, which
            are part of the likelihood; None for none.

    Returns:
        (T, P) parameters; NaN for a row that has not converged.
    """
    theta = start.copy()
    pull = np.zeros(basis.shape[1]) if penalty is None else penalty
    going = np.arange(len(counts))
    for _ in range(_MAX_STEPS):
        if len(going) == 0:
            break
        log = theta[going] @ basis.T + offset
        expected = exponential(log)
        gradient = (counts[going] - expected) @ basis - pull * theta[going]
        curvature = information(expected, basis) + np.diag(pull)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        moved = np.maximum(log + step @ basis.T, _NOTHING) - np.maximum(log, _NOTHING)
        change = np.maximum(np.abs(moved).max(axis=1), 1e-300)
        theta[going] += (np.log1p(change) / change)[:, None] * step
        going = going[~((gradient * step).sum(axis=1) <= _CONVERGED)]
    theta[going] = np.nan
    return theta


def fitted_counts(counts: np.ndarray, columns: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(B,) expected events of one data set (B,) at the highest likelihood, from any columns.

    Raises:
        DataError: the fit does not converge, as for columns that depend on each other.
    """
    weight = counts + 0.5
    basis = columns @ orthonormal(columns, weight)
    start = project(np.log(weight) - offset, basis, weight)
    theta = maximise(counts[None], basis, offset, start[None])[0]
    if not np.isfinite(theta).all():
        raise DataError(
            f"a fit must converge within {_MAX_STEPS} steps, got none of {columns.shape[1]} "
            f"parameters to {int(counts.sum())} events in {int((counts > 0).sum())} of "
            f"{len(counts)} bins; use fewer parameters or a wider range of masses"
        )
    return exponential(basis @ theta + offset)
