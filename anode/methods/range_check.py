"""Whether events lie in the range of features that densities were fitted in."""

import numpy as np

from anode.errors import DataError

MAX_OUTSIDE = 0.1


def check_fraction_outside(n_outside: int, n_events: int, source: str) -> None:
    """Refuse events of which many lie outside the fitted range.

    Args:
        n_outside: number of them.
        n_events: number of events that are ``judged``.
        source: name of the file.

    Raises:
        DataError: more than 10% lie outside, as after a wrong unit or feature.
    """
    if n_outside > MAX_OUTSIDE * n_events:
        raise DataError(
            f"{source}: {n_outside} of {n_events} events lie outside the range of features that "
            f"the densities were fitted in, more than {MAX_OUTSIDE:.0%}; are units and features "
            "right?"
        )


def judged(label: np.ndarray | None, n_events: int) -> np.ndarray:
    """(N,) which events say whether a file is right: all but known signal, whose place is where
    background is rare, perhaps beyond all of it.

    Args:
        label: (N,) truth, or None where it is unknown.
        n_events: N.
    """
    return np.ones(n_events, dtype=bool) if label is None else label != 1
