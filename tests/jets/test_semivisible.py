"""Missing momentum, transverse mass and jet shapes, against closed forms of handmade events."""

import numpy as np
import pytest

from anode.events.particles import DetectorObjects
from anode.jets.clustering import EVERY_EVENT, leading_jets
from anode.jets.semivisible import (
    COLUMNS,
    missing_momentum,
    semivisible_features,
    transverse_mass,
)
from anode.jets.settings import DEFAULT


def objects(*events) -> DetectorObjects:
    """Events as lists of (pT, eta, phi)."""
    offsets = np.cumsum([0, *map(len, events)])
    flat = np.array([each for event in events for each in event], dtype=float).reshape(-1, 3)
    return DetectorObjects(offsets, *flat.T)


def features(*events) -> dict[str, np.ndarray]:
    made = objects(*events)
    jets = leading_jets(made, trigger=EVERY_EVENT, settings=DEFAULT)
    return dict(zip(COLUMNS, semivisible_features(jets, made, DEFAULT).T, strict=True))


def test_missing_momentum_is_what_balances_an_event():
    made = objects([(3.0, 1.0, 0.0), (4.0, -2.0, np.pi / 2)], [], [(5.0, 0.0, np.pi)])
    np.testing.assert_allclose(missing_momentum(made), [[-3, -4], [0, 0], [5, 0]], atol=1e-12)


@pytest.mark.parametrize(("hard", "soft"), [(900.0, 900.0), (900.0, 500.0), (1000.0, 40.0)])
def test_a_jet_that_hides_its_momentum_leaves_the_transverse_mass(hard, soft):
    """Two massless jets back to back at eta = 0: m_jj = 2 sqrt(ab), and m_T = 2 a whatever b."""
    found = features([(hard, 0.0, 1.0), (soft, 0.0, 1.0 - np.pi)])
    assert found["mjj"] == pytest.approx([2 * np.sqrt(hard * soft)], rel=1e-9)
    assert found["met"] == pytest.approx([hard - soft], abs=1e-9)
    assert found["mt"] == pytest.approx([2 * hard], rel=1e-9)
    assert found["rt"] == pytest.approx([(hard - soft) / (2 * hard)], abs=1e-12)
    if hard > soft:  # missing momentum lies along the softer jet
        assert found["delta_phi_met"] == pytest.approx([0.0], abs=1e-9)


def test_transverse_mass_is_that_of_the_sum_of_transverse_energies():
    """m_T^2 = (E_T + MET)^2 - |pT + pT_miss|^2, of any momenta."""
    rng = np.random.default_rng(1)
    momentum, missing = rng.normal(0, 500, (200, 3)), rng.normal(0, 300, (200, 2))
    mass = rng.exponential(800, 200)
    energy = np.sqrt((momentum**2).sum(axis=1) + mass**2)
    transverse = np.sqrt(mass**2 + (momentum[:, :2] ** 2).sum(axis=1))
    both = (momentum[:, :2] + missing) ** 2
    expected = np.sqrt((transverse + np.hypot(*missing.T)) ** 2 - both.sum(axis=1))
    found = transverse_mass(np.column_stack([momentum, energy]), missing)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.all(found > mass * (1 - 1e-6))


def test_shapes_of_a_jet_are_those_of_its_own_constituents():
    """The first event has one jet and no features; counting must not slip by it."""
    pair = [(400.0, 0.2, 0.0), (200.0, 0.2, 0.3)]
    found = features([(700.0, 0.0, 0.0)], [*pair, (50.0, -1.0, 3.0), (350.0, 0.0, np.pi)])
    assert len(found["mt"]) == 1
    axis = np.arctan2(200 * np.sin(0.3), 400 + 200 * np.cos(0.3))
    px, py = 400 + 200 * np.cos(0.3), 200 * np.sin(0.3)
    pt, pz = np.hypot(px, py), 600 * np.sinh(0.2)
    off = abs(np.arcsinh(pz / pt) - 0.2)
    girth = (2 * np.hypot(axis, off) + np.hypot(0.3 - axis, off)) / 3
    assert found["girth_1"] == pytest.approx([girth], rel=1e-9)
    assert found["ptd_1"] == pytest.approx([np.sqrt(5) / 3], rel=1e-9)
    assert found["m_1"] == pytest.approx([np.sqrt(2 * 400 * 200 * (1 - np.cos(0.3)))], rel=1e-6)
    assert found["pt_1"] == pytest.approx([pt], rel=1e-12)
    assert found["tau21_1"] == pytest.approx([0.0], abs=1e-6)  # two axes on two constituents
    assert found["ptd_2"] == pytest.approx([1.0], rel=1e-12)
    assert found["girth_2"] == pytest.approx([0.0], abs=1e-9)


def test_azimuth_has_no_origin():
    rng = np.random.default_rng(2)

    def spray(turn: float):
        events = []
        for _ in range(5):
            n = int(rng.integers(10, 30))
            side = rng.integers(2, size=n)
            phi = np.pi * side + rng.normal(0, 0.2, n) + turn
            events.append(np.stack([rng.exponential(50, n), rng.normal(0, 0.3, n), phi], axis=1))
        return events

    state = rng.bit_generator.state
    found = features(*spray(0.0))
    rng.bit_generator.state = state
    turned = features(*spray(2.5))
    assert len(found["mt"]) == 5
    for name in COLUMNS:
        np.testing.assert_allclose(turned[name], found[name], rtol=1e-6, atol=1e-6, err_msg=name)
