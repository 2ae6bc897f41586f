"""Comparison of runs: those of a study, or those that lie in some folders."""

import dataclasses
import glob
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode import io
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.evaluation.comparison import Comparison, FinishedRun, Places
from anode.evaluation.curves import curve_from_datasets
from anode.pipeline.runs.config import load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.studies.reach.config import KIND, ReachConfig, reach_from
from anode.pipeline.studies.reach.samples import Recipe, make_sample
from anode.pipeline.studies.reach.study import reach
from anode.pipeline.studies.settings import Study, check_figures
from anode.pipeline.studies.study import Failure, check, make, raise_failures, study_runs
from anode.records import Json
from anode.regions.windows import Window
from anode.reporting.common.style import save_figure
from anode.reporting.common.tables import comparison_table
from anode.reporting.study.all_figures import study_figures
from anode.reporting.study.published_results import PUBLISHED, Published

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CompareConfig:
    """Keys of ``configs/compare.yaml``; without a study, ``runs`` and ``output`` are needed."""

    runs: list[str] | None
    output: str | None
    group_by: list[str] | None
    figures: list[str]
    n_jobs: int
    study: Study | None
    only: list[str] | None = None

    def __post_init__(self) -> None:
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")
        check_figures(self.figures, "figures")
        if self.study is None and not (self.runs and self.output):
            raise ConfigError(
                "a comparison needs runs=[PATTERNS] and output=FOLDER, or study=NAME; got "
                f"runs={self.runs} and output={self.output}"
            )
        if self.study is None and (unknown := {"scan", "robustness"} & set(self.figures)):
            raise ConfigError(f"figures: {', '.join(sorted(unknown))} need the points of a study")
        if self.study is not None and self.group_by is not None:
            raise ConfigError("a study is grouped by its variants; leave group_by out")
        if self.only is not None and self.study is None:
            raise ConfigError(f"only names variants of a study; give study=NAME, got {self.only}")
        if self.study is not None and self.runs is not None and len(self.runs) != 1:
            raise ConfigError(f"runs of a study is one folder, got {self.runs}")


def parse_compare(raw: DictConfig) -> CompareConfig | ReachConfig:
    """Check Hydra's configuration of a comparison; or of a study of searches.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    content = {"study": None, **resolve(raw)}
    for key in ("runs", "group_by"):
        if isinstance(content.get(key), str):
            content[key] = [content[key]]
    if (content["study"] or {}).get("kind") == KIND:
        return reach_from(content)
    return build(CompareConfig, content)


def compare(config: CompareConfig | ReachConfig) -> None:
    """Read the runs, or make those of a study; write tables, figures and numbers.

    Raises:
        ConfigError: no pattern leads to a finished run, or a study is wrong.
        DataError: a file that is to be joined is not there.
        RunDirectoryError: runs of the study failed; raised when the others are compared.
    """
    if isinstance(config, ReachConfig):
        reach(config)
    elif config.study is not None:
        asked = dataclasses.replace(
            config.study,
            runs=config.runs[0] if config.runs else config.study.runs,
            output=config.output or config.study.output,
        )
        if config.only is not None:
            asked = asked.with_variants(config.only)
        check(asked)
        raise_failures(compare_study(asked, n_jobs=config.n_jobs))
    elif config.runs is not None and config.output is not None:
        groups = group_runs(find_runs(config.runs), config.group_by)
        write_comparison(groups, Path(config.output), figures=config.figures)


def compare_study(study: Study, *, n_jobs: int) -> list[Failure]:
    """Make the missing runs of a study and compare all that are finished.

    Returns:
        The runs that failed.

    Raises:
        DataError: a file that is to be joined is not there.
    """
    _join(study)
    failures = make(study, n_jobs=n_jobs)
    failed = {failure.run_dir for failure in failures}
    groups: dict[str, list[FinishedRun]] = {}
    places: dict[str, tuple[str, str]] = {}
    for cell in study_runs(study):
        name = f"{cell.point}/{cell.variant}" if cell.point else cell.variant
        places[name] = (cell.point, cell.variant)
        runs = groups.setdefault(name, [])
        if cell.finished and cell.run_dir not in failed:
            runs.append(_read_run(RunDirectory(cell.run_dir)))
    groups = {name: runs for name, runs in groups.items() if runs}
    if groups:
        published = PUBLISHED[study.published] if study.published is not None else None
        output, figures = Path(study.output), study.figures
        write_comparison(
            groups,
            output,
            figures=figures,
            places=places,
            published=published,
            labels=study.labels,
        )
    return failures


def _join(study: Study) -> None:
    """Write the files of ``study.joined`` that are missing, or were of other events."""
    for path, (background, signal) in study.joined.items():
        for part in (background, signal):
            if not Path(part).is_file():
                raise DataError(
                    f"study.joined.{path} must be of two files, but there is no {part}; the "
                    "study's file says how it is made"
                )
        recipe = Recipe(Path(background), Path(signal), Window(), None, None, seed=0)
        make_sample(Path(path), recipe)


def find_runs(patterns: Sequence[str]) -> list[FinishedRun]:
    """The finished runs that match; unfinished ones are named and left out."""
    matching = sorted({Path(p) for pattern in patterns for p in glob.glob(pattern)})
    folders = [path for path in matching if (path / "config.yaml").is_file()]
    finished = [path for path in folders if (path / "metrics.json").is_file()]
    for path in sorted(set(folders) - set(finished)):
        log.warning("left out, not finished: %s", path)
    if not finished:
        raise ConfigError(f"no finished run matches {', '.join(patterns)}")
    return [_read_run(RunDirectory(path)) for path in finished]


def group_runs(
    runs: Sequence[FinishedRun], group_by: Sequence[str] | None
) -> dict[str, list[FinishedRun]]:
    """Runs by name of their group, in order of first appearance.

    Raises:
        ConfigError: a key of ``group_by`` is no configuration key.
    """
    if group_by is None:
        group_by = _differing(runs)
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        if list(group_by) == ["parent"]:
            name = run.path.resolve().parent.name
        else:
            unknown = [key for key in group_by if key not in run.settings]
            if unknown:
                raise ConfigError(f"group_by: {run.path} has no key {', '.join(unknown)}")
            name = ", ".join(f"{key}={_text(run, key)}" for key in group_by) or "all runs"
        groups.setdefault(name, []).append(run)
    return {name: sorted(members, key=_seed) for name, members in groups.items()}


def write_comparison(
    groups: Mapping[str, Sequence[FinishedRun]],
    output: Path,
    *,
    figures: Sequence[str] = ("sic",),
    places: Places | None = None,
    published: Published | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """``comparison.json``, ``comparison.md`` and the figures; the table on the screen.

    Args:
        groups: runs by the name of their group.
        output: folder of the comparison.
        figures: names of figures, out of ``FIGURES``.
        places: point and variant of each group, for groups of a study.
        published: numbers of others to be drawn in "scan", "robustness" and "claims".
        labels: names of variants and points in figures.
    """
    comparison = Comparison.of(groups, places)
    curves = {
        name: [run.curve for run in runs if run.curve is not None] for name, runs in groups.items()
    }
    for name, figure in study_figures(figures, comparison.groups, curves, published, labels):
        save_figure(figure, output / name)
    metrics = {name: [run.metrics for run in runs] for name, runs in groups.items()}
    io.write_json(output / "comparison.json", comparison.to_json())
    io.write_text(output / "comparison.md", comparison_table(metrics, markdown=True) + "\n")
    print(comparison_table(metrics))
    print(f"figures and numbers: {output}")


def _read_run(directory: RunDirectory) -> FinishedRun:
    if not directory.is_judged():
        raise RunDirectoryError(
            f"{directory.metrics} must be of the scores and curves beside it, but is of others; "
            "run it again"
        )
    curve = None
    if directory.curves.is_file():
        with io.open_hdf5(directory.curves) as file:
            curve = curve_from_datasets({name: file[name][:] for name in file})
    settings = dict(_flat(load_run(directory.config).identity))
    return FinishedRun(directory.path, settings, directory.read_metrics(), curve)


def _differing(runs: Sequence[FinishedRun]) -> list[str]:
    """Keys, the seed apart, in which runs differ; but none that the name of its group implies.

    Runs of method=anode and method=cathode differ in many keys below ``method``, of which
    ``method.name`` says it all as long as each method has the same settings throughout.
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings if key != "seed")
    differing = [key for key in keys if len({_text(run, key) for run in runs}) > 1]
    kept = []
    for key in differing:
        name = key.rpartition(".")[0] + ".name"
        pairs = {(_text(run, name), _text(run, key)) for run in runs}
        implied = name in differing and len(pairs) == len({first for first, _ in pairs})
        if key == name or not implied:
            kept.append(key)
    return kept


def _seed(run: FinishedRun) -> int:
    return run.metrics.seed


def _flat(content: Mapping[str, Json], prefix: str = "") -> list[tuple[str, str]]:
    """Nested keys joined by dots, and their values as text."""
    items: list[tuple[str, str]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            items += _flat(value, f"{prefix}{key}.")
        else:
            items.append((prefix + key, json.dumps(value).strip('"')))
    return items


def _text(run: FinishedRun, key: str) -> str:
    return run.settings.get(key, "null")
