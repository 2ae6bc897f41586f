"""Energy flow polynomials: the right graphs, numbered as by EnergyFlow, and the right sums."""

import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from anode.errors import ConfigError
from anode.events.substructure_columns import GRAPHS, Edges
from anode.jets.substructure.arrays import JetArrays
from anode.jets.substructure.flow_polynomials import flow_polynomials

NAMES = tuple(GRAPHS)
JET = np.array(
    [
        [50.0, 0.10, 3.10],
        [30.0, -0.25, -3.05],
        [12.0, 0.40, 2.80],
        [5.0, -0.05, 3.00],
        [3.0, 0.62, -2.70],
    ]
)
"""pT, eta and phi of the constituents of a jet that lies across phi = pi."""

OF_ENERGYFLOW = {
    "efp_2_1_0": 2.903337705676e-01,
    "efp_2_2_0": 1.530455911472e-01,
    "efp_3_2_0": 1.015438349211e-01,
    "efp_2_3_0": 9.338282945975e-02,
    "efp_3_3_0": 5.902078609680e-02,
    "efp_3_3_1": 3.111531744172e-02,
    "efp_4_3_0": 4.357804804705e-02,
    "efp_4_3_1": 3.332034331097e-02,
    "efp_2_4_0": 6.417558821039e-02,
    "efp_3_4_0": 3.914636619260e-02,
    "efp_3_4_1": 3.608223554031e-02,
    "efp_3_4_2": 1.883639097099e-02,
    "efp_4_4_0": 2.788413863688e-02,
    "efp_4_4_1": 1.882197684591e-02,
    "efp_4_4_2": 2.109974738216e-02,
    "efp_4_4_3": 1.243610877411e-02,
    "efp_4_4_4": 1.324693798536e-02,
    "efp_5_4_0": 2.252545755679e-02,
    "efp_5_4_1": 1.350061219541e-02,
    "efp_5_4_2": 1.117122347639e-02,
    "efp_2_5_0": 4.791992189152e-02,
    "efp_3_5_0": 2.857940305424e-02,
    "efp_3_5_1": 2.486411929470e-02,
    "efp_3_5_2": 1.296827252793e-02,
    "efp_3_5_3": 1.136319111233e-02,
    "efp_4_5_0": 1.985021189775e-02,
    "efp_4_5_1": 1.865011327638e-02,
    "efp_4_5_2": 1.220951967453e-02,
    "efp_4_5_3": 1.496497414425e-02,
    "efp_4_5_4": 1.047323145374e-02,
    "efp_4_5_5": 1.244376916143e-02,
    "efp_4_5_6": 6.913594746635e-03,
    "efp_4_5_7": 8.256841825122e-03,
    "efp_4_5_8": 7.774660827846e-03,
    "efp_4_5_9": 8.076047195177e-03,
    "efp_4_5_10": 4.342585044805e-03,
    "efp_5_5_0": 1.560090994845e-02,
    "efp_5_5_1": 8.452090871760e-03,
    "efp_5_5_2": 9.272956062581e-03,
    "efp_5_5_3": 7.390446651690e-03,
    "efp_5_5_4": 6.371681678614e-03,
    "efp_5_5_5": 6.884032185728e-03,
    "efp_5_5_6": 6.176033787448e-03,
    "efp_5_5_7": 4.636266870731e-03,
    "efp_5_5_8": 3.936013347094e-03,
    "efp_5_5_9": 5.167483131259e-03,
    "efp_5_5_10": 3.984755518056e-03,
    "efp_6_5_0": 1.343451295443e-02,
    "efp_6_5_1": 6.698296863544e-03,
    "efp_6_5_2": 5.110149015827e-03,
    "efp_6_5_3": 4.250383857589e-03,
    "efp_6_5_4": 4.616433605307e-03,
    "efp_6_5_5": 3.717678532334e-03,
}
"""Its polynomials by EnergyFlow 1.4.0: EFPSet("d<=5", "d>0", "p==1", measure="hadr", beta=1)."""


def arrays(*jets: np.ndarray) -> JetArrays:
    offsets = np.concatenate([[0], np.cumsum([len(jet) for jet in jets])])
    return JetArrays(offsets, *np.concatenate(jets).T)


def random_jet(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.exponential(20, n) + 0.5, *rng.normal(0, 0.4, (2, n))], axis=1)


def canonical(edges: Edges) -> Edges:
    """The same for graphs that differ in the names of their vertices alone."""
    n = 1 + max(map(max, edges))
    named = (
        tuple(sorted(tuple(sorted((to[a], to[b]))) for a, b in edges))
        for to in itertools.permutations(range(n))
    )
    return min(named)


def grown(graphs: set[Edges]) -> set[Edges]:
    """Every connected multigraph with one edge more than those of a set that is complete."""
    found = set()
    for edges in graphs:
        n = 1 + max(map(max, edges))
        for a, b in itertools.combinations(range(n + 1), 2):
            found.add(canonical((*edges, (a, b))))
    return found


def test_the_table_has_every_connected_multigraph_to_degree_five_once():
    complete: set[Edges] = {((0, 1),)}
    for degree, n_graphs in enumerate((1, 2, 5, 12, 33), start=1):
        ours = [canonical(edges) for edges in GRAPHS.values() if len(edges) == degree]
        assert len(ours) == len(complete) == n_graphs
        assert set(ours) == complete
        if degree < 5:
            complete = grown(complete)


def test_names_have_the_numbers_of_vertices_and_edges():
    numbers = Counter()
    for name, edges in GRAPHS.items():
        _, n, d, k = name.split("_")
        assert (int(n), int(d)) == (1 + max(map(max, edges)), len(edges))
        assert int(k) == numbers[n, d]
        numbers[n, d] += 1


def brute_force(jet: np.ndarray, edges: Edges) -> float:
    """The sum over all n-tuples of constituents, as the formula has it."""
    pt, eta, phi = jet.T
    turn = np.angle(np.exp(1j * (phi[:, None] - phi)))
    theta, z = np.hypot(eta[:, None] - eta, turn), pt / pt.sum()
    n = 1 + max(map(max, edges))
    letters = "abcdef"
    parts = [letters[v] for v in range(n)] + [letters[a] + letters[b] for a, b in edges]
    return np.einsum(",".join(parts) + "->", *([z] * n), *([theta] * len(edges)), optimize=False)


def test_polynomials_are_their_sums():
    jets = [random_jet(n, seed) for seed, n in enumerate((2, 3, 5, 6))]
    found = flow_polynomials(arrays(*jets))
    for jet, row in zip(jets, found, strict=True):
        assert_allclose(row, [brute_force(jet, GRAPHS[name]) for name in NAMES], rtol=1e-12)


def test_polynomials_are_those_of_energyflow():
    assert tuple(OF_ENERGYFLOW) == NAMES
    assert_allclose(flow_polynomials(arrays(JET))[0], list(OF_ENERGYFLOW.values()), rtol=1e-11)


def test_one_constituent_has_nothing_and_two_have_closed_forms():
    one, two = random_jet(1, 0), random_jet(2, 1)
    alone, pair = flow_polynomials(arrays(one, two))
    assert not alone.any()
    z, theta = two[:, 0] / two[:, 0].sum(), np.hypot(*(two[0, 1:] - two[1, 1:]))
    found = dict(zip(NAMES, pair, strict=True))
    for d in range(1, 6):
        assert found[f"efp_2_{d}_0"] == pytest.approx(2 * z[0] * z[1] * theta**d)
    assert found["efp_3_2_0"] == pytest.approx(z[0] * z[1] * theta**2)
    assert found["efp_3_3_1"] == found["efp_5_5_10"] == 0  # no odd circle between two


def test_neither_order_nor_azimuth_nor_momentum_changes_them():
    jet, rng = random_jet(17, 3), np.random.default_rng(3)
    expected = flow_polynomials(arrays(jet))
    for turn in (1.0, np.pi, -3.0, 12.0):
        other = jet[rng.permutation(len(jet))] * [2.5, 1, 1] + [0, 0.7, turn]
        assert_allclose(flow_polynomials(arrays(other)), expected, rtol=1e-10)
        other[:, 2] = np.angle(np.exp(1j * other[:, 2]))
        assert_allclose(flow_polynomials(arrays(other)), expected, rtol=1e-10)


def test_a_value_hangs_on_its_own_jet_to_the_last_bit():
    jets = [random_jet(n, n) for n in (1, 7, 8, 9, 40, 41, 3, 90)]
    together = flow_polynomials(arrays(*jets))
    assert_array_equal(together, np.concatenate([flow_polynomials(arrays(j)) for j in jets]))
    few = ["efp_3_3_1", "efp_2_1_0"]
    places = [NAMES.index(name) for name in few]
    assert_array_equal(flow_polynomials(arrays(*jets), few), together[:, places])


def test_no_jets_and_unknown_names():
    assert flow_polynomials(JetArrays(np.zeros(1, np.int64), *np.empty((3, 0)))).shape == (0, 53)
    with pytest.raises(
        ConfigError, match="there is no polynomial 'efp_2_6_0': expected efp_n_d_k"
    ):
        flow_polynomials(arrays(JET), ["efp_2_6_0"])
