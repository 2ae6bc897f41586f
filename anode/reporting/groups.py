"""What does ``comparison.json`` say of each group of runs, seed by seed?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anode.reporting.style import Look, looks
from anode.reporting.tables import Interval, summarise

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


def looks_of(groups: Sequence[Group]) -> dict[str, Look]:
    """How each variant looks."""
    return looks({group.variant: (group.method, group.uses_truth) for group in groups})
