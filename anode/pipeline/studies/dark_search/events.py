"""Events of a dark search: raw particles of background and signal to one table with labels."""

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io, progress
from anode.errors import DataError
from anode.events.readers.raw_particles import raw_layout, read_raw
from anode.jets.clustering import Trigger, leading_jets
from anode.jets.semivisible import COLUMNS, semivisible_features
from anode.parallel import stream_jobs
from anode.pipeline.studies.dark_search.config import (
    DarkSearchConfig,
    EventsConfig,
    SelectionConfig,
)

log = logging.getLogger(__name__)

EVENTS = "events.h5"
"""Name of the table."""

ROWS_PER_FILE = 100_000_000
"""event_id = label * this + row of the raw file."""

MAX_BROKEN = 0.01
"""Share of the rows of a file that may be no events."""


class Rows(NamedTuple):
    """Rows [start, stop) of a raw file."""

    path: Path
    label: int
    start: int
    stop: int
    data: EventsConfig
    selection: SelectionConfig


class Block(NamedTuple):
    """Selected events of some rows.

    Attributes:
        row: (S,) rows in the file.
        values: (S, D) values of ``COLUMNS``.
        n_broken: number of rows that are no events.
    """

    row: np.ndarray
    values: np.ndarray
    n_broken: int


def make_events(config: DarkSearchConfig) -> Path:
    """The table ``events.h5`` of selected events, as ``data=table`` reads it; made if missing.

    Raises:
        DataError: a file cannot be read, has events of the other class, or none is selected.
    """
    path = Path(config.output) / EVENTS
    files = {0: Path(config.data.background), 1: Path(config.data.signal)}
    content = {
        "files": {label: io.sha256_file(_checked(file)) for label, file in files.items()},
        "jets": dataclasses.asdict(config.data.jets),
        "selection": dataclasses.asdict(config.selection),
        "columns": COLUMNS,
    }
    digest = io.sha256_text(json.dumps(content, sort_keys=True))
    if path.is_file():
        with io.open_hdf5(path) as file:
            if file.attrs.get("made_of") == digest:
                return path
    datasets: dict[str, list[np.ndarray]] = {}
    total = sum(raw_layout(file).n_events for file in files.values())
    with progress.task("events", total=total, unit="events") as bar:
        for label, file in files.items():
            row, values = _selected(config, file, label, bar)
            columns = dict(zip(COLUMNS, values.T, strict=True))
            columns["event_id"] = label * ROWS_PER_FILE + row
            columns["label"] = np.full(len(row), label, dtype=np.int8)
            for name, column in columns.items():
                datasets.setdefault(name, []).append(column)
    joined = {name: np.concatenate(parts) for name, parts in datasets.items()}
    io.write_hdf5(path, joined, {"made_of": digest})
    return path


def _checked(path: Path) -> Path:
    raw_layout(path)
    return path


def _selected(
    config: DarkSearchConfig, path: Path, label: int, bar: progress.Task
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the selected events of one file."""
    n_events = raw_layout(path).n_events
    found = []
    jobs = _rows(config, path, label, n_events)
    for block in stream_jobs(select, jobs, n_jobs=config.n_jobs, threads=1):
        found.append(block)
        bar.update(min(config.block_rows, n_events - len(found[:-1]) * config.block_rows))
    n_broken = sum(block.n_broken for block in found)
    if n_broken > MAX_BROKEN * n_events:
        raise DataError(
            f"{path}: at most {MAX_BROKEN:.0%} of the rows may be no events, got {n_broken} of "
            f"{n_events}; repair the file"
        )
    row = np.concatenate([block.row for block in found])
    if not len(row):
        raise DataError(
            f"{path}: the selection keeps none of {n_events} events; lower selection.pt_min, or "
            "generate events of larger mass"
        )
    log.info("%s: %d of %d events selected", path, len(row), n_events)
    return row, np.concatenate([block.values for block in found])


def _rows(config: DarkSearchConfig, path: Path, label: int, n_events: int) -> Iterator[Rows]:
    for start in range(0, n_events, config.block_rows):
        stop = min(start + config.block_rows, n_events)
        yield Rows(path, label, start, stop, config.data, config.selection)


def select(rows: Rows) -> Block:
    """Cluster and select the events of some rows.

    Raises:
        DataError: the rows cannot be read, or hold events of the other class.
    """
    raw = read_raw(rows.path, rows.start, rows.stop)
    if raw.label is not None and np.any(raw.label != rows.label):
        kind = ("background", "signal")[rows.label]
        raise DataError(
            f"{rows.path}: data.{kind} must hold events of label {rows.label} alone, but row "
            f"{raw.row[raw.label != rows.label][0]} has another; give a file of {kind}"
        )
    selection, settings = rows.selection, rows.data.jets
    trigger = Trigger(selection.pt_min, selection.eta_max)
    jets = leading_jets(raw.objects, trigger=trigger, settings=settings)
    values = semivisible_features(jets, raw.objects, settings)
    other, apart = (values[:, COLUMNS.index(name)] for name in ("eta_2", "delta_eta"))
    kept = (np.abs(other) < selection.eta_max) & (apart < selection.delta_eta_max)
    n_broken = rows.stop - rows.start - len(raw.row)
    return Block(raw.row[jets.event][kept], values[kept], n_broken)
