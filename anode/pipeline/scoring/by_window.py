"""Scores of other events by a finished search, each by the window that its mass belongs to."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import integrity
from anode.errors import ConfigError, RunDirectoryError
from anode.events.table import EventTable
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import attributes
from anode.pipeline.scoring import blocks as stream
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.search.window import as_scored
from anode.pipeline.search.window_file import read_window_file
from anode.regions.injection import InjectionConfig
from anode.regions.windows import RegionsConfig, Window
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.working_points import n_passed

SUMMARY, WINDOWS, WINDOW = "search.json", "windows", "window.json"
"""What a scan leaves: its results, the folder of its windows, and what each says of itself."""

ROWS = 500_000  # of a block: each loads the fits of all windows anew

_ATTRIBUTES = {
    "window_low": "GeV; the window that scored the event: of those that contain its mass, the one "
    "whose centre is nearest, of two the lower",
    "window_high": "GeV; that window is half-open",
    "passed": "the tightest background efficiency whose threshold, of the fold that scored the "
    "event, the score exceeds; 1 if none",
}


class ScanWindow(NamedTuple):
    """The run of one window of a scan.

    Attributes:
        directory: folder of the run.
        window: mass window [GeV].
        config: configuration of the run, to score events that are new to it.
        efficiencies: (E,) background efficiencies of the cuts, the loosest first.
        by_fold: (E, F) scores of each fold of the fits; an event passes whose score is larger
            than that of the fold that scored it.
    """

    directory: Path
    window: Window
    config: RunConfig
    efficiencies: np.ndarray
    by_fold: np.ndarray


class ScanBlock(NamedTuple):
    """Events, and the windows that may score them."""

    block: stream.Block
    windows: list[ScanWindow]


def is_scan(path: Path | str) -> bool:
    """Whether a run directory is that of a scan, finished or not."""
    return (Path(path) / SUMMARY).is_file() or (Path(path) / WINDOWS).is_dir()


def score_scan(path: Path, data: DataConfig, output: Path, *, n_jobs: int, threads: int) -> None:
    """Score the events of another file that lie in some window of a scan.

    The scores are those that the window's thresholds were made for: of the fits of one fold, which
    an event's identity picks (``split.extra``), and at the window's centre, as
    ``window.search_scores``.

    Args:
        path: directory of the scan.
        data: settings of the file, the group ``data``.
        output: HDF5 file to write; beside what a run writes it has ``window_low``, ``window_high``
            and ``passed`` for each event.
        n_jobs: number of processes.
        threads: number of threads of each process.

    Raises:
        RunDirectoryError: the scan is not finished, or its windows do not belong together.
        DataError: the file is one the scan was fitted on, no event of it lies in a window, or too
            many lie outside the fitted range of features; nothing is written then.
    """
    summary = finished(path)
    windows = load_windows(path, summary, threads=threads)
    # Read as a run whose signal region are all windows together.
    low = min(each.window.low for each in windows)
    high = max(each.window.high for each in windows)
    config = dataclasses.replace(
        windows[0].config,
        data=data,
        injection=InjectionConfig(None, None),
        regions=RegionsConfig([low, high], [[high, None]]),
    )
    known = stream.hashes(RunDirectory(path)).union(
        summary.data.hashes,
        *(stream.hashes(RunDirectory(each.directory)) for each in windows),
    )
    fitted = stream.Fitted(known, str(path / WINDOWS))
    blocks, n_events = stream.in_blocks(config, RunDirectory(path), fitted, n_jobs, rows=ROWS)
    method = stages.method_of(windows[0].config, RunDirectory(windows[0].directory))
    stream.write_blocks(
        output,
        score_scan_block,
        (ScanBlock(block, windows) for block in blocks),
        config,
        {**attributes(config.seen_features, method), **_ATTRIBUTES},
        n_events=n_events,
        n_jobs=n_jobs,
        where=f"in one of the {len(windows)} windows of {path}",
    )


def load_windows(path: Path, summary: SearchResult, *, threads: int) -> list[ScanWindow]:
    """The windows of a scan, the lowest first.

    Args:
        path: directory of the scan.
        summary: result of the scan.
        threads: number of threads of each process.

    Raises:
        RunDirectoryError: a window of the summary is missing, is another than its run's signal
            region, has no usable thresholds, or reads other features than the first.
    """
    found = [_load(file, threads) for file in (path / WINDOWS).glob(f"*/{WINDOW}")]
    windows = sorted(found, key=lambda each: each.window)
    there = {each.window for each in windows}
    missing = {Window(row.low, row.high) for row in summary.windows} - there
    if missing or not windows:
        lacking = ", ".join(map(str, sorted(missing))) or "all"
        raise RunDirectoryError(
            f"{path / WINDOWS} must hold every window of {SUMMARY}, but lacks {lacking}; copy or "
            "run the scan again"
        )
    if windows[0].config.needs_particles:
        raise ConfigError(
            f"{path}: other files cannot be scored by a scan whose representation is made of "
            "particles: its windows know those of the searched events alone; score by a run"
        )
    for each in windows[1:]:
        if _reading(each.config) != _reading(windows[0].config):
            raise RunDirectoryError(
                f"all windows of a scan must read the same features in the same way, but "
                f"{each.directory} and {windows[0].directory} differ"
            )
    return windows


def assign(mass: np.ndarray, windows: list[Window]) -> np.ndarray:
    """(N,) which window scores an event: of those that contain its mass, the one whose centre is
    nearest, the lower of two; -1 if none does.

    Args:
        mass: (N,) masses [GeV].
        windows: windows, the lowest first.
    """
    distance = np.stack(
        [
            np.where(window.contains(mass), np.abs(mass - (window.low + window.high) / 2), np.inf)
            for window in windows
        ]
    )
    return np.where(np.isfinite(distance).any(axis=0), distance.argmin(axis=0), -1)


def score_scan_block(block: ScanBlock) -> stream.ScoredBlock:
    """Read one block, and score each event by its window."""
    found = stream.read_block(block.block)
    mass = found.events.mass
    number = assign(mass, [each.window for each in block.windows])
    # Without any event the first window still says which datasets there are.
    present = np.unique(number[number >= 0]) if (number >= 0).any() else [0]
    rows = [np.flatnonzero(number == place) for place in present]
    parts = [
        _score_in(block.windows[place], *found.take(index))
        for place, index in zip(present, rows, strict=True)
    ]
    order = np.argsort(np.concatenate(rows))  # back to that of the file
    datasets = {key: np.concatenate([part[key] for part in parts])[order] for key in parts[0]}
    return stream.ScoredBlock(datasets, len(mass))


def _score_in(each: ScanWindow, events: EventTable, known: np.ndarray) -> dict[str, np.ndarray]:
    method = stages.method_of(each.config, RunDirectory(each.directory))
    seen = as_scored(method, events, each.window)
    datasets = stream.score_events(each.config, each.directory, seen, known)
    level = n_passed(datasets["score"], method.fold(events), each.by_fold)
    return {
        **datasets,
        "mass": events.mass,
        "window_low": np.full(len(events), each.window.low),
        "window_high": np.full(len(events), each.window.high),
        "passed": np.append(1.0, each.efficiencies)[level],
    }


def finished(path: Path) -> SearchResult:
    """The result of a scan.

    Raises:
        RunDirectoryError: it has not finished.
    """
    if not (path / SUMMARY).is_file():
        raise RunDirectoryError(
            f"{path} is a scan that has not finished: there is no {SUMMARY}; the command that "
            "began it goes on from there"
        )
    return SearchDirectory(path).read_result()


def _load(file: Path, threads: int) -> ScanWindow:
    directory, content = RunDirectory(file.parent), read_window_file(file)
    _check_fits(directory)
    config = load_run(directory.config)
    try:
        window = Window(content.low, content.high)
        thresholds = {float(name): score for name, score in content.thresholds.items()}
    except (ValueError, ConfigError) as error:
        raise RunDirectoryError(
            f"{file} must have low < high and thresholds by efficiency, got {content.low}, "
            f"{content.high} and {content.thresholds} ({error})"
        ) from None
    if config.regions.signal != [window.low, window.high]:
        raise RunDirectoryError(
            f"{file} says {window} GeV, but the signal region of its run is "
            f"{config.regions.signal}; they must agree"
        )
    config = dataclasses.replace(config, run_dir=str(file.parent), threads=threads, n_jobs=1)
    by_fold = content.by_fold(stages.method_of(config, directory).n_folds)
    order = np.argsort([*thresholds.keys()])[::-1]
    efficiencies, by_fold = np.array([*thresholds.keys()])[order], by_fold[order]
    if not (np.isfinite(by_fold).all() and np.all(np.diff(by_fold, axis=0) >= 0)):
        raise RunDirectoryError(
            f"{file}: thresholds must be finite and rise as the efficiency falls, got "
            f"{content.thresholds_by_fold or content.thresholds}"
        )
    return ScanWindow(file.parent, window, config, efficiencies, by_fold)


def _check_fits(directory: RunDirectory) -> None:
    """Refuse damaged fits before any event is scored."""
    remedy = f"delete {directory.path} and {SUMMARY} of the scan, and search again"
    for path in directory.checkpoints.rglob("*"):
        if path.is_file():
            integrity.check(path, remedy=remedy)


def _reading(config: RunConfig) -> tuple[Any, ...]:
    """What the events of a block hang on, and the datasets of their scores."""
    return config.read_features, config.distortion, config.seed, config.method.name
