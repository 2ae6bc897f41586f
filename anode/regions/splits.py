"""Random division of events into folds and parts, independent of file order and subset.

An event's part is a hash of its identity and of a seed, so it does not change when events are
reordered, numbered anew, added or removed, and no event can be in two parts, nor two copies of it.
The hash is SplitMix64's: even consecutive numbers are spread uniformly, and the sizes of parts
fluctuate binomially, as those of a random assignment do.
"""

import numpy as np

from anode.errors import ConfigError
from anode.seeding import Name, splitmix64, stream_seed


def uniform_of(identity: np.ndarray, seed: int, *names: Name) -> np.ndarray:
    """A uniform number in [0, 1) for every event, a function of identity, seed and stream
    ``names``.

        u = splitmix64(identity XOR stream_seed(seed, names)) / 2^64, on a grid of 2^-53

    Args:
        identity: (N,) integers, as ``EventTable.identity``.
        seed: root seed.
        names: name of the random stream; different names give independent numbers.

    Returns:
        (N,) float64.
    """
    state = np.asarray(identity).astype(np.uint64) ^ np.uint64(stream_seed(seed, *names))
    # 53 bits fill a double exactly, so that rounding can never give 1.
    return (splitmix64(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def fold_of(identity: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold, 0 to n_folds - 1, of every event: (N,) int64.

    Raises:
        ConfigError: fewer than two folds.

    Example:
        >>> fold_of(np.arange(8), 5, seed=1)
        array([2, 4, 1, 4, 1, 4, 4, 4])
    """
    if n_folds < 2:
        raise ConfigError(f"split.folds must be at least 2, got {n_folds}")
    return np.floor(uniform_of(identity, seed, "folds") * n_folds).astype(np.int64)
