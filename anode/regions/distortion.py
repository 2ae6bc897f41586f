"""Distorted features, to test how robust a method is: smeared, shifted with the mass, noise added.

All events are treated alike, signal and background, data and test:

    x -> (1 + s n) x + a m_jj          smear, then shift
    noise_1, noise_2, ...              further features without information

with n and the noise standard normal. Shifted features depend on the mass, against the assumption
of methods that compare regions: the "shifted data set" of CATHODE, 2109.00546 sec. 5, has a = 0.1
for m_J1 and delta m_J. Added noise is the test of Finke et al. 2309.13111.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from scipy.special import ndtri

from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.regions.splits import uniform_of
from anode.seeding import Name


@dataclass(frozen=True)
class DistortionConfig:
    """Distortion of the features.

    Attributes:
        shift: feature -> a, in units of the feature per GeV; None for no feature.
        noise_features: number of features of standard normal noise to add.
        smear: feature -> s, a relative resolution; None for no feature.
    """

    shift: dict[str, float] | None
    noise_features: int
    smear: dict[str, float] | None

    def __post_init__(self) -> None:
        if self.noise_features < 0:
            raise ConfigError(
                f"distortion.noise_features must not be negative, got {self.noise_features}"
            )
        for name, value in (self.shift or {}).items():
            if not isfinite(value):
                raise ConfigError(f"distortion.shift.{name} must be finite, got {value}")
        for name, value in (self.smear or {}).items():
            if not (isfinite(value) and value >= 0):
                raise ConfigError(
                    f"distortion.smear.{name} must be finite and not negative, got {value}"
                )

    def names(self, features: Sequence[str]) -> tuple[str, ...]:
        """Names of the features after distortion.

        Raises:
            ConfigError: a feature to shift or smear is not among ``features``.
        """
        for key in ("shift", "smear"):
            for name in getattr(self, key) or {}:
                if name not in features:
                    raise ConfigError(
                        f"distortion.{key} names the feature {name!r}, but there are only "
                        f"{', '.join(features)}"
                    )
        return (*features, *(f"noise_{i + 1}" for i in range(self.noise_features)))


NONE = DistortionConfig(None, 0, None)
"""No distortion."""


def distort(events: EventTable, config: DistortionConfig, seed: int) -> EventTable:
    """The same events with distorted features.

    An event's random numbers depend on the seed and its identity alone: they are the same in any
    order, subset or block of the file. They are hashes, and so know nothing of what they hash.

    Args:
        events: events as read from the file.
        config: distortion to apply.
        seed: root seed of the run.

    Raises:
        ConfigError: a feature to shift or smear is not among those of the events.
    """
    names = config.names(events.names)
    if not (config.shift or config.smear or config.noise_features):
        return events
    values = events.features.copy()
    for name, width in (config.smear or {}).items():
        normal = _normal_of(events.identity, seed, "distortion", "smear", name)
        values[:, names.index(name)] *= 1 + width * normal
    for name, slope in (config.shift or {}).items():
        values[:, names.index(name)] += slope * events.mass
    noise = names[len(events.names) :]
    columns = [_normal_of(events.identity, seed, "distortion", name) for name in noise]
    return EventTable(
        events.event_id,
        events.mass,
        np.column_stack([values, *columns]),
        names,
        (*events.units, *("" for _ in noise)),
        events.label,
        events.source,
        identity=events.identity,
    )


def _normal_of(identity: np.ndarray, seed: int, *names: Name) -> np.ndarray:
    """(N,) standard normal numbers: the quantiles at ``uniform_of``, finite also for u = 0."""
    normal: np.ndarray = ndtri(np.maximum(uniform_of(identity, seed, *names), 2.0**-54))
    return normal
