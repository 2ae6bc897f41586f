"""The hardest jets of each event and their constituents, whatever the number of jets asked for."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import needs_extra
from anode.events.particles import DetectorObjects
from anode.jets.clustering import object_momenta


class HardestJets(NamedTuple):
    """Anti-kT jets of S events, J of each, hardest first.

    Attributes:
        event: (S,) int64, index of each event in the batch.
        momentum: (S, J, 4) float64, (px, py, pz, E) [GeV].
        offsets: (S J + 1,) int64 first constituent of each jet, and K.
        objects: (K,) int64 rows of the constituents among all objects of the batch.
    """

    event: NDArray[np.int64]
    momentum: NDArray[np.float64]
    offsets: NDArray[np.int64]
    objects: NDArray[np.int64]


def hardest_jets(objects: DetectorObjects, *, n_jets: int, radius: float) -> HardestJets:
    """Cluster every event and keep those with ``n_jets`` jets, of any transverse momentum.

    Args:
        objects: massless objects of N events.
        n_jets: number J of jets.
        radius: radius of the anti-kT algorithm.

    Raises:
        ConfigError: FastJet is not installed.

    Example:
        >>> pt, phi = np.array([9.0, 80.0, 50.0]), np.array([0.1, 0.0, 3.1])
        >>> objects = DetectorObjects(np.array([0, 3]), pt, np.zeros(3), phi)
        >>> hardest_jets(objects, n_jets=2, radius=0.4).objects.tolist()
        [0, 1, 2]
    """
    with needs_extra("features", "clustering jets"):
        import awkward as ak
        import fastjet
    within = np.flatnonzero(objects.counts >= n_jets)
    if not len(within):
        nothing = np.empty(0, np.int64)
        return HardestJets(nothing, np.empty((0, n_jets, 4)), np.zeros(1, np.int64), nothing)
    momenta = object_momenta(objects)[within]
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    sequence = fastjet.ClusterSequence(momenta, definition)
    jets = sequence.inclusive_jets(0.0)
    hardest = ak.argsort(jets.px**2 + jets.py**2, axis=1, ascending=False)[:, :n_jets]
    enough = np.flatnonzero(ak.to_numpy(ak.num(hardest)) == n_jets)
    leading = jets[hardest][enough]
    momentum = np.stack(
        [ak.to_numpy(leading[axis]).reshape(-1, n_jets) for axis in ("px", "py", "pz", "E")],
        axis=2,
    )
    members = ak.flatten(sequence.constituent_index(0.0)[hardest][enough])
    counts = ak.to_numpy(ak.num(members)).astype(np.int64)
    flat = ak.to_numpy(ak.flatten(members)).astype(np.int64)
    first = np.repeat(objects.offsets[within[enough]], n_jets)
    rows, jet = flat + np.repeat(first, counts), np.repeat(np.arange(len(counts)), counts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return HardestJets(within[enough], momentum, offsets, rows[np.lexsort((rows, jet))])
