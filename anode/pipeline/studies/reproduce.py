"""Reproduction of every number we quote: all studies, the search and its calibrations in turn."""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode.configuration.builder import CONFIG_DIR, build, resolve
from anode.configuration.composition import compose
from anode.errors import ConfigError
from anode.pipeline.calibration.acceptance import acceptance, parse_acceptance
from anode.pipeline.calibration.calibrate import calibrate
from anode.pipeline.calibration.config import CalibrateConfig, parse_calibrate
from anode.pipeline.search import report, search
from anode.pipeline.search.config import search_from_mapping
from anode.pipeline.studies import compare, study
from anode.pipeline.studies.reach.config import ReachConfig, reach_from
from anode.pipeline.studies.reach.study import reach
from anode.pipeline.studies.settings import Study

log = logging.getLogger(__name__)

SEARCHES = {"search": "bundled", "blind_background": "", "blind_signal": ""}
"""Experiment -> name of the results, if another."""
OF_SEARCHES = ("coverage", "coverage_many", "reach", "reach_many")
"""Studies of searches; all others are of runs."""
NEEDS = {
    "coverage": "generated/zoo/wprime_500_100.h5",
    "many_features": "generated/many_zoo/features_ttbar.h5",
    "reach_many": "generated/many/background.h5",
    "coverage_many": "generated/many_zoo/features_hh.h5",
    "blind_background": "generated/blind_4004.h5",
    "blind_signal": "generated/blind_4004.h5",
    "assistant_run": "generated/with_particles_8.h5",
    "regularisation_134": "generated/with_particles_8.h5",
    "representations": "generated/with_particles_8.h5",
}
"""Study or search -> file of events that does not come along; its configuration says how it is
made, in hours."""
ACCEPTANCE = "acceptance"
CALIBRATION = "results/reference/search/calibration/anode_no_signal/calibration.json"


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
    config = build(ReproduceConfig, resolve(raw))
    known = _everything()
    if unknown := set(config.only or ()) - set(known):
        raise ConfigError(f"only must name some of {', '.join(known)}, got {sorted(unknown)}")
    return config


def reproduce(config: ReproduceConfig) -> None:
    """Make what is missing of every study, the search and its calibrations; tables and figures.

    Raises:
        ConfigError: a study is wrong; nothing is made then.
        RunDirectoryError: runs failed; raised when all else is done.
    """
    names = _with_events(_everything() if config.only is None else config.only)
    studies = {name: read_study(name) for name in names if name in study_names()}
    calibrations = [read_calibration(name) for name in names if name in calibration_names()]
    for asked in studies.values():
        study.check(asked)
    reaches = [read_reach(name, config.n_jobs) for name in names if name in OF_SEARCHES]
    failures = []
    for name, asked in studies.items():
        log.info("study %s", name)
        failures += compare.compare_study(asked, n_jobs=config.n_jobs)
    for searches in reaches:
        reach(searches)
    for calibration in calibrations:
        calibrate(dataclasses.replace(calibration, n_jobs=config.n_jobs))
    for experiment in SEARCHES:
        if experiment in names:
            _search(experiment, config.n_jobs)
    if ACCEPTANCE in names:
        table = parse_acceptance(compose("acceptance", []))
        acceptance(dataclasses.replace(table, n_jobs=config.n_jobs))
    study.raise_failures(failures)


def _with_events(names: Sequence[str]) -> list[str]:
    """The names whose events are there; says which are left out, and what would make them."""
    found = []
    for name in names:
        if name in NEEDS and not Path(NEEDS[name]).is_file():
            is_study = name in (*study_names(), *OF_SEARCHES)
            folder = "study" if is_study else "experiment"
            log.warning(
                "%s is left out: there is no %s; configs/%s/%s.yaml has the command that makes it",
                name, NEEDS[name], folder, name,
            )  # fmt: skip
        else:
            found.append(name)
    return found


def _everything() -> list[str]:
    """All that can be made, in the order in which it is."""
    return [*study_names(), *OF_SEARCHES, *calibration_names(), *SEARCHES, ACCEPTANCE]


def _search(experiment: str, n_jobs: int) -> None:
    """A search and its report."""
    name = SEARCHES[experiment] or experiment
    run_dir, output = f"results/search/{name}", f"results/reference/search/{name}"
    own = [f"experiment={experiment}", f"n_jobs={n_jobs}", f"run_dir={run_dir}"]
    raw = compose("search", own)
    search.find(search_from_mapping(resolve(raw)))
    known = CALIBRATION if Path(CALIBRATION).is_file() else None
    report.report(report.ReportConfig(run_dir, output, known))


def calibration_names() -> list[str]:
    """``calibration_NAME`` for the files of ``configs/calibration``."""
    return sorted(f"calibration_{p.stem}" for p in (CONFIG_DIR / "calibration").glob("*.yaml"))


def read_calibration(name: str) -> CalibrateConfig:
    """A calibration as ``anode calibrate`` gets it."""
    chosen = name.removeprefix("calibration_")
    return parse_calibrate(compose("calibrate", [f"calibration={chosen}"]))


def study_names() -> list[str]:
    """The files of ``configs/study`` that are of runs."""
    names = {path.stem for path in (CONFIG_DIR / "study").glob("*.yaml")}
    return sorted(names - {*OF_SEARCHES})


def read_reach(name: str, n_jobs: int) -> ReachConfig:
    """A study of searches as ``anode compare study=NAME`` gets it."""
    return reach_from(resolve(compose("compare", [f"study={name}", f"n_jobs={n_jobs}"])))


def read_study(name: str) -> Study:
    """A study as ``anode compare study=NAME`` gets it."""
    return build(Study, resolve(compose("compare", [f"study={name}"]))["study"], "study")
