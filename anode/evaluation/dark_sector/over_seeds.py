"""Tests of one classifier or score, taken together over their seeds."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from anode.evaluation.comparison import Interval, summarise


class Tested(Protocol):
    """Numbers of one test."""

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""

    @property
    def efficiency(self) -> float:
        """Share of the dark jets that pass where 1% of the Standard Model's do."""

    @property
    def n_signal(self) -> int:
        """Number of dark jets."""

    @property
    def n_background(self) -> float:
        """Effective number of Standard Model jets."""


class OverSeeds(NamedTuple):
    """What ``Transfer`` and ``Detection`` end with, in their order.

    Attributes:
        auc, efficiency: median and central 68% over the tests.
        auc_by_seed, efficiency_by_seed: values in the order of the tests.
        n_signal, n_background: smallest of the tests.
    """

    auc: Interval
    efficiency: Interval
    auc_by_seed: tuple[float, ...]
    efficiency_by_seed: tuple[float, ...]
    n_signal: int
    n_background: float


def over_seeds(tests: Sequence[Tested]) -> OverSeeds:
    """Median and band of at least one test."""
    auc, efficiency = tuple(t.auc for t in tests), tuple(t.efficiency for t in tests)
    bands = summarise(auc), summarise(efficiency)
    if bands[0] is None or bands[1] is None:
        raise ValueError("a test has numbers")
    return OverSeeds(
        bands[0],
        bands[1],
        auc,
        efficiency,
        min(t.n_signal for t in tests),
        min(t.n_background for t in tests),
    )
