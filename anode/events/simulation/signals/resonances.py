"""Signals of W', Z' and excited quarks: W' -> X Y, Z' -> t tbar, q* -> q Z, and dark showers."""

from dataclasses import dataclass

from anode.events.dark_sector.names import SignalPoint
from anode.events.simulation.hidden_valley import DARK_QUARK, Z_PRIME, dark_sector_settings
from anode.events.simulation.signals.base import (
    W_TO_QUARKS,
    Z_TO_QUARKS,
    Signal,
    TwoBosons,
    moved,
)


@dataclass(frozen=True, kw_only=True)
class WPrime(TwoBosons):
    """W' -> X Y, two massive bosons that each decay to a quark pair.

    X is Pythia's Z moved to ``heavy_mass`` and Y its W moved to ``light_mass``, each with the
    width that follows from its mass: the decay angles of longitudinal vector bosons describe the
    R&D signal clearly better than isotropic ones do.

    Example:
        >>> signal = WPrime(resonance_mass=3500.0, resonance_width=55.0, heavy_mass=300.0,
        ...                 light_mass=300.0)
        >>> signal.decay
        "W' → X(300) Y(300), X → q q̄, Y → q q̄'"
    """

    family: str = "wprime"
    name: str = "signal"
    number: int = 0

    @property
    def prongs(self) -> tuple[int, int]:
        return 2, 2

    @property
    def decay(self) -> str:
        return f"W' → X({self.heavy_mass:g}) Y({self.light_mass:g}), X → q q̄, Y → q q̄'"

    def settings(self) -> tuple[str, ...]:
        return (
            "NewGaugeBoson:ffbar2Wprime = on",
            "Wprime:coup2WZ = 1",
            *self._resonance(34),
            "34:onIfAll = 23 24",
            *moved(24, self.light_mass),
            *W_TO_QUARKS,
            "WeakZ0:gmZmode = 2",
            *moved(23, self.heavy_mass),
            *Z_TO_QUARKS,
        )


@dataclass(frozen=True, kw_only=True)
class TopPair(Signal):
    """Z' -> t t̄, t -> b W, W to quarks; top mass and width are those of Pythia."""

    @property
    def masses(self) -> tuple[float, float]:
        return 173.0, 173.0

    @property
    def prongs(self) -> tuple[int, int]:
        return 3, 3

    @property
    def decay(self) -> str:
        return "Z' → t t̄, t → b W, W → q q̄'"

    def settings(self) -> tuple[str, ...]:
        return (
            "NewGaugeBoson:ffbar2gmZZprime = on",
            "Zprime:gmZmode = 3",  # no interference with photon and Z
            *self._resonance(32),
            "32:onIfAny = 6",
            *W_TO_QUARKS,
        )


@dataclass(frozen=True, kw_only=True)
class ExcitedQuark(Signal):
    """q* -> q Z, of u and d quarks; the Z is moved to ``boson_mass`` and decays to two quarks.

    Attributes:
        boson_mass: mass of the boson [GeV].
    """

    boson_mass: float

    @property
    def masses(self) -> tuple[float, float]:
        return 0.0, self.boson_mass

    @property
    def prongs(self) -> tuple[int, int]:
        return 1, 2

    @property
    def decay(self) -> str:
        return f"q* → q Z({self.boson_mass:g}), Z → q q̄"

    def settings(self) -> tuple[str, ...]:
        return (
            "ExcitedFermion:dg2dStar = on",
            "ExcitedFermion:ug2uStar = on",
            *self._resonance(4000001),
            "4000001:onIfAny = 23",
            *self._resonance(4000002),
            "4000002:onIfAny = 23",
            "WeakZ0:gmZmode = 2",
            *moved(23, self.boson_mass),
            *Z_TO_QUARKS,
        )


@dataclass(frozen=True, kw_only=True)
class SemiVisible(Signal):
    """Z' -> two dark quarks, which shower to dark hadrons; a fraction of these is invisible.

    The dark sector is that of ``hidden_valley``, without multiparton interactions.

    Attributes:
        m_dark: mass of the dark hadrons [GeV].
        rinv: fraction of the dark hadrons that decays invisibly.
        alpha: strength of the dark coupling, one of ``dark_sector.names.ALPHAS``.
    """

    m_dark: float
    rinv: float
    alpha: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self._point()  # checks the values

    @property
    def masses(self) -> tuple[float, float]:
        return 0.0, 0.0

    @property
    def prongs(self) -> tuple[int, int]:
        return 1, 1

    @property
    def decay(self) -> str:
        return f"Z' → q_D q̄_D, dark showers, m_D = {self.m_dark:g} GeV, r_inv = {self.rinv:g}"

    def settings(self) -> tuple[str, ...]:
        return (
            "HiddenValley:ffbar2Zv = on",
            *self._resonance(Z_PRIME),
            f"{Z_PRIME}:onIfAny = {DARK_QUARK}",
            *dark_sector_settings(self._point()),
        )

    def _point(self) -> SignalPoint:
        return SignalPoint(self.resonance_mass, self.m_dark, self.rinv, self.alpha)
