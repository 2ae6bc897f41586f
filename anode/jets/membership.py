"""Which particle of an event is in which of its two leading jets."""

import numpy as np
from numpy.typing import NDArray

from anode.events.feature_definitions import wrapped
from anode.events.particles import DetectorObjects, EventParticles
from anode.jets.clustering import LeadingJets


def particles_of(
    objects: DetectorObjects, jets: LeadingJets, event_id: NDArray[np.int64]
) -> EventParticles:
    """The particles of the events that have two jets, hardest first, and the jet of each.

    Particles of equal pT stand in the order of eta, then phi, so that nothing depends on the
    order of the file. Azimuths are wrapped to [-pi, pi).

    Args:
        objects: particles of N events.
        jets: jets of S of them.
        event_id: (S,) ids of these.

    Example:
        >>> from anode.jets.clustering import EVERY_EVENT, leading_jets
        >>> pt, phi = np.array([9.0, 80.0, 50.0, 1.0]), np.array([0.1, 0.0, 3.1, 1.5])
        >>> objects = DetectorObjects(np.array([0, 4]), pt, np.zeros(4), phi)
        >>> jets = leading_jets(objects, trigger=EVERY_EVENT)
        >>> particles_of(objects, jets, np.array([12])).jet.tolist()
        [0, 1, 0, -1]
    """
    counts = objects.counts[jets.event]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    place = np.repeat(objects.offsets[jets.event] - offsets[:-1], counts) + np.arange(offsets[-1])
    jet = _jets_of(jets, offsets)
    pt, eta = objects.pt[place].astype(np.float32), objects.eta[place].astype(np.float32)
    phi = wrapped(objects.phi[place]).astype(np.float32)
    phi = np.where(phi < np.float32(np.pi), phi, -phi)
    order = np.lexsort((phi, eta, -pt, np.repeat(np.arange(len(counts)), counts)))
    return EventParticles(event_id, offsets, pt[order], eta[order], phi[order], jet[order])


def _jets_of(jets: LeadingJets, offsets: NDArray[np.int64]) -> NDArray[np.int8]:
    """(M,) jet of each particle of the events with jets, in the order of the objects."""
    import awkward as ak

    jet = np.full(offsets[-1], -1, dtype=np.int8)
    for number in (0, 1):
        if len(jets.event):
            jet[ak.to_numpy(ak.flatten(jets.index[:, number] + offsets[:-1]))] = number
    return jet
