"""Do several runs differ by more than their seeds do?"""

import glob
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from anode import io
from anode.errors import ConfigError
from anode.evaluation.curves import SicCurve, curve_from_datasets
from anode.pipeline.artifacts import RunDirectory
from anode.pipeline.config import build, load_run, resolve
from anode.reporting.figures import comparison_figure
from anode.reporting.style import save_figure
from anode.reporting.tables import comparison_table, summarise

log = logging.getLogger(__name__)

QUANTITIES = ("auc", "max_sic", "sic_at_fpr.1e-2", "sic_at_fpr.1e-3", "seconds")


@dataclass(frozen=True)
class CompareConfig:
    """Keys of ``configs/compare.yaml``."""

    runs: list[str]
    output: str
    group_by: list[str] | None


@dataclass(frozen=True)
class FinishedRun:
    """What a comparison needs of one run; ``curve`` is None without truth labels."""

    path: Path
    settings: dict[str, Any]
    metrics: dict[str, Any]
    curve: SicCurve | None


def parse_compare(raw: DictConfig) -> CompareConfig:
    """Check Hydra's configuration of a comparison.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    content = resolve(raw)
    for key in ("runs", "group_by"):
        if isinstance(content.get(key), str):
            content[key] = [content[key]]
    return build(CompareConfig, content, "")


def compare(config: CompareConfig) -> None:
    """Read the runs, group them, and write table, figure and numbers.

    Raises:
        ConfigError: no pattern leads to a finished run.
    """
    runs = find_runs(config.runs)
    groups = group_runs(runs, config.group_by)
    write_comparison(groups, Path(config.output))


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
        keys = list(dict.fromkeys(key for run in runs for key in run.settings))
        group_by = [k for k in keys if k != "seed" and len({_text(r, k) for r in runs}) > 1]
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
    return groups


def write_comparison(groups: Mapping[str, Sequence[FinishedRun]], output: Path) -> None:
    """``comparison.json``, ``comparison.md`` and the figure; the table on the screen."""
    metrics = {name: [run.metrics for run in runs] for name, runs in groups.items()}
    curves = {
        name: [run.curve for run in runs if run.curve is not None] for name, runs in groups.items()
    }
    everything = [entry for entries in metrics.values() for entry in entries]
    save_figure(
        comparison_figure(
            curves,
            s_over_b=_median(everything, "s_over_b"),
            s_over_sqrt_b=_median(everything, "s_over_sqrt_b"),
        ),
        output / "comparison",
    )
    io.write_json(output / "comparison.json", summary(groups))
    io.write_text(output / "comparison.md", comparison_table(metrics, markdown=True) + "\n")
    print(comparison_table(metrics))
    print(f"figure and numbers: {output}")


def summary(groups: Mapping[str, Sequence[FinishedRun]]) -> dict[str, Any]:
    """Per group and quantity: the values by seed, median and 68% interval, and the mean
    difference to the first group over common seeds with its standard error.

    Runs of one seed share events and injection, so their difference is free of most of the
    spread between seeds.
    """
    first = next(iter(groups.values()))
    content: dict[str, Any] = {}
    for name, runs in groups.items():
        content[name] = {"n_runs": len(runs)}
        for quantity in QUANTITIES:
            values = [_quantity(run.metrics, quantity) for run in runs]
            interval = summarise(values)
            content[name][quantity] = None if interval is None else interval._asdict()
            content[name][quantity + " by seed"] = {
                str(run.metrics["seed"]): value for run, value in zip(runs, values, strict=True)
            }
            content[name][quantity + " minus first group"] = _paired(first, runs, quantity)
    return content


def _paired(
    first: Sequence[FinishedRun], runs: Sequence[FinishedRun], quantity: str
) -> dict[str, float] | None:
    known = {run.metrics["seed"]: _quantity(run.metrics, quantity) for run in first}
    pairs = [(_quantity(run.metrics, quantity), known.get(run.metrics["seed"])) for run in runs]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    if runs is first or len(differences) < 2:
        return None
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    return {"mean": float(np.mean(differences)), "error": error, "n": len(differences)}


def _quantity(metrics: Mapping[str, Any], name: str) -> float | None:
    key, _, inner = name.partition(".")
    value = metrics.get(key)
    return (value or {}).get(inner) if inner else value


def _median(metrics: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [entry[key] for entry in metrics if entry.get(key) is not None]
    return float(np.median(values)) if values else None


def _read_run(directory: RunDirectory) -> FinishedRun:
    curve = None
    if directory.curves.is_file():
        with io.open_hdf5(directory.curves) as file:
            curve = curve_from_datasets({name: file[name][:] for name in file})
    settings = dict(_flat(load_run(directory.config).identity))
    return FinishedRun(directory.path, settings, io.read_json(directory.metrics), curve)


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested keys joined by dots."""
    items: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            items += _flat(value, f"{prefix}{key}.")
        else:
            items.append((prefix + key, value))
    return items


def _text(run: FinishedRun, key: str) -> str:
    return json.dumps(run.settings.get(key)).strip('"')
