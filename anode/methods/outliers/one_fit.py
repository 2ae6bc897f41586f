"""A method without folds: no event of the signal region has a part in its fits."""

import numpy as np

from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod


class OneFit(AnomalyMethod):
    """Base of methods that are fitted to the sidebands alone, or not at all."""

    score_at_window_centre = False

    @property
    def n_folds(self) -> int:
        """One."""
        return 1

    def fold(self, events: EventTable) -> np.ndarray:
        """(N,) zeros."""
        return np.zeros(len(events), dtype=np.int64)

    def unseen(self, events: EventTable, fitted: np.ndarray) -> np.ndarray:
        """(N,) True: events of the signal region are new to every fit."""
        return np.ones(len(events), dtype=bool)
