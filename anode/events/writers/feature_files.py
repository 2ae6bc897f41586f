"""Files of features of raw events, in three layouts.

``anode``
    one HDF5 dataset for each column at the root, ``event_id`` and ``label`` among them, and
    further columns beside the 14 of the LHC Olympics; read by ``read_bundled``. The one layout
    that may hold the particles too, as ``particle_group.py`` has it.
``lhco``
    the 14 published columns and the label as a pandas data frame in fixed format; its index is
    the event's row in the raw file. Read by ``read_lhco_features``, pandas and PyTables.
``jsonl``
    one JSON object per line, for language models and scripts.

Rows come in parts of any size and are joined anew, so that equal events give equal bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from anode.events.feature_definitions import RAW_COLUMNS
from anode.events.particles import EventParticles
from anode.events.writers.bundled import FRAME_ATTRIBUTES, set_attributes
from anode.events.writers.particle_group import write_particles
from anode.io import atomic_path, new_hdf5

EVENT_ID, LABEL = "event_id", "label"
_CHUNK_ROWS = 20_000
_FORMAT_VERSION = 1

Columns = Mapping[str, NDArray]
"""Columns of some events by name: ``event_id``, those of ``jets.features.COLUMNS``, those of
groups of substructure, if any, and, where the truth is known, ``label``."""

Attributes = Mapping[str, str | int | float]

WITH_PARTICLES = "anode"
"""The layout that may hold particles."""

WITH_SUBSTRUCTURE = "anode"
"""The layout that may hold columns of the substructure of jets."""


class _Content(NamedTuple):
    """What becomes of a file: columns of ``n_rows`` events in parts, attributes, particles."""

    parts: Iterator[dict[str, NDArray]]
    n_rows: int
    attributes: Attributes
    particles: Iterable[EventParticles] | None


def write_features(
    path: Path,
    parts: Iterable[Columns],
    *,
    n_rows: int,
    layout: str,
    attributes: Attributes,
    particles: Iterable[EventParticles] | None = None,
) -> None:
    """Write features atomically, a part at a time.

    Args:
        path: file to write.
        parts: columns of ``n_rows`` events in one part or more, all with the same columns.
        n_rows: number of events.
        layout: one of ``LAYOUTS``.
        attributes: attributes of the file, if its layout has any.
        particles: particles of the same events, in parts of any size, for the layout
            ``WITH_PARTICLES``; None for a file without.
    """
    with atomic_path(path) as temporary:
        LAYOUTS[layout](temporary, _Content(_rebatched(parts), n_rows, attributes, particles))


def _rebatched(parts: Iterable[Columns]) -> Iterator[dict[str, NDArray]]:
    """The same rows in parts of ``_CHUNK_ROWS``, the last one shorter."""
    kept: list[Columns] = []
    n_kept = 0
    for part in parts:
        kept.append(part)
        n_kept += len(part[EVENT_ID])
        while n_kept > _CHUNK_ROWS:
            joined = _joined(kept)
            yield {name: rows[:_CHUNK_ROWS] for name, rows in joined.items()}
            kept = [{name: rows[_CHUNK_ROWS:] for name, rows in joined.items()}]
            n_kept -= _CHUNK_ROWS
    yield _joined(kept)


def _joined(parts: list[Columns]) -> dict[str, NDArray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _write_anode(path: Path, content: _Content) -> None:
    with new_hdf5(path) as (file, check):
        start = 0
        for part in content.parts:
            for name, rows in part.items():
                if name not in file:
                    _create(file, name, (content.n_rows,), rows.dtype)
                file[name][start : start + len(rows)] = rows
            start += len(part[EVENT_ID])
            check()
        if content.particles is not None:
            write_particles(file, content.particles, check)
        file.attrs["format_version"] = _FORMAT_VERSION
        file.attrs.update(content.attributes)


def _write_lhco(path: Path, content: _Content) -> None:
    n_rows = content.n_rows
    with new_hdf5(path) as (file, check):
        group = {"CLASS": b"GROUP", "VERSION": b"1.0", "TITLE": b""}
        set_attributes(file, {**group, "PYTABLES_FORMAT_VERSION": b"2.1"})
        frame = file.create_group("df")
        set_attributes(frame, {**group, **FRAME_ATTRIBUTES})
        frame.attrs["ndim"], frame.attrs["nblocks"] = 2, 1
        start = 0
        names: list[str] = []
        for part in content.parts:
            if not names:
                names = [*RAW_COLUMNS, *([LABEL] if LABEL in part else [])]
                _create(frame, "axis1", (n_rows,), np.dtype(np.int64))
                _create(frame, "block0_values", (n_rows, len(names)), np.dtype(np.float64))
            stop = start + len(part[EVENT_ID])
            frame["axis1"][start:stop] = part[EVENT_ID]
            frame["block0_values"][start:stop] = np.column_stack([part[name] for name in names])
            start = stop
            check()
        for name in ("axis0", "block0_items"):
            frame.create_dataset(name, data=np.array([column.encode() for column in names]))
            set_attributes(frame[name], {"kind": b"string", "name": b"N.", "nan_rep": b"nan"})
        set_attributes(frame["axis1"], {"kind": b"integer", "name": b"N."})
        for name in ("axis0", "axis1", "block0_items", "block0_values"):
            set_attributes(frame[name], {"CLASS": b"CARRAY", "VERSION": b"1.1", "TITLE": b""})
            frame[name].attrs["transposed"] = np.uint8(1)
        file.attrs.update(content.attributes)


def _create(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    chunks = (min(_CHUNK_ROWS, shape[0]), *shape[1:])
    group.create_dataset(
        name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True
    )


def _write_jsonl(path: Path, content: _Content) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for part in content.parts:
            rows = {name: column.tolist() for name, column in part.items()}
            for i in range(len(part[EVENT_ID])):
                event = {name: column[i] for name, column in rows.items()}
                file.write(json.dumps(_json_event(event), allow_nan=False) + "\n")


def _json_event(event: Mapping[str, float]) -> dict[str, object]:
    kinds = {0: "background", 1: "signal"}
    return {
        "type": kinds[int(event[LABEL])] if LABEL in event else None,
        "jets": [_json_jet(event, jet) for jet in (1, 2)],
        "n_particles": event["n_particles"],
        "m_jj": event["mjj"],
        "dR": event["delta_r"],
        "event_id": event[EVENT_ID],
    }


def _json_jet(event: Mapping[str, float], jet: int) -> dict[str, float]:
    names = {
        "px": "px",
        "py": "py",
        "pz": "pz",
        "m": "m",
        "n_particles": "n_constituents",
        "P_T_lead": "pt_lead",
        **{f"tau_{n}": f"tau{n}" for n in (1, 2, 3, 4)},
        "pt": "pt",
        "eta": "eta",
        "phi": "phi",
    }
    return {key: event[f"{name}j{jet}"] for key, name in names.items()}


LAYOUTS: dict[str, Callable[[Path, _Content], None]] = {
    "anode": _write_anode,
    "lhco": _write_lhco,
    "jsonl": _write_jsonl,
}
