"""The families of signals by name, and which one a configuration is of."""

from collections.abc import Mapping
from typing import Any

from anode.errors import ConfigError, nearest
from anode.events.simulation.signals.base import Signal
from anode.events.simulation.signals.higgs import HiggsZ, ScalarPair, ThreeProng
from anode.events.simulation.signals.resonances import (
    ExcitedQuark,
    SemiVisible,
    TopPair,
    WPrime,
)

FAMILIES: dict[str, type[Signal]] = {
    "wprime": WPrime,
    "top_pair": TopPair,
    "excited_quark": ExcitedQuark,
    "semivisible": SemiVisible,
    "three_prong": ThreeProng,
    "higgs_z": HiggsZ,
    "scalar_pair": ScalarPair,
}
"""Value of the key ``family`` -> class."""


def family_of(content: Mapping[str, Any], path: str) -> type[Signal]:
    """The class of a signal's keys, as ``configuration.builder.build`` asks for it.

    Args:
        content: keys of the signal.
        path: their place in the configuration, for errors.

    Raises:
        ConfigError: the key ``family`` is none of ``FAMILIES``.
    """
    name = str(content.get("family"))
    if name not in FAMILIES:
        raise ConfigError(
            f"{path}.family must be one of {', '.join(FAMILIES)}, got {name}"
            f"{nearest(name, FAMILIES)}"
        )
    return FAMILIES[name]
