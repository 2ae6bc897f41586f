# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Constituents are padded, seen from the axis of their jet, and in the order of their tree."""

import numpy as np
import pytest

fastjet = pytest.importorskip("fastjet")

from anode.errors import ConfigError, DataError
from anode.events.particles import EventParticles
from anode.jets import constituents as module
from anode.jets.constituents import ConstituentConfig, constituents
from helpers.particles import event_of, made_up, part_of

EVENTS = made_up(np.arange(30), seed=8, n_most=60)


def order_of(pt: list[float], eta: list[float], phi: list[float], n: int = 8) -> list[float]:
    """pT [GeV] of the constituents of the harder jet in the order of their tree."""
    event = event_of([*pt, 5.0], [*eta, 0.0], [*phi, 3.0], [0] * len(pt) + [1])
    found = constituents(event, ConstituentConfig(n=n, order="kt"))[0, 0]
    return (found[found[:, 3] == 1, 0] * sum(pt)).round(3).tolist()


def test_columns_are_share_distance_and_mask():
    found = constituents(EVENTS, ConstituentConfig(n=40))
    assert found.shape == (30, 2, 40, 4)
    assert found.dtype == np.float32
    for i in range(30):
        event = part_of(EVENTS, [i])
        for jet in (0, 1):
            own = event.jet == jet
            pt, eta, phi = (np.float64(values[own]) for values in event[2:5])
            z = pt / pt.sum()
            turn = np.angle(np.exp(1j * (phi - phi[0])))
            expected = np.stack([z, eta - z @ eta, turn - z @ turn, np.ones(len(z))], axis=1)
            rows = found[i, jet, : len(z)]
            np.testing.assert_allclose(rows, expected[np.argsort(-z, kind="stable")], atol=2e-6)
            assert not found[i, jet, len(z) :].any()


def test_the_hardest_are_kept():
    everything = constituents(EVENTS, ConstituentConfig(n=60))
    few = constituents(EVENTS, ConstituentConfig(n=3))
    np.testing.assert_array_equal(few, everything[:, :, :3])
    tree, all_of_tree = (constituents(EVENTS, ConstituentConfig(n=n, order="kt")) for n in (3, 60))
    for i, jet in np.ndindex(30, 2):
        np.testing.assert_array_equal(np.sort(tree[i, jet, :, 0])[::-1], few[i, jet, :, 0])
        kept = np.isin(all_of_tree[i, jet, :, 0], few[i, jet, :, 0]) & (
            all_of_tree[i, jet, :, 3] > 0
        )
        np.testing.assert_array_equal(all_of_tree[i, jet, kept], tree[i, jet])


def test_two_prongs_stand_one_behind_the_other():
    # (40, 9) and (30, 20), each 0.1 apart, lie 0.8 from each other: 50 against 49.
    assert order_of([40, 30, 20, 9], [0, 0.8, 0.9, 0.1], [0] * 4) == [30, 20, 40, 9]
    assert order_of([40, 30, 20, 11], [0, 0.8, 0.9, 0.1], [0] * 4) == [40, 11, 30, 20]


def test_a_splitting_within_a_prong_puts_the_harder_branch_first():
    # 2 and 10 merge first, then 12 with 15 to 27, which is harder than 20 and so comes before.
    pt, eta = [20, 15, 10, 2], [0.0, 0.5, 0.72, 0.75]
    assert order_of(pt, eta, [0] * 4) == [15, 10, 2, 20]
    assert order_of([30, 15, 10, 2], eta, [0] * 4) == [30, 15, 10, 2]
    # A soft particle beside the softer prong stands with that prong.
    assert order_of([30, 12, 1], [0, 0.6, 0.61], [0] * 3) == [30, 12, 1]
    assert order_of([30, 12, 1], [0, 0.6, 0.01], [0] * 3) == [30, 1, 12]


def test_final_objects_farther_than_the_radius_come_by_falling_pt():
    # Pairs 1.3 apart, of 12 and 11.5, then of 12 and 13.
    assert order_of([10, 9, 2.5, 2], [0, 1.3, 1.35, 0.05], [0] * 4) == [10, 2, 9, 2.5]
    assert order_of([10, 9, 4, 2], [0, 1.3, 1.35, 0.05], [0] * 4) == [9, 4, 10, 2]


def test_a_tree_across_phi_of_pi_is_one_tree():
    phi = (np.array([0, 0.8, 0.9, 0.1]) + np.pi - 0.45 + np.pi) % (2 * np.pi) - np.pi
    event = event_of([40, 30, 20, 9, 5], [0] * 5, [*phi, 0], [0, 0, 0, 0, 1])
    found = constituents(event, ConstituentConfig(n=4, order="kt"))[0, 0, :, 0]
    np.testing.assert_allclose(found * 99, [30, 20, 40, 9], rtol=1e-6)


def by_parents(event: EventParticles, jet: int) -> list[float]:
    """pT in the order of the tree, walked from its end by ``ClusterSequence.has_parents``."""
    own = event.jet == jet
    pt, eta, phi = (np.float64(values[own]) for values in event[2:5])
    columns = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    given = [fastjet.PseudoJet(*map(float, row)) for row in np.stack(columns, axis=1)]
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1.0)
    sequence = fastjet._swig.ClusterSequence(given, definition)

    def walk(branch) -> list[float]:
        one, other = fastjet.PseudoJet(), fastjet.PseudoJet()
        if not sequence.has_parents(branch, one, other):
            return [branch.pt()]
        first, second = sorted((one, other), key=lambda b: -b.pt())
        return walk(first) + walk(second)

    final = sorted(sequence.inclusive_jets(), key=lambda b: -b.pt())
    return [pt for branch in final for pt in walk(branch)]


def test_the_tree_is_that_of_fastjets_own_parents(monkeypatch):
    monkeypatch.setattr(module, "_JETS", 7)
    wide = EVENTS._replace(eta=2 * EVENTS.eta)  # some jets become several final objects
    for events in (EVENTS, wide):
        found = constituents(events, ConstituentConfig(n=60, order="kt"))
        for i, jet in np.ndindex(30, 2):
            event = part_of(events, [i])
            total = np.float64(event.pt[event.jet == jet]).sum()
            rows = found[i, jet][found[i, jet, :, 3] == 1]
            np.testing.assert_allclose(rows[:, 0] * total, by_parents(event, jet), rtol=1e-5)


@pytest.mark.parametrize("order", ["pt", "kt"])
def test_the_order_of_the_input_changes_nothing(order):
    turned = np.concatenate([np.arange(*EVENTS.offsets[i : i + 2])[::-1] for i in range(30)])
    other = EVENTS._replace(
        **{name: getattr(EVENTS, name)[turned] for name in ("pt", "eta", "phi", "jet")}
    )
    config = ConstituentConfig(n=40, order=order)
    np.testing.assert_allclose(
        constituents(other, config), constituents(EVENTS, config), atol=1e-6
    )


def test_equal_constituents_have_an_order_all_the_same():
    for places in ([0, 1, 2], [2, 0, 1]):
        eta = np.array([0.3, 0.0, -0.3])[places]
        event = event_of([10, 10, 10, 5], [*eta, 0], [0, 0, 0, 3], [0, 0, 0, 1])
        found = constituents(event, ConstituentConfig(n=3))[0, 0, :, 1]
        np.testing.assert_allclose(found, [-0.3, 0.0, 0.3], atol=1e-6)


@pytest.mark.parametrize("order", ["pt", "kt"])
def test_a_jet_of_one_particle_is_its_own_axis(order):
    event = event_of([10, 5], [0.3, 0.1], [1.0, 3.0], [0, 1])
    found = constituents(event, ConstituentConfig(n=2, order=order))
    expected = [[1.0, 0.0, 0.0, 1.0], [0.0] * 4]
    np.testing.assert_allclose(found, [[expected, expected]], atol=1e-7)
    nothing = constituents(part_of(EVENTS, []), ConstituentConfig(n=2, order=order))
    assert nothing.shape == (0, 2, 2, 4)


def test_a_jet_without_constituents_is_refused_by_its_event():
    event = event_of([30, 10], [0, 0.1], [0, 0.1], [0, -1])
    with pytest.raises(DataError, match=r"event 11: .* its other one has none"):
        constituents(event, ConstituentConfig())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("n", 0, "n must be at least 1"), ("order", "ca", "order must be one of pt, kt, got 'ca'")],
)
def test_impossible_settings_are_refused(key, value, message):
    with pytest.raises(ConfigError, match=message):
        ConstituentConfig(**{key: value})


def test_the_heavier_jet_comes_first_if_asked():
    """Of masses by FastJet's four-momenta sum, all constituents massless, none cut off by n."""
    harder = constituents(EVENTS, ConstituentConfig(n=60))
    heavier = constituents(EVENTS, ConstituentConfig(n=60, first="mass"))
    n_swapped = 0
    for row, (ours, other) in enumerate(zip(harder, heavier, strict=True)):
        masses = []
        for number in (0, 1):
            event = part_of(EVENTS, [row])
            pt, eta, phi = (np.float64(values[event.jet == number]) for values in event[2:5])
            momentum = np.array(
                [pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]
            ).sum(1)
            masses.append(momentum[0] ** 2 - (momentum[1:] ** 2).sum())
        swapped = masses[1] > masses[0]
        n_swapped += swapped
        assert np.array_equal(other, ours[::-1] if swapped else ours)
    assert 0 < n_swapped < len(harder)
