"""The largest excess of a search, and how often background would make one as large."""

from typing import NamedTuple

import numpy as np

from anode.events.table import EventTable
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.window import FinishedWindow
from anode.seeding import stream
from anode.statistics.counting.significance import z_values
from anode.statistics.scan.look_elsewhere import (
    ScanTests,
    correlation_roots,
    global_p,
    largest_excess_of_toys,
    local_z_for,
)
from anode.statistics.scan.search_result import ScanToys
from anode.statistics.scan.window_result import LargestExcess, WindowTest
from anode.statistics.scan.window_spectra import Spectra

LEVELS = (1, 2, 3)


class TestedWindows(NamedTuple):
    """Windows at cuts that compete for the largest excess.

    Attributes:
        places: numbers of the window and of the cut of each.
        cells: tests of the scan that the toys repeat.
        name: name of their random stream.
    """

    places: list[tuple[int, int]]
    cells: ScanTests
    name: str


def selected(
    config: SearchConfig,
    spectra: Spectra,
    tests: list[list[WindowTest]],
    toy_mean: np.ndarray,
    finished: list[FinishedWindow],
    data: EventTable,
) -> TestedWindows:
    """Windows at cuts; the events they share say how their counts move together."""
    n_cuts = len(spectra.efficiency)
    places = [(w, c) for w in range(len(tests)) for c in range(1, n_cuts) if tests[w][c].tested]
    order = np.argsort(data.event_id)
    rows = [
        order[np.searchsorted(data.event_id, window.event_id, sorter=order)] for window in finished
    ]
    passing = [rows[w][finished[w].cuts.level >= c] for w, c in places]
    bins = np.searchsorted(spectra.edges, data.mass, side="right") - 1
    bins[bins >= len(spectra.edges) - 1] = -1
    n_bins = len(spectra.edges) - 1
    roots = correlation_roots(bins, passing, n_bins) if places else np.empty((n_bins, 0, 0))
    return TestedWindows(places, _cells(config, spectra, toy_mean, places, roots), "selected")


def inclusive(
    config: SearchConfig, spectra: Spectra, tests: list[list[WindowTest]], toy_mean: np.ndarray
) -> TestedWindows:
    """Windows without a cut, which count the same events."""
    places = [(w, 0) for w in range(len(tests)) if tests[w][0].tested]
    roots = np.ones((len(spectra.edges) - 1, len(places), 1))
    return TestedWindows(places, _cells(config, spectra, toy_mean, places, roots), "inclusive")


def _cells(
    config: SearchConfig,
    spectra: Spectra,
    toy_mean: np.ndarray,
    places: list[tuple[int, int]],
    roots: np.ndarray,
) -> ScanTests:
    windows, cuts = [w for w, _ in places], [c for _, c in places]
    return ScanTests(
        spectra.edges,
        spectra.used[windows],
        spectra.inside[windows],
        toy_mean[windows, cuts],
        roots,
        config.spectrum.alpha,
    )


def largest(
    config: SearchConfig, tests: list[list[WindowTest]], competitors: TestedWindows
) -> tuple[LargestExcess | None, ScanToys]:
    """The largest excess with its global p-value, and what the toys say; None without tests."""
    if not competitors.places:
        return None, ScanToys(n_toys=0, n_tests=0, levels={})
    rows = [tests[w][c] for w, c in competitors.places]
    z = z_values(
        np.array([row.n_observed for row in rows], dtype=float),
        np.array([row.n_expected for row in rows]),
        np.array([row.n_expected_error for row in rows]),
    )
    place = int(np.argmax(z))
    toys = largest_excess_of_toys(
        competitors.cells,
        n_toys=config.n_toys,
        rng=stream(config.run.seed, "global toys", competitors.name),
    )
    over_all = global_p(float(z[place]), toys)
    best = LargestExcess(
        **vars(rows[place]),
        p_global=over_all.p_global,
        p_global_error=over_all.p_global_error,
        z_global=over_all.z_global,
        z_global_error=over_all.z_global_error,
        p_global_from=over_all.source,
    )
    levels = {level: local_z_for(level, toys) for level in LEVELS}
    return best, ScanToys(n_toys=over_all.n_toys, n_tests=len(rows), levels=levels)
