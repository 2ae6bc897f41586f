"""How the constituents of the two jets of a sample are distributed, on average."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.particles import EventParticles
from anode.jets.frame import N_JETS, jet_constituents
from anode.jets.images import ImageConfig, images

IMAGE = ImageConfig(kind="jets", size=32, half_width=1.0)
"""The images that are averaged."""

NUMBER_EDGES = np.arange(0.0, 201.0, 5.0)
"""Edges of bins of constituents of a jet."""

FRACTION_EDGES = np.logspace(-4, 0, 41)
"""Edges of bins of the pT of a constituent over that of its jet."""

DISTANCE_EDGES = np.linspace(0.0, 1.5, 46)
"""Edges of bins of the distance of a constituent to the axis of its jet."""


class ParticleSummary(NamedTuple):
    """Averages over N events, of the harder jet first; values beyond the edges count in the first
    or the last bin.

    Attributes:
        n_events: number N of events.
        image: (2, S, S) mean image, pT fractions.
        number: (2, A) share of jets, by ``NUMBER_EDGES``.
        fraction: (2, B) constituents of a jet, by ``FRACTION_EDGES``.
        distance: (2, C) constituents of a jet, by ``DISTANCE_EDGES``.
    """

    n_events: int
    image: NDArray[np.float64]
    number: NDArray[np.float64]
    fraction: NDArray[np.float64]
    distance: NDArray[np.float64]


def summarise(parts: Iterable[EventParticles]) -> ParticleSummary:
    """Averages over all events of some parts, at least one event, a part at a time.

    Raises:
        DataError: a jet has no constituent.
    """
    total = functools.reduce(_added, map(_sums_of, parts))
    n = total.n_events
    return ParticleSummary(
        n, total.image / n, total.number / n, total.fraction / n, total.distance / n
    )


def _added(one: ParticleSummary, other: ParticleSummary) -> ParticleSummary:
    return ParticleSummary(
        one.n_events + other.n_events,
        one.image + other.image,
        one.number + other.number,
        one.fraction + other.fraction,
        one.distance + other.distance,
    )


def _sums_of(particles: EventParticles) -> ParticleSummary:
    """The same, summed over events."""
    jets = jet_constituents(particles)
    n_events = len(particles.event_id)
    constituents = np.bincount(jets.jet, minlength=N_JETS * n_events)
    distance = np.hypot(jets.delta_eta, jets.delta_phi)
    return ParticleSummary(
        n_events,
        images(particles, IMAGE).sum(axis=0, dtype=np.float64),
        _by_jet(np.arange(len(constituents)) % N_JETS, constituents, NUMBER_EDGES),
        _by_jet(jets.jet % N_JETS, jets.fraction, FRACTION_EDGES),
        _by_jet(jets.jet % N_JETS, distance, DISTANCE_EDGES),
    )


def _by_jet(which: NDArray, values: NDArray, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, bins) histograms of values of harder jets, ``which`` 0, and of others, 1."""
    within = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
    each = [np.histogram(within[which == jet], edges)[0] for jet in range(N_JETS)]
    return np.array(each, dtype=np.float64)
