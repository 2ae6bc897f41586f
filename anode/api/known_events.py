"""Events that a fit has seen, told from their mass and features, to the last digit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.table import EventTable, content_hashes


class Recognised(NamedTuple):
    """Events as a fit knows them.

    Attributes:
        event_id: (N,) ids of the fitted events of equal content; for others one of their own, made
            of the content, below 0.
        known: (N,) True where there is such an event.
    """

    event_id: NDArray[np.int64]
    known: NDArray[np.bool_]


class KnownEvents:
    """Ids of fitted events by content.

    Folds hang on ids. An event given again gets the id, and so the fold, under which it was
    fitted, in whatever order or subset it comes. Of several fitted events of equal content the
    first given gets the first one's id, the second the second one's, and so on.

    Args:
        events: events of a fit.
    """

    def __init__(self, events: EventTable) -> None:
        hashes = content_hashes(events)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._ids = hashes[order], events.event_id[order]

    def recognise(self, events: EventTable) -> Recognised:
        """The ids under which events (N,) are known."""
        hashes = content_hashes(events)
        first = np.searchsorted(self._hashes, hashes, side="left")
        n_equal = np.searchsorted(self._hashes, hashes, side="right") - first
        known = n_equal > 0
        place = first + _number_among_equals(hashes) % np.maximum(n_equal, 1)
        own = -1 - (hashes >> np.uint64(1)).astype(np.int64)
        if not len(self._ids):
            return Recognised(own, known)
        ids = self._ids[np.minimum(place, len(self._ids) - 1)]
        return Recognised(np.where(known, ids, own), known)


def _number_among_equals(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) 0 for the first of equal values, 1 for the second, ..."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    number = np.empty(len(values), dtype=np.int64)
    number[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered, side="left")
    return number
