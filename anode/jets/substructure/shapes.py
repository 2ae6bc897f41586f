"""Shapes of jets: a few numbers that tell quark, gluon, dark and many-pronged jets apart.

With z_i = pT_i / sum_k pT_k and theta the distances in rapidity and azimuth:

    ptd        = sqrt(sum_i z_i^2)
    girth      = sum_i z_i theta(i, jet)
    m_softdrop = mass after soft drop, z_cut = 0.1 and beta = 0 (``soft_drop.py``)
    c2         = e_3 / e_2^2,   e_2 = sum_(i<j) z_i z_j theta_ij
    d2         = e_3 / e_2^3,   e_3 = sum_(i<j<k) z_i z_j z_k theta_ij theta_jk theta_ki
    n2         = 2e_3 / e_2^2,  2e_3 = the same with the two smallest of the three theta alone

C_2: A. J. Larkoski, G. P. Salam, J. Thaler, JHEP 06 (2013) 108; D_2: A. J. Larkoski, I. Moult,
D. Neill, JHEP 12 (2014) 009; N_2: I. Moult, L. Necib, J. Thaler, JHEP 12 (2016) 153, all with
beta = 1. A ratio is 0 where its denominator is.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anode.events.feature_definitions import TAU_ROUNDING, wrapped
from anode.events.substructure_columns import SHAPES
from anode.jets.frame import sums
from anode.jets.substructure.arrays import JetArrays
from anode.jets.substructure.flow_polynomials import flow_polynomials
from anode.jets.substructure.soft_drop import cambridge_aachen, soft_drop_mass

if TYPE_CHECKING:
    import awkward as ak

Array = NDArray[np.float64]


def jet_shapes(constituents: "ak.Array", momentum: Array) -> Array:
    """(J, 6) ``SHAPES`` of jets.

    Args:
        constituents: awkward array of J lists of momenta (px, py, pz, E) [GeV], none empty.
        momentum: (J, 4) momenta of the jets [GeV].
    """
    if not len(momentum):
        return np.empty((0, len(SHAPES)))
    jets = JetArrays.of(constituents)
    sequence = cambridge_aachen(constituents)
    pairs, triangles = flow_polynomials(jets, ["efp_2_1_0", "efp_3_3_1"]).T
    # A polynomial counts every order of its vertices.
    e2, e3 = pairs / 2, triangles / 6
    return np.stack(
        [
            _ptd(jets),
            _girth(jets, momentum),
            soft_drop_mass(constituents, sequence),
            _ratio(e3, e2**2, e2),
            _ratio(e3, e2**3, e2),
            _n2(sequence, jets, e2),
        ],
        axis=1,
    )


def _ptd(jets: JetArrays) -> Array:
    return np.sqrt(_of_jet(jets, jets.pt**2)) / _of_jet(jets, jets.pt)


def _girth(jets: JetArrays, momentum: Array) -> Array:
    px, py, pz, energy = momentum.T
    transverse_mass = np.sqrt(np.maximum((energy - pz) * (energy + pz), 0.0))
    rapidity, phi = np.arcsinh(pz / transverse_mass), np.arctan2(py, px)
    distance = np.hypot(jets.eta - rapidity[jets.jet], wrapped(jets.phi - phi[jets.jet]))
    return _of_jet(jets, jets.pt * distance) / _of_jet(jets, jets.pt)


def _n2(sequence: "ak.Array", jets: JetArrays, e2: Array) -> Array:
    found = np.asarray(sequence.exclusive_jets_energy_correlator(njets=1, beta=1, func="n2"))
    # Two constituents make no triple; FastJet divides by e2 = 0 where all lie in one place.
    return np.where((jets.counts > 2) & (e2 > TAU_ROUNDING), found, 0.0)


def _of_jet(jets: JetArrays, values: Array) -> Array:
    """(J,) sum of values of constituents (K,)."""
    return sums(jets.jet, values, jets.n_jets)


def _ratio(above: Array, below: Array, e2: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=e2 > TAU_ROUNDING)
