"""One window of a search: a method fitted there, all events scored, cuts fixed on background.

Events of the window are scored by fits that have not seen them. Events elsewhere are scored by the
window's model too, so that a smooth spectrum of them predicts how many background events pass in
the window. A score that hangs on the mass is taken at the window's centre for all of them: at each
event's own mass, ANODE's pass rate for background dips inside the window and jumps at its edges,
by a quarter at a 10% cut; at one mass it is smooth.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import TemplateConfig
from anode.pipeline.search.window_file import (
    AGAIN,
    WindowFile,
    WindowIndependence,
    WindowTemplate,
    read_window_file,
)
from anode.regions.mass import sample_masses
from anode.regions.windows import Window
from anode.seeding import stream, stream_seed
from anode.statistics.scan.mass_sculpting import independence
from anode.statistics.scan.window_spectra import WindowCuts
from anode.statistics.scan.working_points import fix_cuts, n_passed

log = logging.getLogger(__name__)

BANDWIDTH = 10.0  # GeV, of the kernel density estimate of a template's masses


class TemplateScores(NamedTuple):
    """Scores of background that is not counted in the window.

    Attributes:
        score: (n,) scores.
        fold: (n,) number of the fit that scored each.
        source: source of the background, "sampled" or "sidebands".
    """

    score: np.ndarray
    fold: np.ndarray
    source: str


class WindowJob(NamedTuple):
    """What a window's process needs.

    Attributes:
        config: configuration of the window's run.
        efficiencies: fractions of background at the cuts, descending.
        template: background on which they are fixed.
        method: method that needs no fit, in place of the configured one; None for that.
    """

    config: RunConfig
    efficiencies: list[float]
    template: TemplateConfig
    method: AnomalyMethod | None = None


def search_window(job: WindowJob) -> Path:
    """Fit, score and cut, unless it was done; returns the window's folder.

    Writes ``window.json``, last, and ``selected.h5``: ``event_id, mass, score`` of the data events
    that pass the loosest cut, at any mass, and ``level``, the number of cuts that each passes.

    Raises:
        DataError, RunDirectoryError: as a run.
    """
    directory = RunDirectory(job.config.run_dir)
    result = directory.path / "window.json"
    if result.is_file():
        directory.claim(job.config)
        return directory.path
    prepared = prepare(job.config)
    prepared = prepared._replace(data=prepared.data.without_label(), extra=None)
    method = job.method
    if method is None:
        stages.train_window(job.config, prepared)
        method = stages.method_of(job.config, directory)
    else:
        directory.claim(job.config)
    with directory.locked(), directory.timed("score"):
        data, window = prepared.data, prepared.regions.signal
        inside = window.contains(data.mass)
        score = search_scores(method, data, window, inside)
        template = _template(method, prepared, score, job)
        cuts = fix_cuts(template.score, job.efficiencies, template.fold, n_folds=method.n_folds)
        by_fold = np.array([cut.by_fold for cut in cuts])
        level = n_passed(score, method.fold(data), by_fold)
        selected = level > 0
        io.write_hdf5(
            directory.path / "selected.h5",
            {
                "event_id": data.event_id[selected],
                "mass": data.mass[selected],
                "score": score[selected],
                "level": level[selected],
            },
            {"score": method.meaning, "mass_unit": "GeV"},
        )
        content = WindowFile(
            low=window.low,
            high=window.high,
            strip=method.training_strip_width,
            thresholds={f"{cut.nominal:g}": cut.threshold for cut in cuts},
            thresholds_by_fold={f"{cut.nominal:g}": tuple(cut.by_fold.tolist()) for cut in cuts},
            template=WindowTemplate(
                source=template.source,
                n_events=len(template.score),
                efficiency=tuple(cut.efficiency for cut in cuts),
                efficiency_error=tuple(cut.error for cut in cuts),
                n_pooled=tuple(cut.n_pooled for cut in cuts),
            ),
            n_total=int(inside.sum()),
            independence=_independence(data.mass[inside], score[inside], window),
        )
        io.write_json(result, content.to_json(), sealed=True)
    return directory.path


def search_scores(
    method: AnomalyMethod, events: EventTable, window: Window, fitted: np.ndarray
) -> np.ndarray:
    """(N,) scores of events at any mass; ``fitted`` (N,) as ``AnomalyMethod.score`` has it.

    Raises:
        DataError: a score is not finite.
    """
    score = method.score(as_scored(method, events, window), fitted).score
    bad = np.flatnonzero(~np.isfinite(score))
    if bad.size:
        raise DataError(
            f"{events.source}: every score must be finite, but {bad.size} are not, first event id "
            f"{events.event_id[bad[0]]}"
        )
    return score


def as_scored(method: AnomalyMethod, events: EventTable, window: Window) -> EventTable:
    """Events at the mass at which a window's method scores them: its centre, or their own."""
    if not method.score_at_window_centre:
        return events
    events = method.seen(events)  # which may hang on their own mass
    return dataclasses.replace(events, mass=np.full(len(events), (window.low + window.high) / 2))


def _template(
    method: AnomalyMethod, prepared: Prepared, score: np.ndarray, job: WindowJob
) -> TemplateScores:
    data, window = prepared.data, prepared.regions.signal
    if job.template.source != "sidebands":
        events = _drawn(method, prepared, job)
        if events is not None:
            drawn = search_scores(method, events, window, np.zeros(len(events), dtype=bool))
            return TemplateScores(drawn, method.fold(events), "sampled")
        if job.template.source == "sampled":
            raise DataError(
                f"template.source=sampled needs a method with p_bg, got {method.title}; use "
                "sidebands"
            )
    rows = _beside(data.mass, window, method.training_strip_width)
    return TemplateScores(score[rows], method.fold(data[rows]), "sidebands")


def _drawn(method: AnomalyMethod, prepared: Prepared, job: WindowJob) -> EventTable | None:
    """Events from p_bg at masses of the window; None if the method has none."""
    data, window, seed = prepared.data, prepared.regions.signal, job.config.seed
    masses = sample_masses(
        data.mass[window.contains(data.mass)],
        job.template.n_events,
        bandwidth=BANDWIDTH,
        rng=stream(seed, "template", "masses"),
    )
    # Identities from before they have a content: the folds that draw and score them hang on these.
    ids = -1 - np.arange(len(masses))
    identity = ids.view(np.uint64)
    features = method.draw_background(identity, masses, stream_seed(seed, "template", "events"))
    if features is None:
        return None
    names, units = data.names, data.units
    return EventTable(ids, masses, features, names, units, None, "template", identity=identity)


def _beside(mass: np.ndarray, window: Window, strip: float) -> np.ndarray:
    """(N,) which events lie within a window's width of it, beyond the strips."""
    width = window.high - window.low
    below = (mass >= window.low - strip - width) & (mass < window.low - strip)
    above = (mass >= window.high + strip) & (mass < window.high + strip + width)
    return below | above


def _independence(
    mass: np.ndarray, score: np.ndarray, window: Window
) -> WindowIndependence | None:
    """Whether the score knows the mass within the window; None where all events have one score."""
    if np.ptp(score) == 0:
        return None
    return WindowIndependence.of(independence(mass, score, (window.low, window.high)))


class FinishedWindow(NamedTuple):
    """What a window's process left.

    Attributes:
        cuts: cuts and the events that pass them, for the spectra.
        event_id, score: (S,) ids and scores of the events that pass the loosest cut, as ``cuts``
            has them.
        file: content of ``window.json``.
    """

    cuts: WindowCuts
    event_id: np.ndarray
    score: np.ndarray
    file: WindowFile


def read_window(directory: Path, efficiencies: Sequence[float]) -> FinishedWindow:
    """The result of one window.

    Args:
        directory: folder of the window.
        efficiencies: (E,) cuts of the search; no event passes a cut that the window could not fix.

    Raises:
        DataError, RunDirectoryError: a file is missing or damaged.
    """
    window = read_window_file(directory / "window.json")
    with io.open_hdf5(directory / "selected.h5", remedy=AGAIN) as file:
        event_id, mass, score = (file[name][:] for name in ("event_id", "mass", "score"))
        # Former versions have one threshold for all events, and no level.
        level = file["level"][:] if "level" in file else None
    missing = len(efficiencies) - len(window.thresholds)  # the tightest
    thresholds = np.array([*window.thresholds.values(), *[np.inf] * missing])
    template = window.template
    efficiency = np.array([*template.efficiency, *[np.nan] * missing])
    error = np.array([*template.efficiency_error, *[np.nan] * missing])
    cuts = WindowCuts(
        window.low,
        window.high,
        window.strip,
        thresholds,
        efficiency,
        error,
        mass,
        (score[:, None] > thresholds).sum(axis=1) if level is None else level,
    )
    return FinishedWindow(cuts, event_id, score, window)
