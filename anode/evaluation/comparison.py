"""``comparison.json``: the numbers of groups of runs, seed by seed and in the middle."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from anode.evaluation.curves import SicCurve
from anode.evaluation.run_metrics import RunMetrics
from anode.records import Json, Place, Record, plain, read_value

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

PER_FEATURE = ("selection.", "follows.")
"""Begin the names of numbers that hang on the features of a run; kept as well."""

_BY_SEED, _MINUS_FIRST = " by seed", " minus first group"
"""End the keys of the values of a quantity, and of its difference to the first group."""


@dataclass(frozen=True)
class FinishedRun:
    """What a comparison needs of one run.

    Attributes:
        path: folder of the run.
        settings: configuration key, with dots, -> its value as text.
        metrics: numbers of the run.
        curve: SIC curve; None without truth labels.
    """

    path: Path
    settings: Mapping[str, str]
    metrics: RunMetrics
    curve: SicCurve | None


class Interval(NamedTuple):
    """Median and central 68% of a quantity over runs.

    Attributes:
        median, low, high: quantiles 50%, 16% and 84%, interpolated between the runs.
        n: number of runs that have the quantity.
    """

    median: float
    low: float
    high: float
    n: int


class Difference(NamedTuple):
    """Mean difference of a quantity to another group, over the seeds that both have.

    Attributes:
        mean: mean of this group less the other.
        error: standard error of the mean.
        n: number of common seeds.
    """

    mean: float
    error: float
    n: int


class Quantity(NamedTuple):
    """A quantity over the runs of a group.

    Attributes:
        by_seed: seed -> value; None where a run does not have it.
        interval: median and 68% interval; None if no run has it.
        minus_first: difference to the first group of the same point; None for that group, with
            fewer than two common seeds, and for what is no quantity to compare by.
    """

    by_seed: dict[str, float | None]
    interval: Interval | None
    minus_first: Difference | None = None


@dataclass(frozen=True)
class Group(Record):
    """Runs that differ by their seed alone.

    Attributes:
        name: unique in the comparison; the key of the group.
        point: point of the study's grid; "" where there is none.
        variant: name that is the same at every point.
        method: anomaly-detection method; None if the runs have several.
        uses_truth: True if truth labels entered the scores.
        n_runs: number of runs of the group.
        quantities: dotted name of a number of ``metrics.json`` -> its values.
    """

    name: str
    point: str
    variant: str
    method: str | None
    uses_truth: bool
    n_runs: int
    quantities: dict[str, Quantity]

    def by_seed(self, quantity: str) -> dict[str, float]:
        """The values that are known."""
        values = self.quantities[quantity].by_seed if quantity in self.quantities else {}
        return {seed: value for seed, value in values.items() if value is not None}

    def over_seeds(self, quantity: str) -> Interval | None:
        """Median and 68% interval of the values that are known."""
        return self.quantities[quantity].interval if quantity in self.quantities else None

    @classmethod
    def read_named(cls, name: str, content: object, place: Place) -> Self:
        """The group of this name; old files lack point, variant, method and uses_truth."""
        entry = place.group(content)
        own = {"point": "", "variant": name, "method": None, "uses_truth": False}
        names = [key.removesuffix(_BY_SEED) for key in entry if key.endswith(_BY_SEED)]
        quantities = {quantity: _read_quantity(entry, quantity, place) for quantity in names}
        group = cls.read({**own, **entry, "name": name, "quantities": {}}, place)
        absent = frozenset(own.keys() - entry.keys())
        return dataclasses.replace(group, quantities=quantities, absent=absent)

    def to_json(self) -> dict[str, Json]:
        """The entry of the group; its name is the key of the entry."""
        keys = ("point", "variant", "method", "uses_truth", "n_runs")
        content: dict[str, Json] = {
            key: getattr(self, key) for key in keys if key not in self.absent
        }
        for name, quantity in self.quantities.items():
            content[name] = plain(quantity.interval)
            content[name + _BY_SEED] = plain(quantity.by_seed)
            if name in QUANTITIES:
                content[name + _MINUS_FIRST] = plain(quantity.minus_first)
        return content


def _read_quantity(entry: Mapping[str, object], name: str, place: Place) -> Quantity:
    hints = ((_BY_SEED, dict[str, float | None]), ("", Interval | None),
             (_MINUS_FIRST, Difference | None))  # fmt: skip
    return Quantity(
        *(read_value(hint, entry.get(name + end), place.below(name + end)) for end, hint in hints)
    )


@dataclass(frozen=True)
class Comparison:
    """What groups of runs have found; the content of ``comparison.json``.

    Attributes:
        groups: groups of runs, in the order of the file.

    Example:
        >>> runs = [RunMetrics("anode", seed, auc=seed / 4) for seed in (1, 2, 3)]
        >>> finished = [FinishedRun(Path(), {}, metrics, None) for metrics in runs]
        >>> compared = Comparison.of({"anode": finished})
        >>> compared.groups[0].over_seeds("auc").median, compared.groups[0].by_seed("auc")["2"]
        (0.5, 0.5)
    """

    groups: tuple[Group, ...]

    @classmethod
    def of(
        cls, groups: Mapping[str, Sequence[FinishedRun]], places: "Places | None" = None
    ) -> Self:
        """Compare groups of runs with each other.

        Runs of one seed share events and injection, so their difference is free of most of the
        spread between seeds. Each group is compared with the first one of its point.

        Args:
            groups: runs by the name of their group.
            places: point and variant of each group; all are of one point if None.
        """
        first: dict[str, Sequence[FinishedRun]] = {}
        compared = []
        for name, runs in groups.items():
            point, variant = ("", name) if places is None else places[name]
            reference = first.setdefault(point, runs)
            methods = {run.metrics.method for run in runs}
            compared.append(
                Group(
                    name=name,
                    point=point,
                    variant=variant,
                    method=methods.pop() if len(methods) == 1 else None,
                    uses_truth=any(run.metrics.uses_truth for run in runs),
                    n_runs=len(runs),
                    quantities=_quantities(runs, reference),
                )
            )
        return cls(tuple(compared))

    @classmethod
    def from_json(cls, content: object, file: Path | str) -> Self:
        """The comparison in the content of a JSON file; an old one will do.

        Args:
            content: content as ``anode.io.read_json`` gives it.
            file: path of the file, for errors.

        Raises:
            DataError: a key is missing or of the wrong kind.
        """
        place = Place(str(file))
        return cls(
            tuple(
                Group.read_named(name, entry, place.below(name))
                for name, entry in place.group(content).items()
            )
        )

    def to_json(self) -> dict[str, Json]:
        """The content of the file, ready for ``anode.io.write_json``."""
        return {group.name: group.to_json() for group in self.groups}


Places = Mapping[str, tuple[str, str]]
"""Point and variant of a group by its name."""


def _quantities(
    runs: Sequence[FinishedRun], reference: Sequence[FinishedRun]
) -> dict[str, Quantity]:
    """What is kept of the runs of a group, compared with those of the first group."""
    numbers = [(str(run.metrics.seed), run.metrics.quantities) for run in runs]
    first = [(str(run.metrics.seed), run.metrics.quantities) for run in reference]
    kept = [name for name in CONDITIONS if any(name in known for _, known in numbers)]
    kept += [name for _, known in numbers for name in known if name.startswith(PER_FEATURE)]
    quantities = {}
    for name in dict.fromkeys((*QUANTITIES, *kept)):
        values = [(seed, known.get(name)) for seed, known in numbers]
        others = {seed: known.get(name) for seed, known in first}
        compared = name in QUANTITIES and runs is not reference
        quantities[name] = Quantity(
            by_seed=dict(values),
            interval=summarise([value for _, value in values]),
            minus_first=_paired(values, others) if compared else None,
        )
    return quantities


def _paired(
    values: Sequence[tuple[str, float | None]], others: Mapping[str, float | None]
) -> Difference | None:
    """Mean difference over common seeds and its standard error; None with fewer than two."""
    pairs = [(value, others.get(seed)) for seed, value in values]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    if len(differences) < 2:
        return None
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    return Difference(float(np.mean(differences)), error, len(differences))


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


def variants_of(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of each variant, one a point, in order of first appearance."""
    variants: dict[str, list[Group]] = {}
    for group in groups:
        variants.setdefault(group.variant, []).append(group)
    return variants
