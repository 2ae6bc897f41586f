"""The search: windows side by side, then one result; ``search.json`` last, as the sign that it is
complete."""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.configuration.command import quiet
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.build import METHODS
from anode.parallel import stream_jobs
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.run_directory import RunDirectory, describe_data
from anode.pipeline.search.conclude import conclude, fit_edges
from anode.pipeline.search.config import SearchConfig, window_dir
from anode.pipeline.search.report import write_report
from anode.pipeline.search.search_directory import SearchDirectory, is_concluded
from anode.pipeline.search.top_events import WindowScores, top_events
from anode.pipeline.search.window import FinishedWindow, WindowJob, read_window, search_window
from anode.regions.windows import RegionsConfig, Window
from anode.reporting.common.style import save_figure
from anode.reporting.search.proposal_figure import proposal_figure
from anode.reporting.search.result_table import search_table
from anode.statistics.counting.histfactory import workspace
from anode.statistics.fits.dijet_fit import make_spectrum
from anode.statistics.scan.propose_windows import propose
from anode.statistics.scan.search_result import SkippedWindow
from anode.statistics.scan.top_events import TopEvents
from anode.statistics.scan.window_result import LargestExcess

log = logging.getLogger(__name__)


def search(config: SearchConfig) -> None:
    """Search all windows, conclude and report; or one window alone; or propose a scan.

    Raises:
        ConfigError, DataError, RunDirectoryError: as ``find``.
    """
    if find(config):
        announce(SearchDirectory(config.run.run_dir))


def find(config: SearchConfig) -> bool:
    """The same without a report; whether there is a result. What is finished is kept.

    Raises:
        ConfigError, DataError, RunDirectoryError: before work starts; what an impossible window
            or broken file is refused with.
    """
    directory = SearchDirectory(config.run.run_dir)
    prepared = _everything(config)
    if config.propose:
        _propose(config, prepared.data.mass, directory)
        return False
    wanted, skipped = which_windows(config, prepared.data)
    mass = prepared.data.mass
    make_spectrum(mass, fit_edges(config, mass))  # or it says why not, before anything is fitted
    directory.claim(config)
    directory.check_data(describe_data(prepared.data, None, prepared.files))
    if config.scan.window is not None:
        _one_window(config, wanted)
        return False
    if not is_concluded(config, directory):
        with directory.locked(), progress.task("search"):
            _finish(config, directory, prepared, wanted, skipped)
    return True


def _finish(
    config: SearchConfig,
    directory: SearchDirectory,
    prepared: Prepared,
    wanted: list[Window],
    skipped: list[SkippedWindow],
) -> None:
    """Make what is missing; ``search.json`` last."""
    directory.result.unlink(missing_ok=True)
    io.write_text(directory.config, config.to_yaml())
    directory.record_provenance()
    with directory.timed("windows"), progress.task("scan", share=0.9):
        _make_windows(config, wanted)
    with directory.timed("result"), progress.task("result", share=0.1):
        folders = [window_dir(directory.path, window) for window in wanted]
        finished = [read_window(folder, config.efficiencies) for folder in folders]
        result = conclude(config, directory, prepared, finished)
        top = _top_events(config, finished, result.best)
        io.write_json(directory.top_events, top.to_json())
        _write_workspace(directory, result.best)
    result = dataclasses.replace(
        result,
        skipped=tuple(skipped),
        seconds=round(sum(directory.read_manifest().seconds.values()), 1),
        cpu_seconds=_cpu_seconds(directory, folders),
    )
    io.write_json(directory.result, result.to_json())


def _cpu_seconds(directory: SearchDirectory, windows: list[Path]) -> float:
    """Of the result and of all windows, which may have been made by jobs of their own."""
    spent = [directory.read_manifest().cpu_seconds["result"]]
    spent += [sum(RunDirectory(path).read_manifest().cpu_seconds.values()) for path in windows]
    return round(sum(spent), 1)


def _propose(config: SearchConfig, mass: np.ndarray, directory: SearchDirectory) -> None:
    """The windows that the spectrum allows, with reasons and a figure; fits nothing."""
    found = propose(
        mass,
        width=config.scan.width,
        step=config.scan.step,
        start=config.scan.start,
        stop=config.scan.stop,
        bin_width=config.spectrum.bin_width,
        fit_low=config.spectrum.low,
        min_events=config.scan.min_events,
        min_sideband_bins=config.spectrum.min_bins,
    )
    directory.claim(config)
    save_figure(proposal_figure(found), directory.path / "proposal")
    for window in found.windows:
        print(f"[{window.low:g}, {window.high:g})  {window.reason or 'usable'}")
    print(f"{found.advice()}\nfigure: {directory.path / 'proposal.png'}")


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
    with progress.task("windows", total=len(jobs), unit="windows") as bar:
        for _ in stream_jobs(
            _run_quietly, jobs, n_jobs=config.run.n_jobs, threads=config.run.threads
        ):
            bar.update()


def _run_quietly(job: WindowJob) -> None:
    with quiet():
        search_window(job)


def _job(config: SearchConfig, window: Window, n_jobs: int) -> WindowJob:
    run = dataclasses.replace(config.of_window(window), n_jobs=n_jobs)
    return WindowJob(run, config.efficiencies, config.template)


def _top_events(
    config: SearchConfig, finished: list[FinishedWindow], best: LargestExcess | None
) -> TopEvents:
    windows = [
        WindowScores(
            window.cuts.low,
            window.cuts.high,
            window.event_id,
            window.cuts.mass,
            window.score,
            _thresholds(config, window),
        )
        for window in finished
        if _thresholds(config, window)
    ]
    bounds = None if best is None else (best.low, best.high)
    return top_events(windows, bounds, config.run.data, n_jobs=config.run.n_jobs)


def _write_workspace(directory: SearchDirectory, best: LargestExcess | None) -> None:
    """The count of the largest excess for pyhf."""
    if best is None:
        directory.workspace.unlink(missing_ok=True)
        return
    content = workspace(best.n_observed, best.n_expected, best.n_expected_error)
    io.write_json(directory.workspace, content)


def _thresholds(config: SearchConfig, window: FinishedWindow) -> dict[float, float]:
    """Background efficiency -> score, of the cuts that the window could fix."""
    cuts = zip(config.efficiencies, window.cuts.thresholds.tolist(), strict=True)
    return {efficiency: score for efficiency, score in cuts if np.isfinite(score)}


def announce(directory: SearchDirectory) -> None:
    """The result in a few lines, and its report."""
    made = write_report(directory.path)
    print(search_table(directory.read_result()))
    print(f"{made.verdict}\nresults and report: {directory.path}")
