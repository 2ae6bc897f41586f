"""Which numbers describe a dijet event?

The 14 columns of the LHC Olympics features files: momentum, mass and N-subjettiness of the two
leading jets, j1 being the one of higher transverse momentum.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.detector import DetectorObjects
from anode.events.dijet import RAW_COLUMNS
from anode.jets.clustering import leading_jets
from anode.jets.substructure import n_subjettiness


class JetFeatures(NamedTuple):
    """The selected events of a batch.

    Attributes:
        event: (S,) int64, index of each selected event in the batch.
        values: (S, 14) float64, in the order of ``RAW_COLUMNS``.
    """

    event: NDArray[np.int64]
    values: NDArray[np.float64]


def jet_features(
    objects: DetectorObjects, *, pt_min: float = 1200.0, eta_max: float = 2.5
) -> JetFeatures:
    """Features of the events with a leading jet of pT > ``pt_min`` [GeV], |eta| < ``eta_max``."""
    import awkward as ak

    jets = leading_jets(objects, pt_min=pt_min, eta_max=eta_max)
    tau = n_subjettiness(ak.flatten(jets.constituents)).reshape(-1, 2, 3)
    mass = invariant_mass(jets.momentum)[:, :, np.newaxis]
    values = np.concatenate([jets.momentum[:, :, :3], mass, tau], axis=2)
    return JetFeatures(jets.event, values.reshape(-1, len(RAW_COLUMNS)))


def invariant_mass(momentum: NDArray[np.float64]) -> NDArray[np.float64]:
    """sqrt(E^2 - p^2) [GeV] of (..., 4) momenta (px, py, pz, E); 0 where rounding makes it < 0."""
    energy = momentum[..., 3]
    p = np.sqrt(np.sum(momentum[..., :3] ** 2, axis=-1))
    return np.sqrt(np.maximum((energy - p) * (energy + p), 0.0))
