"""Combination of methods: mean over members of the rarity of an event's score.

The rarity is taken among the data of the signal region,

    s(x) = -log P(a data event scores higher),

so that a member counts by the order it gives to events, not by the scale of its numbers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores

MIN_TAIL_EVENTS = 10  # data events above a knot; beyond the last knot s is a straight line
N_KNOTS = 60
REFERENCE = "reference.h5"


@dataclass(frozen=True)
class CombinationConfig(MethodConfig):
    """Settings of a combination of methods.

    Attributes:
        members: name -> settings of a method.
    """

    members: dict[str, MethodConfig]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ConfigError(
                f"method.members must be at least two methods, got {', '.join(self.members)}"
            )


class Combination(AnomalyMethod):
    """The combination of several methods; member M has its fits in the folder ``M``.

    Args:
        directory: folder of the combination.
        settings: settings of the fits.
        members: name -> method, each in its own folder.

    Raises:
        ConfigError: a member uses truth labels.
    """

    title = "combination"
    meaning = "mean over methods of -log of the share of data that scores higher"

    def __init__(
        self, directory: Path, settings: FitSettings, members: dict[str, AnomalyMethod]
    ) -> None:
        super().__init__(directory, settings)
        truthful = [name for name, member in members.items() if member.uses_truth]
        if truthful:
            raise ConfigError(
                f"method.members must be searches, but {', '.join(truthful)} use truth labels"
            )
        self.members = members

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """The mean of s(x) over members, with each member's score as a part."""
        knots = _read_knots(self.directory / REFERENCE)
        each = {name: member.score(events, fitted) for name, member in self.members.items()}
        minus_logs = [
            minus_log_tail_fraction(scores.score, knots[name]) for name, scores in each.items()
        ]
        was_clipped = np.logical_or.reduce([scores.was_clipped for scores in each.values()])
        parts = {f"score_{name}": scores.score for name, scores in each.items()}
        mean = np.mean(minus_logs, axis=0)
        return Scores(events.event_id, events.mass, mean, parts, was_clipped)

    @property
    def training_strip_width(self) -> float:
        """The largest of the members' [GeV]."""
        return max(member.training_strip_width for member in self.members.values())

    def background_density(self) -> PhysicalDensity | None:
        """p_bg(x|m) of the first member that has one."""
        densities = (member.background_density() for member in self.members.values())
        return next((density for density in densities if density is not None), None)

    @property
    def background_fits(self) -> dict[str, Path] | None:
        """Those of all members, each below its folder; None if a member cannot say."""
        fits: dict[str, Path] = {}
        for name, member in self.members.items():
            of_member = member.background_fits
            if of_member is None:
                return None
            fits |= {f"{name}/{path}": folder for path, folder in of_member.items()}
        return fits

    def _fit(self, events: RegionEvents) -> None:
        for name, member in self.members.items():
            with progress.task(name, share=1 / len(self.members)):
                member.fit(events)
        path = self.directory / REFERENCE
        if path.is_file():
            return
        region = events.signal_region
        unseen = region[self.unseen(region, np.ones(len(region), dtype=bool))]
        fitted = np.ones(len(unseen), dtype=bool)
        io.write_hdf5(
            path,
            {
                name: knots_of(member.score(unseen, fitted).score)
                for name, member in self.members.items()
            },
        )


def knots_of(score: np.ndarray) -> np.ndarray:
    """(2, P) scores, rising, and -log of the fraction of ``score`` (N,) above each."""
    fractions = np.geomspace(1, min(MIN_TAIL_EVENTS / len(score), 0.5), N_KNOTS)
    values, index = np.unique(np.quantile(score, 1 - fractions), return_index=True)
    return np.stack([values, -np.log(fractions[index])])


def minus_log_tail_fraction(score: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(N,) -log of the fraction of data above each score (N,), given knots (2, P).

    Straight lines between knots and beyond the last one, so that the order of events is kept.
    """
    values, minus_log = knots
    if len(values) < 2:
        return np.zeros(len(score))
    inside = np.interp(score, values, minus_log)
    decade = max(0, np.searchsorted(minus_log, minus_log[-1] - np.log(10)) - 1)
    slope = (minus_log[-1] - minus_log[decade]) / (values[-1] - values[decade])
    above = np.maximum(score - values[-1], 0)
    below = np.minimum(score - values[0], 0)
    result: np.ndarray = inside + slope * (above + below)
    return result


def _read_knots(path: Path) -> dict[str, np.ndarray]:
    with io.open_hdf5(path) as file:
        return {name: file[name][:] for name in file}
