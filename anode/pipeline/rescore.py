"""How does a finished fit score other events, or the same events with another epoch ensemble?"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode.errors import ConfigError
from anode.pipeline import stages, stream
from anode.pipeline.artifacts import RunDirectory
from anode.pipeline.config import InjectionConfig, RunConfig, build, load_run, resolve
from anode.pipeline.data_config import BlackboxConfig, DataConfig
from anode.pipeline.score_scan import is_scan, score_scan


@dataclass(frozen=True)
class OtherEnsemble:
    """As ``EnsembleConfig``; null is as the run has it."""

    mode: str | None
    size: int | None


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
    return build(ScoreConfig, {"data": None, **resolve(raw)}, "")


def score(asked: ScoreConfig) -> None:
    """Score the run's own events (again), or those of another file; or a file by a scan.

    Raises:
        ConfigError: something else than the run's own scores is asked for without ``output``, or
            of a scan something else than scores of a file.
    """
    if is_scan(asked.run_dir):
        _score_by_scan(asked)
        return
    directory = RunDirectory(asked.run_dir)
    own = load_run(directory.config)
    ensemble = dataclasses.replace(
        own.ensemble,
        mode=asked.ensemble.mode or own.ensemble.mode,
        size=asked.ensemble.size or own.ensemble.size,
    )
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
        stream.score_file(config, directory, Path(asked.output))
    else:
        score_ensemble(config, directory, Path(asked.output))


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
    if isinstance(data, BlackboxConfig) and data.key is not None:
        raise ConfigError(
            "data.key is for judging, which score.py does not do for other data; leave it out"
        )
    if data.extra:
        raise ConfigError("data.extra serves a run's test; to score a file give it as data.path")
    return data


def score_ensemble(config: RunConfig, directory: RunDirectory, output: Path) -> None:
    """A run directory with another ensemble of the same fits, scored and judged.

    Its checkpoints are a link to those of the run; nothing is fitted.

    Raises:
        ConfigError: the ensemble asks for epochs that the run did not keep.
    """
    if config.ensemble.size > config.trainer.keep:
        raise ConfigError(
            f"ensemble.size={config.ensemble.size} asks for more epochs than the "
            f"{config.trainer.keep} that the run kept (trainer.keep)"
        )
    output.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(config, run_dir=str(output))
    other = RunDirectory(output)
    other.claim(config)
    if not other.checkpoints.exists():
        target = os.path.relpath(directory.checkpoints.resolve(), output.resolve())
        other.checkpoints.symlink_to(target, target_is_directory=True)
    stages.score(config)
    stages.evaluate(config)
