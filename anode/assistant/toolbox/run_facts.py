"""Facts of runs in one signal region, alone and side by side: what tools return, read from what
commands leave. What only labels say is there only if it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anode import io
from anode.pipeline.runs.run_directory import RunDirectory

WITHOUT_LABELS = (
    "n_data_sr", "n_data_sb", "n_dropped", "n_copies", "n_clipped", "n_scored_data",
    "likelihood_gain", "signal_fraction", "signal_fraction_error", "seconds", "cpu_seconds",
)  # fmt: skip
"""Numbers of ``metrics.json`` that no label enters."""


@dataclass(frozen=True)
class RunFacts:
    """A run in one signal region.

    Attributes:
        folder: folder of the run.
        method: name of the method.
        numbers: numbers of ``metrics.json``: those that no label enters, or all that there are.
        with_labels: whether labels entered some of them.
    """

    folder: str
    method: str
    numbers: dict[str, float]
    with_labels: bool


def run_facts(path: Path, shown: str, *, labels: bool) -> RunFacts:
    """Facts of ``metrics.json``.

    Raises:
        DataError: there is none, or it is not one.
    """
    metrics = RunDirectory(path).read_metrics()
    return RunFacts(shown, metrics.method, _numbers(metrics.quantities, labels), labels)


@dataclass(frozen=True)
class GroupFacts:
    """Runs that differ by their seed: number of them, and medians of their numbers."""

    name: str
    n_runs: int
    medians: dict[str, float]


@dataclass(frozen=True)
class CompareFacts:
    """Several runs side by side.

    Attributes:
        folder: folder of the comparison.
        groups: groups of runs.
        runs: each of the runs.
        with_labels: whether labels entered some of the numbers.
    """

    folder: str
    groups: list[GroupFacts]
    runs: list[RunFacts]
    with_labels: bool


def compare_facts(
    path: Path, shown: str, runs: Mapping[str, Path], *, labels: bool
) -> CompareFacts:
    """Facts of ``comparison.json``, and of the runs that it compares.

    Args:
        path: folder of the comparison.
        shown: this folder as callers name it.
        runs: folder of a run as callers name it -> the folder.
        labels: True for numbers that labels enter, too.

    Raises:
        DataError: there is none, or it is not one.
    """
    groups = []
    content: dict[str, Any] = io.read_json(path / "comparison.json")
    for name, group in content.items():
        medians = {k: v["median"] for k, v in group.items() if _is_interval(v)}
        groups.append(GroupFacts(name, group["n_runs"], _numbers(medians, labels)))
    each = [run_facts(place, name, labels=labels) for name, place in runs.items()]
    return CompareFacts(shown, groups, each, labels)


def _is_interval(value: object) -> bool:
    return isinstance(value, dict) and value.get("median") is not None


def _numbers(found: Mapping[str, float], labels: bool) -> dict[str, float]:
    return {name: value for name, value in found.items() if labels or name in WITHOUT_LABELS}
