"""Which command makes every number we quote? Studies: variants of a run over the same seeds."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode.errors import ConfigError
from anode.pipeline import compare, rescore, stages
from anode.pipeline.config import RunConfig, build, compose_run, resolve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """Runs that are compared with each other.

    Attributes:
        seeds: one data sample each.
        common: overrides of every run.
        variants: name -> overrides.
        ensembles: "variant mode size": that variant's fits, averaged otherwise.
    """

    seeds: list[int]
    common: list[str]
    variants: dict[str, list[str]]
    ensembles: list[str]


@dataclass(frozen=True)
class ReproduceConfig:
    """Keys of ``configs/reproduce.yaml``."""

    runs: str
    output: str
    n_jobs: int
    only: list[str] | None
    studies: dict[str, Study]


def parse_reproduce(raw: DictConfig) -> ReproduceConfig:
    """Check Hydra's configuration of the studies.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    content = resolve(raw)
    config = build(ReproduceConfig, content, "")
    unknown = set(config.only or ()) - set(config.studies)
    if unknown:
        raise ConfigError(
            f"only must name studies out of {', '.join(config.studies)}, got {sorted(unknown)}"
        )
    for name, study in config.studies.items():
        for ensemble in study.ensembles:
            variant, _, _ = _ensemble(ensemble)
            if variant not in study.variants:
                raise ConfigError(f"studies.{name}.ensembles: no variant {variant!r}")
    return config


def reproduce(config: ReproduceConfig) -> None:
    """Run every variant with every seed, then compare: one folder of results a study."""
    for name, study in config.studies.items():
        if config.only is not None and name not in config.only:
            continue
        home = Path(config.runs) / name
        for seed in study.seeds:
            for variant in study.variants:
                run_dir = home / _folder(variant) / f"seed={seed}"
                log.info("%s", run_dir)
                stages.run(_run_config(config, study, variant, seed, run_dir))
            for ensemble in study.ensembles:
                _other_ensemble(config, home, ensemble, seed)
        folders = [_folder(variant) for variant in study.variants]
        folders += [_folder(*_ensemble(ensemble)) for ensemble in study.ensembles]
        groups = {folder: compare.find_runs([f"{home}/{folder}/*"]) for folder in folders}
        compare.write_comparison(groups, Path(config.output) / name)


def _run_config(
    config: ReproduceConfig, study: Study, variant: str, seed: int, run_dir: Path
) -> RunConfig:
    overrides = [*study.common, *study.variants[variant], f"seed={seed}"]
    return compose_run([*overrides, f"n_jobs={config.n_jobs}"], run_dir)


def _other_ensemble(config: ReproduceConfig, home: Path, ensemble: str, seed: int) -> None:
    variant, mode, size = _ensemble(ensemble)
    output = home / _folder(variant, mode, size) / f"seed={seed}"
    if (output / "metrics.json").is_file():
        return
    log.info("%s", output)
    rescore.score(
        rescore.ScoreConfig(
            run_dir=str(home / _folder(variant) / f"seed={seed}"),
            output=str(output),
            n_jobs=config.n_jobs,
            threads=1,
            ensemble=rescore.OtherEnsemble(mode, size),
            data=None,
        )
    )


def _ensemble(text: str) -> tuple[str, str, int]:
    try:
        variant, mode, size = text.split()
        return variant, mode, int(size)
    except ValueError:
        raise ConfigError(f"an ensemble must be 'variant mode size', got {text!r}") from None


def _folder(variant: str, mode: str | None = None, size: int | None = None) -> str:
    return variant if mode is None else f"{variant}-{mode}-{size}"
