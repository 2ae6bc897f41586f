"""Reach and coverage: every search of a study, then tables and figures."""

import contextlib
import io as text_io
import json
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
from anode.evaluation.reach import Experiment, ReachTable
from anode.parallel import stream_jobs
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, search_from_mapping
from anode.pipeline.search.search import find, sample_of
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.studies.reach.config import ReachConfig, ReachStudy
from anode.pipeline.studies.reach.samples import BUNDLED, FOLDER, Recipe, Sample, make_sample
from anode.pipeline.studies.reach.write import write
from anode.records import plain
from anode.regions.windows import Window

log = logging.getLogger(__name__)

CUTS = (1.0, 0.1, 0.01, 0.001)
"""Background efficiencies between which the ceiling is counted, those of a search."""

CEILING_SEED = 0
"""Root seed of the samples of the ceiling, apart from those of experiments."""


class _Place(NamedTuple):
    """One sample at one strength, searched by every variant."""

    study: ReachStudy
    signal: str
    strength: float
    seed: int

    @property
    def window(self) -> Window:
        return Window(*self.study.signals[self.signal].window)

    def folder(self, variant: str) -> Path:
        """Folder of a search, and with .json its result."""
        home = Path(self.study.runs) / self.signal / f"{self.strength:g}" / variant
        return home / f"seed={self.seed}"

    def result(self, variant: str) -> Path:
        return self.folder(variant).with_suffix(".json")

    @property
    def recipe(self) -> Recipe:
        return _recipe(self.study, self.signal, self.study.strengths[-1], self.seed)

    def digest(self, variant: str) -> str:
        """Hash of all that decides a search: its overrides, and the events of the sample."""
        own = [*self.study.common, *self.study.variants[variant]]
        return io.sha256_text(json.dumps([own, self.recipe.digest()]))

    def sample(self) -> Sample:
        """The sample of the seed, which all strengths share."""
        return make_sample(_sample_path(self.study, self.signal, self.seed), self.recipe)


class _Failure(NamedTuple):
    """A search that could not be made, and why."""

    path: Path
    reason: str


def reach(config: ReachConfig) -> None:
    """Make the samples and searches that are missing; write tables and figures of all.

    Raises:
        ConfigError: an override is wrong; said before any work begins.
        DataError: a file of events is not there; said before any work begins.
        RunDirectoryError: searches failed; raised when the others are written.
    """
    study = config.study
    places = [
        _Place(study, signal, strength, seed)
        for seed in study.seeds
        for signal in study.signals
        for strength in study.strengths
    ]
    _check_files(study)
    _check(places[0])
    _finished(places)  # or it says which was made with other settings
    failures = []
    waiting = [p for p in places if not all(p.result(v).is_file() for v in study.variants)]
    with progress.task("searches", total=len(waiting), unit="samples") as bar:
        for found in stream_jobs(_search_all, waiting, n_jobs=config.n_jobs, threads=1):
            for failure in found:
                log.error("%s failed: %s", failure.path, failure.reason)
            failures += found
            bar.update()
    rows = _finished(places)
    ceilings = {}
    for signal in dict.fromkeys(row.signal for row in rows):
        try:
            ceilings[signal] = _ceiling(config, signal)
        except AnodeError as error:
            failures.append(_Failure(config.runs / signal / "ceiling", str(error)))
    if rows:
        write(study, ReachTable(tuple(rows), study.n_windows), ceilings)
    if failures:
        listed = "".join(f"\n  {failure.path}: {failure.reason}" for failure in failures)
        raise RunDirectoryError(
            f"{len(failures)} search(es) failed and are missing; mend the cause and give the same "
            f"command again:{listed}"
        )


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


def _check(place: _Place) -> None:
    """Compose one search of every variant.

    Raises:
        ConfigError: an override is wrong; the message names the variant.
    """
    for variant in place.study.variants:
        try:
            _config(place, variant, Sample(Path("unread.h5"), 1, 1, 1, 1.0))
        except AnodeError as error:
            raise ConfigError(f"study, variant {variant}: {error}") from None


def _sample_path(study: ReachStudy, signal: str, seed: int) -> Path:
    return Path(study.runs) / FOLDER / signal / f"seed={seed}.h5"


def _recipe(study: ReachStudy, signal: str, strength: float | None, seed: int) -> Recipe:
    own = study.signals[signal]
    background = Path(study.background) if study.background else BUNDLED
    path = Path(own.path) if own.path else BUNDLED
    return Recipe(background, path, Window(*own.window), study.n_background, strength, seed)


def _config(place: _Place, variant: str, sample: Sample) -> SearchConfig:
    """The search of one variant, whose one window is that of the signal."""
    window, study = place.window, place.study
    dispersion = Path(study.runs) / "overdispersion" / f"{variant}.json"
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
        f"overdispersion.path={as_word(dispersion)}",
        f"seed={place.seed}",
        "n_jobs=1",
        f"run_dir={as_word(place.folder(variant))}",
    ]
    return search_from_mapping(resolve(compose("search", overrides)))


def _search_all(place: _Place) -> list[_Failure]:
    """Search one sample with every variant, as far as it is not done."""
    failures = []
    try:
        sample = place.sample()
    except AnodeError as error:
        return [_Failure(place.result(v), str(error)) for v in place.study.variants]
    for variant in place.study.variants:
        if place.result(variant).is_file():
            continue
        said = text_io.StringIO()
        try:
            # Tables and bars of a search, and what it says of a sample once more.
            with contextlib.redirect_stdout(text_io.StringIO()), contextlib.redirect_stderr(said):
                _search(place, variant, sample)
        except AnodeError as error:
            log.warning("%s", said.getvalue())
            failures.append(_Failure(place.result(variant), str(error)))
    return failures


def _search(place: _Place, variant: str, sample: Sample) -> None:
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


def _finished(places: list[_Place]) -> list[Experiment]:
    """The searches that are done, in the order of the study."""
    return [_read(p, v) for p in places for v in p.study.variants if p.result(v).is_file()]


def _read(place: _Place, variant: str) -> Experiment:
    """A finished search.

    Raises:
        RunDirectoryError: it was made with other settings, or of other events.
    """
    path = place.result(variant)
    content = io.read_json(path, remedy="delete it, and give the same command again")
    if content.pop("digest") != place.digest(variant):
        raise RunDirectoryError(
            f"{path} must be of the settings and events of this study, but is of others; give "
            "another runs=[DIR], or delete it"
        )
    return Experiment.from_json(content, path)


def _ceiling(config: ReachConfig, signal: str) -> dict[float, float] | None:
    """Background efficiency -> signal efficiency of a supervised score; None if it is not asked.

    Half of a sample with all strengths' signal is fitted, the other half judged.
    """
    study = config.study
    if study.ceiling is None:
        return None
    path = _sample_path(study, signal, CEILING_SEED)
    sample = make_sample(path, _recipe(study, signal, None, CEILING_SEED))
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
