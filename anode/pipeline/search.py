"""The search: windows side by side, then one result; ``search.json`` last, as the sign that it is
complete."""

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.build import METHODS
from anode.parallel import cpu_seconds, stream_jobs
from anode.pipeline.artifacts import RunDirectory, describe_data
from anode.pipeline.config import RegionsConfig
from anode.pipeline.prepare import Prepared, prepare
from anode.pipeline.report import write_report
from anode.pipeline.search_config import SearchConfig, load_search, window_dir
from anode.pipeline.search_result import FinishedWindow, conclude, fit_edges, read_window
from anode.pipeline.top_events import WindowScores, top_events
from anode.pipeline.window import WindowJob, search_window
from anode.regions.windows import Window
from anode.reporting.search_table import search_table

log = logging.getLogger(__name__)


class SearchDirectory(RunDirectory):
    """The folder of a search; the README's table says what each file holds."""

    _load = staticmethod(load_search)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.result = self.path / "search.json"
        self.spectra = self.path / "spectra.h5"
        self.top_events = self.path / "top_events.json"


class Skipped(NamedTuple):
    """A window that is not searched, and why."""

    low: float
    high: float
    reason: str


def search(config: SearchConfig) -> None:
    """Search all windows and conclude, or one window alone; what is finished is kept.

    Raises:
        ConfigError, DataError, RunDirectoryError: before work starts; what an impossible window
            or broken file is refused with.
    """
    directory = SearchDirectory(config.run.run_dir)
    directory.path.mkdir(parents=True, exist_ok=True)
    prepared = _everything(config)
    wanted, skipped = which_windows(config, prepared.data)
    fit_edges(config, prepared.data.mass)  # or it says why not, before anything is fitted
    directory.claim(config)
    directory.check_data(describe_data(prepared.data, None, prepared.files))
    if config.scan.window is not None:
        _one_window(config, wanted)
        return
    if not directory.result.is_file():
        started = time.perf_counter(), cpu_seconds()
        with directory.locked():
            _make_windows(config, wanted)
            finished = [read_window(window_dir(directory.path, window)) for window in wanted]
            result = conclude(config, directory, prepared, finished)
            result["skipped"] = [window._asdict() for window in skipped]
            io.write_json(directory.top_events, _top_events(config, finished, result["best"]))
            result["seconds"] = round(time.perf_counter() - started[0], 1)
            result["cpu_seconds"] = round(cpu_seconds() - started[1], 1)
            io.write_json(directory.result, result)
    announce(directory)


def which_windows(config: SearchConfig, data: EventTable) -> tuple[list[Window], list[Skipped]]:
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
            skipped.append(Skipped(window.low, window.high, reason))
    if not wanted:
        raise DataError(
            f"{data.source}: a scan needs a window with enough events, but there is none among "
            f"{len(skipped)}; the first {skipped[0].reason}. {_found(data.mass)}; check the unit "
            "of the masses, scan and scan.min_events"
        )
    return wanted, skipped


def _too_few(config: SearchConfig, mass: np.ndarray, window: Window) -> str | None:
    least = config.scan.min_events
    sidebands = config.of_window(window).regions.sidebands
    below, above = map(_as_window, sidebands)
    places = [("in it", window), ("below it", below), ("above it", above)]
    for place, part in places:
        n_events = int(part.contains(mass).sum())
        if n_events < least:
            return f"has {n_events} events {place}, a density needs {least}"
        least = max(10, config.scan.min_events // 10)
    return None


def _as_window(bounds: list[float | None]) -> Window:
    low, high = bounds
    return Window(-np.inf if low is None else low, np.inf if high is None else high)


def _found(mass: np.ndarray) -> str:
    if not len(mass):
        return "It holds no event"
    return f"It holds {len(mass)} events with m_jj from {mass.min():.1f} to {mass.max():.1f} GeV"


def _everything(config: SearchConfig) -> Prepared:
    """The data sample at all masses, without labels."""
    everywhere = RegionsConfig([0.0, float(np.finfo(float).max)], [[None, 0.0]])
    prepared = prepare(dataclasses.replace(config.run, regions=everywhere), check_sidebands=False)
    return prepared._replace(data=prepared.data.without_label(), extra=None)


def _one_window(config: SearchConfig, wanted: list[Window]) -> None:
    window = config.scan.windows[int(config.scan.window or 0)]
    if window not in wanted:
        log.warning("the window %s GeV has too few events and is skipped", window)
        return
    print(f"window finished: {search_window(_job(config, window, config.run.n_jobs))}")


def _make_windows(config: SearchConfig, wanted: list[Window]) -> None:
    """Those that are not finished, a process each."""
    log.info(
        "%s: %d windows; results in %s",
        METHODS[config.run.method.name].method.title,
        len(wanted),
        config.run.run_dir,
    )
    jobs = [_job(config, window, 1) for window in wanted]
    with tqdm(total=len(jobs), desc="windows", unit=" windows", disable=None) as bar:
        for _ in stream_jobs(
            search_window, jobs, n_jobs=config.run.n_jobs, threads=config.run.threads
        ):
            bar.update()


def _job(config: SearchConfig, window: Window, n_jobs: int) -> WindowJob:
    run = dataclasses.replace(config.of_window(window), n_jobs=n_jobs)
    return WindowJob(run, config.efficiencies, config.template)


def _top_events(
    config: SearchConfig, finished: list[FinishedWindow], best: dict[str, Any] | None
) -> dict[str, Any]:
    windows = [
        WindowScores(
            window.cuts.low,
            window.cuts.high,
            window.event_id,
            window.cuts.mass,
            window.score,
            dict(zip(config.efficiencies, window.cuts.thresholds.tolist(), strict=True)),
        )
        for window in finished
    ]
    bounds = None if best is None else (best["low"], best["high"])
    return top_events(windows, bounds, config.run.data, n_jobs=config.run.n_jobs)


def announce(directory: SearchDirectory) -> None:
    """The result in a few lines, and its report."""
    made = write_report(directory.path)
    print(search_table(io.read_json(directory.result)))
    print(f"{made.verdict}\nresults and report: {directory.path}")
