# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""The particles of an event are all there, hardest first, each with the jet that FastJet puts it
in."""

import numpy as np
import pytest

pytest.importorskip("fastjet")
ak = pytest.importorskip("awkward")

from anode.events.particles import DetectorObjects
from anode.events.readers.raw_particles import read_raw
from anode.jets.clustering import EVERY_EVENT, leading_jets
from anode.jets.membership import particles_of
from helpers.raw_files import raw_rows, write_frame

N_EVENTS = 12


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> DetectorObjects:
    rows = raw_rows(N_EVENTS, seed=4)
    rows[3, 3:2100] = 0.0  # a single particle: an event without two jets
    return read_raw(write_frame(tmp_path_factory.mktemp("raw") / "raw.h5", rows), 0, 12).objects


def test_the_constituents_of_a_jet_have_its_momentum(objects):
    jets = leading_jets(objects, trigger=EVERY_EVENT)
    found = particles_of(objects, jets, jets.event)
    assert found.event_id.tolist() == [i for i in range(N_EVENTS) if i != 3]
    pt, eta, phi = (np.float64(values) for values in (found.pt, found.eta, found.phi))
    momenta = np.stack(
        [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], axis=1
    )
    for i in range(len(found.event_id)):
        own = slice(*found.offsets[i : i + 2])
        for jet in (0, 1):
            total = momenta[own][found.jet[own] == jet].sum(axis=0)
            np.testing.assert_allclose(total, jets.momentum[i, jet], rtol=1e-5, atol=1e-3)
            count = np.sum(found.jet[own] == jet)
            assert count == len(jets.constituents[i, jet])


def test_every_particle_is_there_once_and_the_hardest_comes_first(objects):
    jets = leading_jets(objects, trigger=EVERY_EVENT)
    found = particles_of(objects, jets, 100 + jets.event)
    for i, event in enumerate(jets.event):
        theirs = slice(*objects.offsets[event : event + 2])
        ours = slice(*found.offsets[i : i + 2])
        assert np.all(np.diff(found.pt[ours]) <= 0)
        np.testing.assert_array_equal(found.pt[ours], np.float32(-np.sort(-objects.pt[theirs])))
        np.testing.assert_array_equal(
            np.sort(found.eta[ours]), np.sort(objects.eta[theirs]).astype("f4")
        )


def test_the_order_in_the_file_changes_nothing(objects):
    order = np.concatenate([np.arange(*objects.offsets[i : i + 2])[::-1] for i in range(N_EVENTS)])
    turned = objects._replace(
        pt=objects.pt[order], eta=objects.eta[order], phi=objects.phi[order] + 2 * np.pi
    )
    both = []
    for given in (objects, turned):
        jets = leading_jets(given, trigger=EVERY_EVENT)
        both.append(particles_of(given, jets, jets.event))
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_event_with_two_jets_gives_no_particles():
    single = DetectorObjects(np.array([0, 1]), *(np.array([50.0]) for _ in range(3)))
    found = particles_of(single, leading_jets(single, trigger=EVERY_EVENT), np.empty(0, int))
    assert [len(values) for values in found] == [0, 1, 0, 0, 0, 0]
