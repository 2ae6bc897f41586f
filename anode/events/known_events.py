"""Events that fits have seen, told from others by their content, in whatever file they come.

Identities tell events of equal content. Features that are computed from what a file holds, such as
a ratio of subjettinesses, differ by a little more than a rounding once that is saved in single
precision. So mass m and features x (D) are compared as well, by m and two sums,

    mark_k = sum_j w_kj asinh(x_j / s_j),      s_j: standard deviation of feature j, 1 < w < 2

with a tolerance of several roundings. Of 500,000 new events beside 500,000 known ones about one is
taken for another, if it has a single feature, and none with more.
"""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.seeding import splitmix64

SAME_MASS = 5e-7  # relative
SAME_MARK = 5e-6
_DIRECTION = np.array([1.0, 0.618, 0.786])  # no two of mass and marks alike
DATASETS = ("identity", "mass", "marks", "scale")


class Recognised(NamedTuple):
    """Events as fits know them.

    Attributes:
        events: N events; known ones have the identity under which they were fitted, on which their
            folds hang.
        known: (N,) True for events that the fits have seen.
    """

    events: EventTable
    known: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Recognised":
        """The events of some rows, by number or mask."""
        return Recognised(self.events[rows], self.known[rows])


class KnownEvents:
    """Some events, as a file beside the fits keeps them.

    Args:
        *tables: events of the fits, with the same features.

    Example:
        >>> table = EventTable(np.arange(3), np.array([3500.0, 3600.0, 3700.0]),
        ...                    np.array([[1.0], [2.0], [3.0]]), ("a",), ("",))
        >>> KnownEvents(table[:2]).recognise(table).known
        array([ True,  True, False])
    """

    def __init__(self, *tables: EventTable) -> None:
        identity = np.concatenate([table.identity for table in tables])
        mass = np.concatenate([table.mass for table in tables])
        features = np.concatenate([table.features for table in tables])
        self.identity, first = np.unique(identity, return_index=True)
        spread = features.std(axis=0) if len(features) else np.ones(features.shape[1])
        self._scale = np.where(spread > 0, spread, 1.0)
        self._mass = mass[first].astype(np.float32)
        self._marks = self._marked(features[first]).astype(np.float32)

    def includes(self, events: EventTable) -> NDArray[np.bool_]:
        """(N,) which events have the identity of one of them."""
        if not len(self.identity):
            return np.zeros(len(events), dtype=bool)
        place = np.searchsorted(self.identity, events.identity)
        found = self.identity[np.minimum(place, len(self.identity) - 1)]
        result: NDArray[np.bool_] = found == events.identity
        return result

    def recognise(self, events: EventTable) -> Recognised:
        """Find events (N,) with the same features among them.

        Raises:
            DataError: there are more or fewer features.
        """
        if events.features.shape[1] != len(self._scale):
            raise DataError(
                f"{events.source}: events must have the {len(self._scale)} features of the fit, "
                f"got {events.features.shape[1]}"
            )
        known = self.includes(events)
        others = np.flatnonzero(~known)
        if not (len(self.identity) and len(others)):
            return Recognised(events, known)
        marks = self._marked(events.features[others])
        place = self._nearest(_coordinates(events.mass[others], marks))
        near = place >= 0
        identity = events.identity.copy()
        identity[others[near]] = self.identity[place[near]]
        known[others[near]] = True
        return Recognised(dataclasses.replace(events, identity=identity), known)

    def write(self, path: Path) -> None:
        """Write the file: ``identity`` (N,) uint64, rising, ``mass`` (N,) [GeV], ``marks`` (N, 2)
        and ``scale`` (D,)."""
        values = (self.identity, self._mass, self._marks, self._scale)
        io.write_hdf5(path, dict(zip(DATASETS, values, strict=True)))

    @classmethod
    def read(cls, path: Path) -> "KnownEvents":
        """The events of such a file.

        Raises:
            DataError: there is none, or it is broken.
        """
        with io.open_hdf5(path) as file:
            if missing := [name for name in DATASETS if name not in file]:
                raise DataError(
                    f"{path}: expected the datasets {', '.join(DATASETS)}, but "
                    f"{', '.join(missing)} missing"
                )
            values = [file[name][:] for name in DATASETS]
        known = cls.__new__(cls)
        known.identity, known._mass, known._marks, known._scale = values
        return known

    def _nearest(self, asked: NDArray[np.float64]) -> NDArray[np.int64]:
        """(N,) number of the known event at the same coordinates (N, 3); -1 where none is."""
        order, known, along = self._line
        position, reach = asked @ _DIRECTION, _DIRECTION.sum()
        start = np.searchsorted(along, position - reach)
        stop = np.searchsorted(along, position + reach)
        place = np.full(len(asked), -1)
        active = np.flatnonzero(start < stop)
        while len(active):
            same = (np.abs(known[start[active]] - asked[active]) <= 1).all(axis=1)
            place[active[same]] = order[start[active[same]]]
            start[active] += 1
            active = active[~same & (start[active] < stop[active])]
        return place

    @cached_property
    def _line(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """(N,) order along a direction, (N, 3) coordinates and (N,) positions in this order."""
        known = _coordinates(self._mass, self._marks)
        along = known @ _DIRECTION
        order = np.argsort(along)
        return order, known[order], along[order]

    def _marked(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) sums of features (N, D)."""
        number = np.arange(2 * len(self._scale), dtype=np.uint64).reshape(-1, 2)
        weight = 1 + splitmix64(number) / 2.0**64
        result: NDArray[np.float64] = np.arcsinh(features / self._scale) @ weight
        return result


def _coordinates(mass: NDArray[np.floating], marks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 3) numbers that differ by at most 1 if events are the same."""
    log_mass = np.log(np.maximum(mass.astype(np.float64), 1e-9))
    return np.column_stack([log_mass / SAME_MASS, marks.astype(np.float64) / SAME_MARK])
