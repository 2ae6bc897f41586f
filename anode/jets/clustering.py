"""The two leading jets of each event, and the detector objects in them.

Anti-kT jets (M. Cacciari, G. P. Salam, G. Soyez, JHEP 04 (2008) 063, arXiv:0802.1189) found by
the FastJet package (EPJ C72 (2012) 1896, arXiv:1111.6097), all events of a batch in one call.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import needs_extra
from anode.events.particles import DetectorObjects
from anode.jets.settings import DEFAULT, JetConfig

if TYPE_CHECKING:
    import awkward as ak


class Trigger(NamedTuple):
    """Accepts events whose leading jet has pT > ``pt_min`` [GeV] and |eta| < ``eta_max``."""

    pt_min: float
    eta_max: float


RD_TRIGGER = Trigger(pt_min=1200.0, eta_max=2.5)
"""The trigger of the R&D events."""

EVERY_EVENT = Trigger(pt_min=0.0, eta_max=math.inf)
"""No trigger."""


class LeadingJets(NamedTuple):
    """The two jets of highest transverse momentum, harder one first, of the selected events.

    Attributes:
        event: (S,) int64, index of each selected event in the batch.
        momentum: (S, 2, 4) float64, (px, py, pz, E) [GeV].
        constituents: awkward array of S x 2 lists of momenta (px, py, pz, E) [GeV].
        index: awkward array of S x 2 lists of int64: which of its event's objects each
            constituent is.
    """

    event: NDArray[np.int64]
    momentum: NDArray[np.float64]
    constituents: "ak.Array"
    index: "ak.Array"


def leading_jets(
    objects: DetectorObjects, *, trigger: Trigger = RD_TRIGGER, settings: JetConfig = DEFAULT
) -> LeadingJets:
    """Cluster every event and keep those with two jets that the trigger accepts.

    Raises:
        ConfigError: FastJet is not installed.
    """
    with needs_extra("features", "clustering jets"):
        import awkward as ak
        import fastjet
    momenta = object_momenta(objects)
    # An event whose objects together have too little transverse momentum cannot pass.
    within = np.flatnonzero((objects.counts > 1) & (_pt_bound(objects) > trigger.pt_min))
    momenta = momenta[within]
    if len(momenta) == 0:
        nothing = momenta[:, np.newaxis]
        return LeadingJets(within, np.empty((0, 2, 4)), nothing, nothing.px)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, settings.radius)
    sequence = fastjet.ClusterSequence(momenta, definition)
    jets = sequence.inclusive_jets(settings.pt_min)
    hardest = ak.argsort(jets.px**2 + jets.py**2, axis=1, ascending=False)[:, :2]
    passing = np.flatnonzero(ak.to_numpy(ak.num(hardest)) == 2)
    leading = jets[hardest][passing]
    momentum = np.stack(
        [ak.to_numpy(leading[axis]).reshape(-1, 2) for axis in ("px", "py", "pz", "E")], axis=2
    )
    pt = np.hypot(momentum[:, 0, 0], momentum[:, 0, 1])
    eta = np.arcsinh(momentum[:, 0, 2] / pt)
    accepted = (pt > trigger.pt_min) & (np.abs(eta) < trigger.eta_max)
    index = sequence.constituent_index(settings.pt_min)[hardest][passing][accepted]
    of_both = momenta[passing][accepted][ak.flatten(index, axis=2)]
    constituents = ak.unflatten(of_both, ak.flatten(ak.num(index, axis=2)), axis=1)
    return LeadingJets(within[passing][accepted], momentum[accepted], constituents, index)


def object_momenta(objects: DetectorObjects) -> "ak.Array":
    """Momenta (px, py, pz, E) [GeV] of massless objects, one list per event."""
    import awkward as ak
    import vector

    vector.register_awkward()
    flat = ak.zip(
        {
            "px": objects.pt * np.cos(objects.phi),
            "py": objects.pt * np.sin(objects.phi),
            "pz": objects.pt * np.sinh(objects.eta),
            "E": objects.pt * np.cosh(objects.eta),
        },
        with_name="Momentum4D",
    )
    return ak.unflatten(flat, objects.counts)


def _pt_bound(objects: DetectorObjects) -> NDArray[np.float64]:
    """(N,) upper bound of any jet's transverse momentum [GeV] in each event.

    A jet's momentum along its own transverse direction u is at most the sum of the positive
    parts of p . u, and that is half of sum |p . u| + |sum p|; with |p . u| <= pt the bound is
    (sum pt + |vector sum|) / 2.
    """

    def event_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
        running = np.concatenate([np.zeros(1), np.cumsum(values)])
        return np.diff(running[objects.offsets])

    missing = np.hypot(
        event_sum(objects.pt * np.cos(objects.phi)), event_sum(objects.pt * np.sin(objects.phi))
    )
    # A relative 1e-9 above rounding of the running sums.
    return 0.5 * (event_sum(objects.pt) + missing) * (1 + 1e-9) + 1e-3
