"""A finished run or scan in memory, which scores events as ``anode score`` does, to the last bit.

Fits are read once and stay; the folder may go. Any number of threads may ask.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, load_run
from anode.pipeline.runs.fitted_events import fitted_events
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring.blocks import for_new_events
from anode.pipeline.scoring.by_window import assign, finished, is_scan, load_windows
from anode.pipeline.scoring.input_columns import InputColumns
from anode.pipeline.scoring.thresholds import NONE, thresholds_of
from anode.pipeline.search.window import as_scored
from anode.regions.distortion import distort
from anode.regions.windows import Window
from anode.statistics.scan.working_points import n_passed
from anode.training.kept import KeptDensities, keeping

SCORED, OUTSIDE_WINDOWS, SEEN, NOT_FINITE = range(4)


@dataclass(frozen=True)
class ScoredEvents:
    """Scores of N events, in the order in which they came.

    Attributes:
        mass: (N,) m_jj [GeV].
        score: (N,) anomaly score; NaN where there is none.
        parts: name -> (N,) term of the score; NaN likewise.
        passed: (N,) tightest background efficiency whose threshold the score exceeds, 1 if none;
            NaN without a score or thresholds.
        outside: (N,) True where a feature was moved to the edge of the fitted range.
        fitted: (N,) True for events that the fits were given; each is scored by one that has not
            seen it.
        window: (N,) number of the window that scored the event; -1 for none.
        reason: (N,) why there is no score, a key of ``reasons``; 0 where there is one.
        reasons: reason -> words.
    """

    mass: np.ndarray
    score: np.ndarray
    parts: dict[str, np.ndarray]
    passed: np.ndarray
    outside: np.ndarray
    fitted: np.ndarray
    window: np.ndarray
    reason: np.ndarray
    reasons: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.mass)

    @property
    def scored(self) -> np.ndarray:
        """(N,) True for events with a score."""
        found: np.ndarray = self.reason == SCORED
        return found

    def why_not(self, row: int) -> str | None:
        """Why an event has no score; None for one that has."""
        return self.reasons.get(int(self.reason[row]))


class _Judge(NamedTuple):
    """The fits of one mass window.

    Attributes:
        window: mass window [GeV].
        method: method in memory.
        at_centre: True if events are scored as a search does, at the centre of the window.
        efficiency: (E,) background efficiencies of the cuts, the loosest first.
        by_fold: (E, F) thresholds of each fold of the fits.
    """

    window: Window
    method: AnomalyMethod
    at_centre: bool
    efficiency: np.ndarray
    by_fold: np.ndarray


class Scorer:
    """A finished run or scan; ``load`` makes one.

    Attributes:
        name: name of its folder.
        input: numbers that describe an event to it.
        windows: mass windows [GeV], the lowest first: of a run its signal region.
        meaning: definition of the score, in a few words.
        method: title of the method.
        thresholds: those of a run; of a scan, whose windows have their own, none.
        part_names: names of the terms of the score.

    Example:
        >>> Scorer.load("no/run")
        Traceback (most recent call last):
        anode.errors.ConfigError: there is no no/run/config.yaml; is this a run directory?
    """

    def __init__(
        self, path: Path, config: RunConfig, judges: list[_Judge], kept: KeptDensities
    ) -> None:
        if config.needs_particles:
            raise ConfigError(
                f"{path}: a scorer is given columns of numbers, but this representation is made "
                "of particles; score files with anode score"
            )
        self._config, self._judges, self._kept = config, judges, kept
        self._known = fitted_events(path)
        self.name = path.resolve().name
        self.input = InputColumns(config.read_features)
        self.windows = [judge.window for judge in judges]
        self.meaning, self.method = judges[0].method.meaning, judges[0].method.title
        self.thresholds = NONE
        self.part_names = self._warm()

    @classmethod
    def load(cls, path: Path | str, *, thresholds: bool = True) -> "Scorer":
        """The scorer of a run directory, of ``anode run`` or ``anode search``.

        Args:
            path: path of the directory.
            thresholds: False to do without those of a run, which take some seconds.

        Raises:
            ConfigError: it is no run directory.
            RunDirectoryError: the run or scan is not finished, or a file of it is damaged.
        """
        path, kept = Path(path), KeptDensities()
        if is_scan(path):
            windows = load_windows(path, finished(path), threads=1)
            judges = [
                _Judge(w.window, _method(w.config, w.directory), True, w.efficiencies, w.by_fold)
                for w in windows
            ]
            return cls(path, windows[0].config, judges, kept)
        config = load_run(RunDirectory(path).config)
        config = dataclasses.replace(for_new_events(config), run_dir=str(path), threads=1)
        window, method = config.regions.regions().signal, _method(config, path)
        judge = _Judge(window, method, False, np.empty(0), np.empty((0, 1)))
        scorer = cls(path, config, [judge], kept)
        if thresholds:
            scorer._fix_thresholds(RunDirectory(path))
        return scorer

    @property
    def efficiencies(self) -> list[float]:
        """Background efficiencies that have a threshold, the loosest first."""
        found: list[float] = self._judges[0].efficiency.tolist()
        return found

    def score_array(self, values: np.ndarray, *, source: str = "events") -> ScoredEvents:
        """Scores of events (N, C), a column for each of ``input.names``.

        Raises:
            DataError: C differs, or a value is impossible; the message names row and column.
        """
        return self.score(self.input.of_array(values, source=source))

    def score_columns(
        self, columns: Mapping[str, np.ndarray], *, source: str = "events"
    ) -> ScoredEvents:
        """Scores of events in named columns (N,) each, as ``InputColumns.of_columns`` takes them.

        Raises:
            DataError: a column is missing, or a value is impossible.
        """
        return self.score(self.input.of_columns(columns, source=source))

    def score(self, events: EventTable) -> ScoredEvents:
        """Scores of N events with the features of the run, in their order.

        The bits of a score do not depend on the other events. An event that the fits have seen,
        told by its content, is scored by the fold that has not.
        """
        with keeping(self._kept):
            config = self._config
            table = distort(events.without_label(), config.distortion, config.seed)
            table, known = self._known.recognise(table)
            number = assign(table.mass, self.windows)
            result = self._empty(table, known, number)
            for place in np.unique(number[number >= 0]):
                rows = np.flatnonzero(number == place)
                self._fill(result, self._judges[place], rows, table[rows], known[rows])
            return result

    def _fill(
        self,
        result: ScoredEvents,
        judge: _Judge,
        rows: np.ndarray,
        events: EventTable,
        known: np.ndarray,
    ) -> None:
        """Score the events of one window, ``rows`` (N,) of all."""
        seen = as_scored(judge.method, events, judge.window) if judge.at_centre else events
        allowed = judge.method.unseen(seen, known)
        result.reason[rows] = np.where(allowed, SCORED, SEEN)
        if not allowed.any():
            return
        here = rows[allowed]
        scores = judge.method.score(seen[allowed], known[allowed])
        finite = np.isfinite(scores.score)
        result.reason[here[~finite]] = NOT_FINITE
        result.score[here] = np.where(finite, scores.score, np.nan)
        result.outside[here] = scores.was_clipped
        for name, part in scores.parts.items():
            values = result.parts.setdefault(name, np.full(len(result), np.nan))
            values[here] = np.where(finite, part, np.nan)
        if len(judge.efficiency):
            level = n_passed(scores.score, judge.method.fold(events[allowed]), judge.by_fold)
            passed = np.append(1.0, judge.efficiency)[level]
            result.passed[here] = np.where(finite, passed, np.nan)

    def _empty(self, events: EventTable, known: np.ndarray, number: np.ndarray) -> ScoredEvents:
        n = len(events)
        windows = ", ".join(map(str, self.windows))
        return ScoredEvents(
            mass=events.mass,
            score=np.full(n, np.nan),
            parts={},
            passed=np.full(n, np.nan),
            outside=np.zeros(n, dtype=bool),
            fitted=known & (number >= 0),
            window=number,
            reason=np.full(n, OUTSIDE_WINDOWS),
            reasons={
                OUTSIDE_WINDOWS: f"mass outside {windows} GeV",
                SEEN: "every fit has seen this event",
                NOT_FINITE: "the score is not finite",
            },
        )

    def _warm(self) -> tuple[str, ...]:
        """Load all fits, by an event in the middle of each window; names of the score's parts."""
        mass = np.array([(window.low + window.high) / 2 for window in self.windows])
        names, n = self.input.features, len(mass)
        features, units = np.zeros((n, len(names))), ("",) * len(names)
        found = self.score(EventTable(np.arange(n), mass, features, names, units))
        return tuple(found.parts)

    def _fix_thresholds(self, directory: RunDirectory) -> None:
        (judge,) = self._judges
        names, seed = self._config.seen_features, self._config.seed
        with keeping(self._kept):
            found = thresholds_of(judge.method, directory, names, seed=seed)
        self.thresholds = found
        by_fold = found.score[:, None]
        self._judges = [judge._replace(efficiency=found.efficiency, by_fold=by_fold)]


def _method(config: RunConfig, directory: Path) -> AnomalyMethod:
    return stages.method_of(config, RunDirectory(directory))
