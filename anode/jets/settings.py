"""Which choices define the jets of an event and their substructure?"""

from dataclasses import dataclass

from anode.errors import ConfigError

AXES = {
    "onepass_kt": "OnePass_KT_Axes",
    "onepass_wta_kt": "OnePass_WTA_KT_Axes",
    "wta_kt": "WTA_KT_Axes",
    "kt": None,
    "kt_unwrapped": None,
}
"""Names of N-subjettiness axes and what FastJet calls them; None is computed from its exclusive
kT jets (``substructure.py``)."""

MAX_BETA = 3.0
"""One-pass minimisation converges slowly above it."""


@dataclass(frozen=True)
class JetConfig:
    """How particles become jets.

    Attributes:
        radius: of the anti-kT jets.
        pt_min: jets below this transverse momentum [GeV] do not exist.
        axes: where N-subjettiness puts its axes, one of ``AXES``.
        beta: angular exponent of N-subjettiness.
        r0: its normalising radius.
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
