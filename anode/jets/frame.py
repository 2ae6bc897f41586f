"""Where the constituents of a jet lie in it: transverse momentum and angles to the jet's axis."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.feature_definitions import wrapped
from anode.events.particles import EventParticles

N_JETS = 2
"""Jets of an event: the harder one, the other one."""


class JetConstituents(NamedTuple):
    """Constituents of the 2 N jets of N events in flat arrays, jet by jet, in the order given.

    Attributes:
        place: (K,) int64 particle of the events that each constituent is.
        jet: (K,) int64 its jet, 2 * event + 0 for the harder one and + 1 for the other one.
        fraction: (K,) float64 its pT over the sum of the pT of the jet.
        delta_eta, delta_phi: (K,) float64 its distance to the jet's axis; delta_phi is wrapped.
    """

    place: NDArray[np.int64]
    jet: NDArray[np.int64]
    fraction: NDArray[np.float64]
    delta_eta: NDArray[np.float64]
    delta_phi: NDArray[np.float64]


def jet_constituents(particles: EventParticles) -> JetConstituents:
    """Constituents of both jets of every event, seen from the axis of their jet.

    The axis is the pT-weighted mean direction,

        eta_jet = sum_i z_i eta_i,    phi_jet = sum_i z_i phi_i,    z_i = pT_i / sum_k pT_k,

    azimuths being taken around that of sum_i z_i (cos phi_i, sin phi_i), so that it is the same
    whatever the azimuth of the jet.

    Args:
        particles: particles of N events.

    Raises:
        DataError: a jet has no constituent; the message names the event.

    Example:
        >>> from anode.events.particles import EventParticles
        >>> values = np.float32([30.0, 10.0, 5.0])
        >>> angle, jet = np.float32([0.0, 0.4, 3.0]), np.int8([0, 0, 1])
        >>> event = EventParticles(np.array([8]), np.array([0, 3]), values, angle, angle, jet)
        >>> jet_constituents(event).delta_phi.round(3).tolist()
        [-0.1, 0.3, 0.0]
    """
    refuse_empty_jets(particles)
    event = event_of_particles(particles)
    inside = np.flatnonzero(particles.jet >= 0)
    jet = N_JETS * event[inside] + particles.jet[inside]
    order = np.argsort(jet, kind="stable")
    inside, jet = inside[order], jet[order]
    n_jets = N_JETS * len(particles.event_id)
    pt, eta, phi = (
        np.asarray(column[inside], dtype=np.float64)
        for column in (particles.pt, particles.eta, particles.phi)
    )

    def jet_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) sum over the jet of each constituent."""
        return sums(jet, values, n_jets)[jet]

    fraction = pt / jet_sum(pt)
    near = np.arctan2(jet_sum(fraction * np.sin(phi)), jet_sum(fraction * np.cos(phi)))
    turn = wrapped(phi - near)
    return JetConstituents(
        inside,
        jet,
        fraction,
        eta - jet_sum(fraction * eta),
        wrapped(turn - jet_sum(fraction * turn)),
    )


def event_of_particles(particles: EventParticles) -> NDArray[np.int64]:
    """(M,) event of each particle, 0 to N - 1."""
    return np.repeat(np.arange(len(particles.event_id)), np.diff(particles.offsets))


def refuse_empty_jets(particles: EventParticles) -> None:
    """Refuse events with a jet without constituents.

    Raises:
        DataError: there is one; the message names the first event.
    """
    inside = particles.jet >= 0
    jet = N_JETS * event_of_particles(particles)[inside] + particles.jet[inside]
    counts = np.bincount(jet, minlength=N_JETS * len(particles.event_id))
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        event, number = divmod(int(empty[0]), N_JETS)
        raise DataError(
            f"event {particles.event_id[event]}: both jets must have constituents, but its "
            f"{('harder', 'other')[number]} one has none ({len(empty)} such jets); leave such "
            "events out, or make their particles again: anode features particles=true"
        )


def sums(place: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """(n,) sum of the values at each of n places.

    >>> sums(np.array([2, 0, 2]), np.array([1.0, 5.0, 2.0]), 4).tolist()
    [5.0, 0.0, 3.0, 0.0]
    """
    return np.asarray(np.bincount(place, values, minlength=n), dtype=np.float64)
