"""One window of a search: a method fitted there, all events scored, cuts fixed on background.

Events of the window are scored by fits that have not seen them. Events elsewhere are scored by the
window's model too, so that a smooth spectrum of them predicts how many background events pass in
the window; a score that holds at masses of the window alone takes its nearest edge for them.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline import stages
from anode.pipeline.artifacts import RunDirectory
from anode.pipeline.config import RunConfig
from anode.pipeline.prepare import Prepared, prepare
from anode.pipeline.search_config import TemplateConfig
from anode.regions.mass import sample_masses
from anode.regions.windows import Window
from anode.search.cuts import Cut, fix_cuts
from anode.search.sculpting import correlation
from anode.seeding import stream, stream_seed

log = logging.getLogger(__name__)

BANDWIDTH = 10.0  # GeV, of the kernel density estimate of a template's masses


class WindowJob(NamedTuple):
    """What a window's process needs.

    Attributes:
        config: of the window's run.
        efficiencies: of background, at the cuts; descending.
        template: on which they are fixed.
    """

    config: RunConfig
    efficiencies: list[float]
    template: TemplateConfig


def search_window(job: WindowJob) -> Path:
    """Fit, score and cut, unless it was done; returns the window's folder.

    Writes ``window.json``, last, and ``selected.h5``: ``event_id, mass, score`` of the data events
    that pass the loosest cut, at any mass.

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
    stages.train(job.config, prepared)
    method = stages.method_of(job.config, directory)
    with directory.locked(), directory.timed("score"):
        score = scores_everywhere(method, prepared)
        template = _template(method, prepared, score, job)
        cuts = fix_cuts(template, job.efficiencies)
        data, window = prepared.data, prepared.regions.signal
        selected = score > cuts[0].threshold
        io.write_hdf5(
            directory.path / "selected.h5",
            {
                "event_id": data.event_id[selected],
                "mass": data.mass[selected],
                "score": score[selected],
            },
            {"score": method.meaning, "mass_unit": "GeV"},
        )
        inside = window.contains(data.mass)
        described = _describe(job, method, window, cuts, len(template))
        pearson = correlation(data.mass[inside], score[inside])
        io.write_json(result, {**described, "n_total": int(inside.sum()), **pearson._asdict()})
    return directory.path


def scores_everywhere(method: AnomalyMethod, prepared: Prepared) -> np.ndarray:
    """(N,) scores of the data sample, at any mass, by the method of one window.

    Raises:
        DataError: a score is not finite.
    """
    data, window = prepared.data, prepared.regions.signal
    events = at_nearest_edge(data, window) if method.mass_bound else data
    score = method.score(events, window.contains(data.mass)).score
    bad = np.flatnonzero(~np.isfinite(score))
    if bad.size:
        raise DataError(
            f"{data.source}: every score must be finite, but {bad.size} are not, first event id "
            f"{data.event_id[bad[0]]}"
        )
    return score


def at_nearest_edge(events: EventTable, window: Window) -> EventTable:
    """The same events, those outside the window with the mass of its nearest edge."""
    last = np.nextafter(window.high, window.low)
    return dataclasses.replace(events, mass=np.clip(events.mass, window.low, last))


def _template(
    method: AnomalyMethod, prepared: Prepared, score: np.ndarray, job: WindowJob
) -> np.ndarray:
    """(n,) scores of background that is not counted in the window."""
    data, window, seed = prepared.data, prepared.regions.signal, job.config.seed
    density = None if job.template.source == "sidebands" else method.background_density()
    if density is None:
        if job.template.source == "sampled":
            raise DataError(
                f"template.source=sampled needs a method with p_bg, got {method.title}; use "
                "sidebands"
            )
        return score[_beside(data.mass, window, method.strip)]
    masses = sample_masses(
        data.mass[window.contains(data.mass)],
        job.template.n_events,
        bandwidth=BANDWIDTH,
        rng=stream(seed, "template", "masses"),
    )
    features = density.generate(masses, stream_seed(seed, "template", "events"))
    # Ids of their own: the fold that scores a generated event hangs on its id.
    ids = -1 - np.arange(len(masses))
    events = EventTable(ids, masses, features, data.names, data.units, None, "template")
    return method.score(events, np.zeros(len(events), dtype=bool)).score


def _beside(mass: np.ndarray, window: Window, strip: float) -> np.ndarray:
    """(N,) which events lie within a window's width of it, beyond the strips."""
    width = window.high - window.low
    below = (mass >= window.low - strip - width) & (mass < window.low - strip)
    above = (mass >= window.high + strip) & (mass < window.high + strip + width)
    return below | above


def _describe(
    job: WindowJob, method: AnomalyMethod, window: Window, cuts: list[Cut], n_template: int
) -> dict[str, Any]:
    sampled = job.template.source != "sidebands" and method.background_density() is not None
    return {
        "low": window.low,
        "high": window.high,
        "strip": method.strip,
        "thresholds": {f"{cut.nominal:g}": cut.threshold for cut in cuts},
        "template": {
            "source": "sampled" if sampled else "sidebands",
            "n_events": n_template,
            "efficiency": [cut.efficiency for cut in cuts],
            "efficiency_error": [cut.error for cut in cuts],
        },
    }
