"""CWoLa hunting: a classifier of the signal region against the strips beside it.

Collins, Howe, Nachman 1805.02664. It needs no density, but fails if features depend on the mass,
which tell the region from the strips without any signal.
"""

from dataclasses import dataclass

import numpy as np

from anode.errors import ConfigError, DataError
from anode.methods.base import MethodConfig, RegionEvents
from anode.methods.classifier_method import TwoSampleMethod, TwoSamples


@dataclass(frozen=True)
class CwolaConfig(MethodConfig):
    """Settings of CWoLa hunting.

    Attributes:
        strip: width of the sidebands used on either side of the signal region [GeV].
    """

    strip: float

    def __post_init__(self) -> None:
        if not self.strip > 0:
            raise ConfigError(f"method.strip must be above 0 GeV, got {self.strip}")


class Cwola(TwoSampleMethod):
    """CWoLa hunting; ``AnomalyMethod`` documents its methods."""

    title = "CWoLa"
    fits_density = False
    config: CwolaConfig

    @property
    def training_strip_width(self) -> float:
        """Width of each strip [GeV]."""
        return self.config.strip

    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """Data of the signal region, against the two strips, each with half of the weight.

        Raises:
            DataError: a strip has no events.
        """
        region, sidebands = events.signal_region, events.sidebands
        low, high = region.mass.min(), region.mass.max()
        below = (sidebands.mass < low) & (sidebands.mass >= low - self.config.strip)
        above = (sidebands.mass > high) & (sidebands.mass < high + self.config.strip)
        for side, strip in (("below", below), ("above", above)):
            if not strip.any():
                raise DataError(
                    f"{sidebands.source}: CWoLa needs sideband events within method.strip="
                    f"{self.config.strip:g} GeV {side} the signal region ({low:g} to {high:g} "
                    "GeV), but there are none"
                )
        weight = np.where(below, 1 / below.sum(), 1 / above.sum())
        used = below | above
        return TwoSamples(
            region.features,
            sidebands.features[used],
            weight[used],
            region.identity,
            sidebands.identity[used],
        )
