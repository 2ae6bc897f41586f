"""Settings with which the spectra of a search are tested and put together."""

from dataclasses import dataclass

from anode.errors import ConfigError
from anode.records import Record
from anode.statistics.counting.overdispersion import NOT_MEASURED, OverdispersionConfig

TESTS = ("categories", "cuts")


@dataclass(frozen=True)
class SpectrumConfig:
    """How the selected spectrum outside a window is fitted.

    Attributes:
        low: start of the fit [GeV]; None where the trigger turn-on ends.
        high: end of the fit [GeV]; None above the last event.
        bin_width: width of a bin [GeV]; window edges fall on bin edges.
        min_bins: number of bins needed on either side of the window.
        signal_shape: distribution of m / M of the signal: "wprime", or the path of a file.
        luminosity: integrated luminosity [fb^-1] for limits on cross-sections; None for none.
        efficiency: fraction of the produced signal that passes each cut, the loosest first, as an
            injection measures it; needed where a luminosity is given.
        efficiency_error: relative error of these, log-normal.
        test: tests that compete for the largest excess: "categories", all score categories of a
            window together; "cuts", each cut alone.
    """

    low: float | None
    high: float | None
    bin_width: float
    min_bins: int
    signal_shape: str = "wprime"
    test: str = "categories"
    luminosity: float | None = None
    efficiency: tuple[float, ...] | None = None
    efficiency_error: float = 0.1

    def __post_init__(self) -> None:
        if not self.bin_width > 0:
            raise ConfigError(f"spectrum.bin_width must be above 0 GeV, got {self.bin_width}")
        if self.min_bins < 1:
            raise ConfigError(f"spectrum.min_bins must be at least 1, got {self.min_bins}")
        if (self.luminosity is None) != (self.efficiency is None):
            raise ConfigError(
                "limits on cross-sections need spectrum.luminosity and spectrum.efficiency, got "
                f"{self.luminosity} and {self.efficiency}"
            )
        if self.luminosity is not None and not self.luminosity > 0:
            raise ConfigError(f"spectrum.luminosity must be above 0 fb^-1, got {self.luminosity}")
        if not all(0 < value <= 1 for value in self.efficiency or ()):
            raise ConfigError(f"spectrum.efficiency must lie in (0, 1], got {self.efficiency}")
        if not 0 <= self.efficiency_error < 1:
            raise ConfigError(
                f"spectrum.efficiency_error must lie in [0, 1), got {self.efficiency_error}"
            )
        if self.test not in TESTS:
            raise ConfigError(
                f"spectrum.test must be one of {', '.join(TESTS)}, got {self.test!r}"
            )


@dataclass(frozen=True)
class Conclusion(Record):
    """Settings with which finished windows are put together; they may change without a new fit.

    Attributes:
        spectrum: settings of the fit outside a window.
        n_toys: number of toys of the whole scan.
        extras: True if limits are set, a resonance is fitted and pyBumpHunter run; they decide
            nothing.
        overdispersion: measurement of the spread of counts.
    """

    spectrum: SpectrumConfig
    n_toys: int
    extras: bool
    overdispersion: OverdispersionConfig = NOT_MEASURED
