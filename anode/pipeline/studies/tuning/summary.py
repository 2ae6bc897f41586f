"""What a tuning has found: the best trial as an experiment, and what the objective was worth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
import yaml

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.errors import RunDirectoryError
from anode.pipeline.runs import stages
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.studies.tuning.config import OBJECTIVES, TuneConfig
from anode.pipeline.studies.tuning.objectives import events_of
from anode.reporting.common.style import save_figure
from anode.reporting.common.tables import table
from anode.reporting.study.tuning_figure import tuning_figure

JUDGED = ("auc", "sic_at_fpr.1e-2", "max_sic")
BEST = "best.yaml"


class Trial(NamedTuple):
    """A trial that has ended.

    Attributes:
        number: number of the trial.
        values: overrides that differ from trial to trial.
        objective: value; None for a trial that was pruned.
        run_dir: folder of its run.
    """

    number: int
    values: tuple[str, ...]
    objective: float | None
    run_dir: str


def write_summary(config: TuneConfig, trials: Sequence[Trial]) -> None:
    """Write ``best.yaml``, then open the labels, if there are any: ``trials.json``, a table and a
    figure of the objective against AUC and SIC.

    Raises:
        RunDirectoryError: every trial was pruned.
    """
    output = Path(config.output)
    finished = [trial for trial in trials if trial.objective is not None]
    if not finished:
        raise RunDirectoryError(
            f"{output}: no trial has a value, all were pruned or failed; raise n_trials or set "
            "prune=false"
        )
    best = best_of(config, finished)
    for folder in (output, output / "experiment"):  # to be read, and to be found by Hydra
        io.write_text(folder / BEST, _experiment([*config.overrides, *best.values]))
    quality = [_judged(config, trial) for trial in finished]  # labels are read from here on
    objective = np.array([trial.objective for trial in finished], dtype=float)
    relations = {name: _relation(objective, [row.get(name) for row in quality]) for name in JUDGED}
    io.write_json(
        output / "trials.json",
        {
            "objective": config.objective,
            "direction": OBJECTIVES[config.objective],
            "n_trials": len(trials),
            "n_pruned": len(trials) - len(finished),
            "best": best.number,
            "spearman": relations,
            "trials": [
                {**trial._asdict(), **row} for trial, row in zip(finished, quality, strict=True)
            ],
        },
    )
    if any(value is not None for row in quality for value in row.values()):
        figure = tuning_figure(config.objective, objective, quality, JUDGED)
        save_figure(figure, output / "tuning")
    print(_table(config, finished, quality, best, relations))
    print(f"best trial: anode run --config-dir {output} experiment=best")


def best_of(config: TuneConfig, finished: Sequence[Trial]) -> Trial:
    """The trial of the best objective; of equal ones the first."""
    sign = 1 if OBJECTIVES[config.objective] == "minimize" else -1
    return min(finished, key=lambda trial: sign * float(trial.objective or 0.0))


def _judged(config: TuneConfig, trial: Trial) -> dict[str, float | None]:
    """AUC and SIC of a trial's run, by labels that no trial has read; None without labels."""
    run = config.run(list(trial.values), trial.run_dir)
    directory = RunDirectory(trial.run_dir)
    if not directory.metrics.is_file():
        prepared, _ = events_of(run)
        for stage in (stages.score, stages.evaluate):
            stage(run, prepared)
    metrics = directory.read_metrics()
    return {name: metrics.quantity(name) for name in JUDGED}


def _relation(objective: np.ndarray, values: Sequence[float | None]) -> float | None:
    """Spearman's rank correlation; None with fewer than three trials that have both."""
    known = np.array([value is not None and np.isfinite(value) for value in values])
    if known.sum() < 3:
        return None
    other = np.array([value for value in values if value is not None], dtype=float)
    found = float(scipy.stats.spearmanr(objective[known], other).statistic)
    return found if np.isfinite(found) else None


def _experiment(overrides: Sequence[str]) -> str:
    """A file of the group ``experiment`` that sets these overrides."""
    groups: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for text in overrides:
        key, _, value = text.partition("=")
        if (CONFIG_DIR / key).is_dir():
            groups.append({f"override /{key}": yaml.safe_load(value)})
        else:
            _set(values, key.split("."), yaml.safe_load(value))
    head = "# @package _global_\n# What anode tune has found; give it as an experiment.\n"
    return head + yaml.safe_dump({"defaults": groups, **values}, sort_keys=False)


def _set(content: dict[str, Any], path: Sequence[str], value: Any) -> None:
    first, *rest = path
    if rest:
        _set(content.setdefault(first, {}), rest, value)
    else:
        content[first] = value


def _table(
    config: TuneConfig,
    finished: Sequence[Trial],
    quality: Sequence[dict[str, float | None]],
    best: Trial,
    relations: dict[str, float | None],
) -> str:
    def text(value: float | None) -> str:
        return "-" if value is None else f"{value:.4g}"

    rows = [
        (
            f"{trial.number}{' (best)' if trial.number == best.number else ''}",
            text(trial.objective),
            *(text(row[name]) for name in JUDGED),
            " ".join(trial.values),
        )
        for trial, row in zip(finished, quality, strict=True)
    ]
    rows.append(("rank correlation", "", *(text(relations[name]) for name in JUDGED), ""))
    header = ("trial", config.objective, "AUC", "SIC at 1e-2", "max SIC", "settings")
    return table(header, rows, markdown=False)
