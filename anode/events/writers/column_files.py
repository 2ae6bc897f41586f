"""Events of one HDF5 dataset a column, and the settings with which ``data=table`` reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anode import io
from anode.events.table import EventTable

MASS, EVENT_ID, LABEL = "mass", "event_id", "label"


def write_events(path: Path, events: EventTable) -> None:
    """Write the file; features are numbered, whatever their names."""
    columns = {MASS: events.mass, EVENT_ID: events.event_id}
    columns |= {_column(i): events.features[:, i] for i in range(len(events.names))}
    if events.label is not None:
        columns[LABEL] = events.label
    io.write_hdf5(path, columns)


def read_events(path: Path, names: Sequence[str], units: Sequence[str]) -> EventTable:
    """The events of such a file, without labels.

    Args:
        path: path of the file.
        names: names of its features, in the order they were written in.
        units: their units.

    Raises:
        DataError: the file is missing or broken.
    """
    with io.open_hdf5(path) as file:
        features = [file[_column(i)][:] for i in range(len(names))]
        return EventTable(
            file[EVENT_ID][:],
            file[MASS][:],
            np.column_stack(features),
            tuple(names),
            tuple(units),
            None,
            path.name,
        )


def data_settings(
    path: Path | str,
    names: Sequence[str],
    *,
    labelled: bool,
    max_copies: float,
    extra: Sequence[str] = (),
) -> dict[str, Any]:
    """Keys below ``data`` with which a command reads such a file.

    Args:
        path: path of the file.
        names: names of its features.
        labelled: True if it has labels, which the data sample may be judged by.
        max_copies: share of the events that may be copies of an earlier one.
        extra: further files of this kind, of labelled events.
    """
    return {
        "reader": "table",
        "path": str(path),
        "columns": {
            "mass": MASS,
            "features": {name: _column(i) for i, name in enumerate(names)},
            "label": LABEL if labelled else None,
            "event_id": EVENT_ID,
        },
        "mass_unit": "GeV",
        "extra_background": None,
        "extra": list(extra),
        "max_copies": max_copies,
        "n_background": None,
        "n_signal": None,
    }


def _column(number: int) -> str:
    return f"feature_{number + 1}"
