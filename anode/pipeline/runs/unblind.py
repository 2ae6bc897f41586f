"""The key of a black box: read when scores are judged, never before.

``data=blackbox`` events carry no labels: fits and scores are made without. The key file of
``data.key``, if there is one, is read when the scores are judged.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.readers.black_box_key import read_key
from anode.io import sha256_file
from anode.pipeline.datasets.config import DataConfig
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
    key = data.key_file
    if key is None:
        return False
    judged_with = directory.read_manifest().key
    if judged_with is None or not key.is_file():
        return True
    return judged_with.sha256 != sha256_file(key)


def unblind(data: DataConfig, prepared: Prepared, scored: Scored) -> Unblinded:
    """Put the labels of the key to events and scores; without a key everything stays as it is.

    Raises:
        DataError: the key has another number of events than the file, or breaks its rules.
    """
    key_file = data.key_file
    if key_file is None:
        return Unblinded(prepared, scored, None)
    label = _labels(key_file, prepared)
    labelled = dataclasses.replace(prepared.data, label=label)
    key = KeyDescription(key_file.name, sha256_file(key_file), int(label.sum()))
    tables = [labelled] if prepared.extra is None else [labelled, prepared.extra]
    ids = np.concatenate([table.event_id for table in tables])
    labels = np.concatenate(
        [np.zeros(len(t), np.int8) if t.label is None else t.label for t in tables]
    )
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids, scored.event_id, sorter=order)]
    return Unblinded(prepared._replace(data=labelled), scored._replace(label=labels[rows]), key)


def _labels(path: Path, prepared: Prepared) -> NDArray[np.int8]:
    """(N,) label of each event by its row in the file that the key belongs to."""
    key = read_key(path)
    n_rows, rows = prepared.source.numbering(prepared.data)
    if len(key) != n_rows:
        raise DataError(
            f"{path}: a key must have one line for each of the {n_rows} events of "
            f"{prepared.source.name}, got {len(key)}; is it the key of another file?"
        )
    return key[rows]
