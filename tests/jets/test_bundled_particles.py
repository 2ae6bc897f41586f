"""The bundled particles are those of the bundled features beside them, and fit for networks."""

import h5py
import numpy as np
import pytest

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.events.particles import EventParticles
from anode.events.readers.particle_group import BUNDLED_PARTICLES, ParticleGroup
from anode.events.writers.particle_group import PT_BITS, STEP
from anode.jets.constituents import ConstituentConfig, constituents
from anode.jets.images import ImageConfig, images
from anode.resources import DATA

SOME = slice(None, None, 40)


@pytest.fixture(scope="module")
def group() -> ParticleGroup:
    return ParticleGroup(None)


@pytest.fixture(scope="module")
def some(group) -> EventParticles:
    return group.read(group.event_id[SOME])


def columns(*names: str) -> list[np.ndarray]:
    with h5py.File(BUNDLED_PARTICLES) as file:
        return [file[name][:] for name in names]


def test_the_file_is_small_and_has_events_everywhere(group):
    assert BUNDLED_PARTICLES.stat().st_size < 10_000_000
    mass, label = columns("mjj", "label")
    inside = (mass >= 3300) & (mass < 3700)
    for value, below, within, above in ((0, 3000, 800, 1000), (1, 100, 800, 80)):
        of_class = label == value
        assert np.sum(of_class & (mass < 3300)) > below
        assert np.sum(of_class & inside) > within
        assert np.sum(of_class & (mass >= 3700)) > above
    assert group.n_events == len(mass) == 8000
    assert label.mean() == pytest.approx(1 / 6, abs=0.02)


def test_the_mass_of_the_two_jets_is_that_of_their_particles(group):
    (mass,) = columns("mjj")
    events = group.read(group.event_id)
    pt, eta, phi = (np.float64(values) for values in events[2:5])
    event = np.repeat(np.arange(group.n_events), np.diff(events.offsets))
    momenta = (pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))
    energy, *momentum = (
        np.bincount(event, np.where(events.jet >= 0, p, 0), minlength=len(mass)) for p in momenta
    )
    found = np.sqrt(energy**2 - np.sum(np.square(momentum), axis=0))
    # m^2 is a sum over pairs, whose relative error is that of two pT and of two angles; the
    # jets are about pi apart in phi, and STEP in eta moves a pair by as much of its m^2.
    worst = 2.0 ** -(PT_BITS + 1) + STEP
    np.testing.assert_allclose(found, mass, rtol=worst)
    assert np.abs(found / mass - 1).mean() < 2e-4  # errors of many particles cancel


def test_images_and_constituents_are_finite_and_filled(some):
    for config in (ImageConfig(), ImageConfig(kind="event", size=24, half_width=2.5)):
        drawn = images(some, config)
        assert np.isfinite(drawn).all()
        assert np.all(drawn.sum(axis=(2, 3)) > 0.02)
    rows = constituents(some, ConstituentConfig(n=40))
    assert np.isfinite(rows).all()
    assert np.all(rows[:, :, 0, 3] == 1)
    assert np.all(np.hypot(rows[..., 1], rows[..., 2]) < 2.0)


def test_jets_of_signal_are_wider_along_their_principal_axis(some):
    (label,) = columns("label")
    drawn = images(some, ImageConfig(size=32))
    place = (np.arange(32) - 15.5) / 16
    along = np.sqrt(drawn.sum(axis=3) @ place**2).mean(axis=1)
    signal = label[SOME] == 1
    assert np.median(along[signal]) > 1.2 * np.median(along[~signal])


def test_the_choice_of_data_finds_the_file_of_the_package():
    for command, key in (("run", "run_dir"), ("explore", "output")):
        content = resolve(compose(command, ["data=bundled_particles", f"{key}=somewhere"]))
        assert content["data"]["path"] == str(DATA / "anode_particles.h5")
        assert content["data"]["reader"] == "bundled"
