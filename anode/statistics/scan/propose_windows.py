"""Proposal of a scan, its fit range and windows, from the inclusive masses alone.

It is made before any density is fitted. A resonance that shows without any selection is said, and
moves nothing.
"""

from math import floor
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.records import Json, plain
from anode.statistics.fits.dijet_fit import Spectrum, SpectrumFit, make_spectrum
from anode.statistics.fits.fit_range import Excess, Start, find_fit_range

WIDTH = 400.0
STEP = 100.0
BIN_WIDTH = 50.0
MIN_EVENTS = 1000
MIN_SIDEBAND_BINS = 4
MIN_BIN_EVENTS = 5
"""Fewest events of a bin that counts towards a sideband."""
POOR = 0.01
"""p-value below which a fit is called poor."""
_LISTED = 0.1
"""Windows with fewer than this fraction of ``min_events`` are not listed."""


class ProposedWindow(NamedTuple):
    """One window, with its events and whether it is usable.

    Attributes:
        low, high: bounds [low, high) [GeV].
        n_events: number of events inside.
        n_below, n_above: numbers of events of the fit range below and above.
        bins_below, bins_above: numbers of fit bins below and above with at least 5 events.
        usable: True if a density can be fitted inside and the spectrum on both sides.
        reason: reason, in words, why it is not usable; else empty.
    """

    low: float
    high: float
    n_events: int
    n_below: int
    n_above: int
    bins_below: int
    bins_above: int
    usable: bool
    reason: str


class Proposal(NamedTuple):
    """A scan that the spectrum allows.

    Attributes:
        fit_low, fit_high: range of the spectrum fits [GeV], to the end of the last event's bin.
        start, stop: first edge of the first and last edge of the last usable window [GeV].
        windows: all windows between the bounds asked for, usable or not.
        fits: fits of the inclusive spectrum from starts around the proposed one.
        turn_on: maximum of the spectrum without a resonance [GeV]; below it the trigger shapes
            the spectrum.
        excess: excess of all events over the fit beside it; None if none is visible.
        spectrum: spectrum of all events, in bins of the fit.
        fit: inclusive di-jet fit of the proposed range, without the bins of ``excess``.
    """

    fit_low: float
    fit_high: float
    start: float
    stop: float
    windows: tuple[ProposedWindow, ...]
    fits: tuple[Start, ...]
    turn_on: float
    excess: Excess | None
    spectrum: Spectrum
    fit: SpectrumFit

    @property
    def usable(self) -> tuple[ProposedWindow, ...]:
        """The windows to scan."""
        return tuple(window for window in self.windows if window.usable)

    @property
    def covers_excess(self) -> bool:
        """Whether a window to scan holds the middle of the excess; True without one."""
        excess = self.excess
        if excess is None:
            return True
        middle = (excess.low + excess.high) / 2
        return any(window.low <= middle < window.high for window in self.usable)

    def advice(self) -> str:
        """What to scan, and what is seen there, in sentences."""
        lines = [
            f"The trigger turn-on ends at {self.fit_low:g} GeV, where the fit of the spectrum may "
            f"start; a scan may run from scan.start={self.start:g} to scan.stop={self.stop:g}."
        ]
        excess = self.excess
        if excess is not None:
            seen = (
                f"A localised excess is seen without any selection: {excess.n_observed:,.0f} "
                f"events in [{excess.low:g}, {excess.high:g}) GeV where the fit beside it expects "
                f"{excess.n_expected:,.0f} +- {excess.n_expected_error:,.0f}, local Z = "
                f"{excess.z:.1f}"
            )
            covered = "the scan covers it" if self.covers_excess else self._not_covered(excess)
            lines.append(f"{seen}; {covered}.")
        if self.fit.p_value < POOR:
            without = "" if excess is None else " without the excess"
            lines.append(
                f"The di-jet function describes the spectrum{without} poorly, "
                f"p = {self.fit.p_value:.2g}: expectations from it are not to be trusted; look at "
                "the figure."
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Json]:
        """The content of ``proposal.json``: all but the spectrum and the fits."""
        left_out = ("fits", "spectrum", "fit")
        content = {k: plain(v) for k, v in self._asdict().items() if k not in left_out}
        return {**content, "covers_excess": self.covers_excess, "fit_p_value": self.fit.p_value}

    def _not_covered(self, excess: Excess) -> str:
        middle = (excess.low + excess.high) / 2
        reasons = [window.reason for window in self.windows if window.low <= middle < window.high]
        why = f": {reasons[-1]}" if reasons else ""
        return f"this scan leaves it out, as no window there can be used{why}"


def propose(
    mass: np.ndarray,
    *,
    width: float = WIDTH,
    step: float = STEP,
    start: float | None = None,
    stop: float | None = None,
    bin_width: float = BIN_WIDTH,
    fit_low: float | None = None,
    min_events: int = MIN_EVENTS,
    min_sideband_bins: int = MIN_SIDEBAND_BINS,
) -> Proposal:
    """Propose the fit range and windows of a scan.

    Args:
        mass: (N,) masses of all events [GeV].
        width, step: width and distance of windows [GeV], whole multiples of ``bin_width``.
        start, stop: bounds of the windows [GeV]; by default from the maximum of the spectrum to
            the last window with a tenth of ``min_events``.
        bin_width: width of the bins of the spectrum [GeV].
        fit_low: start of the fit [GeV]; by default that of ``find_fit_range``.
        min_events: fewest events inside for the fit of a density.
        min_sideband_bins: fewest fit bins with at least 5 events on either side.

    Raises:
        ConfigError: a length is not a positive multiple of the bins, or no event is in the range.
        DataError: the masses are too few or all equal, or no window is usable.
    """
    mass = np.asarray(mass, dtype=np.float64)
    _check_mass(mass)
    _check_lengths(bin_width, width=width, step=step, start=start, stop=stop, fit_low=fit_low)
    low, high = floor(mass.min() / bin_width), floor(mass.max() / bin_width) + 1
    spectrum = make_spectrum(mass, bin_width * np.arange(max(low, 1), high + 1))
    edges = spectrum.edges
    _check_range(edges, start, stop, fit_low)
    first = None if fit_low is None else int(np.searchsorted(edges, fit_low))
    fit_range = find_fit_range(spectrum, width=width, first=first)
    turn_on = fit_range.onset.maximum
    in_fit = spectrum.counts * (np.arange(len(edges) - 1) >= fit_range.start)
    begin = step * floor(turn_on / step) if start is None else float(start)
    end = float(edges[-1]) if stop is None else stop
    windows: list[ProposedWindow] = []
    while (window_low := begin + len(windows) * step) + width <= end:
        window = _window(
            window_low, window_low + width, spectrum, in_fit, float(edges[fit_range.start]),
            min_events, min_sideband_bins,
        )  # fmt: skip
        if stop is None and window.n_events < _LISTED * min_events:
            break
        windows.append(window)
    usable = [window for window in windows if window.usable]
    if not usable:
        raise DataError(_nothing_usable(windows, begin, end, width))
    return Proposal(
        fit_low=float(edges[fit_range.start]),
        fit_high=float(edges[-1]),
        start=usable[0].low,
        stop=usable[-1].high,
        windows=tuple(windows),
        fits=fit_range.starts,
        turn_on=turn_on,
        excess=fit_range.excess,
        spectrum=spectrum,
        fit=fit_range.fit,
    )


def _window(
    low: float,
    high: float,
    spectrum: Spectrum,
    in_fit: np.ndarray,
    fit_low: float,
    min_events: int,
    min_bins: int,
) -> ProposedWindow:
    edges = spectrum.edges
    # Half a bin of tolerance: edges are multiples of the bin's width up to rounding.
    half = (edges[1] - edges[0]) / 2
    below, above = edges[:-1] < low - half, edges[:-1] > high - half
    n_events = int(spectrum.counts[~below & ~above].sum())
    n_below, n_above = int(in_fit[below].sum()), int(in_fit[above].sum())
    bins_below = int((in_fit[below] >= MIN_BIN_EVENTS).sum())
    bins_above = int((in_fit[above] >= MIN_BIN_EVENTS).sum())
    fit_high = float(edges[-1])
    reasons = []
    if low <= fit_low:
        reasons.append(f"no lower sideband: the smooth spectrum begins at {fit_low:g} GeV")
    elif bins_below < min_bins:
        reasons.append(_few_bins("lower", fit_low, low, bins_below, min_bins))
    if bins_above < min_bins:
        reasons.append(_few_bins("upper", high, max(high, fit_high), bins_above, min_bins))
    if n_events < min_events:
        reasons.append(f"{n_events} events, a density needs {min_events}")
    return ProposedWindow(
        low, high, n_events, n_below, n_above, bins_below, bins_above, not reasons,
        "; ".join(reasons),
    )  # fmt: skip


def _few_bins(side: str, low: float, high: float, got: int, needed: int) -> str:
    return (
        f"{side} sideband [{low:g}, {high:g}) has {got} fit bins with {MIN_BIN_EVENTS} or more "
        f"events, needs {needed}"
    )


def _check_mass(mass: np.ndarray) -> None:
    wrong = ~np.isfinite(mass)
    if mass.ndim != 1 or wrong.any():
        got = f"{mass[wrong][0]} in row {int(wrong.argmax())}" if mass.ndim == 1 else mass.shape
        raise DataError(
            f"masses must be a list of finite numbers in GeV, got {got}; drop broken events before"
        )
    if len(mass) < 2 or mass.min() == mass.max():
        what = f"{len(mass)} event(s)" if len(mass) < 2 else f"{len(mass)} events at one mass"
        raise DataError(
            f"a scan needs a spectrum of at least two different masses, got {what}; check which "
            "events were read and selected"
        )
    if mass.min() <= 0:
        raise DataError(
            f"masses of di-jets must be positive, got {mass.min():g} GeV in row "
            f"{int(mass.argmin())}; drop broken events before"
        )


def _check_lengths(bin_width: float, **lengths: float | None) -> None:
    if not bin_width > 0:
        raise ConfigError(f"bin_width must be positive, in GeV, got {bin_width}")
    for name, value in lengths.items():
        if value is None:
            continue
        bins = value / bin_width
        if not (value > 0 and abs(bins - round(bins)) < 1e-6):
            raise ConfigError(
                f"{name} must be a positive multiple of bin_width={bin_width:g} GeV, so that no "
                f"bin lies half inside a window, got {value:g}"
            )


def _check_range(
    edges: np.ndarray, start: float | None, stop: float | None, fit_low: float | None
) -> None:
    low, high = float(edges[0]), float(edges[-1])
    begin = low if start is None else start
    end = high if stop is None else stop
    if begin >= high or end <= low or (fit_low is not None and not low <= fit_low < high):
        raise ConfigError(
            f"windows and fit must lie where the events are, [{low:g}, {high:g}) GeV, got "
            f"start={start}, stop={stop}, fit_low={fit_low}; masses are in GeV"
        )
    if not begin < end:
        raise ConfigError(f"start must be below stop, got start={begin:g} and stop={end:g} GeV")


def _nothing_usable(windows: list[ProposedWindow], begin: float, end: float, width: float) -> str:
    if not windows:
        return (
            f"a scan needs at least one window of {width:g} GeV between {begin:g} and {end:g} "
            "GeV, and none has events; widen the range or take narrower windows"
        )
    best = max(windows, key=lambda window: (window.bins_below > 0, window.n_events))
    return (
        f"a scan needs at least one usable window, got none among {len(windows)} from {begin:g} "
        f"GeV on; [{best.low:g}, {best.high:g}): {best.reason}; widen the range, lower "
        "min_events, or take more data"
    )
