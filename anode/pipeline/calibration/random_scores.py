"""A score that knows nothing, in place of a method's: what is left are the statistics alone.

Its counts in a window can be made to spread more than Poisson counts, as those of cross-fitted
scores do: the share of background in each score category is off by a factor there,

    r_c = r_c0 exp(delta_c),    delta_c ~ N(0, (f^2 - 1) / n_c),

n_c the events expected in it, which has f^2 times the variance of a Poisson count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, RegionEvents, Scores
from anode.pipeline.search.config import SearchConfig
from anode.regions.splits import uniform_of
from anode.regions.windows import Window
from anode.seeding import stream
from anode.statistics.counting.overdispersion import Overdispersion


class RandomScore(AnomalyMethod):
    """Scores uniform in (0, 1), but for the factors within the window.

    Args:
        window: window that is searched.
        efficiencies: (E,) cuts of the search, descending.
        spread: f, standard deviation of counts in the window over that of Poisson counts.
        n_features: number D of features of the events.
        seed: seed of the search.
    """

    title = "random score"
    meaning = "a uniform random number"
    score_at_window_centre = False

    def __init__(
        self,
        window: Window,
        efficiencies: Sequence[float],
        *,
        spread: float,
        n_features: int,
        seed: int,
    ) -> None:
        self.window, self.spread, self.n_features, self.seed = window, spread, n_features, seed
        self.efficiencies = np.array(efficiencies)

    @property
    def n_folds(self) -> int:
        """One: no event has been seen."""
        return 1

    def fold(self, events: EventTable) -> np.ndarray:
        """(N,) zeros."""
        return np.zeros(len(events), dtype=np.int64)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """Scores of N events, those ``fitted`` being of the window's data."""
        name = f"{self.window.low:g}"
        tail = 1 - uniform_of(events.identity, self.seed, "random score", name)
        nominal = np.array([0.0, *self.efficiencies[::-1], 1.0])
        tail[fitted] = np.interp(tail[fitted], self._shares(int(fitted.sum())), nominal)
        n = len(events)
        clipped = np.zeros(n, dtype=bool)
        return Scores(events.event_id, events.mass, 1 - tail, {}, clipped)

    def _shares(self, n_events: int) -> np.ndarray:
        """(E + 2,) share of the window's events that passes each cut, the tightest first, between
        0 and 1."""
        rate = np.diff([0.0, *self.efficiencies[::-1]])
        sigma = np.sqrt((self.spread**2 - 1) / np.maximum(n_events * rate, 1.0))
        rng = stream(self.seed, "random score spread", f"{self.window.low:g}")
        passing = np.cumsum(rate * np.exp(sigma * rng.normal(size=len(rate))))
        return np.array([0.0, *np.minimum(passing, 0.999), 1.0])

    def draw_background(
        self, identity: np.ndarray, mass: np.ndarray, seed: int
    ) -> np.ndarray | None:
        """(N, D) zeros: only the identity of an event has a score."""
        return np.zeros((len(mass), self.n_features))

    def _fit(self, events: RegionEvents) -> None:
        """Nothing to learn."""


@dataclass(frozen=True)
class RandomScores:
    """The random score of each window; for ``find``.

    Attributes:
        spread: f of their counts.
    """

    spread: float

    def __call__(self, config: SearchConfig, window: Window) -> RandomScore:
        return RandomScore(
            window,
            config.efficiencies,
            spread=self.spread,
            n_features=len(config.run.seen_features),
            seed=config.run.seed,
        )


def known_spread(config: SearchConfig, spread: float) -> Overdispersion:
    """The over-dispersion of ``RandomScore``, as if it had been measured without an error."""
    n_cuts = len(config.efficiencies)
    same, none = (spread,) * n_cuts, (0.0,) * n_cuts
    cuts = [*config.efficiencies, 0.0]
    return Overdispersion(
        method=config.run.method.name,
        efficiencies=tuple(config.efficiencies),
        f=same,
        f_error=none,
        f_inclusive=same,
        f_inclusive_error=none,
        rate=tuple(high - low for high, low in pairwise(cuts)),
        correlation=tuple(map(tuple, np.eye(n_cuts).tolist())),
        n_experiments=0,
        n_events=0,
        n_template=0,
        low=0.0,
        high=0.0,
        key="",
    )
