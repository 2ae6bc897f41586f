"""The largest excess of a search, and how often background would make one as large."""

from typing import NamedTuple

import numpy as np

from anode.events.table import EventTable
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.window import FinishedWindow
from anode.seeding import stream
from anode.statistics.counting.significance import p_of_z
from anode.statistics.scan.look_elsewhere import (
    GlobalP,
    ScanTests,
    global_p,
    largest_excess_of_toys,
    local_z_for,
    root_correlation,
)
from anode.statistics.scan.search_result import ScanToys
from anode.statistics.scan.trust import spurious_share, with_spurious
from anode.statistics.scan.window_result import LargestExcess, WindowTest
from anode.statistics.scan.window_spectra import Spectra
from anode.statistics.scan.window_test import Cell, WindowTests
from anode.statistics.signal.resonance_shape import SignalShape

LEVELS = (1, 2, 3)
CLEAR = 2.0  # Z from which on a window without an excess of events cannot be the largest excess


class Competitor(NamedTuple):
    """One of the tests that compete for the largest excess.

    Attributes:
        window: number of its window.
        cells: its spectra, one for each score category.
        z: its local significance.
        row: test whose counts stand for it.
        spurious: spurious signal over its statistical error, of which ``z`` takes account.
    """

    window: int
    cells: list[Cell]
    z: float
    row: WindowTest
    spurious: float = 0.0


class LargestOf(NamedTuple):
    """The largest excess of some competitors; None without any; and what their toys say."""

    best: LargestExcess | None
    toys: ScanToys


class Selected(NamedTuple):
    """Events of the data that pass the cuts of each window.

    Attributes:
        bins: (N,) bin of each event, -1 for none.
        rows: for each window the rows of the events that pass its loosest cut.
        level: for each window the number of cuts that these pass.
    """

    bins: np.ndarray
    rows: list[np.ndarray]
    level: list[np.ndarray]

    def of(self, competitor: Competitor) -> list[np.ndarray]:
        """Rows of the events of each of its cells."""
        rows, level = self.rows[competitor.window], self.level[competitor.window]
        chosen = []
        for cell in competitor.cells:
            first, last = cell.levels
            if first == 0:
                chosen.append(np.arange(len(self.bins)))
                continue
            chosen.append(rows[(level >= first) & (level < (np.inf if last is None else last))])
        return chosen


def selected_events(
    spectra: Spectra, finished: list[FinishedWindow], data: EventTable
) -> Selected:
    """Which events each test counts: tests that share events rise and fall together."""
    order = np.argsort(data.event_id)
    rows = [
        order[np.searchsorted(data.event_id, window.event_id, sorter=order)] for window in finished
    ]
    bins = np.searchsorted(spectra.edges, data.mass, side="right") - 1
    bins[bins >= len(spectra.edges) - 1] = -1
    return Selected(bins, rows, [window.cuts.level for window in finished])


def by_category(tested: list[WindowTests]) -> list[Competitor]:
    """Windows, all score categories of each together."""
    found = []
    for number, window in enumerate(tested):
        z = window.combined.z_local
        rows = [row for row in window.rows[1:] if row.tested]
        if z is not None and rows:
            strongest = max(rows, key=lambda row: row.z_local)
            found.append(Competitor(number, window.categories, z, strongest))
    return found


def by_cut(tested: list[WindowTests]) -> list[Competitor]:
    """Windows at each cut."""
    return [
        Competitor(number, [cell], cell.found.z, row)
        for number, window in enumerate(tested)
        for row, cell in zip(window.rows[1:], window.cuts[1:], strict=True)
        if cell is not None
    ]


def without_cut(tested: list[WindowTests]) -> list[Competitor]:
    """Windows without a cut."""
    return [
        Competitor(number, [cell], cell.found.z, window.rows[0])
        for number, window in enumerate(tested)
        if (cell := window.cuts[0]) is not None
    ]


def with_systematics(
    competitors: list[Competitor], spectra: Spectra, shape: SignalShape
) -> list[Competitor]:
    """The same with the spurious signal of other background functions in the error of all that
    could be the largest excess."""
    found = []
    for one in competitors:
        if one.z > CLEAR:
            levels = [cell.levels for cell in one.cells]
            share = spurious_share(spectra, one.window, levels, shape)
            one = one._replace(z=with_spurious(one.z, share), spurious=share)
        found.append(one)
    return found


def largest(
    config: SearchConfig, competitors: list[Competitor], events: Selected, *, test: str
) -> LargestOf:
    """The largest excess with its global p-value, and what the toys say.

    Args:
        config: settings of the search.
        competitors: tests that compete.
        events: events that they count.
        test: kind of tests, for the result and their random stream.
    """
    if not competitors:
        return LargestOf(None, ScanToys(n_toys=0, n_tests=0, levels={}))
    toys = largest_excess_of_toys(
        _tests(competitors, events),
        n_toys=config.n_toys,
        rng=stream(config.run.seed, "global toys", test),
    )
    winner = max(competitors, key=lambda competitor: (not _is_elsewhere(competitor), competitor.z))
    levels = {level: local_z_for(level, toys) for level in LEVELS}
    known = {level: z for level, z in levels.items() if z is not None}
    return LargestOf(
        _excess(winner, global_p(winner.z, toys), test),
        ScanToys(n_toys=len(toys), n_tests=len(competitors), levels=known),
    )


def _is_elsewhere(competitor: Competitor) -> bool:
    """Whether the fit finds a signal in a window that holds fewer events than are expected: then a
    peak beside the window, in its sideband, is what bends the fit."""
    return competitor.z > CLEAR and competitor.row.n_observed < competitor.row.n_expected


def _tests(competitors: list[Competitor], events: Selected) -> ScanTests:
    cells = [cell for competitor in competitors for cell in competitor.cells]
    passing = [rows for competitor in competitors for rows in events.of(competitor)]
    models, mean = [c.found.model for c in cells], np.array([c.found.mean for c in cells])
    ends = np.cumsum([len(competitor.cells) for competitor in competitors])
    groups = [list(g) for g in np.split(np.arange(len(cells)), ends[:-1])]
    weights = [np.array([cell.found.weight for cell in c.cells]) for c in competitors]
    return ScanTests(groups, weights, root_correlation(models, mean, events.bins, passing))


def _excess(winner: Competitor, over_all: GlobalP, test: str) -> LargestExcess:
    row = {k: v for k, v in vars(winner.row).items() if k != "absent"}
    return LargestExcess(
        **row,
        test=test,
        spurious=winner.spurious,
        p_test=float(p_of_z(winner.z)),
        z_test=winner.z,
        p_global=over_all.p_global,
        p_global_error=over_all.p_global_error,
        z_global=over_all.z_global,
        z_global_error=over_all.z_global_error,
        p_global_from=over_all.source,
    )
