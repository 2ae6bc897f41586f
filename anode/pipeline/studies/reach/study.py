"""Reach and coverage: every search of a study, then tables and figures."""

import contextlib
import io as text_io
import logging
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io, progress
from anode.configuration.builder import resolve
from anode.configuration.composition import as_word, compose
from anode.errors import AnodeError, ConfigError, DataError, RunDirectoryError
from anode.evaluation.curves import curve_from_datasets
from anode.evaluation.reach import Experiment
from anode.parallel import stream_jobs
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, search_from_mapping
from anode.pipeline.search.search import find, sample_of
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.studies.reach.config import ReachConfig, ReachStudy
from anode.pipeline.studies.reach.place import (
    Former,
    Place,
    read_former,
    recipe_of,
    sample_path,
    search_of,
    take_overdispersion,
)
from anode.pipeline.studies.reach.samples import Sample, make_sample
from anode.pipeline.studies.reach.write import Row, write
from anode.records import plain

log = logging.getLogger(__name__)

CUTS = (1.0, 0.1, 0.01, 0.001)
"""Background efficiencies between which the ceiling is counted, those of a search."""

CEILING_SEED = 0
"""Root seed of the samples of the ceiling, apart from those of experiments."""


class _Job(NamedTuple):
    """Searches of one sample that are missing."""

    place: Place
    variants: tuple[str, ...]


class _Failure(NamedTuple):
    """A search that could not be made, and why."""

    path: Path
    reason: str


def reach(config: ReachConfig) -> None:
    """Make the samples and searches that are missing; write tables and figures of all.

    Raises:
        ConfigError: an override is wrong; said before any work begins.
        DataError: a file of events or a former table is not there; said before any work begins.
        RunDirectoryError: searches failed; raised when the others are written.
    """
    study = config.study
    places = [
        Place(study, signal, strength, seed)
        for seed in study.seeds
        for signal in study.signals
        for strength in study.strengths
    ]
    _check_files(study)
    _check(places[0])
    former = read_former(study)
    waiting = _missing(places, former)
    take_overdispersion(study)
    failures = []
    with progress.task("searches", total=len(waiting), unit="samples") as bar:
        for found in stream_jobs(_search_all, waiting, n_jobs=config.n_jobs, threads=1):
            for failure in found:
                log.error("%s failed: %s", failure.path, failure.reason)
            failures += found
            bar.update()
    asked = [(p, v, search_of(p, v, former)) for p in places for v in study.variants]
    rows = [Row(found, p.digest(v)) for p, v, found in asked if found is not None]
    ceilings = {}
    for signal in dict.fromkeys(row.experiment.signal for row in rows):
        try:
            ceilings[signal] = _ceiling(config, signal)
        except AnodeError as error:
            failures.append(_Failure(config.runs / signal / "ceiling", str(error)))
    if rows:
        write(study, rows, ceilings)
    if failures:
        listed = "".join(f"\n  {failure.path}: {failure.reason}" for failure in failures)
        raise RunDirectoryError(
            f"{len(failures)} search(es) failed and are missing; mend the cause and give the same "
            f"command again:{listed}"
        )


def _missing(places: list[Place], former: Former) -> list[_Job]:
    """What is not done.

    Raises:
        RunDirectoryError: a search was made with other settings, or of other events.
    """
    jobs = []
    for place in places:
        missing = [v for v in place.study.variants if search_of(place, v, former) is None]
        if missing:
            jobs.append(_Job(place, tuple(missing)))
    return jobs


def _check_files(study: ReachStudy) -> None:
    """Refuse files that are not there."""
    named = {"study.background": study.background}
    named |= {f"study.signals.{name}.path": own.path for name, own in study.signals.items()}
    for key, path in named.items():
        if path is not None and not Path(path).is_file():
            raise DataError(
                f"{key} must be a file of events, but there is no {path}; make it (the zoo of "
                "signals: anode generate process=zoo data.folder=generated/zoo), or name another"
            )


def _check(place: Place) -> None:
    """Compose one search of every variant.

    Raises:
        ConfigError: an override is wrong; the message names the variant.
    """
    for variant in place.study.variants:
        try:
            _config(place, variant, Sample(Path("unread.h5"), 1, 1, 1, 1.0))
        except AnodeError as error:
            raise ConfigError(f"study, variant {variant}: {error}") from None


def _config(place: Place, variant: str, sample: Sample) -> SearchConfig:
    """The search of one variant, whose one window is that of the signal."""
    window, study = place.window, place.study
    overrides = [
        "extras=false",
        "n_toys=1000",
        *study.common,
        *study.variants[variant],
        "data=bundled",
        f"data.path={as_word(sample.path)}",
        f"injection.n_signal={sample.injected(place.strength)}",
        f"scan.start={window.low}",
        f"scan.stop={window.high}",
        f"scan.width={window.high - window.low}",
        f"overdispersion.path={as_word(place.overdispersion(variant))}",
        f"seed={place.seed}",
        "n_jobs=1",
        f"run_dir={as_word(place.folder(variant))}",
    ]
    return search_from_mapping(resolve(compose("search", overrides)))


def _search_all(job: _Job) -> list[_Failure]:
    """Search one sample with every variant that is missing."""
    failures = []
    place, variants = job
    try:
        sample = place.sample()
    except AnodeError as error:
        return [_Failure(place.result(v), str(error)) for v in variants]
    for variant in variants:
        said = text_io.StringIO()
        try:
            # Tables and bars of a search, and what it says of a sample once more.
            with contextlib.redirect_stdout(text_io.StringIO()), contextlib.redirect_stderr(said):
                _search(place, variant, sample)
        except AnodeError as error:
            log.warning("%s", said.getvalue())
            failures.append(_Failure(place.result(variant), str(error)))
    return failures


def _search(place: Place, variant: str, sample: Sample) -> None:
    """Search, keep the numbers, and remove the fits unless they are wanted."""
    config = _config(place, variant, sample)
    data = sample_of(config, labelled=True).data
    inside = place.window.contains(data.mass)
    if data.label is None:
        raise RunDirectoryError(f"{sample.path} must have labels, to count what is injected")
    find(config)
    directory = SearchDirectory(place.folder(variant))
    result = directory.read_result()
    inclusive = [row for row in result.at(1.0) if row.tested]
    if not inclusive:
        raise DataError(
            f"study.signals.{place.signal}: the fitted spectrum must reach beyond both sides of a "
            f"window, but {place.window} GeV cannot be tested in this sample; anode search "
            "propose=true says where a scan may be"
        )
    row = Experiment(
        signal=place.signal,
        strength=place.strength,
        variant=variant,
        seed=place.seed,
        n_injected=int((data.label == 1).sum()),
        n_signal=int((inside & (data.label == 1)).sum()),
        n_background=int((inside & (data.label == 0)).sum()),
        z_inclusive=inclusive[0].z_local,
        z_local=None if result.best is None else result.best.z_test,
        cpu_seconds=_cpu_seconds(directory),
    )
    content = {"digest": place.digest(variant), **plain(row)}
    io.write_json(place.result(variant), content, sealed=True)
    if not place.study.keep:
        shutil.rmtree(place.folder(variant))


def _cpu_seconds(directory: SearchDirectory) -> float:
    """Of the window alone: what is shared by all searches is not counted in each."""
    (window,) = (directory.path / "windows").iterdir()
    return round(sum(RunDirectory(window).read_manifest().cpu_seconds.values()), 1)


def _ceiling(config: ReachConfig, signal: str) -> dict[float, float] | None:
    """Background efficiency -> signal efficiency of a supervised score; None if it is not asked.

    Half of a sample with all strengths' signal is fitted, the other half judged.
    """
    study = config.study
    if study.ceiling is None:
        return None
    path = sample_path(study, signal, CEILING_SEED)
    sample = make_sample(path, recipe_of(study, signal, None, CEILING_SEED))
    window, folder = study.signals[signal].window, config.runs / signal / "ceiling"
    overrides = [
        "method=supervised",
        *study.ceiling,
        "data=bundled",
        f"data.path={as_word(sample.path)}",
        f"injection.n_signal={sample.n_signal // 2}",
        f"injection.n_background={sample.n_background // 2}",
        f"regions.signal={window}",
        f"seed={study.seeds[0]}",
        f"n_jobs={config.n_jobs}",
        "figures=false",
    ]
    with contextlib.redirect_stdout(text_io.StringIO()):
        stages.run(compose_run(overrides, folder))
    with io.open_hdf5(RunDirectory(folder).curves) as file:
        curve = curve_from_datasets({name: file[name][:] for name in file})
    passing = np.interp(CUTS, curve.fpr, curve.tpr)
    return dict(zip(CUTS, passing.tolist(), strict=True))
