"""Scores of events, as arrays in the order of the events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class EventScores:
    """What a fitted model says of N events, in their order; higher scores are more anomalous.

    Attributes:
        event_id: (N,) ids, as the events have them.
        mass: (N,) masses [GeV].
        score: (N,) scores, such as ``log p_data(x|m) - log p_bg(x|m)``; NaN where ``scored`` is
            False.
        scored: (N,) True where an event has a score: those of the signal region, and in
            ``split="holdout"`` of the fitted events those of the test share.
        seen: (N,) True for events that the model was fitted on; such an event is scored by the
            fits that have not seen it, all others by the average over folds.
        clipped: (N,) True for events beyond the range of features that densities were fitted in;
            they are moved to its edge.
        parts: name -> (N,) terms of the score: ``log_p_data`` and ``log_p_background`` of ANODE,
            ``log_p_signal`` and ``log_p_background`` of R-ANODE, ``score_MEMBER`` of a
            combination; none of a classifier or forest.
        meaning: definition of the score, in words.
        extra: numbers of the method beside scores of the ``seen`` events, such as the
            ``signal_fraction`` of R-ANODE with its error; empty where there is none.
    """

    event_id: NDArray[np.int64]
    mass: NDArray[np.float64]
    score: NDArray[np.float64]
    scored: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    clipped: NDArray[np.bool_]
    parts: Mapping[str, NDArray[np.float64]]
    meaning: str
    extra: Mapping[str, Any]

    @property
    def log_p_data(self) -> NDArray[np.float64]:
        """(N,) log p_data(x|m); NaN for methods that have no p_data."""
        return self._part("log_p_data")

    @property
    def log_p_background(self) -> NDArray[np.float64]:
        """(N,) log p_bg(x|m); NaN for methods that do not score with p_bg."""
        return self._part("log_p_background")

    @property
    def log_p_signal(self) -> NDArray[np.float64]:
        """(N,) log p_sig(x|m); NaN for methods that have no p_sig."""
        return self._part("log_p_signal")

    def _part(self, name: str) -> NDArray[np.float64]:
        return self.parts.get(name, np.full(len(self.score), np.nan))

    def __len__(self) -> int:
        return len(self.score)

    def __repr__(self) -> str:
        return (
            f"EventScores({int(self.scored.sum())} of {len(self)} events scored: {self.meaning})"
        )
