"""Combination of several methods into one score.

Each member's score is turned into the fraction of the signal region's data in its tail,

    s(x) = -log P(a data event scores higher),

and the mean of these over members is the score: a member counts by the order it gives to events,
not by the scale of its numbers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, FitSettings, MethodConfig, RegionEvents, Scores

RAREST = 10  # data events in the tail; beyond, its logarithm follows a straight line
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
    """The method of the module's docstring; member M lives in the folder ``M``.

    Args:
        directory: the folder.
        settings: how to fit.
        members: name -> method, each in its own folder.
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
        """The mean of minus log tail fraction, with each member's score as a part."""
        knots = _read_knots(self.directory / REFERENCE)
        each = {name: member.score(events, fitted) for name, member in self.members.items()}
        tails = [minus_log_tail_fraction(s.score, knots[name]) for name, s in each.items()]
        outside = np.logical_or.reduce([scores.outside for scores in each.values()])
        parts = {f"score_{name}": scores.score for name, scores in each.items()}
        mean = np.mean(tails, axis=0)
        return Scores(events.event_id, events.mass, mean, parts, outside)

    @property
    def strip(self) -> float:
        """The widest of the members'."""
        return max(member.strip for member in self.members.values())

    def background_density(self) -> PhysicalDensity | None:
        """p_bg(x|m) of the first member that has one."""
        densities = (member.background_density() for member in self.members.values())
        return next((density for density in densities if density is not None), None)

    def _fit(self, events: RegionEvents) -> None:
        for name, member in self.members.items():
            with progress.task(name, share=1 / len(self.members)):
                member.fit(events)
        path = self.directory / REFERENCE
        if path.is_file():
            return
        region = events.signal_region
        unseen = region[self.unseen(region, fitted=True)]
        fitted = np.ones(len(unseen), dtype=bool)
        io.write_hdf5(
            path,
            {
                name: knots_of(member.score(unseen, fitted).score)
                for name, member in self.members.items()
            },
        )


def knots_of(score: np.ndarray) -> np.ndarray:
    """(2, P) scores, rising, and -log of the fraction of ``score`` (N,) above them."""
    fractions = np.geomspace(1, min(RAREST / len(score), 0.5), N_KNOTS)
    values, index = np.unique(np.quantile(score, 1 - fractions), return_index=True)
    return np.stack([values, -np.log(fractions[index])])


def minus_log_tail_fraction(score: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(N,) -log of the fraction of data above each score: between knots, and beyond the last one,
    on straight lines, so that the order of events is kept."""
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
