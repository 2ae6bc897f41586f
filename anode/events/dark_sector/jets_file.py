"""Layout of a file of dark-sector jets: one row a jet, nine datasets, and who belongs together.

jet_pt, jet_eta, jet_phi, jet_m, jet_e     (N,) float64, momentum of the jet [GeV]
jet_dark_pt, jet_rinv                      (N,) float64, truth
jet_is_dark                                (N,) bool, truth; may be missing in NominalSM.h5
particle_features                          (N, 60) float64: the 20 hardest constituents,
                                           (pT [GeV], eta, phi) each, -999 where there is none
event_id                                   (N,) int64, the collision; generated files alone
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.dark_sector.names import SignalPoint, point_of
from anode.events.table import refuse_rows
from anode.io import open_hdf5, write_hdf5

N_PARTICLES, N_VALUES = 20, 3
"""Constituents of a jet, and numbers of each."""

PADDING = -999.0
"""Stands where a jet has no further constituent."""

KINEMATICS = ("jet_pt", "jet_eta", "jet_phi", "jet_m", "jet_e")
TRUTH = ("jet_dark_pt", "jet_rinv", "jet_is_dark")
"""Columns that know what a jet is: never features."""

PARTICLES, EVENT_ID = "particle_features", "event_id"
DATASETS = (*KINEMATICS, *TRUTH, PARTICLES)
"""What every file has."""


class DarkJets(NamedTuple):
    """N jets of one file.

    Attributes:
        source: name of the file.
        point: parameters of the signal; None for the Standard Model.
        columns: name -> (N,) values of ``KINEMATICS`` and ``TRUTH``.
        particles: (N, 20, 3) constituents, hardest first: pT [GeV], eta, phi; -999 padded.
        event_id: (N,) int64 collision of each jet, or None where the file does not say.
    """

    source: str
    point: SignalPoint | None
    columns: Mapping[str, NDArray[np.float64]]
    particles: NDArray[np.float64]
    event_id: NDArray[np.int64] | None

    @property
    def n_jets(self) -> int:
        """N. There is no ``__len__``: a NamedTuple needs its own."""
        return len(self.particles)

    @property
    def is_dark(self) -> NDArray[np.bool_]:
        """(N,) whether the jet is dark."""
        return self.columns["jet_is_dark"].astype(bool)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(N, 20) which slots hold a constituent: none of its three values is the padding."""
        return (self.particles != PADDING).all(axis=2)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "DarkJets":
        """Some of the jets."""
        return self._replace(
            columns={name: values[chosen] for name, values in self.columns.items()},
            particles=self.particles[chosen],
            event_id=None if self.event_id is None else self.event_id[chosen],
        )


class DatasetShape(NamedTuple):
    """Name, shape and type of a dataset as it stands in a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def structure(path: Path) -> list[DatasetShape]:
    """The datasets of a file, by name.

    Raises:
        DataError: the file is missing, truncated or not HDF5.
    """
    with open_hdf5(path) as file:
        return [
            DatasetShape(name, tuple(item.shape), str(item.dtype))
            for name, item in sorted(file.items())
            if isinstance(item, h5py.Dataset)
        ]


def count_rows(path: Path, *, dark_only: bool) -> int:
    """Number of jets of a file, or of dark ones.

    Raises:
        DataError: as ``read_jets``, as far as shapes go.
    """
    with open_hdf5(path) as file:
        n_jets = _checked_length(str(path), file, point_of(path))
        return int(np.count_nonzero(file["jet_is_dark"][:])) if dark_only else n_jets


def read_jets(path: Path) -> DarkJets:
    """The jets of a file.

    Raises:
        DataError: the file is missing, not HDF5 or of a foreign name, a dataset is missing or of
            another shape, a value is impossible, or a jet has no particles.
    """
    source, point = str(path), point_of(path)
    with open_hdf5(path) as file:
        n_jets = _checked_length(source, file, point)
        columns = {
            name: np.asarray(file[name][:], dtype=np.float64)
            if name in file
            else np.zeros(n_jets)  # jet_is_dark of the Standard Model
            for name in (*KINEMATICS, *TRUTH)
        }
        flat = np.asarray(file[PARTICLES][:], dtype=np.float64)
        event_id = np.asarray(file[EVENT_ID][:]) if EVENT_ID in file else None
    jets = DarkJets(source, point, columns, flat.reshape(n_jets, N_PARTICLES, N_VALUES), event_id)
    _check_values(jets)
    return jets


def write_jets(
    path: Path,
    columns: Mapping[str, NDArray[np.float64]],
    particles: NDArray[np.float64],
    event_id: NDArray[np.int64],
    attributes: Mapping[str, str | int | float],
) -> None:
    """Write the layout that ``read_jets`` reads, contiguous and uncompressed, atomically.

    Args:
        path: file to write.
        columns: (N,) values of ``KINEMATICS`` and ``TRUTH``.
        particles: (N, 20, 3) constituents.
        event_id: (N,) collision of each jet.
        attributes: attributes of the file.
    """
    datasets: dict[str, np.ndarray] = {
        name: columns[name].astype(bool if name == "jet_is_dark" else np.float64)
        for name in (*KINEMATICS, *TRUTH)
    }
    datasets[PARTICLES] = particles.reshape(len(particles), N_PARTICLES * N_VALUES)
    datasets[EVENT_ID] = event_id
    write_hdf5(path, datasets, attributes)


def _checked_length(source: str, file: h5py.File, point: SignalPoint | None) -> int:
    """Number of jets; every dataset must be there and have so many rows."""
    optional = ("jet_is_dark",) if point is None else ()
    if missing := [name for name in DATASETS if name not in file and name not in optional]:
        raise DataError(
            f"{source}: missing dataset {', '.join(missing)}; present are "
            f"{', '.join(file) or 'none'}"
        )
    shapes = {name: file[name].shape for name in (*DATASETS, EVENT_ID) if name in file}
    n_jets = shapes["jet_pt"][0] if len(shapes["jet_pt"]) == 1 else 0
    for name, shape in shapes.items():
        expected = (n_jets, N_PARTICLES * N_VALUES) if name == PARTICLES else (n_jets,)
        if shape != expected or not n_jets:
            wanted = "(N, 60)" if name == PARTICLES else "(N,)"
            raise DataError(
                f"{source}: dataset '{name}' must have shape {wanted} with one N > 0 for all, "
                f"got {shape} beside {n_jets} jets; write the file again"
            )
    return int(n_jets)


def _check_values(jets: DarkJets) -> None:
    for name, values in jets.columns.items():
        refuse_rows(jets.source, name, values, ~np.isfinite(values), "must be finite")
    for name in ("jet_pt", "jet_e"):
        values = jets.columns[name]
        refuse_rows(jets.source, name, values, np.asarray(values <= 0), "must be positive")
    mass = jets.columns["jet_m"]
    refuse_rows(jets.source, "jet_m", mass, np.asarray(mass < 0), "must not be negative")
    mask = jets.mask
    sound = np.isfinite(jets.particles).all(axis=2) & (jets.particles[:, :, 0] > 0)
    n_broken, n_particles = (mask & ~sound).sum(axis=1), mask.sum(axis=1)
    rule = "must hold finite particles of positive pT, or -999"
    refuse_rows(jets.source, PARTICLES, n_broken, np.asarray(n_broken > 0), rule)
    rule = "must hold at least one particle a jet"
    refuse_rows(jets.source, PARTICLES, n_particles, np.asarray(n_particles == 0), rule)
