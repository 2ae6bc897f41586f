"""Where a scan begins, and which of its windows hold enough events."""

import dataclasses
import logging

import numpy as np

from anode.errors import DataError
from anode.events.table import EventTable
from anode.pipeline.search.conclude import fit_edges
from anode.pipeline.search.config import SearchConfig
from anode.regions.windows import Window
from anode.statistics.scan.search_result import SkippedWindow

log = logging.getLogger(__name__)


def begun(config: SearchConfig, data: EventTable) -> SearchConfig:
    """With the first window that the fit of the spectrum has enough bins below, if none is given.

    Raises:
        DataError: too few events where a scan may be, or no smooth part of the spectrum is found.
    """
    scan, spectrum = config.scan, config.spectrum
    if scan.start is not None:
        return config
    n_events = int(Window(scan.width, scan.stop).contains(data.mass).sum())
    if n_events < scan.min_events:
        raise DataError(
            f"{data.source}: a scan needs at least scan.min_events={scan.min_events} events below "
            f"scan.stop={scan.stop:g} GeV, got {n_events}. {_found(data.mass)}; check the unit of "
            "the masses"
        )
    fit_low = float(fit_edges(config, data.mass)[0])
    scan = scan.begun(fit_low + spectrum.min_bins * spectrum.bin_width)
    log.info("the spectrum is fitted from %g GeV, the scan begins at %g", fit_low, scan.start)
    return dataclasses.replace(config, scan=scan)


def which_windows(
    config: SearchConfig, data: EventTable
) -> tuple[list[Window], list[SkippedWindow]]:
    """Windows with enough events for a density, and on both sides; and the others.

    Raises:
        DataError: there is none.
    """
    wanted, skipped = [], []
    for window in config.scan.windows:
        reason = _too_few(config, data.mass, window)
        if reason is None:
            wanted.append(window)
        else:
            skipped.append(SkippedWindow(window.low, window.high, reason))
    if not wanted:
        raise DataError(
            f"{data.source}: a scan needs a window with enough events, but there is none among "
            f"{len(skipped)}; the first {skipped[0].reason}. {_found(data.mass)}; check the unit "
            "of the masses, scan and scan.min_events"
        )
    return wanted, skipped


def _too_few(config: SearchConfig, mass: np.ndarray, window: Window) -> str | None:
    least = config.scan.min_events
    below, above = config.of_window(window).regions.regions().sidebands
    places = [("in it", window), ("below it", below), ("above it", above)]
    for place, part in places:
        n_events = int(part.contains(mass).sum())
        if n_events < least:
            return f"has {n_events} events {place}, a density needs {least}"
        least = max(10, config.scan.min_events // 10)
    return None


def _found(mass: np.ndarray) -> str:
    if not len(mass):
        return "It holds no event"
    return f"It holds {len(mass)} events with m_jj from {mass.min():.1f} to {mass.max():.1f} GeV"
