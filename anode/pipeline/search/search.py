"""The search: windows side by side, then one result; with ``search.json`` it is complete."""

import dataclasses
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.configuration.command import quiet
from anode.errors import DataError
from anode.events.known_events import KnownEvents
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.methods.build import METHODS
from anode.parallel import stream_jobs
from anode.pipeline.runs.fitted_events import keep_fitted
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.run_directory import RunDirectory, describe_data
from anode.pipeline.search.conclude import conclude, fit_edges
from anode.pipeline.search.config import SHARED, SearchConfig, window_dir
from anode.pipeline.search.overdispersion import overdispersion_of
from anode.pipeline.search.report import write_report
from anode.pipeline.search.search_directory import SearchDirectory, is_concluded
from anode.pipeline.search.top_events import WindowScores, top_events
from anode.pipeline.search.window import FinishedWindow, WindowJob, read_window, search_window
from anode.regions.windows import RegionsConfig, Window
from anode.reporting.common.style import save_figure
from anode.reporting.search.proposal_figure import proposal_figure
from anode.reporting.search.result_table import search_table
from anode.statistics.fits.dijet_fit import make_spectrum
from anode.statistics.scan.propose_windows import propose
from anode.statistics.scan.search_result import SkippedWindow
from anode.statistics.scan.top_events import TopEvents
from anode.statistics.scan.window_result import LargestExcess
from anode.training.store import check_store

log = logging.getLogger(__name__)

AS_WINDOWS = 4
"""Windows that take as long as the over-dispersion, for the estimate of time alone."""


def search(config: SearchConfig) -> None:
    """Search all windows, conclude and report; or one window alone; or propose a scan.

    Raises:
        ConfigError, DataError, RunDirectoryError: as ``find``.
    """
    if find(config):
        announce(SearchDirectory(config.run.run_dir))


MethodFor = Callable[[SearchConfig, Window], AnomalyMethod]
"""A method that needs no fit, for each window."""


def find(config: SearchConfig, *, method_for: MethodFor | None = None) -> bool:
    """The same without a report; whether there is a result. What is finished is kept.

    Args:
        config: configuration of the search.
        method_for: methods in place of the configured one; None for that.

    Raises:
        ConfigError, DataError, RunDirectoryError: before work starts; what an impossible window
            or broken file is refused with.
    """
    directory = SearchDirectory(config.run.run_dir)
    prepared = sample_of(config)
    if config.propose:
        _propose(config, prepared.data.mass, directory)
        return False
    config = _begun(config, prepared.data)
    wanted, skipped = which_windows(config, prepared.data)
    mass = prepared.data.mass
    make_spectrum(mass, fit_edges(config, mass))  # or it says why not, before anything is fitted
    directory.claim(config)
    directory.check_data(describe_data(prepared.data, None, prepared.files))
    keep_fitted(directory.path, KnownEvents(prepared.data), fits=directory.path / "windows")
    if config.scan.window is not None:
        _one_window(config, wanted)
        return False
    if not is_concluded(config, directory):
        with directory.locked(), progress.task("search"):
            _finish(config, directory, prepared, wanted, skipped, method_for)
    return True


def _begun(config: SearchConfig, data: EventTable) -> SearchConfig:
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


def _finish(
    config: SearchConfig,
    directory: SearchDirectory,
    prepared: Prepared,
    wanted: list[Window],
    skipped: list[SkippedWindow],
    method_for: MethodFor | None,
) -> None:
    """Make what is missing; ``search.json`` last."""
    directory.result.unlink(missing_ok=True)
    io.write_text(directory.config, config.to_yaml())
    directory.record_provenance()
    n = len(wanted) + AS_WINDOWS + 1  # windows that would take as long as all
    with directory.timed("windows"), progress.task("scan", share=len(wanted) / n):
        _make_windows(config, wanted, method_for)
        shutil.rmtree(directory.path / SHARED, ignore_errors=True)
    with directory.timed("overdispersion"), progress.task("over-dispersion", share=AS_WINDOWS / n):
        overdispersion_of(config, directory, prepared.data, wanted)
    with directory.timed("result"), progress.task("result", share=1 / n):
        folders = [window_dir(directory.path, window) for window in wanted]
        finished = [read_window(folder, config.efficiencies) for folder in folders]
        result = conclude(config, directory, prepared, finished)
        top = _top_events(config, finished, result.best)
        io.write_json(directory.top_events, top.to_json(), sealed=True)
    result = dataclasses.replace(
        result,
        skipped=tuple(skipped),
        seconds=round(sum(directory.read_manifest().seconds.values()), 1),
        cpu_seconds=_cpu_seconds(directory, folders),
        file_sha256=directory.hashes(),
    )
    io.write_json(directory.result, result.to_json(), sealed=True)


def _cpu_seconds(directory: SearchDirectory, windows: list[Path]) -> float:
    """Of the result and of all windows, which may have been made by jobs of their own."""
    own = directory.read_manifest().cpu_seconds
    spent = [own["overdispersion"], own["result"]]
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
    directory.check_free(config)  # and free it stays, for a search with what is proposed
    save_figure(proposal_figure(found), directory.path / "proposal")
    io.write_json(directory.path / "proposal.json", found.to_json())
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


def sample_of(config: SearchConfig, *, labelled: bool = False) -> Prepared:
    """The data sample at all masses, without labels unless they are asked for.

    Raises:
        ConfigError, DataError: as ``prepare``.
    """
    everywhere = RegionsConfig([0.0, float(np.finfo(float).max)], [[None, 0.0]])
    prepared = prepare(dataclasses.replace(config.run, regions=everywhere), check_sidebands=False)
    data = prepared.data if labelled else prepared.data.without_label()
    return prepared._replace(data=data, extra=None)


def _one_window(config: SearchConfig, wanted: list[Window]) -> None:
    window = config.scan.windows[int(config.scan.window or 0)]
    if window not in wanted:
        log.warning("the window %s GeV has too few events and is skipped", window)
        return
    print(f"window finished: {search_window(_job(config, window, config.run.n_jobs))}")


def _make_windows(
    config: SearchConfig, wanted: list[Window], method_for: MethodFor | None
) -> None:
    """Those that are not finished, a process each."""
    title = METHODS[config.run.method.name].method.title
    log.info("%s: %d windows; results in %s", title, len(wanted), config.run.run_dir)
    check_store(None if config.run.store is None else Path(config.run.store))
    # The first of each group before the others, which copy its p_bg then and need not wait.
    wanted = sorted(wanted, key=lambda window: config.group(window).index(window))
    jobs = [_job(config, window, 1) for window in wanted]
    if method_for is not None:
        pairs = zip(jobs, wanted, strict=True)
        jobs = [job._replace(method=method_for(config, window)) for job, window in pairs]
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


def _thresholds(config: SearchConfig, window: FinishedWindow) -> dict[float, float]:
    """Background efficiency -> score, of the cuts that the window could fix."""
    cuts = zip(config.efficiencies, window.cuts.thresholds.tolist(), strict=True)
    return {efficiency: score for efficiency, score in cuts if np.isfinite(score)}


def announce(directory: SearchDirectory) -> None:
    """The result in a few lines, and its report."""
    made = write_report(directory.path)
    print(search_table(directory.read_result()))
    print(f"{made.verdict}\nresults and report: {directory.path}")
