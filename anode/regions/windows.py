"""Mass windows: signal region and sidebands, and the windows of a scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, isnan
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable

Bounds = Sequence[float | None]


@dataclass(frozen=True, order=True)
class Window:
    """The half-open mass interval [low, high) in GeV; either side may be infinite.

    Raises:
        ConfigError: low >= high, or a bound is NaN.
    """

    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if isnan(self.low) or isnan(self.high) or self.low >= self.high:
            raise ConfigError(
                f"a mass window [low, high) needs low < high, in GeV, got {self}; it would be "
                "empty"
            )

    def __str__(self) -> str:
        low = f"[{self.low:g}" if self.low > -inf else "(-inf"
        return f"{low}, {self.high:g})"

    def contains(self, mass: np.ndarray) -> np.ndarray:
        """(N,) masses [GeV] -> (N,) bool."""
        return (mass >= self.low) & (mass < self.high)

    def overlaps(self, other: "Window") -> bool:
        """True if some mass lies in both windows; touching ones do not overlap."""
        return self.low < other.high and other.low < self.high


@dataclass(frozen=True)
class Regions:
    """One signal region and its sidebands; masses in none of them are left out.

    Attributes:
        signal: signal region, bounded on both sides.
        sidebands: one or more windows, disjoint from each other and from the signal region.

    Raises:
        ConfigError: the signal region is unbounded, there is no sideband, or windows overlap.

    Example:
        >>> regions = Regions.from_bounds([3300, 3700], [[None, 3300], [3700, None]])
        >>> regions.in_signal_region(np.array([3299.9, 3300.0, 3700.0]))
        array([False,  True, False])
    """

    signal: Window
    sidebands: tuple[Window, ...]

    def __post_init__(self) -> None:
        _bounded(self.signal)
        if not self.sidebands:
            raise ConfigError("regions.sidebands must name at least one window, got none")
        for sideband in self.sidebands:
            if sideband.overlaps(self.signal):
                raise ConfigError(
                    f"regions.sidebands must not overlap the signal region, but {sideband} "
                    f"overlaps {self.signal}; windows are half-open, so they may touch"
                )
        for first, second in pairwise(sorted(self.sidebands)):
            if first.overlaps(second):
                raise ConfigError(
                    f"regions.sidebands must not overlap, but {first} overlaps {second}; "
                    "their events would count twice"
                )

    @classmethod
    def from_bounds(cls, signal: Bounds, sidebands: Sequence[Bounds]) -> "Regions":
        """Regions from lists as a configuration has them; ``None`` stands for infinity.

        Raises:
            ConfigError: as the class, or a window is not a pair of numbers.
        """
        return cls(
            _window("regions.signal", signal),
            tuple(_window(f"regions.sidebands[{i}]", b) for i, b in enumerate(sidebands)),
        )

    def in_signal_region(self, mass: np.ndarray) -> np.ndarray:
        """(N,) masses [GeV] -> (N,) bool."""
        return self.signal.contains(mass)

    def in_sidebands(self, mass: np.ndarray) -> np.ndarray:
        """(N,) masses [GeV] -> (N,) bool, True in any of the sidebands."""
        return np.logical_or.reduce([window.contains(mass) for window in self.sidebands])

    def check(self, events: EventTable, *, sidebands: bool = True) -> None:
        """Refuse events that leave the signal region, or a sideband if asked, empty.

        Raises:
            DataError: the signal region or a sideband is empty; the message gives the mass range.
        """
        sample = f"{len(events)} events"
        if len(events):
            sample += f" with m_jj from {events.mass.min():.1f} to {events.mass.max():.1f} GeV"
        named = [("signal region", self.signal)]
        if sidebands:
            named += [("sideband", window) for window in self.sidebands]
        for name, window in named:
            if not window.contains(events.mass).any():
                raise DataError(
                    f"{events.source}: the {name} {window} GeV must contain events, but has none "
                    f"of the {sample}; check the unit of the masses and regions"
                )


class SignalCounts(NamedTuple):
    """True events in a signal region, and the two usual measures of the strength of a signal.

    Attributes:
        n_signal: S, number of signal events.
        n_background: B, number of background events.
        s_over_b: S/B.
        s_over_sqrt_b: S/sqrt(B), the expected significance in Gaussian approximation.
    """

    n_signal: int
    n_background: int
    s_over_b: float
    s_over_sqrt_b: float

    @property
    def fraction(self) -> float:
        """S/(S + B)."""
        return self.n_signal / (self.n_signal + self.n_background)


def signal_counts(events: EventTable, regions: Regions) -> SignalCounts:
    """S, B, S/B and S/sqrt(B) in the signal region, from truth labels.

    Raises:
        DataError: the events have no labels, or no background in the signal region.
    """
    if events.label is None:
        raise DataError(f"{events.source}: S/B needs truth labels, and this file has none")
    label = events.label[regions.in_signal_region(events.mass)]
    n_signal = int(label.sum())
    n_background = len(label) - n_signal
    if n_background == 0:
        raise DataError(
            f"{events.source}: S/B needs background in the signal region {regions.signal} GeV, "
            f"but it has none ({n_signal} signal events)"
        )
    return SignalCounts(
        n_signal, n_background, n_signal / n_background, n_signal / n_background**0.5
    )


def _bounded(signal: Window) -> Window:
    """The signal region, refused without a bound."""
    if not (isfinite(signal.low) and isfinite(signal.high)):
        raise ConfigError(
            f"regions.signal must be bounded on both sides, got {signal}; a resonance needs "
            "sidebands to be compared with"
        )
    return signal


def _window(key: str, bounds: Bounds) -> Window:
    try:
        low, high = bounds
        low = -inf if low is None else float(low)
        high = inf if high is None else float(high)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{key} must be two numbers [low, high] in GeV, null for no bound, got {bounds!r}"
        ) from None
    try:
        return Window(low, high)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


@dataclass(frozen=True)
class RegionsConfig:
    """Half-open windows [low, high) of m_jj in GeV; null for no limit.

    Attributes:
        signal: bounds of the signal region.
        sidebands: bounds of each sideband; None becomes all masses outside ``signal``.

    Raises:
        ConfigError: ``sidebands`` is None and ``signal`` no window bounded on both sides.

    Example:
        >>> RegionsConfig([3200.0, 3600.0]).sidebands
        [[None, 3200.0], [3600.0, None]]
    """

    signal: list[float | None]
    sidebands: list[list[float | None]] | None = None

    def __post_init__(self) -> None:
        if self.sidebands is None:
            window = _bounded(_window("regions.signal", self.signal))
            object.__setattr__(self, "sidebands", [[None, window.low], [window.high, None]])

    def regions(self) -> Regions:
        """As checked windows.

        Raises:
            ConfigError: as ``Regions``.
        """
        return Regions.from_bounds(self.signal, self.sidebands or [])


def scan_windows(start: float, stop: float, *, width: float, step: float) -> list[Window]:
    """Windows [start + i step, start + i step + width) that end at ``stop`` or before [GeV].

    Raises:
        ConfigError: a width or step is not positive, or no window fits.

    Example:
        >>> [str(w) for w in scan_windows(2500, 3100, width=400, step=100)]
        ['[2500, 2900)', '[2600, 3000)', '[2700, 3100)']
    """
    if not (width > 0 and step > 0):
        raise ConfigError(f"scan.width and scan.step must be above 0 GeV, got {width} and {step}")
    if not start + width <= stop:
        raise ConfigError(
            f"a scan needs room for one window, scan.start + scan.width <= scan.stop, got "
            f"{start:g} + {width:g} and {stop:g} GeV"
        )
    n_windows = 1 + int((stop - start - width) / step * (1 + 1e-12))
    return [Window(start + i * step, start + i * step + width) for i in range(n_windows)]
