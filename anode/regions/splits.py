"""Random division of events into folds and parts, independent of file order and subset.

An event's part is a hash of its id and of a seed, so it does not change when events are reordered,
added or removed, and no event can be in two parts. The hash is the finaliser of SplitMix64
(Steele, Lea, Flood, OOPSLA 2014), in which every output bit depends on every input bit:
consecutive ids are spread uniformly, and the sizes of parts fluctuate binomially, as those of a
random assignment do.
"""

import numpy as np

from anode.errors import ConfigError
from anode.seeding import Name, stream_seed


def uniform_of(event_id: np.ndarray, seed: int, *names: Name) -> np.ndarray:
    """A uniform number in [0, 1) for every event id, a function of id, seed and stream ``names``.

        u = splitmix64(id XOR stream_seed(seed, names)) / 2^64, on a grid of 2^-53

    Args:
        event_id: (N,) integers.
        seed: root seed.
        names: name of the random stream; different names give independent numbers.

    Returns:
        (N,) float64.
    """
    mixed = np.asarray(event_id).astype(np.int64).view(np.uint64)
    mixed = mixed ^ np.uint64(stream_seed(seed, *names))
    mixed = mixed + np.uint64(0x9E3779B97F4A7C15)  # wraps modulo 2^64, as do the products
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    # 53 bits fill a double exactly, so that rounding can never give 1.
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def fold_of(event_id: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold, 0 to n_folds - 1, of every event: (N,) int64.

    Raises:
        ConfigError: fewer than two folds.

    Example:
        >>> fold_of(np.arange(8), 5, seed=1)
        array([2, 4, 1, 4, 1, 4, 4, 4])
    """
    if n_folds < 2:
        raise ConfigError(f"split.folds must be at least 2, got {n_folds}")
    return np.floor(uniform_of(event_id, seed, "folds") * n_folds).astype(np.int64)
