"""Which command makes every number we quote? All studies, one after the other."""

import logging
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from anode.errors import ConfigError
from anode.pipeline import compare, study
from anode.pipeline.config import CONFIG_DIR, build, resolve
from anode.pipeline.study import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReproduceConfig:
    """Keys of ``configs/reproduce.yaml``."""

    n_jobs: int
    only: list[str] | None


def parse_reproduce(raw: DictConfig) -> ReproduceConfig:
    """Check Hydra's configuration of what to make again.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    config = build(ReproduceConfig, resolve(raw), "")
    known = study_names()
    if unknown := set(config.only or ()) - set(known):
        raise ConfigError(
            f"only must name studies out of {', '.join(known)}, got {sorted(unknown)}"
        )
    return config


def reproduce(config: ReproduceConfig) -> None:
    """Make the missing runs of every study, then its tables and figures.

    Raises:
        ConfigError: a study is wrong; nothing is made then.
        RunDirectoryError: runs failed; raised when all else is done.
    """
    names = study_names() if config.only is None else config.only
    studies = {name: read_study(name) for name in names}
    for asked in studies.values():
        study.check(asked)
    failures = []
    for name, asked in studies.items():
        log.info("study %s", name)
        failures += compare.compare_study(asked, n_jobs=config.n_jobs)
    study.complain(failures)


def study_names() -> list[str]:
    """The files of ``configs/study``."""
    return sorted(path.stem for path in (CONFIG_DIR / "study").glob("*.yaml"))


def read_study(name: str) -> Study:
    """A study as ``compare.py study=NAME`` gets it."""
    GlobalHydra.instance().clear()  # the one of the calling command's own configuration
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        raw = compose("compare", [f"study={name}"])
    return build(Study, resolve(raw)["study"], "study")
