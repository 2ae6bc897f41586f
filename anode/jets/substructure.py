"""How many prongs does a jet have?

N-subjettiness (J. Thaler, K. Van Tilburg, JHEP 03 (2011) 015, arXiv:1011.2268, eq. 2.2) with the
FastJet contribution Nsubjettiness:

    tau_N = sum_k pT_k min(dR_1k, ..., dR_Nk) / sum_k pT_k R0,

axes from exclusive kT clustering, improved by one pass of minimisation (JHEP 02 (2012) 093).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anode.jets.clustering import RADIUS

if TYPE_CHECKING:
    import awkward as ak

N_AXES = (1, 2, 3)


def n_subjettiness(jets: "ak.Array") -> NDArray[np.float64]:
    """(J, 3) tau_1, tau_2, tau_3 of jets.

    beta = 1, normalised measure, R0 = 1 (the package's own default of 0.8 would scale every
    tau_N). A jet of at most N constituents has tau_N = 0.

    Args:
        jets: awkward array of J lists of constituents (px, py, pz, E) [GeV], none empty.
    """
    import fastjet

    if len(jets) == 0:
        return np.empty((0, len(N_AXES)))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    tau = fastjet.ClusterSequence(jets, definition).njettiness(
        measure_definition="NormalizedMeasure",
        axes_definition="OnePass_KT_Axes",
        njets=list(N_AXES),
        beta=1.0,
        R0=RADIUS,
    )
    return np.asarray(tau, dtype=np.float64).reshape(len(jets), len(N_AXES))
