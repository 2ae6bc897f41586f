"""Particles of chosen events, from the group ``particles`` of a file of features.

``anode features particles=true`` writes the group, ``events.writers.particle_group`` describes it.
"""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.particles import EventParticles
from anode.events.table import refuse_repeated
from anode.events.writers.particle_group import CHUNK, GROUP, VALUES
from anode.io import open_hdf5
from anode.resources import DATA

BUNDLED_PARTICLES = DATA / "anode_particles.h5"
"""Events with particles that belong to the package or the checkout."""

_BLOCK = 8 * CHUNK
"""Particles read at a time."""

_REMEDY = "make the file again: anode features particles=true"
_KINDS = {"offsets": "iu", "pt": "f", "eta": "f", "phi": "f", "jet": "i"}
_RULES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "pt": ("must be finite and above 0", lambda pt: np.isfinite(pt) & (pt > 0)),
    "eta": ("must be finite", np.isfinite),
    "phi": ("must be finite", np.isfinite),
    "jet": ("must be 0, 1 or -1", lambda jet: (jet >= -1) & (jet <= 1)),
}


class ParticleGroup:
    """Particles of the events of a file; memory holds the ids and 8 bytes an event.

    Args:
        path: file that ``anode features particles=true`` made; None for the bundled one.

    Attributes:
        path: path of the file.
        event_id: (N,) int64 ids of the events, in the order of the file.

    Raises:
        DataError: the file is missing, damaged or without particles, an id occurs twice, or
            the offsets do not rise from 0 to the number of particles.

    Example:
        >>> group = ParticleGroup(None)
        >>> few = group.read(group.event_id[[5, 2]])
        >>> few.event_id.tolist() == group.event_id[[5, 2]].tolist(), len(few.offsets)
        (True, 3)
    """

    def __init__(self, path: Path | str | None) -> None:
        self.path = BUNDLED_PARTICLES if path is None else Path(path)
        with open_hdf5(self.path) as file:
            _check_layout(self.path, file)
            self.event_id = self._values(file, "event_id", 0, len(file["event_id"]))
            offsets = file[GROUP]["offsets"]
            self._offsets = self._values(file, f"{GROUP}/offsets", 0, len(offsets))
            n_particles = len(file[GROUP]["pt"])
        refuse_repeated(str(self.path), self.event_id)
        self._check_offsets(n_particles)
        self._by_id = np.argsort(self.event_id)

    @property
    def n_events(self) -> int:
        """Number N of events."""
        return len(self.event_id)

    @property
    def n_particles(self) -> int:
        """Number of particles of all events."""
        return int(self._offsets[-1])

    def multiplicity(self, event_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) numbers of particles of K events.

        Raises:
            DataError: an id is not in the file.
        """
        rows = self._rows_of(np.asarray(event_id, dtype=np.int64))
        counts: NDArray[np.int64] = self._offsets[rows + 1] - self._offsets[rows]
        return counts

    def read(self, event_id: NDArray[np.int64]) -> EventParticles:
        """The particles of K events, in the order of the request.

        Only the parts of the file that hold them are read, one after the other.

        Args:
            event_id: (K,) ids, in any order.

        Raises:
            DataError: an id is not in the file, the file is damaged, or a value is impossible.
        """
        wanted = np.asarray(event_id, dtype=np.int64)
        rows = self._rows_of(wanted)
        counts = self._offsets[rows + 1] - self._offsets[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        columns: dict[str, np.ndarray] = {
            name: np.empty(offsets[-1], np.int8 if name == "jet" else np.float32)
            for name in VALUES
        }
        in_file = np.argsort(rows, kind="stable")
        block = self._offsets[rows[in_file]] // _BLOCK
        with open_hdf5(self.path) as file:
            for some in np.split(in_file, np.flatnonzero(np.diff(block)) + 1):
                if len(some):
                    here = _places(offsets[some], counts[some])
                    there = _places(self._offsets[rows[some]], counts[some])
                    self._read_block(file, rows[some], columns, here, there)
        return EventParticles(wanted, offsets, **columns)

    def _read_block(
        self,
        file: h5py.File,
        rows: NDArray[np.int64],
        columns: dict[str, np.ndarray],
        here: NDArray[np.int64],
        there: NDArray[np.int64],
    ) -> None:
        """Copy the particles of ascending rows, those at ``there`` in the file, to ``here``."""
        start, stop = int(self._offsets[rows[0]]), int(self._offsets[rows[-1] + 1])
        for name, (rule, holds) in _RULES.items():
            values = self._values(file, f"{GROUP}/{name}", start, stop)[there - start]
            bad = np.flatnonzero(~holds(values))
            if len(bad):
                row = np.searchsorted(self._offsets, there[bad[0]], side="right") - 1
                raise DataError(
                    f"{self.path}: '{GROUP}/{name}' {rule}, but event {self.event_id[row]} has "
                    f"{values[bad[0]]:g} ({len(bad)} such particles at least); {_REMEDY}"
                )
            columns[name][here] = values

    def _rows_of(self, event_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) rows of ids."""
        ordered = self.event_id[self._by_id]
        place = np.minimum(np.searchsorted(ordered, event_id), max(self.n_events - 1, 0))
        missing = event_id[ordered[place] != event_id] if self.n_events else event_id
        if len(missing):
            raise DataError(
                f"{self.path}: event {missing[0]} is not in it ({len(missing)} such ids of the "
                f"{len(event_id)} asked for); give the file that the ids are from"
            )
        return self._by_id[place]

    def _check_offsets(self, n_particles: int) -> None:
        if len(self._offsets) != self.n_events + 1:
            raise DataError(
                f"{self.path}: '{GROUP}/offsets' must have one entry more than the "
                f"{self.n_events} events, got {len(self._offsets)}; {_REMEDY}"
            )
        falls = np.flatnonzero(np.diff(self._offsets) < 0)
        if self._offsets[0] != 0 or self._offsets[-1] != n_particles or len(falls):
            where = f", and falls behind entry {falls[0]}" if len(falls) else ""
            raise DataError(
                f"{self.path}: '{GROUP}/offsets' must rise from 0 to the {n_particles} particles, "
                f"but goes from {self._offsets[0]} to {self._offsets[-1]}{where}; {_REMEDY}"
            )

    def _values(self, file: h5py.File, name: str, start: int, stop: int) -> np.ndarray:
        try:
            return np.asarray(file[name][start:stop])
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{self.path}: cannot read '{name}', entries {start} to {stop} ({error}); the "
                f"file is damaged, fetch it again, or {_REMEDY}"
            ) from None


def has_particles(path: Path | str) -> bool:
    """Whether a file of features holds particles too.

    Raises:
        DataError: it is missing, truncated or not HDF5.
    """
    with open_hdf5(path) as file:
        return GROUP in file


def _check_layout(path: Path, file: h5py.File) -> None:
    """Refuse a file without the group, or with datasets of another kind or length."""
    group = file.get(GROUP)
    if not isinstance(group, h5py.Group) or "event_id" not in file:
        raise DataError(
            f"{path}: the file must hold the particles of its events, but has none; "
            "anode features particles=true makes one that does"
        )
    for name, kinds in _KINDS.items():
        found = group.get(name)
        if not isinstance(found, h5py.Dataset) or found.ndim != 1 or found.dtype.kind not in kinds:
            got = "nothing of the kind" if found is None else f"{found}"
            raise DataError(
                f"{path}: '{GROUP}/{name}' must be a list of "
                f"{'integers' if 'i' in kinds else 'numbers'}, got {got}; {_REMEDY}"
            )
    lengths = {len(group[name]) for name in VALUES}
    if len(lengths) > 1:
        raise DataError(
            f"{path}: {', '.join(VALUES)} of '{GROUP}' must have one entry a particle each, got "
            f"{', '.join(map(str, sorted(lengths)))}; {_REMEDY}"
        )


def _places(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """start, start + 1, ... of each of some ranges, one range behind the other."""
    first = np.cumsum(counts) - counts
    return np.repeat(starts - first, counts) + np.arange(counts.sum())
