"""The key of a black box: read when scores are judged, never before.

``data=blackbox`` events carry no labels: fits and scores are made without. The key file of
``data.key``, if there is one, is read when the scores are judged.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.readers.black_box_key import read_key
from anode.events.readers.lhco_features import READ_EVENTS
from anode.events.readers.raw_particles import is_raw, raw_layout
from anode.events.table import EventTable
from anode.io import open_hdf5, sha256_file
from anode.pipeline.datasets.config import BlackboxConfig, DataConfig
from anode.pipeline.runs.prepare import Prepared
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import Scored
from anode.provenance import KeyDescription


class Unblinded(NamedTuple):
    """Events and scores, with labels where a key is given, and the key; None without."""

    prepared: Prepared
    scored: Scored
    key: KeyDescription | None


def awaits_key(data: DataConfig, directory: RunDirectory) -> bool:
    """Whether a key is given with which the run has not been judged yet."""
    if not isinstance(data, BlackboxConfig) or data.key is None:
        return False
    judged_with = directory.read_manifest().key
    if judged_with is None or not Path(data.key).is_file():
        return True
    return judged_with.sha256 != sha256_file(data.key)


def unblind(data: DataConfig, prepared: Prepared, scored: Scored) -> Unblinded:
    """Put the labels of the key to events and scores; without a key everything stays as it is.

    Raises:
        DataError: the key has another number of events than the file, or breaks its rules.
    """
    if not isinstance(data, BlackboxConfig) or data.key is None:
        return Unblinded(prepared, scored, None)
    label = _labels(data, prepared.data)
    events = prepared.data
    labelled = EventTable(
        events.event_id,
        events.mass,
        events.features,
        events.names,
        events.units,
        label,
        events.source,
    )
    key = KeyDescription(Path(data.key).name, sha256_file(data.key), int(label.sum()))
    tables = [labelled] if prepared.extra is None else [labelled, prepared.extra]
    ids = np.concatenate([table.event_id for table in tables])
    labels = np.concatenate(
        [np.zeros(len(t), np.int8) if t.label is None else t.label for t in tables]
    )
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids, scored.event_id, sorter=order)]
    return Unblinded(prepared._replace(data=labelled), scored._replace(label=labels[rows]), key)


def _labels(data: BlackboxConfig, events: EventTable) -> NDArray[np.int8]:
    """(N,) label of each event by its row in the file that the key belongs to."""
    key = read_key(str(data.key))
    n_rows, rows = _rows(Path(str(data.path)), events)
    if len(key) != n_rows:
        raise DataError(
            f"{data.key}: a key must have one line for each of the {n_rows} events of "
            f"{data.path}, got {len(key)}; is it the key of another file?"
        )
    return key[rows]


def _rows(path: Path, events: EventTable) -> tuple[int, NDArray[np.int64]]:
    """Number of events of the black box, and the row of each event that has features."""
    if is_raw(path):
        return raw_layout(path).n_events, events.event_id
    with open_hdf5(path) as file:
        n_read = file.attrs.get(READ_EVENTS)
    if n_read is not None:  # features of raw events, which are numbered by their rows
        return int(n_read), events.event_id
    return len(events), np.arange(len(events))
