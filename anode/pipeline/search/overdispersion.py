"""How much more the counts of a search spread than Poisson counts, for its method and settings.

The method of one window is fitted to many samples of pure background, as to the events of that
window, but with p_bg held: samples are drawn from it. Counts of a score that has learned nothing
but fluctuations spread by a factor that does not depend on the number of events, so that small
samples serve for windows of any size.
"""

import dataclasses
import json
import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from anode import io, progress
from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.methods.build import METHODS
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.parallel import stream_jobs
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.pseudo_experiment import PseudoExperiment, alone, count_passing
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.search.window import BANDWIDTH
from anode.records import Json, Record
from anode.regions.mass import sample_masses
from anode.regions.windows import Window
from anode.seeding import stream, stream_seed
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.scan.working_points import MIN_PASSING
from anode.training.store import CODE, code_hash

log = logging.getLogger(__name__)

TEMPLATE = 10
"""Events that fix the cuts of a sample, for each event of it."""
SOURCES = (
    *CODE,
    "classifiers",
    "methods",
    "regions",
    "pipeline/search/overdispersion.py",
    "pipeline/search/pseudo_experiment.py",
    "statistics/counting/overdispersion.py",
    "statistics/scan/working_points.py",
)
"""Code that the result depends on."""


def overdispersion_of(
    config: SearchConfig, directory: SearchDirectory, data: EventTable, windows: Sequence[Window]
) -> Overdispersion | None:
    """The over-dispersion of the counts of a search, measured unless that was done: in this
    folder, or by a search of the same settings with the same store.

    Args:
        config: configuration of the search.
        directory: its folder, with finished windows.
        data: events that are searched, at all masses.
        windows: windows of the search, in order of mass; events are drawn in the middle one.

    Returns:
        What ``overdispersion.json`` holds then; None if it is not measured.

    Raises:
        ConfigError: ``overdispersion.path`` is of another method, or of other cuts.
        DataError: that file is broken.
    """
    settings = config.overdispersion
    given = None if settings.path is None else Path(settings.path)
    if given is not None and given.is_file():
        return _keep(_given(config, given), [directory.overdispersion])
    if settings.n_experiments == 0:
        directory.overdispersion.unlink(missing_ok=True)
        return None
    key = content_key(config)
    places = [directory.overdispersion, *([] if given is None else [given])]
    if config.run.store is not None:
        places.append(Path(config.run.store) / "overdispersion" / f"{key}.json")
    for place in places:
        found = _read(place)
        if found and found.key == key and found.n_experiments >= settings.n_experiments:
            return _keep(found, places)
    measured = _measure(config, directory, data, windows[len(windows) // 2], key)
    if measured is None:
        directory.overdispersion.unlink(missing_ok=True)
        return None
    return _keep(measured, places)


def read_overdispersion(directory: SearchDirectory) -> Overdispersion | None:
    """The content of a search's ``overdispersion.json``; None without one.

    Raises:
        DataError: it is not JSON, or a key is missing or of the wrong kind.
    """
    path = directory.overdispersion
    return Overdispersion.from_json(io.read_json(path), path) if path.is_file() else None


def content_key(config: SearchConfig) -> str:
    """SHA-256 of the settings and code that the over-dispersion depends on; data are none."""
    run = config.run.identity
    kept = ("features", "distortion", "preprocessing", "density", "trainer", "ensemble", "method")
    content: dict[str, Json] = {name: run[name] for name in kept}
    content["classifier"] = run.get("classifier")
    split = config.run.split
    content["split"] = [split.mode, split.folds, split.validation, split.extra]
    content["efficiencies"] = list(config.efficiencies)
    content["n_events"] = config.overdispersion.n_events
    content["code"] = [code_hash(SOURCES), torch.__version__]
    return io.sha256_text(json.dumps(content, sort_keys=True))


def _given(config: SearchConfig, path: Path) -> Overdispersion:
    """What another search has measured."""
    found = Overdispersion.from_json(io.read_json(path), path)
    ours = (config.run.method.name, tuple(config.efficiencies))
    if (found.method, found.efficiencies) != ours:
        raise ConfigError(
            f"overdispersion.path must be of the method and efficiencies of the search, "
            f"{ours[0]} and {ours[1]}, got {found.method} and {found.efficiencies} in {path}"
        )
    return found


def _read(path: Path) -> Overdispersion | None:
    """A finished result; None if there is none that can be read."""
    try:
        return Overdispersion.from_json(io.read_json(path), path)
    except DataError:
        return None


def _keep(result: Overdispersion, places: Sequence[Path]) -> Overdispersion:
    for place in places:
        io.write_json(place, result.to_json())
    return result


@dataclass(frozen=True)
class _Counts(Record):
    """Samples that are done: of each, the events that pass 1, ..., E cuts and no more."""

    key: str
    counts: tuple[tuple[int, ...], ...]


class _Background(NamedTuple):
    """A density of background.

    Attributes:
        drawn_from: folders of its fits.
        held: fits of p_bg that the method's own are replaced by, by their path below its folder.
        strip: width beside the window in which the method trains on events too [GeV].
    """

    drawn_from: list[Path]
    held: dict[str, Path]
    strip: float


def _measure(
    config: SearchConfig, directory: SearchDirectory, data: EventTable, window: Window, key: str
) -> Overdispersion | None:
    """None, with a warning, where it is impossible."""
    settings, folder = config.overdispersion, directory.path / "overdispersion"
    run = dataclasses.replace(config.of_window(window), n_jobs=config.run.n_jobs)
    background = _background(run, data, folder)
    if isinstance(background, str):
        log.warning("the over-dispersion of counts is not measured: %s", background)
        return None
    tightest = min(config.efficiencies)
    n_template = max(TEMPLATE * settings.n_events, math.ceil(2 * MIN_PASSING / tightest))
    done = folder / "counts.json"
    counts = _counts_so_far(done, key)[: settings.n_experiments]
    jobs = (
        _sample(config, run, data, folder, background, n_template, number)
        for number in range(len(counts), settings.n_experiments)
    )
    with progress.task("samples", total=settings.n_experiments, unit="samples") as bar:
        bar.update(len(counts))
        for passing in stream_jobs(count_passing, jobs, n_jobs=run.n_jobs, threads=run.threads):
            counts.append(tuple(passing))
            io.write_json(done, _Counts(key, tuple(counts)).to_json())
            bar.update()
    shutil.rmtree(folder)
    return Overdispersion.of(
        np.array(counts),
        method=run.method.name,
        efficiencies=tuple(config.efficiencies),
        n_events=settings.n_events,
        n_template=n_template,
        window=(window.low, window.high),
        key=key,
    )


def _counts_so_far(path: Path, key: str) -> list[tuple[int, ...]]:
    """Of an interrupted measurement of the same settings."""
    try:
        found = _Counts.from_json(io.read_json(path), path)
    except DataError:
        return []
    return list(found.counts) if found.key == key else []


def _background(run: RunConfig, data: EventTable, folder: Path) -> _Background | str:
    """The density that events are drawn from, or the reason why there is none.

    It is p_bg of the window where the method has one, else a density fitted to the sidebands for
    this purpose.
    """
    method = stages.method_of(run, RunDirectory(run.run_dir))
    strip = stages.method_of(alone(run), RunDirectory(folder)).training_strip_width
    held = method.background_fits
    if held is None:
        return f"{METHODS[run.method.name].method.title} fits more than p_bg to the sidebands"
    if held:
        missing = [str(fit) for fit in held.values() if not (fit / "fit.json").is_file()]
        if missing:
            return f"there is no {missing[0]} any more; set overdispersion.path"
        first = next(iter(held.values())).parent
        return _Background([fit for fit in held.values() if fit.parent == first], held, strip)
    fits = DensityFits(folder, method.settings)
    seen = method.seen(data)
    fits.fit_background(seen[run.regions.regions().in_sidebands(seen.mass)])
    return _Background(fits.folders(BACKGROUND), {}, strip)


def _sample(
    config: SearchConfig,
    run: RunConfig,
    data: EventTable,
    folder: Path,
    background: _Background,
    n_template: int,
    number: int,
) -> PseudoExperiment:
    """Sample ``number``: a Poisson number of events at masses of the window."""
    rng = stream(run.seed, "over-dispersion", number)
    regions = run.regions.regions()
    inside = data.mass[regions.signal.contains(data.mass)]
    strip = background.strip
    low, high = regions.signal.low, regions.signal.high
    sides = [(low - strip, low), (high, high + strip)] if strip else []
    beside = [data.mass[(data.mass >= start) & (data.mass < end)] for start, end in sides]
    n_events = config.overdispersion.n_events

    def masses(observed: np.ndarray, n: int) -> np.ndarray:
        return sample_masses(observed, n, bandwidth=BANDWIDTH, rng=rng)

    return PseudoExperiment(
        config=alone(dataclasses.replace(run, seed=stream_seed(run.seed, "sample", number))),
        folder=folder / f"sample{number}",
        drawn_from=background.drawn_from,
        known=background.held,
        efficiencies=config.efficiencies,
        mass=masses(inside, rng.poisson(n_events)),
        beside=np.concatenate(
            [np.empty(0)]
            + [masses(side, rng.poisson(n_events * len(side) / len(inside))) for side in beside]
        ),
        template=masses(inside, n_template),
    )
