"""What every signal is: a resonance, its Pythia settings, and what its two jets come from.

A family is a class: what decays to what. A signal is an object of it, made of a file of
``configs/signal/``: which masses. All are resonances with a forced width, whose masses are kept
within 0.8 and 1.2 times the nominal, and all decays are hadronic.

Custom decay channels of Pythia's Z' give no cross-section, and the decay angles of its W' presume
that W and Z decay to two fermions each. So pairs of two-prong jets are W' -> W Z with the masses
moved, as in the bundled events, and whatever decays to three or four partons comes from the
Higgs states of the two-doublet model, A -> h Z and H -> h h, whose decays are isotropic.

Pythia: C. Bierlich et al., SciPost Phys. Codebases 8 (2022), arXiv:2203.11601.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from anode.errors import ConfigError
from anode.events.simulation.pythia import BEAM_ENERGY, COMMON_SETTINGS, Process

MAX_NUMBER = 49
"""Largest number of a signal; each has its own range of event ids."""

Z_MASS = 91.19
"""[GeV]"""

W_TO_QUARKS = ("24:onMode = off", "24:onIfAny = 1 2 3 4")
Z_TO_QUARKS = ("23:onMode = off", "23:onIfAny = 1 2 3 4 5")


@dataclass(frozen=True, kw_only=True)
class Signal(ABC):
    """A resonance that decays to two jets.

    Attributes:
        family: what decays to what, one of ``families.FAMILIES``.
        name: name of the process, of its random streams and of its file. "signal" is that of the
            bundled events.
        number: place among the signals, 0 to ``MAX_NUMBER``: no two may share it, since event ids
            follow from it. 0 is the bundled signal.
        resonance_mass: mass of the resonance [GeV].
        resonance_width: its width [GeV].

    Raises:
        ConfigError: a value is impossible, or the decay is.
    """

    family: str
    name: str
    number: int
    resonance_mass: float
    resonance_width: float

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_NUMBER:
            raise ConfigError(
                f"signal.number must lie between 0 and {MAX_NUMBER}, got {self.number}; no two "
                "signals may share it"
            )
        if self.resonance_width <= 0:
            raise ConfigError(
                f"signal.resonance_width must be positive, got {self.resonance_width:g} GeV"
            )
        first, second = self.masses
        total, resonance = first + second, self.resonance_mass
        if min(first, second) < 0 or not max(total, 0.0) < resonance < 2 * BEAM_ENERGY:
            raise ConfigError(
                f"signal masses must satisfy 0 < light + heavy < resonance < {2 * BEAM_ENERGY:g} "
                f"GeV, got {first:g}, {second:g} and {resonance:g}"
            )

    @property
    @abstractmethod
    def masses(self) -> tuple[float, float]:
        """Masses of what the two jets come from [GeV], lighter first; 0 for one without a mass of
        its own: a quark, or a dark shower."""

    @property
    @abstractmethod
    def prongs(self) -> tuple[int, int]:
        """Quarks and gluons that each jet comes from, in the order of ``masses``."""

    @property
    @abstractmethod
    def decay(self) -> str:
        """The decay chain in one line."""

    @abstractmethod
    def settings(self) -> tuple[str, ...]:
        """Pythia settings behind ``COMMON_SETTINGS``."""

    def process(self) -> Process:
        """The process, label 1."""
        return Process(name=self.name, label=1, settings=COMMON_SETTINGS + self.settings())

    def _resonance(self, identity: int) -> tuple[str, ...]:
        """Mass, width and range of the resonance with this code; no decay is left open."""
        return (
            f"{identity}:m0 = {self.resonance_mass:g}",
            f"{identity}:doForceWidth = on",
            f"{identity}:mWidth = {self.resonance_width:g}",
            f"{identity}:mMin = {0.8 * self.resonance_mass:g}",
            f"{identity}:mMax = {1.2 * self.resonance_mass:g}",
            f"{identity}:onMode = off",
        )


@dataclass(frozen=True, kw_only=True)
class TwoBosons(Signal):
    """A resonance that decays to X and Y.

    Attributes:
        heavy_mass: mass of X [GeV].
        light_mass: mass of Y [GeV], at most that of X.

    Raises:
        ConfigError: the masses are not 0 < light <= heavy, or the decay is impossible.
    """

    heavy_mass: float
    light_mass: float

    def __post_init__(self) -> None:
        super().__post_init__()
        light, heavy = self.light_mass, self.heavy_mass
        if not 0 < light <= heavy:
            raise ConfigError(
                f"signal masses must satisfy 0 < light <= heavy, got light {light:g}, heavy "
                f"{heavy:g} GeV; exchange them"
            )

    @property
    def masses(self) -> tuple[float, float]:
        return self.light_mass, self.heavy_mass


def moved(boson: int, mass: float) -> tuple[str, ...]:
    """A boson of another mass, within half of it and one and a half of it.

    Args:
        boson: code of the boson.
        mass: its mass [GeV].

    Example:
        >>> moved(23, 500.0)
        ('23:m0 = 500', '23:mMin = 250', '23:mMax = 750')
    """
    return (
        f"{boson}:m0 = {mass:g}",
        f"{boson}:mMin = {0.5 * mass:g}",
        f"{boson}:mMax = {1.5 * mass:g}",
    )
