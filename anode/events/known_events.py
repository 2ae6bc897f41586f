"""Events that fits have seen, told from others by their content, in whatever file they come."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable

DATASET = "identity"


class KnownEvents:
    """The identities of some events, kept in a file beside the fits that have seen them.

    Args:
        *tables: events of the fits.

    Example:
        >>> table = EventTable(np.arange(3), np.array([3500.0, 3600.0, 3700.0]),
        ...                    np.array([[1.0], [2.0], [3.0]]), ("a",), ("",))
        >>> KnownEvents(table[:2]).includes(table)
        array([ True,  True, False])
    """

    def __init__(self, *tables: EventTable) -> None:
        none = np.empty(0, dtype=np.uint64)
        self.identity: NDArray[np.uint64] = np.unique(
            np.concatenate([none, *(table.identity for table in tables)])
        )

    def includes(self, events: EventTable) -> NDArray[np.bool_]:
        """(N,) which events are among them."""
        if not len(self.identity):
            return np.zeros(len(events), dtype=bool)
        place = np.searchsorted(self.identity, events.identity)
        found = self.identity[np.minimum(place, len(self.identity) - 1)]
        result: NDArray[np.bool_] = found == events.identity
        return result

    def write(self, path: Path) -> None:
        """Write the file: one dataset, ``identity`` (N,) uint64, rising."""
        io.write_hdf5(path, {DATASET: self.identity})

    @classmethod
    def read(cls, path: Path) -> "KnownEvents":
        """The events of such a file.

        Raises:
            DataError: there is none, or it is broken.
        """
        known = cls()
        with io.open_hdf5(path) as file:
            if DATASET not in file:
                raise DataError(f"{path}: expected a dataset '{DATASET}', found none")
            known.identity = file[DATASET][:]
        return known
