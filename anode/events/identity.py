"""Who an event is: its content, not its row, its file or its order there.

Two events are the same if mass and all features agree in single precision, so that a file that is
saved again with other ids, in another order or as float32 holds the same events.
"""

import numpy as np

from anode.errors import DataError
from anode.seeding import splitmix64


def identity_of(mass: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(N,) uint64: equal for events of equal mass and features in single precision.

    Args:
        mass: (N,) masses [GeV].
        features: (N, D) features.

    Example:
        >>> mass, features = np.array([3500.1, 3500.1]), np.array([[0.1, 0.0], [0.1, -0.0]])
        >>> one, other = identity_of(mass, features)
        >>> bool(one == other), bool(one == identity_of(mass, features * 2)[0])
        (True, False)
    """
    with np.errstate(over="ignore"):  # beyond the range of float32 all are infinite
        rounded = np.column_stack([mass, features]).astype(np.float32)
    return row_hashes(rounded + np.float32(0))  # the sum turns -0.0 into 0.0


def row_hashes(rows: np.ndarray) -> np.ndarray:
    """(N,) uint64 hash of the bits of each row of (N, C) floats: equal rows, equal hashes.

        h_0 = C,      h_c = splitmix64(h_(c-1) XOR bits of column c)

    The probability that two of N different rows share one is about N^2 / 4e19.
    """
    bits = np.uint32 if rows.dtype == np.float32 else np.uint64
    hashes = np.full(len(rows), rows.shape[1], dtype=np.uint64)
    for column in rows.T:
        stored = np.ascontiguousarray(column, np.dtype(f"f{np.dtype(bits).itemsize}"))
        hashes = splitmix64(hashes ^ stored.view(bits).astype(np.uint64))
    return hashes


def refuse_parted_copies(content: np.ndarray, identity: np.ndarray, column: str) -> None:
    """Refuse identities that tell copies of an event apart: one would be fitted, another scored.

    Args:
        content: (N,) identities by content.
        identity: (N,) identities that a column gives.
        column: its name.

    Raises:
        DataError: two events of equal content have different identities.
    """
    order = np.argsort(content, kind="stable")
    content, identity = content[order], identity[order]
    parted = np.flatnonzero((content[1:] == content[:-1]) & (identity[1:] != identity[:-1]))
    if parted.size:
        raise DataError(
            f"column {column} of identities must be equal for events of equal mass and features, "
            f"but {parted.size} differ, such as {identity[parted[0]]} and "
            f"{identity[parted[0] + 1]}; give copies one, or leave data.columns.identity out"
        )
