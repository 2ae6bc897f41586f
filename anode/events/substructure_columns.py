"""Substructure of jets beyond the published columns: quantities of each jet, and their features.

In files, a quantity is a column of each jet by pT, such as ``tau5_b05j1``. Features are named as
everywhere by mass, jet 1 the lighter: ``tau5_b05_1``. Groups of quantities are made together.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BETAS = {"b05": 0.5, "b1": 1.0, "b2": 2.0}
"""Names of angular exponents of N-subjettiness, as in ``tau5_b05_1``."""

N_AXES = tuple(range(1, 10))
"""Numbers N of axes."""

SHAPES = ("ptd", "girth", "m_softdrop", "c2", "d2", "n2")
"""Quantities of ``jets.substructure.shapes``."""

_GRAPHS = """
2_1_0 01
2_2_0 01 01
3_2_0 01 02
2_3_0 01 01 01
3_3_0 01 02 02
3_3_1 01 02 12
4_3_0 01 02 03
4_3_1 01 02 13
2_4_0 01 01 01 01
3_4_0 01 02 02 02
3_4_1 01 01 02 02
3_4_2 01 02 02 12
4_4_0 01 02 02 03
4_4_1 01 02 02 13
4_4_2 01 01 02 13
4_4_3 01 02 12 03
4_4_4 01 02 13 23
5_4_0 01 02 03 04
5_4_1 01 02 03 14
5_4_2 01 02 13 24
2_5_0 01 01 01 01 01
3_5_0 01 01 01 01 02
3_5_1 01 01 01 02 02
3_5_2 01 02 12 12 12
3_5_3 01 02 02 12 12
4_5_0 01 02 03 03 03
4_5_1 01 02 02 03 03
4_5_2 01 02 13 13 13
4_5_3 01 01 01 02 13
4_5_4 01 02 02 13 13
4_5_5 01 01 02 02 13
4_5_6 01 02 12 12 03
4_5_7 01 01 02 12 03
4_5_8 01 02 12 03 03
4_5_9 01 02 13 13 23
4_5_10 01 02 12 03 13
5_5_0 01 02 03 03 04
5_5_1 01 02 03 03 14
5_5_2 01 01 02 03 14
5_5_3 01 02 03 14 14
5_5_4 01 02 13 13 24
5_5_5 01 01 02 13 24
5_5_6 01 02 12 03 04
5_5_7 01 02 12 03 14
5_5_8 01 02 12 03 34
5_5_9 01 02 13 23 04
5_5_10 01 02 13 24 34
6_5_0 01 02 03 04 05
6_5_1 01 02 03 04 15
6_5_2 01 02 03 14 15
6_5_3 01 02 03 14 25
6_5_4 01 02 03 14 45
6_5_5 01 02 13 24 35
"""

Edges = tuple[tuple[int, int], ...]

GRAPHS: dict[str, Edges] = {
    f"efp_{name}": tuple((int(edge[0]), int(edge[1])) for edge in edges)
    for name, *edges in map(str.split, _GRAPHS.strip().splitlines())
}
"""``efp_n_d_k`` -> edges of the k-th connected multigraph of n vertices and d edges, all with d
from 1 to 5. Numbered as in the package EnergyFlow (P. T. Komiske, E. M. Metodiev, J. Thaler,
JHEP 04 (2018) 013, arXiv:1712.07124), whose polynomials of these names have equal values."""

GROUPS: dict[str, tuple[str, ...]] = {
    "subjettiness": tuple(f"tau{n}_{beta}" for beta in BETAS for n in N_AXES),
    "shapes": SHAPES,
    "efp": tuple(GRAPHS),
}
"""Name of a group -> its quantities of a jet, in the order of a file."""

KITCHEN_SINK = "kitchen_sink"
"""Name of all groups together."""

CHOICES = (*GROUPS, KITCHEN_SINK)
"""Names that ``data.substructure`` may have."""


def groups_of(choice: str | None) -> tuple[str, ...]:
    """Groups that a value of ``data.substructure`` asks for.

    >>> groups_of("kitchen_sink"), groups_of("efp"), groups_of(None)
    (('subjettiness', 'shapes', 'efp'), ('efp',), ())
    """
    if choice is None:
        return ()
    return tuple(GROUPS) if choice == KITCHEN_SINK else (choice,)


def columns_of_groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Columns of a file with these groups: those of j1, the jet of larger pT, then those of j2.

    >>> columns_of_groups(("shapes",))[:3], len(columns_of_groups(("efp",)))
    (('ptdj1', 'girthj1', 'm_softdropj1'), 106)
    """
    return tuple(f"{name}j{jet}" for jet in (1, 2) for group in groups for name in GROUPS[group])


def choice_with(quantities: set[str]) -> str | None:
    """The smallest choice of ``data.substructure`` that makes quantities of jets; None for none.

    >>> choice_with({"c2"}), choice_with({"c2", "efp_2_1_0"}), choice_with({"n_constituents"})
    ('shapes', 'kitchen_sink', None)
    """
    needed = [group for group, names in GROUPS.items() if quantities & set(names)]
    return needed[0] if len(needed) == 1 else KITCHEN_SINK if needed else None


class JetQuantity(NamedTuple):
    """A feature of one jet, made of quantities of a file.

    Attributes:
        quantities: quantities that it is made of.
        compute: function of their (N,) values that gives (N,) values.
        unit: "GeV" or "" for a pure number.
    """

    quantities: tuple[str, ...]
    compute: Callable[..., np.ndarray]
    unit: str = ""


def of_one_jet(ratio: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> dict[str, JetQuantity]:
    """Name of a feature without the number of the jet -> what it is.

    Args:
        ratio: quotient of two tau_N of a jet.
    """

    def itself(values: np.ndarray) -> np.ndarray:
        return values

    names = ("n_constituents", *(name for group in GROUPS.values() for name in group))
    found = {
        name: JetQuantity((name,), itself, "GeV" if name.startswith("m_") else "")
        for name in names
    }
    for beta in BETAS:
        for n in N_AXES[:-1]:
            pair = (f"tau{n + 1}_{beta}", f"tau{n}_{beta}")
            found[f"tau{n + 1}{n}_{beta}"] = JetQuantity(pair, ratio)
    return found
