"""Content of ``scores.h5``, and which scores are refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod, Scores
from anode.pipeline.runs.run_directory import remake

DATA, EXTRA = 0, 1


class Scored(NamedTuple):
    """Events with their scores, as ``scores.h5`` holds them; ``label`` is None without truth."""

    event_id: np.ndarray
    mass: np.ndarray
    score: np.ndarray
    sample: np.ndarray
    outside: np.ndarray
    label: np.ndarray | None
    parts: dict[str, np.ndarray]


def write_scores(
    path: Path, scores: Scores, events: EventTable, sample: np.ndarray, method: AnomalyMethod
) -> None:
    """Write ``scores.h5``.

    Raises:
        DataError: a score is not finite.
    """
    io.write_hdf5(path, columns(scores, events, sample), attributes(events.names, method))


def columns(scores: Scores, events: EventTable, sample: np.ndarray) -> dict[str, np.ndarray]:
    """The datasets of ``scores.h5``.

    Raises:
        DataError: a score is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(scores.score))
    if bad.size:
        raise DataError(
            f"{events.source}: every score must be finite, but {bad.size} are not, first event id "
            f"{scores.event_id[bad[0]]}; no score file was written"
        )
    datasets = {
        "event_id": scores.event_id,
        "mass": scores.mass,
        "score": scores.score,
        **scores.parts,
        "sample": sample.astype(np.int8),
        "outside": scores.was_clipped,
    }
    return datasets if events.label is None else {**datasets, "label": events.label}


def attributes(features: Sequence[str], method: AnomalyMethod) -> dict[str, str]:
    """What ``scores.h5`` says of itself."""
    return {
        "method": method.title,
        "score": f"{method.meaning}, higher is more anomalous",
        "mass_unit": "GeV",
        "log_p_unit": f"natural log of a density per unit of {', '.join(features)}",
        "sample": "0 data, 1 extra test",
        "outside": "features clipped to the fitted range",
    }


def read_scores(path: Path) -> Scored:
    """Read ``scores.h5`` back.

    Raises:
        DataError, RunDirectoryError: it is missing or damaged.
    """
    with io.open_hdf5(path, remedy=remake(path)) as file:
        content = {name: file[name][:] for name in file}
    named = {name: content.pop(name) for name in Scored._fields[:5]}
    return Scored(**named, label=content.pop("label", None), parts=content)
