# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Shapes and subjettiness of jets against FastJet, and against their formulas written down."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

fastjet = pytest.importorskip("fastjet")
ak = pytest.importorskip("awkward")

from anode.events.particles import DetectorObjects
from anode.events.substructure_columns import BETAS, GROUPS, SHAPES, columns_of_groups
from anode.jets.clustering import EVERY_EVENT, LeadingJets, leading_jets, object_momenta
from anode.jets.settings import DEFAULT
from anode.jets.substructure.arrays import JetArrays
from anode.jets.substructure.columns import substructure_of
from anode.jets.substructure.flow_polynomials import flow_polynomials
from anode.jets.substructure.shapes import jet_shapes
from anode.jets.substructure.soft_drop import cambridge_aachen, soft_drop_mass

Jets = list[np.ndarray]


def random_jets(*counts: int, seed: int = 0) -> Jets:
    """pT, eta and phi of jets of so many constituents each, across phi = pi."""
    rng = np.random.default_rng(seed)
    return [
        np.stack([rng.exponential(30, n) + 1, rng.normal(0, 0.3, n), rng.normal(3.1, 0.3, n)], 1)
        for n in counts
    ]


def momenta(jets: Jets) -> "ak.Array":
    offsets = np.concatenate([[0], np.cumsum([len(jet) for jet in jets])])
    return object_momenta(DetectorObjects(offsets, *np.concatenate(jets).T))


def shapes(jets: Jets) -> dict[str, np.ndarray]:
    parts = momenta(jets)
    whole = np.stack([ak.to_numpy(ak.sum(parts[x], axis=1)) for x in ("px", "py", "pz", "E")], 1)
    return dict(zip(SHAPES, jet_shapes(parts, whole).T, strict=True))


def wrapped(angle: float) -> float:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.hypot(a[1] - b[1], wrapped(a[2] - b[2])))


def correlations(jet: np.ndarray) -> tuple[float, float, float]:
    """e_2, e_3 and 2e_3, as their formulas have them."""
    z = jet[:, 0] / jet[:, 0].sum()
    e2 = sum(z[i] * z[j] * distance(jet[i], jet[j])
             for i, j in itertools.combinations(range(len(jet)), 2))  # fmt: skip
    e3 = two_e3 = 0.0
    for triple in itertools.combinations(range(len(jet)), 3):
        sides = sorted(distance(jet[i], jet[j]) for i, j in itertools.combinations(triple, 2))
        weight = np.prod(z[list(triple)])
        e3 += weight * np.prod(sides)
        two_e3 += weight * np.prod(sides[:2])
    return e2, e3, two_e3


def test_shapes_are_their_formulas():
    jets = random_jets(3, 8, 15)
    found = shapes(jets)
    for i, jet in enumerate(jets):
        z = jet[:, 0] / jet[:, 0].sum()
        e2, e3, two_e3 = correlations(jet)
        assert found["ptd"][i] == pytest.approx(np.sqrt((z**2).sum()))
        assert found["c2"][i] == pytest.approx(e3 / e2**2)
        assert found["d2"][i] == pytest.approx(e3 / e2**3)
        assert found["n2"][i] == pytest.approx(two_e3 / e2**2)
        whole = [fastjet.PseudoJet(*p) for p in cartesian(jet).tolist()]
        axis = sum(whole[1:], whole[0])
        place = np.array([axis.pt(), axis.rap(), axis.phi_std()])
        girth = sum(share * distance(p, place) for share, p in zip(z, jet, strict=True))
        assert found["girth"][i] == pytest.approx(girth)


def cartesian(jet: np.ndarray) -> np.ndarray:
    pt, eta, phi = jet.T
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], 1)


def slow_soft_drop(jet: np.ndarray, z_cut: float) -> float:
    """Cambridge/Aachen by comparing all pairs anew, and the walk back."""

    def place(p: np.ndarray) -> np.ndarray:
        rapidity = np.arctanh(p[2] / p[3])
        return np.array([np.hypot(p[0], p[1]), rapidity, np.arctan2(p[1], p[0])])

    nodes = [(p, None) for p in cartesian(jet)]
    while len(nodes) > 1:
        pairs = itertools.combinations(range(len(nodes)), 2)
        i, j = min(pairs, key=lambda ij: distance(*(place(nodes[k][0]) for k in ij)))
        merged = (nodes[i][0] + nodes[j][0], (nodes[i], nodes[j]))
        nodes = [node for k, node in enumerate(nodes) if k not in (i, j)] + [merged]
    momentum, parents = nodes[0]
    while parents is not None:
        softer, harder = sorted(parents, key=lambda node: np.hypot(*node[0][:2]))
        share = np.hypot(*softer[0][:2]) / sum(np.hypot(*node[0][:2]) for node in parents)
        if share > z_cut:
            return float(np.sqrt(max(momentum[3] ** 2 - (momentum[:3] ** 2).sum(), 0)))
        momentum, parents = harder
    return 0.0


def test_soft_drop_mass_is_that_of_a_slow_walk_and_of_fastjet_contrib():
    jets = random_jets(1, 2, 3, 9, 14, 20, 25, 30)
    parts = momenta(jets)
    sequence = cambridge_aachen(parts)
    for z_cut in (0.05, 0.1, 0.4):
        found = soft_drop_mass(parts, sequence, z_cut=z_cut)
        theirs = sequence.exclusive_jets_softdrop_grooming(
            njets=1, beta=0.0, symmetry_cut=z_cut, symmetry_measure="scalar_z", R0=1.0
        )
        assert_allclose(found, np.asarray(theirs.msoftdrop), rtol=1e-9, atol=1e-4)
        assert_allclose(found, [slow_soft_drop(jet, z_cut) for jet in jets], rtol=1e-9, atol=1e-4)


def test_jets_of_one_and_two_constituents_have_shapes():
    one, two = random_jets(1, 2)
    found = shapes([one, two])
    assert found["ptd"][0] == 1
    assert_allclose([found[name][0] for name in SHAPES[1:]], 0, atol=1e-12)
    assert_allclose([found[name][1] for name in ("c2", "d2", "n2")], 0, atol=1e-12)
    assert found["girth"][1] > 0
    in_one_place = np.repeat(one, 3, axis=0)
    again = shapes([in_one_place])
    assert again["ptd"][0] == pytest.approx(np.sqrt(1 / 3))
    assert_allclose([again[name][0] for name in ("c2", "d2", "n2")], 0, atol=1e-12)


def test_shapes_know_neither_azimuth_nor_order():
    jets, rng = random_jets(12, 30, seed=4), np.random.default_rng(1)
    expected = shapes(jets)
    for turn in (1.0, np.pi, -2.5):
        other = shapes([jet[rng.permutation(len(jet))] + [0, 0, turn] for jet in jets])
        for name in SHAPES:
            assert_allclose(other[name], expected[name], rtol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def events() -> LeadingJets:
    rng = np.random.default_rng(2)
    rows = []
    for n in (60, 30, 12, 4, 2):
        phi, eta = rng.uniform(-np.pi, np.pi), rng.normal(0, 0.5, 2)
        side = np.arange(n) % 2
        rows.append(np.stack([
            rng.exponential(80, n) + 5,
            eta[side] + rng.normal(0, 0.2, n),
            wrapped(phi + np.pi * side + rng.normal(0, 0.2, n)),
        ], 1))  # fmt: skip
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    objects = DetectorObjects(offsets, *np.concatenate(rows).T)
    return leading_jets(objects, trigger=EVERY_EVENT)


def test_columns_of_events_are_those_of_their_jets(events):
    groups = tuple(GROUPS)
    values = substructure_of(events, groups, DEFAULT)
    columns = dict(zip(columns_of_groups(groups), values.T, strict=True))
    assert len(columns) == 2 * (27 + 6 + 53)
    assert np.isfinite(values).all()
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    for place in (0, 1):
        jets = events.constituents[:, place]
        for name, beta in BETAS.items():
            tau = fastjet.ClusterSequence(jets, definition).njettiness(
                axes_definition="OnePass_KT_Axes", njets=list(range(1, 10)), beta=beta, R0=1.0
            )
            expected = np.asarray(tau).reshape(len(jets), 9)
            for n in range(1, 10):
                found = columns[f"tau{n}_{name}j{place + 1}"]
                assert_allclose(found, expected[:, n - 1], rtol=1e-6, atol=1e-12)
                few = ak.to_numpy(ak.num(jets)) <= n
                assert_allclose(found[few], 0, atol=1e-6)
        polynomials = flow_polynomials(JetArrays.of(jets))
        for name, expected in zip(GROUPS["efp"], polynomials.T, strict=True):
            assert_allclose(columns[f"{name}j{place + 1}"], expected, rtol=1e-6)
        for name, expected in zip(
            SHAPES, jet_shapes(jets, events.momentum[:, place]).T, strict=True
        ):
            assert_allclose(columns[f"{name}j{place + 1}"], expected, rtol=1e-6, atol=1e-6)


def test_groups_stand_alone_and_events_too(events):
    groups = tuple(GROUPS)
    whole = dict(
        zip(columns_of_groups(groups), substructure_of(events, groups, DEFAULT).T, strict=True)
    )
    for group in groups:
        values = substructure_of(events, (group,), DEFAULT)
        for name, column in zip(columns_of_groups((group,)), values.T, strict=True):
            assert_array_equal(column, whole[name])
    none = LeadingJets(*(part[:0] for part in events))
    assert substructure_of(none, groups, DEFAULT).shape == (0, 172)
