"""Fitted against injected signal, over pseudo-experiments of known truth."""

from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.statistics.counting.pass_rate import ONE_SIGMA, wilson_error


class InjectionResponse(NamedTuple):
    """Fitted signal and significance of a search for K amounts of injected signal, (K,) each.

    Attributes:
        injected: number of injected events, rising.
        n: number of pseudo-experiments.
        z, z_low, z_high: median significance and its central 68% band.
        bias, bias_error: mean of fitted - injected [events].
        pull_mean, pull_mean_error: mean of (fitted - injected) / error, the error on the side of
            the truth; 0 of an unbiased fit.
        pull_std, pull_std_error: standard deviation of the pulls; 1 where errors are right.
        coverage, coverage_error: fraction of intervals [fitted - error_low, fitted + error_high]
            that contain the true value; 0.68 where errors are right.
    """

    injected: np.ndarray
    n: np.ndarray
    z: np.ndarray
    z_low: np.ndarray
    z_high: np.ndarray
    bias: np.ndarray
    bias_error: np.ndarray
    pull_mean: np.ndarray
    pull_mean_error: np.ndarray
    pull_std: np.ndarray
    pull_std_error: np.ndarray
    coverage: np.ndarray
    coverage_error: np.ndarray


def injection_response(
    injected: np.ndarray,
    fitted: np.ndarray,
    error_low: np.ndarray,
    error_high: np.ndarray,
    z: np.ndarray,
) -> InjectionResponse:
    """Fitted against injected signal over pseudo-experiments, grouped by the injected amount.

    The error of a standard deviation, s / sqrt(2 (n - 1)), is that of normal pulls.

    Args:
        injected: (N,) injected events that pass the cut; two pseudo-experiments or more for each
            amount.
        fitted: (N,) fitted signal events.
        error_low, error_high: (N,) lengths of the 68% interval below and above ``fitted``.
        z: (N,) significances.

    Raises:
        DataError: shapes differ, there is nothing, a value is not finite, an error is negative or
            is 0 on the side of the truth, or an amount was injected only once.

    Example:
        >>> response = injection_response([50, 50], [40, 70], [9, 9], [11, 12], [2, 4])
        >>> response.bias.tolist(), response.coverage.tolist()
        ([5.0], [0.5])
    """
    columns = {
        "injected": injected,
        "fitted": fitted,
        "error_low": error_low,
        "error_high": error_high,
        "z": z,
    }
    true, found, low, high, z = _checked(columns)
    error = np.where(found > true, low, high)
    missed = (found != true) & (error == 0)
    if missed.any():
        raise DataError(
            "the error towards the injected amount must be positive where the fit missed it, but "
            f"is 0 in pseudo-experiment {np.flatnonzero(missed)[0]} ({missed.sum()} such)"
        )
    pull = (found - true) / np.where(found == true, 1.0, error)
    covered = (found - low <= true) & (true <= found + high)
    amounts = np.unique(true)
    groups = [_group(true == a, pull, found - true, covered, z) for a in amounts]
    return InjectionResponse(amounts, *(np.array(column) for column in zip(*groups, strict=True)))


def _group(
    chosen: np.ndarray,
    pull: np.ndarray,
    difference: np.ndarray,
    covered: np.ndarray,
    z: np.ndarray,
) -> tuple[float, ...]:
    """The fields of ``InjectionResponse`` after the first, of the chosen pseudo-experiments."""
    n = int(chosen.sum())
    pull, difference, covered, z = pull[chosen], difference[chosen], covered[chosen], z[chosen]
    tail = 100 * (1 - ONE_SIGMA) / 2
    low, median, high = np.percentile(z, [tail, 50, 100 - tail])
    spread = float(np.std(pull, ddof=1))
    return (
        n,
        median,
        low,
        high,
        float(difference.mean()),
        float(np.std(difference, ddof=1) / np.sqrt(n)),
        float(pull.mean()),
        spread / np.sqrt(n),
        spread,
        spread / np.sqrt(2 * (n - 1)),
        float(covered.mean()),
        wilson_error(covered.sum(), n),
    )


def _checked(columns: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The columns as floats, or a DataError that names one of them and a pseudo-experiment."""
    arrays = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1 or any(v.ndim != 1 or not len(v) for v in arrays.values()):
        raise DataError(f"an injection test needs lists of equal lengths, got {shapes}")
    for name, values in arrays.items():
        bad = ~np.isfinite(values)
        if name.startswith("error"):
            bad |= values < 0
        if bad.any():
            row = np.flatnonzero(bad)[0]
            rule = "finite and not negative" if name.startswith("error") else "finite"
            raise DataError(
                f"{name} must be {rule}, got {values[row]:.6g} in pseudo-experiment {row} "
                f"({bad.sum()} such)"
            )
    amounts, counts = np.unique(arrays["injected"], return_counts=True)
    if counts.min() < 2:
        raise DataError(
            "every injected amount needs at least two pseudo-experiments, but "
            f"{amounts[counts.argmin()]:g} has one"
        )
    return list(arrays.values())
