"""Images of events: where in the detector, or in its two jets, the transverse momentum lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError
from anode.events.feature_definitions import wrapped
from anode.events.particles import EventParticles
from anode.jets.frame import (
    N_JETS,
    JetConstituents,
    event_of_particles,
    jet_constituents,
    refuse_empty_jets,
    sums,
)

KINDS = {"jets": 2, "event": 3}
"""Kind of image -> its channels."""

INTENSITIES = ("fraction", "sqrt")

_BLOCK = 2000
"""Events drawn at a time: sums are float64, and bincount wants all pixels at once."""

_AXIS = 1e-9
"""What lies this close to an axis lies on it: rounding must not choose the pixel."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """What an image shows.

    Attributes:
        kind: "jets", one channel a jet, or "event", the whole event in three channels.
        size: number S of pixels of each side.
        half_width: half of the side of a jet image, or largest |eta| of an event image.
        intensity: "fraction", or "sqrt" for the square root of every pixel.

    Raises:
        ConfigError: an impossible value.

    Example:
        >>> ImageConfig(kind="event", size=48, half_width=2.5).n_channels
        3
    """

    kind: str = "jets"
    size: int = 32
    half_width: float = 1.0
    intensity: str = "fraction"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.size < 2:
            raise ConfigError(f"size must be at least 2 pixels, got {self.size}")
        if not 0 < self.half_width < np.inf:
            raise ConfigError(f"half_width must be above 0 and finite, got {self.half_width}")
        if self.intensity not in INTENSITIES:
            raise ConfigError(
                f"intensity must be one of {', '.join(INTENSITIES)}, got {self.intensity!r}"
            )

    @property
    def n_channels(self) -> int:
        """Number C of channels."""
        return KINDS[self.kind]


def images(particles: EventParticles, config: ImageConfig) -> NDArray[np.float32]:
    """(N, C, S, S) images of N events.

    Jets (C = 2, the harder one first). A pixel holds the share of the jet's pT that falls on it,
    z_i = pT_i / sum_k pT_k of its constituents. Each jet is centred on its axis
    (``frame.jet_constituents``), rotated so that the principal axis of

        sum_i z_i (delta_eta_i, delta_phi_i) (delta_eta_i, delta_phi_i)^T

    is vertical, and reflected so that the right half of the image and the upper half hold more pT
    than the left and the lower one. The next to last index goes up along the principal axis, the
    last one to the right, both from -half_width to half_width. What lies outside is left out, and
    the pixels then add up to less than 1. Images do not change if the event is turned in phi,
    shifted in eta, or reflected.

    Whole event (C = 3). The next to last index is eta from -half_width to half_width, the last one
    phi from -pi to pi, turned so that the harder jet is at phi = 0. Channels: share of the pT of
    all particles of the event, those beyond half_width included; number of particles; pT of the
    hardest particle of the pixel as a share of the same sum.

    Args:
        particles: particles of N events.
        config: what to show.

    Raises:
        DataError: a jet has no constituent; the message names the event.

    Example:
        >>> pt, jet = np.float32([30.0, 10.0, 40.0]), np.int8([0, 0, 1])
        >>> angle = np.float32([0.0, 0.4, 3.0])
        >>> event = EventParticles(np.array([8]), np.array([0, 3]), pt, angle, angle, jet)
        >>> shown = images(event, ImageConfig(size=4))
        >>> shown.shape, shown.sum(axis=(2, 3)).tolist(), shown.max(axis=(2, 3)).tolist()
        ((1, 2, 4, 4), [[1.0, 1.0]], [[0.75, 1.0]])
    """
    n, size = len(particles.event_id), config.size
    result = np.empty((n, config.n_channels, size, size), dtype=np.float32)
    draw = _jet_images if config.kind == "jets" else _event_images
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        result[start:stop] = draw(_events(particles, start, stop), config)
    return np.sqrt(result) if config.intensity == "sqrt" else result


def _events(particles: EventParticles, start: int, stop: int) -> EventParticles:
    """The particles of events [start, stop)."""
    offsets = particles.offsets[start : stop + 1]
    own = slice(int(offsets[0]), int(offsets[-1]))
    ids, (pt, eta, phi, jet) = particles.event_id[start:stop], particles[2:]
    return EventParticles(ids, offsets - offsets[0], pt[own], eta[own], phi[own], jet[own])


def _jet_images(particles: EventParticles, config: ImageConfig) -> NDArray[np.float64]:
    """(N, 2, S, S) shares of pT."""
    n_jets, size = N_JETS * len(particles.event_id), config.size
    jets = jet_constituents(particles)
    across, along = _upright(jets, n_jets)
    inside = (np.abs(across) < config.half_width) & (np.abs(along) < config.half_width)
    jet, fraction = jets.jet[inside], jets.fraction[inside]
    across, along = (
        _more_above(values[inside], fraction, jet, n_jets) for values in (across, along)
    )
    row, column = (_pixel(values, config.half_width, size) for values in (along, across))
    pixels = sums((jet * size + row) * size + column, fraction, n_jets * size**2)
    return pixels.reshape(-1, N_JETS, size, size)


def _upright(
    jets: JetConstituents, n_jets: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K,) coordinates across and along the principal axis of each jet.

    The axis has the angle theta to the direction of eta, tan(2 theta) = 2 c_ep / (c_ee - c_pp)
    with c the second moments; of a round jet, or one of a single particle, it is that of eta.
    """

    def moment(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return sums(jets.jet, jets.fraction * values, n_jets)

    eta, phi = jets.delta_eta, jets.delta_phi
    theta = 0.5 * np.arctan2(2 * moment(eta * phi), moment(eta**2) - moment(phi**2))[jets.jet]
    return (
        eta * np.sin(theta) - phi * np.cos(theta),
        eta * np.cos(theta) + phi * np.sin(theta),
    )


def _more_above(
    values: NDArray[np.float64],
    fraction: NDArray[np.float64],
    jet: NDArray[np.int64],
    n_jets: int,
) -> NDArray[np.float64]:
    """The coordinates with the sign that puts more pT above 0 than below it, jet by jet."""
    values = np.where(np.abs(values) < _AXIS, 0.0, values)
    balance = sums(jet, fraction * np.sign(values), n_jets)
    return np.where(balance[jet] < 0, -values, values)


def _event_images(particles: EventParticles, config: ImageConfig) -> NDArray[np.float64]:
    """(N, 3, S, S) shares of pT, numbers of particles, shares of the hardest."""
    n, size = len(particles.event_id), config.size
    refuse_empty_jets(particles)
    event = event_of_particles(particles)
    pt, eta, phi = (np.asarray(column, dtype=np.float64) for column in particles[2:5])
    fraction = pt / sums(event, pt, n)[event]
    turned = wrapped(phi - _azimuth_of_harder(particles, event, pt, phi)[event])
    inside = np.abs(eta) < config.half_width
    row = _pixel(eta[inside], config.half_width, size)
    pixel = (event[inside] * size + row) * size + _pixel(turned[inside], np.pi, size)
    shares = sums(pixel, fraction[inside], n * size**2)
    numbers = sums(pixel, np.ones(len(pixel)), n * size**2)
    hardest = np.zeros(n * size**2)
    np.maximum.at(hardest, pixel, fraction[inside])
    channels = [values.reshape(n, size, size) for values in (shares, numbers, hardest)]
    return np.stack(channels, axis=1)


def _azimuth_of_harder(
    particles: EventParticles,
    event: NDArray[np.int64],
    pt: NDArray[np.float64],
    phi: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N,) azimuth of the sum of the momenta of the harder jet's constituents."""
    harder = particles.jet == 0
    x, y = (
        sums(event[harder], values[harder], len(particles.event_id))
        for values in (pt * np.cos(phi), pt * np.sin(phi))
    )
    return np.arctan2(y, x)


def _pixel(values: NDArray[np.float64], reach: float, size: int) -> NDArray[np.int64]:
    """Pixel, 0 to size - 1, of values in [-reach, reach)."""
    place = np.floor((values + reach) * (size / (2 * reach))).astype(np.int64)
    return np.clip(place, 0, size - 1)  # rounding can reach the upper edge
