"""The searches of a calibration: their samples, settings and folders; made where missing."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from anode import io, progress
from anode.configuration.builder import resolve
from anode.configuration.command import quiet
from anode.configuration.composition import compose
from anode.density.ensemble import EnsembleConfig
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.events.writers.column_files import data_settings, write_events
from anode.parallel import stream_jobs
from anode.pipeline.calibration.config import CalibrateConfig
from anode.pipeline.calibration.pseudo_events import (
    Shift,
    load_truth,
    make_truth,
    read_truth,
)
from anode.pipeline.calibration.random_scores import RandomScores, known_spread
from anode.pipeline.search.config import SearchConfig, search_from_mapping, window_dir
from anode.pipeline.search.search import find, sample_of
from anode.pipeline.search.search_directory import SearchDirectory, is_concluded
from anode.regions.windows import Window
from anode.seeding import stream, stream_seed
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.scan.search_result import SearchResult

EVENTS = "events.h5"


class Sample(NamedTuple):
    """A pseudo-experiment, by the numbers that it is drawn with.

    Attributes:
        truth: folder of the truth.
        ensemble: choice of the epochs of its density.
        n_background: mean number of background events.
        shift: scaling of the masses of the injected signal; None for none.
    """

    truth: Path
    ensemble: EnsembleConfig
    n_background: float
    shift: Shift | None

    def events(self, n_signal: int, seed: int) -> EventTable:
        """Labelled events; those of other seeds, and of other numbers of signal, share none but
        signal events, of which there are so many."""
        n = int(stream(seed, "experiment", n_signal).poisson(self.n_background))
        own = stream_seed(seed, "experiment", n_signal, "events")
        source = load_truth(self.truth, self.ensemble)
        return source.experiment(n, n_signal, own, shift=self.shift)


class Experiment(NamedTuple):
    """One search of a calibration.

    Attributes:
        n_signal: number of signal events put in.
        seed: seed of the sample and of the search.
        config: configuration of the search.
        sample: what its events are drawn from; None for those of the configured file.
        spread: of the counts of random scores in place of the method's; None for the method.
    """

    n_signal: int
    seed: int
    config: SearchConfig
    sample: Sample | None
    spread: float | None

    @property
    def directory(self) -> SearchDirectory:
        return SearchDirectory(self.config.run.run_dir)

    def result(self) -> SearchResult:
        """What the search has found.

        Raises:
            DataError: it has not ended, or its file is broken.
        """
        return self.directory.read_result()

    def labelled(self) -> EventTable:
        """The events that were searched, with the labels that no search has read."""
        if self.sample is not None:
            return self.sample.events(self.n_signal, self.seed)
        with quiet():
            return sample_of(self.config, labelled=True).data


class Campaign(NamedTuple):
    """All searches of a calibration.

    Attributes:
        experiments: searches, of every injection and seed.
        base: configuration that they share.
        n_background: mean number of background events of a sample.
    """

    experiments: list[Experiment]
    base: SearchConfig
    n_background: float | None


def campaign_of(config: CalibrateConfig) -> Campaign:
    """The searches of a calibration, none of which is made yet; the truth of pseudo-experiments
    is, where it is missing.

    Raises:
        ConfigError, DataError: settings are impossible, or no truth can be made of the file.
    """
    content = _content(config.overrides)
    base = search_from_mapping({**content, "run_dir": config.runs})
    _check(config, base)
    sample = _sample(config, content) if config.source == "pseudo" else None
    spread = config.random_score
    key = [config.source, config.n_events, config.shift_signal, spread, base.identity]
    folder = Path(config.runs) / _hash([*key, str(sample and sample.truth.name)])
    settings = _settings(content, config.n_events, sample)
    if spread is not None:
        settings = _known(settings, known_spread(base, spread), folder / "overdispersion.json")
    experiments: list[Experiment] = []
    for n_signal in config.injections:
        for seed in range(1, config.n_experiments + 1):
            run_dir = folder / f"signal={n_signal}" / f"seed={seed}"
            search = _search_config(settings, run_dir, n_signal, seed, sample)
            experiments.append(Experiment(n_signal, seed, search, sample, spread))
            if len(experiments) == 1:
                settings = _measured(settings, experiments[0])
    n_background = config.n_events if sample is None else sample.n_background
    return Campaign(experiments, base, n_background)


def make_searches(experiments: Sequence[Experiment], *, n_jobs: int) -> None:
    """Make the searches that are missing, a process each; the first one measures the
    over-dispersion of all."""
    with progress.task("searches", total=len(experiments), unit="searches") as bar:
        for part in (experiments[:1], experiments[1:]):
            for _ in stream_jobs(_search, part, n_jobs=n_jobs, threads=1):
                bar.update()


def _search(experiment: Experiment) -> None:
    """One search, in silence; its fits and pseudo-events are deleted when it has ended, for
    room."""
    config, directory = experiment.config, experiment.directory
    events = directory.path / EVENTS
    if not is_concluded(config, directory):
        if experiment.sample is not None:
            write_events(events, experiment.labelled().without_label())
        spread = experiment.spread
        with quiet():
            find(config, method_for=None if spread is None else RandomScores(spread))
    events.unlink(missing_ok=True)
    for window in config.scan.windows:
        checkpoints = SearchDirectory(window_dir(directory.path, window)).checkpoints
        shutil.rmtree(checkpoints, ignore_errors=True)


def _sample(config: CalibrateConfig, searches: dict[str, Any]) -> Sample:
    """The truth of the configured file, with the density and recipe of ``truth``."""
    of_truth = _content(config.truth)
    own = {group: of_truth[group] for group in ("density", "trainer", "ensemble", "store")}
    content = {**searches, **own, "n_jobs": config.n_jobs, "run_dir": config.runs}
    search = search_from_mapping(content)
    with quiet():
        folder = make_truth(search, Path(config.runs) / "truth")
    n_background = config.n_events or read_truth(folder).n_events
    return Sample(folder, search.run.ensemble, n_background, config.shift)


def _settings(
    content: dict[str, Any], n_background: int | None, sample: Sample | None
) -> dict[str, Any]:
    """Settings that all searches share, but for seed, folder and number of signal events."""
    own: dict[str, Any] = {"n_jobs": 1, "extras": False}
    if sample is None:
        own["injection"] = {"n_signal": None, "n_background": n_background}
        return {**content, **own}
    truth = read_truth(sample.truth)
    own["injection"] = {"n_signal": None, "n_background": None}
    if content["spectrum"]["low"] is None:  # there is no turn-on
        own["spectrum"] = {**content["spectrum"], "low": truth.low}
    return {
        **content,
        **own,
        "data": data_settings("unused", truth.names, labelled=False, max_copies=0.0),
    }


def _search_config(
    settings: dict[str, Any], run_dir: Path, n_signal: int, seed: int, sample: Sample | None
) -> SearchConfig:
    own: dict[str, Any] = {"run_dir": str(run_dir), "seed": seed}
    if sample is None:
        own["injection"] = {**settings["injection"], "n_signal": n_signal}
    else:
        own["data"] = {**settings["data"], "path": str(run_dir / EVENTS)}
    return search_from_mapping({**settings, **own})


def _measured(settings: dict[str, Any], first: Experiment) -> dict[str, Any]:
    """The same with the over-dispersion that the first search measures, if it does."""
    wanted = first.config.overdispersion
    if wanted.n_experiments == 0 or wanted.path is not None:
        return settings
    path = str(first.directory.overdispersion)
    return {**settings, "overdispersion": {**settings["overdispersion"], "path": path}}


def _known(settings: dict[str, Any], known: Overdispersion, path: Path) -> dict[str, Any]:
    """The same with an over-dispersion that is known, in a file."""
    io.write_json(path, known.to_json())
    return {**settings, "overdispersion": {**settings["overdispersion"], "path": str(path)}}


def _content(overrides: list[str]) -> dict[str, Any]:
    return resolve(compose("search", [*overrides, "run_dir=replaced"]))


def _hash(content: object) -> str:
    return io.sha256_text(json.dumps(content, sort_keys=True))[:12]


def _check(config: CalibrateConfig, base: SearchConfig) -> None:
    """Refuse what would be searched, or looked at, in vain."""
    if base.scan.start is None:
        raise ConfigError(
            "the searches of a calibration have windows in common: overrides need scan.start, in "
            "GeV, got null"
        )
    window = Window(*config.window)
    if any(config.injections) and window not in base.scan.windows:
        raise ConfigError(
            f"injected signal is looked for in one window of the scan, got window={window} GeV; "
            "choose scan.start, scan.width and scan.step so that it is one"
        )
    if base.run.injection.n_background is not None:
        raise ConfigError(
            "the number of background events of a sample is n_events, got overrides with "
            f"injection.n_background={base.run.injection.n_background}; set n_events instead"
        )
