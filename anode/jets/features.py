"""Features of dijet events, computed from their particles.

The 14 columns of the LHC Olympics features files - momentum, mass and N-subjettiness of the two
leading jets, j1 being the one of higher transverse momentum - and further columns of our own
feature files.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events import feature_definitions
from anode.events.feature_definitions import RAW_COLUMNS
from anode.events.particles import DetectorObjects
from anode.jets.clustering import EVERY_EVENT, RD_TRIGGER, LeadingJets, Trigger, leading_jets
from anode.jets.settings import DEFAULT, JetConfig
from anode.jets.substructure.subjettiness import n_subjettiness

JET_COLUMNS = ("tau4", "pt", "eta", "phi", "n_constituents", "pt_lead")
"""Further quantities of each jet: tau_4, pT [GeV], pseudorapidity, azimuth, number of
constituents and the pT of the hardest of them [GeV]."""

EVENT_COLUMNS = ("mjj", "delta_r", "delta_eta", "n_particles")
"""Quantities of each event: m_jj [GeV], distances of the jets, number of particles."""

COLUMNS = (
    *RAW_COLUMNS,
    *(f"{name}j{jet}" for jet in (1, 2) for name in JET_COLUMNS),
    *EVENT_COLUMNS,
)
"""All columns of ``event_features``."""


class JetFeatures(NamedTuple):
    """Features of the selected events of a batch.

    Attributes:
        event: (S,) int64, index of each selected event in the batch.
        values: (S, D) float64, in the order of ``RAW_COLUMNS`` or ``COLUMNS``.
    """

    event: NDArray[np.int64]
    values: NDArray[np.float64]


def jet_features(
    objects: DetectorObjects, *, trigger: Trigger = RD_TRIGGER, settings: JetConfig = DEFAULT
) -> JetFeatures:
    """The 14 columns of the events that the trigger accepts."""
    import awkward as ak

    jets = leading_jets(objects, trigger=trigger, settings=settings)
    tau = n_subjettiness(ak.flatten(jets.constituents), settings=settings)
    return JetFeatures(jets.event, _published_columns(jets, tau.reshape(-1, 2, 3)))


def event_features(objects: DetectorObjects, settings: JetConfig) -> JetFeatures:
    """All ``COLUMNS`` of every event with two jets."""
    jets = leading_jets(objects, trigger=EVERY_EVENT, settings=settings)
    return features_of(jets, objects.counts, settings)


def features_of(
    jets: LeadingJets, n_particles: NDArray[np.int64], settings: JetConfig
) -> JetFeatures:
    """All ``COLUMNS`` of events with clustered jets.

    Args:
        jets: jets of S of the N events of a batch.
        n_particles: (N,) number of particles of each event of the batch.
        settings: settings with which the jets were clustered.
    """
    import awkward as ak

    n = len(jets.event)
    if not n:
        return JetFeatures(jets.event, np.empty((0, len(COLUMNS))))
    constituents = ak.flatten(jets.constituents)
    tau = n_subjettiness(constituents, settings=settings, n_axes=(1, 2, 3, 4)).reshape(n, 2, 4)
    pair = [_jet(jets.momentum[:, j]) for j in (0, 1)]
    count = ak.to_numpy(ak.num(constituents)).reshape(n, 2)
    hardest = ak.max(np.hypot(constituents.px, constituents.py), axis=1)
    lead = ak.to_numpy(hardest).reshape(n, 2)
    further = [
        column
        for j, jet in enumerate(pair)
        for column in (tau[:, j, 3], jet.pt, jet.eta, jet.phi, count[:, j], lead[:, j])
    ]
    mass, distance = feature_definitions.invariant_mass(*pair), feature_definitions.delta_r(*pair)
    of_event = [mass, distance, feature_definitions.delta_eta(*pair), n_particles[jets.event]]
    published = _published_columns(jets, tau[:, :, :3])
    return JetFeatures(jets.event, np.column_stack([published, *further, *of_event]))


def _jet(momentum: NDArray[np.float64]) -> feature_definitions.Jet:
    """One jet of each event, from its momenta (S, 4)."""
    px, py, pz = momentum[:, :3].T
    return feature_definitions.Jet(px, py, pz, invariant_mass(momentum), {})


def _published_columns(jets: LeadingJets, tau: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, 14) in the order of ``RAW_COLUMNS``."""
    mass = invariant_mass(jets.momentum)[:, :, np.newaxis]
    values = np.concatenate([jets.momentum[:, :, :3], mass, tau], axis=2)
    return values.reshape(-1, len(RAW_COLUMNS))


def invariant_mass(momentum: NDArray[np.float64]) -> NDArray[np.float64]:
    """sqrt(E^2 - p^2) [GeV] of (..., 4) momenta (px, py, pz, E); 0 where rounding makes it < 0."""
    energy = momentum[..., 3]
    p = np.sqrt(np.sum(momentum[..., :3] ** 2, axis=-1))
    return np.sqrt(np.maximum((energy - p) * (energy + p), 0.0))
