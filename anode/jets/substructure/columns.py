"""Substructure columns of the two jets of events, group by group."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anode.events.substructure_columns import BETAS, GROUPS, N_AXES, columns_of_groups
from anode.jets.clustering import LeadingJets
from anode.jets.settings import JetConfig
from anode.jets.substructure.arrays import JetArrays
from anode.jets.substructure.flow_polynomials import flow_polynomials
from anode.jets.substructure.shapes import jet_shapes
from anode.jets.substructure.subjettiness import n_subjettiness


def substructure_of(
    jets: LeadingJets, groups: Sequence[str], settings: JetConfig
) -> NDArray[np.float32]:
    """(S, C) values of ``columns_of_groups(groups)`` of S events.

    N-subjettiness has the axes and the R0 of the settings, but for the exponent its own beta.

    Args:
        jets: jets of the events.
        groups: names of ``GROUPS``.
        settings: settings with which the jets were clustered.
    """
    import awkward as ak

    n = len(jets.event)
    if not n or not groups:
        return np.empty((n, len(columns_of_groups(tuple(groups)))), np.float32)
    constituents = ak.flatten(jets.constituents)
    parts = []
    for group in groups:
        if group == "subjettiness":
            of_jet = np.concatenate(
                [
                    n_subjettiness(
                        constituents, settings=replace(settings, beta=beta), n_axes=N_AXES
                    )
                    for beta in BETAS.values()
                ],
                axis=1,
            )
        elif group == "shapes":
            of_jet = jet_shapes(constituents, jets.momentum.reshape(-1, 4))
        else:
            of_jet = flow_polynomials(JetArrays.of(constituents), GROUPS[group])
        parts.append(of_jet)
    # Jet by jet, and within a jet group by group, as the columns stand.
    return np.concatenate(parts, axis=1).reshape(n, -1).astype(np.float32)
