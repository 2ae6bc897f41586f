"""Features of events with two semi-visible jets: missing momentum, transverse mass, jet shapes.

With p_T^miss = - sum_i p_T,i over all particles of the event, and jj the two leading jets,

    m_T^2 = m_jj^2 + 2 p_T^miss (sqrt(m_jj^2 + p_T,jj^2) - p_T,jj cos phi(jj, miss)),
    R_T   = p_T^miss / m_T

(CMS EXO-19-020, 2112.11125, eq. 1 and section 5). A jet has, with z_i = pT_i / sum_k pT_k,

    girth = sum_i z_i dR(i, jet),    ptd = sqrt(sum_i z_i^2),    tau21 = tau_2 / tau_1,

tau21 being 0 where tau_1 is.
"""

import numpy as np
from numpy.typing import NDArray

from anode.events.feature_definitions import TAU_ROUNDING, wrapped
from anode.events.particles import DetectorObjects
from anode.jets.clustering import LeadingJets
from anode.jets.features import invariant_mass
from anode.jets.frame import sums
from anode.jets.settings import JetConfig
from anode.jets.substructure.subjettiness import n_subjettiness

EVENT_COLUMNS = ("mt", "mjj", "met", "rt", "delta_phi_met", "delta_eta")
"""Transverse and invariant mass and missing pT [GeV], the share R_T of the latter, its azimuth to
the nearer jet, and the distance of the jets in pseudorapidity."""

JET_COLUMNS = ("pt", "eta", "m", "girth", "ptd", "tau21")
"""Of each jet; momenta and masses in GeV. Jet 1 is the harder one."""

COLUMNS = (*EVENT_COLUMNS, *(f"{name}_{jet}" for jet in (1, 2) for name in JET_COLUMNS))
"""All columns of ``semivisible_features``."""

Array = NDArray[np.float64]


def missing_momentum(objects: DetectorObjects) -> Array:
    """(N, 2) missing transverse momentum (px, py) [GeV] of N events: minus the sum of all objects.

    Example:
        >>> objects = DetectorObjects(np.array([0, 2]), np.array([30.0, 10.0]), np.zeros(2),
        ...                           np.array([0.0, np.pi]))
        >>> missing_momentum(objects).round(9).tolist()
        [[-20.0, -0.0]]
    """
    event = np.repeat(np.arange(objects.n_events), objects.counts)
    x, y = objects.pt * np.cos(objects.phi), objects.pt * np.sin(objects.phi)
    return -np.stack([sums(event, each, objects.n_events) for each in (x, y)], axis=1)


def transverse_mass(dijet: Array, missing: Array) -> Array:
    """(S,) transverse mass of two jets and the missing momentum [GeV].

    Args:
        dijet: (S, 4) sum of the momenta of both jets, (px, py, pz, E) [GeV].
        missing: (S, 2) missing transverse momentum [GeV].

    Example:
        >>> back_to_back = np.array([[-300.0, 0.0, 0.0, 900.0]])
        >>> transverse_mass(back_to_back, np.array([[300.0, 0.0]])).round(6).tolist()
        [1200.0]
    """
    mass = invariant_mass(dijet)
    energy = np.sqrt(mass**2 + (dijet[:, :2] ** 2).sum(axis=1))
    along = (dijet[:, :2] * missing).sum(axis=1)
    met = np.hypot(missing[:, 0], missing[:, 1])
    return np.sqrt(np.maximum(mass**2 + 2 * (met * energy - along), 0.0))


def semivisible_features(
    jets: LeadingJets, objects: DetectorObjects, settings: JetConfig
) -> Array:
    """(S, D) values of ``COLUMNS`` of the events with two jets.

    Args:
        jets: the two leading jets of S of the N events.
        objects: all objects of the N events.
        settings: settings with which the jets were clustered.
    """
    n = len(jets.event)
    if not n:
        return np.empty((0, len(COLUMNS)))
    missing = missing_momentum(objects)[jets.event]
    dijet = jets.momentum.sum(axis=1)
    met = np.hypot(missing[:, 0], missing[:, 1])
    mt = transverse_mass(dijet, missing)
    pt = np.hypot(jets.momentum[:, :, 0], jets.momentum[:, :, 1])
    eta = np.arcsinh(jets.momentum[:, :, 2] / pt)
    phi = np.arctan2(jets.momentum[:, :, 1], jets.momentum[:, :, 0])
    apart = np.abs(wrapped(np.arctan2(missing[:, 1], missing[:, 0])[:, np.newaxis] - phi))
    of_event = [mt, invariant_mass(dijet), met, met / mt, apart.min(axis=1)]
    of_event.append(np.abs(eta[:, 0] - eta[:, 1]))
    girth, ptd = _shapes(jets, objects, eta, phi)
    of_jets = [pt, eta, invariant_mass(jets.momentum), girth, ptd, _tau21(jets, settings)]
    columns = [each[:, jet] for jet in (0, 1) for each in of_jets]
    return np.column_stack([*of_event, *columns])


def _shapes(
    jets: LeadingJets, objects: DetectorObjects, eta: Array, phi: Array
) -> tuple[Array, Array]:
    """Girth and pT dispersion, (S, 2) each, of jets at ``eta`` and ``phi``."""
    import awkward as ak

    n = len(jets.event)
    counts = ak.to_numpy(ak.flatten(ak.num(jets.index, axis=2)))
    jet = np.repeat(np.arange(2 * n), counts)
    first = np.repeat(np.repeat(objects.offsets[jets.event], 2), counts)
    place = first + ak.to_numpy(ak.flatten(jets.index, axis=None))
    pt = objects.pt[place]
    fraction = pt / sums(jet, pt, 2 * n)[jet]
    distance = np.hypot(
        objects.eta[place] - eta.reshape(-1)[jet],
        wrapped(objects.phi[place] - phi.reshape(-1)[jet]),
    )
    girth = sums(jet, fraction * distance, 2 * n)
    return girth.reshape(n, 2), np.sqrt(sums(jet, fraction**2, 2 * n)).reshape(n, 2)


def _tau21(jets: LeadingJets, settings: JetConfig) -> Array:
    import awkward as ak

    tau1, tau2 = n_subjettiness(ak.flatten(jets.constituents), settings=settings, n_axes=(1, 2)).T
    ratio = np.divide(tau2, tau1, out=np.zeros(len(tau1)), where=tau1 > TAU_ROUNDING)
    return ratio.reshape(-1, 2)
