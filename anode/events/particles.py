"""Particles of many events in memory, from simulation or from files."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DetectorObjects(NamedTuple):
    """Massless objects of N events in flat arrays; event i owns offsets[i]:offsets[i + 1].

    Attributes:
        offsets: (N + 1,) int64 first object of each event, and M.
        pt: (M,) float64 transverse momentum [GeV].
        eta: (M,) float64 pseudorapidity.
        phi: (M,) float64 azimuth, wrapped or not.
    """

    offsets: NDArray[np.int64]
    pt: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]

    @property
    def n_events(self) -> int:
        """Number N of events."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(N,) number of objects of each event."""
        return np.diff(self.offsets)


class EventParticles(NamedTuple):
    """Particles of N events with ids, in flat arrays; event i owns offsets[i]:offsets[i + 1].

    Attributes:
        event_id: (N,) int64 ids of the events, in the order of the request.
        offsets: (N + 1,) int64 first particle of each event, and M.
        pt: (M,) float32 transverse momentum [GeV]; an event's particles fall in pT.
        eta: (M,) float32 pseudorapidity.
        phi: (M,) float32 azimuth in [-pi, pi).
        jet: (M,) int8 jet that holds the particle: 0 the harder, 1 the other one, -1 neither.
    """

    event_id: NDArray[np.int64]
    offsets: NDArray[np.int64]
    pt: NDArray[np.float32]
    eta: NDArray[np.float32]
    phi: NDArray[np.float32]
    jet: NDArray[np.int8]
