"""Settings of jets and their substructure."""

from dataclasses import dataclass

from anode.errors import ConfigError

AXES = {
    "onepass_kt": "OnePass_KT_Axes",
    "onepass_wta_kt": "OnePass_WTA_KT_Axes",
    "wta_kt": "WTA_KT_Axes",
    "kt": None,
    "kt_unwrapped": None,
}
"""Names of N-subjettiness axes -> names in FastJet; None: computed from its exclusive kT jets
(``substructure/subjettiness.py``)."""

MAX_BETA = 3.0
"""Largest beta: above it one-pass minimisation converges slowly."""


@dataclass(frozen=True)
class JetConfig:
    """Settings of jets and N-subjettiness.

    Attributes:
        radius: radius of the anti-kT jets.
        pt_min: smallest transverse momentum of a jet [GeV].
        axes: axes of N-subjettiness, one of ``AXES``.
        beta: angular exponent of N-subjettiness.
        r0: normalising radius of N-subjettiness.

    Raises:
        ConfigError: a number out of range, or unknown axes.
    """

    radius: float
    pt_min: float
    axes: str
    beta: float
    r0: float

    def __post_init__(self) -> None:
        for key in ("radius", "pt_min", "beta", "r0"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"data.jets.{key} must be above 0, got {getattr(self, key)}")
        if self.beta > MAX_BETA:
            raise ConfigError(f"data.jets.beta must be at most {MAX_BETA:g}, got {self.beta:g}")
        if self.radius > 1.5:
            raise ConfigError(f"data.jets.radius must be at most 1.5, got {self.radius:g}")
        if self.axes not in AXES:
            raise ConfigError(
                f"data.jets.axes must be one of {', '.join(AXES)}, got {self.axes!r}"
            )


DEFAULT = JetConfig(radius=1.0, pt_min=20.0, axes="onepass_kt", beta=1.0, r0=1.0)
"""The jets of the generated events."""
