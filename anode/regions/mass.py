"""Masses of background in the signal region, drawn from a kernel density estimate."""

import numpy as np

from anode.errors import DataError


def sample_masses(
    mass: np.ndarray, n: int, *, bandwidth: float, rng: np.random.Generator
) -> np.ndarray:
    """Draws from a Gaussian kernel density estimate of masses, kept inside their range.

        p(m) = mean_i N(m; m_i, bandwidth),

    reflected at the smallest and the largest mass, so that the density does not fall at the edges
    of a signal region as an unbounded estimate does.

    Args:
        mass: (N,) observed masses [GeV], in any order.
        n: number of draws.
        bandwidth: standard deviation of the kernel [GeV].
        rng: random stream.

    Returns:
        (n,) drawn masses [GeV].

    Raises:
        DataError: fewer than two masses, or all are equal.
    """
    low, high = (mass.min(), mass.max()) if len(mass) else (0.0, 0.0)
    if not high > low:
        raise DataError(f"a mass distribution needs two different masses, got {len(mass)} events")
    drawn = rng.choice(np.sort(mass), n) + bandwidth * rng.normal(size=n)
    # A triangle wave of period 2 (high - low) reflects at both ends, as often as it takes.
    phase = np.mod(drawn - low, 2 * (high - low))
    return low + np.minimum(phase, 2 * (high - low) - phase)
