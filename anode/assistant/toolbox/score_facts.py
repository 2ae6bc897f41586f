"""Facts of scores: what the tool ``score`` returns, read from what scoring and searches leave."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io
from anode.errors import ConfigError, DataError
from anode.pipeline.search.report import read_search
from anode.pipeline.search.search_directory import SearchDirectory
from anode.statistics.scan.top_events import TopEvent, TopEvents

SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True)
class TopCandidate:
    """An event that looks like signal.

    Attributes:
        event_id: number of the event in the data.
        mass: m_jj [GeV].
        score: anomaly score.
        log10_efficiency: log10 of the background efficiency of a cut at the score.
        features: feature -> value; masses and momenta in GeV.
    """

    event_id: int
    mass: float
    score: float
    log10_efficiency: float
    features: dict[str, float]


@dataclass(frozen=True)
class Passing:
    """Events beyond a cut: its background efficiency, how many pass it."""

    efficiency: float
    n_events: int


@dataclass(frozen=True)
class ScoreFacts:
    """Scores of events.

    Attributes:
        folder: run or search that scored them.
        output: file of the scores; None for the events of a search, which has them in its windows.
        low, high: edges of the masses that were scored [GeV]; None where windows differ.
        n_scored: scored events.
        passing: events beyond each cut, the loosest first; none for a single run.
        score_low, score_median, score_high: least, median and greatest score.
        top: events with the rarest scores, each content once; none for a file.
        n_repeated: candidates left out of them, as they repeat another.
        files: files with more.
    """

    folder: str
    output: str | None
    low: float | None
    high: float | None
    n_scored: int
    passing: list[Passing]
    score_low: float
    score_median: float
    score_high: float
    top: list[TopCandidate]
    n_repeated: int
    files: list[str]


def window_scores(path: Path, shown: str) -> ScoreFacts:
    """Scores of a search's own events that lie in its best window and pass the loosest cut.

    Raises:
        RunDirectoryError, DataError: the search is not finished, or damaged.
    """
    found, directory = read_search(path), SearchDirectory(path)
    best = found.best or found.best_inclusive
    low, high = (0.0, 0.0) if best is None else (best.low, best.high)
    score, level = np.empty(0), np.empty(0, dtype=int)
    file = path / "windows" / f"{low:g}_{high:g}" / "selected.h5"
    if best is not None:
        with io.open_hdf5(file) as stored:
            inside = (stored["mass"][:] >= low) & (stored["mass"][:] < high)
            score, level = stored["score"][:][inside], stored["level"][:][inside]
    cuts = [Passing(e, int(np.sum(level > n))) for n, e in enumerate(found.efficiencies)]
    top = TopEvents.from_json(io.read_json(directory.top_events), directory.top_events).hotspot
    first = {(event.mass, *event.features.values()): event for event in reversed(top)}
    kept = sorted(first.values(), key=lambda event: event.log10_efficiency)
    return ScoreFacts(
        folder=shown,
        output=None,
        low=low,
        high=high,
        n_scored=len(score),
        passing=cuts,
        **_quantiles(score),
        top=[_candidate(event) for event in kept],
        n_repeated=len(top) - len(kept),
        files=[f"{shown}/top_events.json"],
    )


def refuse_other(output: Path, name: str, run: Path) -> None:
    """Refuse to write scores over anything but earlier scores of a file.

    Args:
        output: file to write.
        name: this file as callers name it.
        run: folder of the run, whose own scores are none of a file.

    Raises:
        ConfigError: the name is not one of HDF5, or something else is there.
    """
    if output.suffix not in SUFFIXES:
        raise ConfigError(f"output must end in {' or '.join(SUFFIXES)}, got {name!r}")
    if not output.exists():
        return
    if output.is_relative_to(run) or not _holds_scores(output):
        raise ConfigError(
            f"output must be new, or hold earlier scores of a file, but {name} is there and is "
            "something else; choose another name"
        )


def _holds_scores(path: Path) -> bool:
    try:
        with io.open_hdf5(path) as stored:
            return {"score", "sample", "outside"} <= set(stored)
    except DataError:
        return False


def file_scores(path: Path, shown: str, output: Path, output_shown: str) -> ScoreFacts:
    """Scores of a file, as ``anode score`` has written them.

    Raises:
        DataError: there are none.
    """
    with io.open_hdf5(output) as stored:
        score = stored["score"][:]
        passed = stored["passed"][:] if "passed" in stored else np.ones(0)
    cuts = sorted({float(e) for e in passed} - {1.0}, reverse=True)
    return ScoreFacts(
        folder=shown,
        output=output_shown,
        low=None,
        high=None,
        n_scored=len(score),
        passing=[Passing(e, int(np.sum(passed <= e))) for e in cuts],
        **_quantiles(score),
        top=[],
        n_repeated=0,
        files=[output_shown],
    )


def _candidate(event: TopEvent) -> TopCandidate:
    return TopCandidate(
        event.event_id, event.mass, event.score, event.log10_efficiency, event.features
    )


def _quantiles(score: np.ndarray) -> dict[str, float]:
    there = score[np.isfinite(score)]
    values = np.quantile(there, [0, 0.5, 1]).tolist() if len(there) else [0.0, 0.0, 0.0]
    return dict(zip(("score_low", "score_median", "score_high"), values, strict=True))
