"""What did a window's process leave?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import io
from anode.search.spectra import WindowCuts


class FinishedWindow(NamedTuple):
    """What a window's process left.

    Attributes:
        cuts: for the spectra.
        event_id, score: (S,) of the events that pass the loosest cut, as ``cuts`` has them.
        described: the content of ``window.json``.
    """

    cuts: WindowCuts
    event_id: np.ndarray
    score: np.ndarray
    described: dict[str, Any]


def read_window(directory: Path, efficiencies: Sequence[float]) -> FinishedWindow:
    """The result of one window.

    Args:
        directory: of the window.
        efficiencies: (E,) of the search; no event passes a cut that the window could not fix.

    Raises:
        DataError: a file is missing or broken.
    """
    described = io.read_json(directory / "window.json")
    with io.open_hdf5(directory / "selected.h5") as file:
        event_id, mass, score = (file[name][:] for name in ("event_id", "mass", "score"))
    missing = len(efficiencies) - len(described["thresholds"])  # the tightest
    thresholds = np.array([*described["thresholds"].values(), *[np.inf] * missing])
    template = described["template"]
    share, error = (
        np.array([*template[key], *[np.nan] * missing])
        for key in ("efficiency", "efficiency_error")
    )
    cuts = WindowCuts(
        described["low"],
        described["high"],
        described["strip"],
        thresholds,
        share,
        error,
        mass,
        (score[:, None] > thresholds).sum(axis=1),
    )
    return FinishedWindow(cuts, event_id, score, described)
