"""What does ``comparison.json`` hold: every group's numbers, seed by seed and in the middle?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode.evaluation.curves import SicCurve

QUANTITIES = ("auc", "max_sic", "sic_at_fpr.1e-2", "sic_at_fpr.1e-3", "seconds")
"""What groups are compared by; every group has them, if only as null."""

CONDITIONS = (
    "s_over_b",
    "s_over_sqrt_b",
    "fpr_floor",
    "n_test_background",
    "cpu_seconds",
    "signal_fraction",
    "signal_fraction_error",
    "true_signal_fraction",
    "likelihood_gain",
    "sculpting.1e-1.chi2",
    "sculpting.1e-2.chi2",
    "sculpting.1e-1.ndf",
    "sculpting.1e-2.ndf",
)
"""What else is kept of each run; left out of groups of which no run has it."""


@dataclass(frozen=True)
class FinishedRun:
    """What a comparison needs of one run; ``curve`` is None without truth labels."""

    path: Path
    settings: dict[str, Any]
    metrics: dict[str, Any]
    curve: SicCurve | None


Places = Mapping[str, tuple[str, str]]
"""Point and variant of a group by its name."""


def summary(
    groups: Mapping[str, Sequence[FinishedRun]], places: Places | None = None
) -> dict[str, Any]:
    """Per group and quantity: the values by seed, median and 68% interval, and the mean
    difference to the first group of its point over common seeds with its standard error.

    Runs of one seed share events and injection, so their difference is free of most of the
    spread between seeds.

    Args:
        groups: runs by name.
        places: point and variant of each group; all are of one point if None.
    """
    content: dict[str, Any] = {}
    first: dict[str, Sequence[FinishedRun]] = {}
    for name, runs in groups.items():
        point, variant = ("", name) if places is None else places[name]
        methods = {run.metrics.get("method") for run in runs}
        content[name] = {
            "point": point,
            "variant": variant,
            "method": methods.pop() if len(methods) == 1 else None,
            "uses_truth": any(run.metrics.get("uses_truth", False) for run in runs),
            "n_runs": len(runs),
        }
        reference = first.setdefault(point, runs)
        for quantity in QUANTITIES:
            content[name] |= _values(runs, quantity)
            content[name][quantity + " minus first group"] = _paired(reference, runs, quantity)
        for quantity in (*CONDITIONS, *_names_below("selection", runs)):
            if any(_quantity(run.metrics, quantity) is not None for run in runs):
                content[name] |= _values(runs, quantity)
    return content


def _values(runs: Sequence[FinishedRun], quantity: str) -> dict[str, Any]:
    values = [_quantity(run.metrics, quantity) for run in runs]
    interval = summarise(values)
    by_seed = {str(run.metrics["seed"]): value for run, value in zip(runs, values, strict=True)}
    return {
        quantity: None if interval is None else interval._asdict(),
        quantity + BY_SEED: by_seed,
    }


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


def _names_below(key: str, runs: Sequence[FinishedRun]) -> list[str]:
    """Names of all numbers that some run has in the group ``key`` of its metrics."""

    def walk(name: str, value: Any) -> list[str]:
        if isinstance(value, Mapping):
            return [found for k, v in value.items() for found in walk(f"{name}.{k}", v)]
        return [name]

    names = [found for run in runs for found in walk(key, run.metrics.get(key, {}))]
    return list(dict.fromkeys(names))


def _quantity(metrics: Mapping[str, Any], name: str) -> float | None:
    """The number at a dotted name; None where a run does not have it."""
    value: Any = metrics
    for key in name.split("."):
        value = (value or {}).get(key)
    number: float | None = value
    return number


class Interval(NamedTuple):
    """Median and central 68% of a quantity over runs.

    Attributes:
        median, low, high: quantiles 50%, 16% and 84%, interpolated between the runs.
        n: runs that have the quantity.
    """

    median: float
    low: float
    high: float
    n: int


def summarise(values: Sequence[float | None]) -> Interval | None:
    """Median and 68% interval of the runs that have a value; None if no run has one.

    Example:
        >>> summarise([1.0, 2.0, 3.0, None])
        Interval(median=2.0, low=1.31731, high=2.68269, n=3)
    """
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    low, median, high = np.quantile(known, (0.158655, 0.5, 0.841345))
    return Interval(
        round(float(median), 12), round(float(low), 12), round(float(high), 12), len(known)
    )


BY_SEED = " by seed"
"""Ends the name of a quantity in ``comparison.json`` whose values are listed by seed."""


class Group(NamedTuple):
    """Runs that differ by their seed alone.

    Attributes:
        name: unique in the comparison.
        point: point of the study's grid; "" where there is none.
        variant: the same at every point.
        method: anomaly-detection method; None if the runs have several.
        uses_truth: whether truth labels entered the scores.
        values: quantity -> seed -> value; None where a run does not have it.
    """

    name: str
    point: str
    variant: str
    method: str | None
    uses_truth: bool
    values: Mapping[str, Mapping[str, float | None]]

    def by_seed(self, quantity: str) -> dict[str, float]:
        """The values that are known."""
        values = self.values.get(quantity, {})
        return {seed: value for seed, value in values.items() if value is not None}

    def over_seeds(self, quantity: str) -> Interval | None:
        """Median and 68% interval of the values that are known."""
        return summarise(list(self.by_seed(quantity).values()))


def read_groups(content: Mapping[str, Any]) -> list[Group]:
    """The groups of a ``comparison.json``, in its order.

    Args:
        content: of the file; an old one, without points and methods, will do.
    """
    return [
        Group(
            name,
            entry.get("point", ""),
            entry.get("variant", name),
            entry.get("method"),
            entry.get("uses_truth", False),
            {key.removesuffix(BY_SEED): entry[key] for key in entry if key.endswith(BY_SEED)},
        )
        for name, entry in content.items()
    ]


def variants_of(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of each variant, one a point, in order of first appearance."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.variant, []).append(group)
    return found
