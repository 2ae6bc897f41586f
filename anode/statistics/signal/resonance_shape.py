"""Which fraction of a resonance's events lies in each bin of the mass.

A shape is a distribution of m / M, the reconstructed mass over that of the resonance: a
double-sided crystal ball whose parameters are interpolated between generated masses, or a
histogram. Its area is one over all masses; bins hold differences of its cumulative distribution.
"""

import dataclasses
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from anode.errors import DataError
from anode.statistics.fits.dijet_function import check_edges

SCALE_ERROR, WIDTH_ERROR = 0.01, 0.035
"""Relative uncertainty of the jets' energy scale, and of their resolution, as CMS has them in its
di-jet searches (1911.03947, sec. 6)."""


class CrystalBall(NamedTuple):
    """A Gaussian with power laws on both sides (Crystal Ball, SLAC-R-236, appendix E).

    With t = (x - mean) / width, the density is proportional to

        exp(-t^2 / 2)                                             for -alpha_low <= t <= alpha_high
        exp(-alpha^2 / 2) [1 + (|t| - alpha) alpha / power]^-power            beyond, on each side.

    Attributes:
        mean, width: centre and standard deviation of the Gaussian, in m / M.
        alpha_low, alpha_high: distances from the centre, in ``width``, where the tails begin.
        power_low, power_high: exponents of the tails, above one.
    """

    mean: float
    width: float
    alpha_low: float
    power_low: float
    alpha_high: float
    power_high: float

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Logarithm of the density at any m / M."""
        t = (x - self.mean) / self.width
        low = _log_tail(-t, self.alpha_low, self.power_low)
        high = _log_tail(t, self.alpha_high, self.power_high)
        log = np.where(t < -self.alpha_low, low, np.where(t > self.alpha_high, high, -t * t / 2))
        return np.asarray(log - np.log(self.width * sum(self._areas())))

    def cumulative(self, x: np.ndarray) -> np.ndarray:
        """Fraction of events below any m / M.

        Example:
            >>> shape = CrystalBall(1.0, 0.04, 2.0, 5.0, 2.0, 5.0)
            >>> shape.cumulative(np.array([0.96, 1.0, 1.04])).round(3)
            array([0.166, 0.5  , 0.834])
        """
        t = (x - self.mean) / self.width
        low, core, high = self._areas()
        below = low * _tail(-t, self.alpha_low, self.power_low)
        above = high * _tail(t, self.alpha_high, self.power_high)
        inside = ndtr(np.clip(t, -self.alpha_low, self.alpha_high)) - ndtr(-self.alpha_low)
        area = low + np.sqrt(2 * np.pi) * inside
        total = low + core + high
        area = np.where(t < -self.alpha_low, below, area)
        return np.asarray(np.where(t > self.alpha_high, total - above, area) / total)

    def _areas(self) -> tuple[float, float, float]:
        """Areas of lower tail, core and upper tail for a density of one at t = 0, in t."""
        low, high = (
            float(np.exp(-alpha * alpha / 2) * power / (alpha * (power - 1)))
            for alpha, power in (
                (self.alpha_low, self.power_low),
                (self.alpha_high, self.power_high),
            )
        )
        core = np.sqrt(2 * np.pi) * (ndtr(self.alpha_high) - ndtr(-self.alpha_low))
        return low, float(core), high


def _base(t: np.ndarray, alpha: float, power: float) -> np.ndarray:
    return np.asarray(1 + np.maximum(t - alpha, 0.0) * alpha / power)


def _log_tail(t: np.ndarray, alpha: float, power: float) -> np.ndarray:
    return np.asarray(-alpha * alpha / 2 - power * np.log(_base(t, alpha, power)))


def _tail(t: np.ndarray, alpha: float, power: float) -> np.ndarray:
    """Share of a tail's area farther out than t."""
    return np.asarray(_base(t, alpha, power) ** (1 - power))


class Fractions(NamedTuple):
    """A signal in B bins, and how its two uncertainties move it.

    Attributes:
        nominal: (B,) fraction of the signal's events in each bin; below one in sum, as some lie
            outside.
        scale, width: (B,) half the difference between the fractions at plus and minus one
            standard deviation of energy scale and resolution.
        scale_bend, width_bend: (B,) mean of both less the nominal fraction.
    """

    nominal: np.ndarray
    scale: np.ndarray
    width: np.ndarray
    scale_bend: np.ndarray
    width_bend: np.ndarray


class SignalShape(ABC):
    """Distribution of m / M of a resonance."""

    @abstractmethod
    def cumulative(self, x: np.ndarray, mass: float) -> np.ndarray:
        """Fraction of the events of a resonance of ``mass`` [GeV] below m / M = x, any shape."""

    @abstractmethod
    def centre(self, mass: float) -> float:
        """m / M of the peak, about which the resolution widens the shape."""

    def fractions(
        self, edges: np.ndarray, mass: float, *, scale: float = 0.0, width: float = 0.0
    ) -> np.ndarray:
        """(B,) fraction of all events in each bin.

        Args:
            edges: (B+1,) edges of the bins [GeV].
            mass: mass of the resonance [GeV].
            scale: relative change of the energy scale: the shape moves to (1 + scale) m.
            width: relative change of the resolution: the shape is wider by 1 + width about its
                peak.

        Raises:
            DataError: the edges are refused, or the mass is not positive.
        """
        edges = check_edges(edges)
        if not 0 < mass < np.inf:
            raise DataError(f"a resonance needs a mass above 0 GeV, got {mass:g}; give it in GeV")
        centre = self.centre(mass)
        x = centre + (edges / (mass * (1 + scale)) - centre) / (1 + width)
        return np.diff(self.cumulative(x, mass))

    def varied(
        self,
        edges: np.ndarray,
        mass: float,
        *,
        scale_error: float = SCALE_ERROR,
        width_error: float = WIDTH_ERROR,
    ) -> Fractions:
        """Fractions and their changes by one standard deviation; arguments as ``fractions``."""
        raised, lowered = (
            self.fractions(edges, mass, scale=sign * scale_error) for sign in (1, -1)
        )
        wider, narrower = (
            self.fractions(edges, mass, width=sign * width_error) for sign in (1, -1)
        )
        nominal = self.fractions(edges, mass)
        return Fractions(
            nominal,
            (raised - lowered) / 2,
            (wider - narrower) / 2,
            (raised + lowered) / 2 - nominal,
            (wider + narrower) / 2 - nominal,
        )


@dataclasses.dataclass(frozen=True)
class CrystalBallShape(SignalShape):
    """Crystal balls at K masses, their parameters interpolated linearly in the mass.

    Below the first and above the last mass the shape in m / M is that of the nearest.

    Attributes:
        masses: K rising masses [GeV].
        crystal_balls: K crystal balls.

    Example:
        >>> one = CrystalBall(1.0, 0.04, 1.0, 5.0, 1.2, 5.0)
        >>> shape = CrystalBallShape((3000.0, 4000.0), (one, one._replace(width=0.03)))
        >>> round(shape.at(3500.0).width, 3)
        0.035
        >>> shape.fractions(np.array([3300.0, 3500.0, 3700.0]), 3500.0).round(2)
        array([0.37, 0.37])

    Raises:
        DataError: masses do not rise, or a parameter has an impossible value.
    """

    masses: tuple[float, ...]
    crystal_balls: tuple[CrystalBall, ...]

    def __post_init__(self) -> None:
        masses = np.array(self.masses)
        if len(masses) == 0 or len(masses) != len(self.crystal_balls):
            raise DataError(
                "a shape needs one crystal ball for each mass, got "
                f"{len(masses)} masses and {len(self.crystal_balls)} crystal balls"
            )
        if not ((masses > 0).all() and (np.diff(masses) > 0).all()):
            raise DataError(
                f"masses of a shape must be positive and rise, got {list(self.masses)}; sort "
                "them and give them in GeV"
            )
        for mass, ball in zip(self.masses, self.crystal_balls, strict=True):
            for (name, value), least in zip(
                ball._asdict().items(), (0.0, 0.0, 0.0, 1.0, 0.0, 1.0), strict=True
            ):
                if not least < value < np.inf:
                    raise DataError(
                        f"{name} of a crystal ball must be above {least:g}, got {value:g} at "
                        f"{mass:g} GeV"
                    )

    def at(self, mass: float) -> CrystalBall:
        """The crystal ball of a resonance of ``mass`` [GeV]."""
        every = np.array(self.crystal_balls)
        return CrystalBall(*(float(np.interp(mass, self.masses, row)) for row in every.T))

    def cumulative(self, x: np.ndarray, mass: float) -> np.ndarray:
        return self.at(mass).cumulative(x)

    def centre(self, mass: float) -> float:
        return self.at(mass).mean


@dataclasses.dataclass(frozen=True)
class BinnedShape(SignalShape):
    """A histogram of m / M, the same for all masses, flat within its bins.

    Attributes:
        edges: K + 1 rising edges of its bins in m / M.
        contents: K events or fractions; only their proportions matter.

    Raises:
        DataError: edges do not rise from zero or above, contents are negative or not as many as
            bins, or most lie far from m / M = 1.
    """

    edges: tuple[float, ...]
    contents: tuple[float, ...]

    def __post_init__(self) -> None:
        edges, contents = np.array(self.edges), np.array(self.contents)
        if len(edges) != len(contents) + 1 or len(contents) == 0:
            raise DataError(
                "a shape needs one edge more than it has bins, got "
                f"{len(edges)} edges and {len(contents)} fractions"
            )
        if not (np.isfinite(edges).all() and edges[0] >= 0 and (np.diff(edges) > 0).all()):
            raise DataError("edges of a shape must rise strictly from m/M >= 0; sort them")
        if not (np.isfinite(contents).all() and (contents >= 0).all() and contents.sum() > 0):
            raise DataError("fractions of a shape must be finite, none negative, not all zero")
        if not 0.5 < self.centre(0.0) < 1.5:
            raise DataError(
                "a shape is a distribution of m/M, near 1, got a median of "
                f"{self.centre(0.0):g}; divide its edges by the mass of the resonance"
            )

    def cumulative(self, x: np.ndarray, mass: float) -> np.ndarray:
        return np.interp(x, self.edges, self._below())

    def centre(self, mass: float) -> float:
        return float(np.interp(0.5, self._below(), self.edges))

    def _below(self) -> np.ndarray:
        contents = np.array(self.contents)
        return np.concatenate([[0.0], np.cumsum(contents) / contents.sum()])
