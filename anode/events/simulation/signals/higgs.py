"""Signals from Higgs states of the two-doublet model: A -> h Z and H -> h h, with h and Z to two,
three or four partons."""

from dataclasses import dataclass

from anode.errors import ConfigError
from anode.events.simulation.signals.base import (
    W_TO_QUARKS,
    Z_MASS,
    Z_TO_QUARKS,
    Signal,
    TwoBosons,
    moved,
)

_QUARKS = (1, 2, 3, 4, 5)
_RELATIVE_WIDTH = 0.027
"""Width over mass of a W or Z, taken for bosons without a width of their own."""


@dataclass(frozen=True, kw_only=True)
class ThreeProng(TwoBosons):
    """A -> X Y, each to q q̄ g: a colour singlet that decays evenly in phase space.

    X is Pythia's Higgs boson, Y its Z, both moved, 2.7% wide, with equal shares of the five
    quarks. No matrix element: the gluon is as hard as the quarks, not soft or collinear.
    """

    @property
    def prongs(self) -> tuple[int, int]:
        return 3, 3

    @property
    def decay(self) -> str:
        return f"A → X({self.heavy_mass:g}) Y({self.light_mass:g}), X, Y → q q̄ g"

    def settings(self) -> tuple[str, ...]:
        bosons = ((25, self.heavy_mass), (23, self.light_mass))
        return (
            *_pseudoscalar(self._resonance(36)),
            *(line for boson, mass in bosons for line in moved(boson, mass)),
            *(line for boson, mass in bosons for line in _to_q_qbar_g(boson, mass)),
        )


@dataclass(frozen=True, kw_only=True)
class HiggsZ(Signal):
    """A -> h Z, h(125) -> b b̄ and Z -> q q̄. Pythia lets this Z decay isotropically, although it
    is longitudinal."""

    @property
    def masses(self) -> tuple[float, float]:
        return Z_MASS, 125.0

    @property
    def prongs(self) -> tuple[int, int]:
        return 2, 2

    @property
    def decay(self) -> str:
        return "A → h Z, h → b b̄, Z → q q̄"

    def settings(self) -> tuple[str, ...]:
        return (
            *_pseudoscalar(self._resonance(36)),
            *moved(23, Z_MASS),
            *Z_TO_QUARKS,
            "25:m0 = 125",
            "25:onMode = off",
            "25:onIfAny = 5",
        )


@dataclass(frozen=True, kw_only=True)
class ScalarPair(Signal):
    """H -> h h, h to b b̄ or to four quarks through W W and Z Z.

    Attributes:
        scalar_mass: mass of h [GeV].
        through: "bb" or "vv".
    """

    scalar_mass: float
    through: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.through not in ("bb", "vv"):
            raise ConfigError(f"signal.through must be bb or vv, got {self.through!r}")
        if self.through == "vv" and self.scalar_mass < 2 * Z_MASS:
            raise ConfigError(
                f"signal.scalar_mass must be at least {2 * Z_MASS:g} GeV for through=vv, got "
                f"{self.scalar_mass:g}"
            )

    @property
    def masses(self) -> tuple[float, float]:
        return self.scalar_mass, self.scalar_mass

    @property
    def prongs(self) -> tuple[int, int]:
        return (2, 2) if self.through == "bb" else (4, 4)

    @property
    def decay(self) -> str:
        then = "h → b b̄" if self.through == "bb" else "h → W W, Z Z → q q̄ q q̄"
        return f"H → h({self.scalar_mass:g}) h({self.scalar_mass:g}), {then}"

    def settings(self) -> tuple[str, ...]:
        pair = (
            "Higgs:useBSM = on",
            "HiggsBSM:gg2H2 = on",
            "HiggsH2:coup2H1H1 = 1",
            *self._resonance(35),
            "35:onIfMatch = 25 25",
        )
        if self.through == "bb":
            return (*pair, f"25:m0 = {self.scalar_mass:g}", "25:onMode = off", "25:onIfAny = 5")
        return (
            *pair,
            *moved(25, self.scalar_mass),
            "25:onMode = off",
            "25:onIfMatch = 24 24",
            "25:onIfMatch = 23 23",
            *W_TO_QUARKS,
            *Z_TO_QUARKS,
        )


def _pseudoscalar(resonance: tuple[str, ...]) -> tuple[str, ...]:
    """g g -> A -> h Z, of a Z without photon."""
    return (
        "Higgs:useBSM = on",
        "HiggsBSM:gg2A3 = on",
        "HiggsA3:coup2H1Z = 1",
        *resonance,
        "36:onIfMatch = 25 23",
        "WeakZ0:gmZmode = 2",
    )


def _to_q_qbar_g(boson: int, mass: float) -> tuple[str, ...]:
    """Decays of a boson, in equal shares of the quarks; mode 101: shares and phase space only."""
    share = 1 / len(_QUARKS)
    return (
        f"{boson}:doForceWidth = on",
        f"{boson}:mWidth = {_RELATIVE_WIDTH * mass:g}",
        *(
            f"{boson}:{'addChannel' if place else 'oneChannel'} = 1 {share:g} 101 {q} -{q} 21"
            for place, q in enumerate(_QUARKS)
        ),
    )
