"""Images show where the transverse momentum lies, whatever the direction of a jet."""

import numpy as np
import pytest

from anode.errors import ConfigError, DataError
from anode.events.particles import EventParticles
from anode.jets import images as module
from anode.jets.images import ImageConfig, images
from helpers.particles import event_of, made_up, part_of

EVENTS = made_up(np.arange(100, 140), seed=5, n_most=60)
JETS = ImageConfig(size=16, half_width=0.4)
EVENT = ImageConfig(kind="event", size=12, half_width=1.5)


def wrapped(phi: np.ndarray) -> np.ndarray:
    return ((np.float64(phi) + np.pi) % (2 * np.pi) - np.pi).astype(np.float32)


def jet_image(event: EventParticles, jet: int, config: ImageConfig) -> np.ndarray:
    """The image of one jet, particle by particle, its principal axis from ``numpy.linalg``."""
    own = event.jet == jet
    pt, eta, phi = (np.float64(values[own]) for values in event[2:5])
    z = pt / pt.sum()
    phi = phi[0] + np.angle(np.exp(1j * (phi - phi[0])))
    x = np.stack([eta - z @ eta, phi - z @ phi])
    _, axes = np.linalg.eigh((z * x) @ x.T)
    along, across = axes[:, 1] @ x, axes[:, 0] @ x
    seen = (abs(along) < config.half_width) & (abs(across) < config.half_width)
    image = np.zeros((config.size, config.size))
    for values in (along, across):
        if z[seen & (values > 0)].sum() < z[seen & (values < 0)].sum():
            values *= -1
    for i in np.flatnonzero(seen):
        row, column = (
            int((v[i] + config.half_width) / (2 * config.half_width) * config.size)
            for v in (along, across)
        )
        image[row, column] += z[i]
    return image


def test_the_image_of_a_jet_is_what_a_loop_over_its_particles_draws():
    found = images(EVENTS, JETS)
    assert found.shape == (40, 2, 16, 16)
    assert found.dtype == np.float32
    for i in range(40):
        for jet in (0, 1):
            expected = jet_image(part_of(EVENTS, [i]), jet, JETS)
            np.testing.assert_allclose(found[i, jet], expected, atol=1e-6)


def test_the_image_of_an_event_is_what_a_loop_over_its_particles_draws():
    found = images(EVENTS, EVENT)
    assert found.shape == (40, 3, 12, 12)
    for i in range(40):
        event = part_of(EVENTS, [i])
        pt, eta, phi = (np.float64(values) for values in event[2:5])
        harder = event.jet == 0
        turn = np.angle(np.sum((pt * np.exp(1j * phi))[harder]))
        expected = np.zeros((3, 12, 12))
        for k in range(len(pt)):
            if abs(eta[k]) < 1.5:
                row = int((eta[k] + 1.5) / 3.0 * 12)
                column = int(((phi[k] - turn + np.pi) % (2 * np.pi)) / (2 * np.pi) * 12)
                shares, numbers, hardest = expected[:, row, column]
                share = pt[k] / pt.sum()
                expected[:, row, column] = shares + share, numbers + 1, max(hardest, share)
        np.testing.assert_allclose(found[i], expected, atol=1e-6)


@pytest.mark.parametrize("config", [JETS, EVENT], ids=["jets", "event"])
@pytest.mark.parametrize("turn", [0.3, -2.1, np.pi])
def test_an_image_does_not_change_with_the_azimuth_of_the_event(config, turn):
    turned = EVENTS._replace(phi=wrapped(EVENTS.phi + turn))
    np.testing.assert_allclose(images(turned, config), images(EVENTS, config), atol=1e-5)


def test_images_of_jets_do_not_change_with_a_boost_along_the_beam():
    boosted = EVENTS._replace(eta=EVENTS.eta + np.float32(0.75))
    np.testing.assert_allclose(images(boosted, JETS), images(EVENTS, JETS), atol=1e-5)
    assert abs(images(boosted, EVENT) - images(EVENTS, EVENT)).max() > 0.1


@pytest.mark.parametrize("mirror", ["eta", "phi", "both"])
def test_images_of_jets_do_not_change_in_a_mirror(mirror):
    eta = EVENTS.eta if mirror == "phi" else -EVENTS.eta
    phi = EVENTS.phi if mirror == "eta" else wrapped(-EVENTS.phi)
    found = images(EVENTS._replace(eta=eta, phi=phi), JETS)
    np.testing.assert_allclose(found, images(EVENTS, JETS), atol=1e-5)


def test_images_of_jets_do_not_change_when_a_jet_is_turned_about_its_axis():
    angle, event = 0.8, part_of(EVENTS, [0])
    harder = event.jet == 0
    pt, eta, phi = (np.float64(values) for values in event[2:5])
    axis = np.angle(np.sum((pt * np.exp(1j * phi))[harder]))
    x, y = eta, np.angle(np.exp(1j * (phi - axis)))
    event = event._replace(
        eta=np.where(harder, x * np.cos(angle) - y * np.sin(angle), eta).astype(np.float32),
        phi=wrapped(np.where(harder, axis + x * np.sin(angle) + y * np.cos(angle), phi)),
    )
    before = images(part_of(EVENTS, [0]), JETS)
    np.testing.assert_allclose(images(event, JETS), before, atol=1e-5)


def test_the_upper_and_the_right_half_hold_more():
    found = images(EVENTS, JETS)
    assert np.all(found[:, :, 8:].sum(axis=(2, 3)) >= found[:, :, :8].sum(axis=(2, 3)) - 1e-6)
    right, left = found[..., 8:].sum(axis=(2, 3)), found[..., :8].sum(axis=(2, 3))
    assert np.all(right >= left - 1e-6)
    spread = np.array([np.sum(found, axis=axis) for axis in (2, 3)])  # over columns, then rows
    place = np.arange(16) - 7.5
    across, along = (spread @ place**2 - (spread @ place) ** 2).mean(axis=(1, 2))
    assert along > across


@pytest.mark.parametrize("phi", [0.0, np.pi - 0.05, -np.pi])
def test_two_prongs_stand_upright_the_harder_one_above(phi):
    pair = event_of(
        [30, 10, 50], [0.0, 0.4, 0.0], wrapped(np.array([phi, phi + 0.3, 1.0])), [0, 0, 1]
    )
    image = images(pair, ImageConfig(size=20, half_width=0.5))[0, 0]
    rows, columns = np.nonzero(image)
    # 0.5 apart, centre at a quarter of it, on the axis: the pixels right of the middle.
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(2, 10), (12, 10)]
    assert image[12, 10] == pytest.approx(0.75)
    assert image[2, 10] == pytest.approx(0.25)


def test_what_lies_beyond_the_edge_is_left_out():
    wide = event_of([60, 20, 20, 50], [0, -0.8, 0.8, 0], [0, 0, 0, 2], [0, 0, 0, 1])
    assert images(wide, ImageConfig(size=4, half_width=1.0)).sum() == pytest.approx(2.0)
    assert images(wide, ImageConfig(size=4, half_width=0.5)).sum() == pytest.approx(1.6)
    event = images(wide, ImageConfig(kind="event", size=4, half_width=0.5))
    assert event[0].sum(axis=(1, 2)).tolist() == pytest.approx([110 / 150, 2, 110 / 150])


def test_the_square_root_is_that_of_every_pixel():
    for config in (JETS, EVENT):
        root = ImageConfig(**{**vars(config), "intensity": "sqrt"})
        np.testing.assert_allclose(images(EVENTS, root) ** 2, images(EVENTS, config), atol=1e-6)


def test_images_do_not_depend_on_the_order_of_particles_or_the_block(monkeypatch):
    orders = [np.arange(*EVENTS.offsets[i : i + 2])[::-1] for i in range(40)]
    order = np.concatenate(orders)
    turned = EVENTS._replace(
        **{name: getattr(EVENTS, name)[order] for name in ("pt", "eta", "phi", "jet")}
    )
    for config in (JETS, EVENT):
        expected = images(EVENTS, config)
        np.testing.assert_allclose(images(turned, config), expected, atol=1e-6)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_BLOCK", 7)
            np.testing.assert_array_equal(images(EVENTS, config), expected)


@pytest.mark.parametrize("config", [JETS, EVENT], ids=["jets", "event"])
@pytest.mark.parametrize(("jet", "which"), [(0, "other"), (1, "harder")])
def test_a_jet_without_constituents_is_refused_by_its_event(config, jet, which):
    event = event_of([30, 10], [0, 0.1], [0, 0.1], [jet, jet])
    with pytest.raises(DataError, match=f"event 11: .* its {which} one has none"):
        images(event, config)


def test_no_event_has_no_image():
    assert images(part_of(EVENTS, []), JETS).shape == (0, 2, 16, 16)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "pixel", "kind must be one of jets, event, got 'pixel'"),
        ("size", 1, "size must be at least 2"),
        ("half_width", 0.0, "half_width must be above 0"),
        ("half_width", np.nan, "half_width must be above 0"),
        ("intensity", "log", "intensity must be one of fraction, sqrt"),
    ],
)
def test_impossible_settings_are_refused(key, value, message):
    with pytest.raises(ConfigError, match=message):
        ImageConfig(**{key: value})
