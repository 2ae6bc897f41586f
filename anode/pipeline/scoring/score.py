"""Scores of other events by a finished fit, or of the same by another epoch ensemble."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode import progress
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.pipeline.datasets.config import RUN_KEYS, DataConfig
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import CHOICES, load_run
from anode.pipeline.runs.other_ensemble import OtherEnsemble, score_ensemble
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring import blocks
from anode.pipeline.scoring.by_window import is_scan, score_scan
from anode.pipeline.scoring.csv_output import is_csv, write_csv
from anode.regions.injection import InjectionConfig


@dataclass(frozen=True)
class ScoreConfig:
    """Keys of ``configs/score.yaml``."""

    run_dir: str
    output: str | None
    n_jobs: int
    threads: int
    ensemble: OtherEnsemble
    data: DataConfig | None
    figures: bool = True


def parse_score(raw: DictConfig) -> ScoreConfig:
    """Check Hydra's configuration of a scoring.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    content = {key: value for key, value in resolve(raw).items() if key not in RUN_KEYS}
    return build(ScoreConfig, {"data": None, **content}, choices=CHOICES)


def score(asked: ScoreConfig) -> None:
    """Score the run's own events (again), or those of another file; or a file by a scan; an output
    that ends in ``.csv`` has the events' columns beside their scores.

    Raises:
        ConfigError: something else than the run's own scores is asked for without ``output``, or
            of a scan something else than scores of a file.
    """
    if is_csv(asked.output):
        _score_to_csv(asked)
        return
    if is_scan(asked.run_dir):
        _score_by_scan(asked)
        return
    directory = RunDirectory(asked.run_dir)
    own = load_run(directory.config)
    ensemble = asked.ensemble.of(own.ensemble)
    config = dataclasses.replace(
        own,
        run_dir=asked.run_dir,
        n_jobs=asked.n_jobs,
        threads=asked.threads,
        ensemble=ensemble,
        figures=asked.figures,
    )
    if asked.data is None and ensemble == own.ensemble:
        stages.score(config)
        return
    if asked.output is None:
        raise ConfigError("other data or another ensemble needs output=PATH for its scores")
    if asked.data is not None:
        config = dataclasses.replace(
            config, data=_to_score(asked.data), injection=InjectionConfig(None, None)
        )
        blocks.score_file(config, directory, Path(asked.output))
    else:
        score_ensemble(config, directory, Path(asked.output))


def _score_to_csv(asked: ScoreConfig) -> None:
    directory = Path(asked.run_dir)
    if asked.ensemble != OtherEnsemble(None, None):
        raise ConfigError("output=FILE.csv is by the run's own ensemble; leave out ensemble")
    if asked.data is None and is_scan(directory):
        raise ConfigError(f"{directory} is a scan: give data=..., data.path=FILE with the CSV")
    data = asked.data or load_run(RunDirectory(directory).config).data
    if asked.data is not None:
        data = _to_score(data)
    summary = write_csv(directory, data, Path(str(asked.output)), threads=asked.threads)
    with progress.above_the_bar():
        print(summary.text())
        print(f"results: {asked.output}")


def _score_by_scan(asked: ScoreConfig) -> None:
    if asked.data is None or asked.output is None:
        raise ConfigError(
            f"{asked.run_dir} is a scan: to score a file by it give data=..., data.path=FILE and "
            "output=PATH; its own events have their scores in its windows"
        )
    if asked.ensemble != OtherEnsemble(None, None):
        raise ConfigError(
            "the thresholds of a scan belong to its own ensemble; leave out ensemble.mode and "
            "ensemble.size"
        )
    score_scan(
        Path(asked.run_dir),
        _to_score(asked.data),
        Path(asked.output),
        n_jobs=asked.n_jobs,
        threads=asked.threads,
    )


def _to_score(data: DataConfig) -> DataConfig:
    """The data, without keys that scoring has no use for."""
    if data.key_file is not None:
        raise ConfigError(
            "data.key is for judging, which anode score does not do for other data; leave it out"
        )
    if data.extra:
        raise ConfigError("data.extra serves a run's test; to score a file give it as data.path")
    return data
