"""Files of generated events: features in the bundled layout, particles in that of the R&D file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.feature_definitions import RAW_COLUMNS
from anode.io import atomic_path, hdf5_in_memory, new_hdf5

FORMAT_VERSION = 1

MOMENTUM_BITS = 14
"""Mantissa bits kept of momenta and masses: spacing 2^-14 = 6e-5, where jets resolve 5%."""

TAU_BITS = 12
"""Mantissa bits kept of tau_N: spacing 2^-12 = 2.4e-4."""

_CHUNK_ROWS = 50_000
_RAW_CHUNK_ROWS = 100
RAW_SLOTS = 700
"""Largest number of particles of a raw event, as in the LHC Olympics files."""


class RawEvents(NamedTuple):
    """Particles of N events, hardest first; event i owns rows offsets[i]:offsets[i + 1].

    Attributes:
        offsets: (N + 1,) int64 first particle of each event, and M.
        particles: (M, 3) float32, pT [GeV], eta, phi.
        label: class of all N events, 1 signal, 0 background.
    """

    offsets: NDArray[np.int64]
    particles: NDArray[np.float32]
    label: int

    def padded(self) -> NDArray[np.float32]:
        """(N, 2101): the hardest 700 x (pT, eta, phi), zero padded, and the label."""
        rows = np.zeros((len(self.offsets) - 1, RAW_SLOTS, 3), dtype=np.float32)
        for row, start, stop in zip(rows, self.offsets[:-1], self.offsets[1:], strict=True):
            owned = self.particles[start:stop][:RAW_SLOTS]
            row[: len(owned)] = owned
        label = np.full((len(rows), 1), self.label, dtype=np.float32)
        return np.concatenate([rows.reshape(len(rows), 3 * RAW_SLOTS), label], axis=1)


def round_mantissa(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Round, in any shape, to the nearest float32 with ``bits`` mantissa bits; ties to even.

    |result / value - 1| <= 2^-(bits + 1). The dropped bits are zero, so that they compress.

    Raises:
        DataError: not 1 to 23 bits.

    Example:
        >>> round_mantissa(np.float32([1000.03, 0.0, -3.0]), 8)
        array([1000.,    0.,   -3.], dtype=float32)
    """
    if not 1 <= bits <= 23:
        raise DataError(f"a float32 keeps between 1 and 23 mantissa bits, got {bits}")
    dropped = 23 - bits
    if dropped == 0:
        return values.astype(np.float32)
    integers = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    last_kept = (integers >> np.uint32(dropped)) & np.uint32(1)
    rounded = integers + np.uint32((1 << (dropped - 1)) - 1) + last_kept
    return (rounded & np.uint32(0xFFFFFFFF ^ ((1 << dropped) - 1))).view(np.float32)


def write_bundled(
    path: Path | str,
    *,
    event_id: NDArray[np.int64],
    values: NDArray[np.float32],
    label: NDArray[np.int8],
    attributes: Mapping[str, str | int | float],
) -> None:
    """Write the layout that ``read_bundled`` reads, atomically.

    One dataset for each column at the root: ``event_id``, the 14 LHC Olympics columns with
    rounded mantissas, and ``label``; gzip with shuffle. Equal input gives equal bytes with equal
    versions of HDF5.

    Args:
        path: file to write.
        event_id: (N,) unique ids.
        values: (N, 14) features in the order of ``RAW_COLUMNS``.
        label: (N,) class, 1 signal, 0 background.
        attributes: attributes of the file; ``format_version`` and the mantissa bits are added.
    """
    columns: dict[str, np.ndarray] = {"event_id": event_id}
    for index, name in enumerate(RAW_COLUMNS):
        bits = TAU_BITS if name.startswith("tau") else MOMENTUM_BITS
        columns[name] = round_mantissa(values[:, index], bits)
    columns["label"] = label
    with hdf5_in_memory(path) as file:
        for name, column in columns.items():
            chunks = (min(_CHUNK_ROWS, len(column)),)
            file.create_dataset(
                name, data=column, chunks=chunks, compression="gzip", compression_opts=9,
                shuffle=True,
            )  # fmt: skip
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["mantissa_bits_momentum"] = MOMENTUM_BITS
        file.attrs["mantissa_bits_tau"] = TAU_BITS
        for key, value in attributes.items():
            file.attrs[key] = value


def write_raw(
    path: Path | str,
    parts: Iterable[RawEvents],
    *,
    beside: Mapping[str, NDArray[np.generic]] | None = None,
) -> int:
    """Write particles in the layout of the R&D file, atomically; return the number of events.

    ``df/block0_values`` (N, 2101) as pandas' fixed format has it: 700 x (pT, eta, phi), zero
    padded and ordered by pT, then the label. Parts are written one after the other, so that
    memory holds one at a time.

    Args:
        path: file to write.
        parts: particles, part by part.
        beside: name -> (N,) further quantities of the events, datasets at the root.
    """
    n_columns = 3 * RAW_SLOTS + 1
    with atomic_path(path) as temporary, new_hdf5(temporary) as (file, check):
        set_attributes(file, {"CLASS": b"GROUP", "VERSION": b"1.0", "TITLE": b""})
        set_attributes(file, {"PYTABLES_FORMAT_VERSION": b"2.1"})
        frame = file.create_group("df")
        set_attributes(
            frame, {"CLASS": b"GROUP", "VERSION": b"1.0", "TITLE": b"", **FRAME_ATTRIBUTES}
        )
        frame.attrs["ndim"], frame.attrs["nblocks"] = 2, 1
        values = frame.create_dataset(
            "block0_values", shape=(0, n_columns), maxshape=(None, n_columns), dtype="<f4",
            chunks=(_RAW_CHUNK_ROWS, n_columns), compression="gzip", compression_opts=4,
            shuffle=True,
        )  # fmt: skip
        for part in parts:
            rows = part.padded()
            values.resize(len(values) + len(rows), axis=0)
            values[len(values) - len(rows) :] = rows
            check()
        for name, length in (
            ("axis0", n_columns), ("block0_items", n_columns), ("axis1", len(values))
        ):  # fmt: skip
            frame.create_dataset(name, data=np.arange(length, dtype=np.int64))
            set_attributes(frame[name], _INDEX)
        for name in ("axis0", "axis1", "block0_items", "block0_values"):
            set_attributes(frame[name], {"CLASS": b"ARRAY", "VERSION": b"2.4", "TITLE": b""})
            frame[name].attrs["transposed"] = np.uint8(1)
        for name, column in (beside or {}).items():
            file.create_dataset(name, data=column)
        return len(values)


FRAME_ATTRIBUTES = {
    "pandas_type": b"frame",
    "pandas_version": b"0.15.2",
    "encoding": b"UTF-8",
    "errors": b"strict",
    "axis0_variety": b"regular",
    "axis1_variety": b"regular",
    "block0_items_variety": b"regular",
}
_INDEX = {"kind": b"integer"}


def set_attributes(item: h5py.HLObject, attributes: Mapping[str, bytes]) -> None:
    """Set attributes as PyTables writes them."""
    for name, value in attributes.items():
        # PyTables takes fixed-length UTF-8 for str, and anything else for bytes.
        kind = h5py.string_dtype("utf-8", max(len(value), 1))
        item.attrs.create(name, value, dtype=kind)
