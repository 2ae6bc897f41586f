"""Samples of a reach study: background drawn for each seed, with a signal behind it.

A sample is one file for all strengths; how much of its signal goes into a search is decided there
(``injection.n_signal``), nested: a larger strength has the events of a smaller one, and more.
"""

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.feature_definitions import MOMENTUM_COLUMNS, RAW_COLUMNS, Jet, invariant_mass
from anode.regions.windows import Window
from anode.resources import DATA
from anode.seeding import stream

_File = Mapping[str, Any]
"""An open HDF5 file."""

BUNDLED = DATA / "anode_dijets.h5"
FOLDER = "samples"
MOST_SIGNAL = 20_000
"""Signal events of a sample that no strength limits."""


class Recipe(NamedTuple):
    """What a sample is made of.

    Attributes:
        background, signal: files of the bundled layout; of either only its class is taken.
        window: window of the signal.
        n_background: number of background events to be drawn; None takes all.
        strength: largest S/sqrt(B) that is asked of the sample; None puts in all signal events,
            or ``MOST_SIGNAL``.
        seed: root seed of the draws.
    """

    background: Path
    signal: Path
    window: Window
    n_background: int | None
    strength: float | None
    seed: int

    def digest(self) -> str:
        """Hash of the events that a sample of it has."""
        asked = [self.n_background, self.strength, self.seed, self.window.low, self.window.high]
        files = [_sha256(path) for path in (self.background, self.signal)]
        return io.sha256_text(json.dumps([*files, *asked]))


def _sha256(path: Path) -> str:
    found = path.stat()
    return _sha256_of(path, found.st_mtime_ns, found.st_size)


@functools.cache
def _sha256_of(path: Path, changed: int, size: int) -> str:
    """Read once, as long as the file is the same."""
    return io.sha256_file(path)


class Sample(NamedTuple):
    """A file of events, and what is in it.

    Attributes:
        path: file of the layout that ``data=bundled`` reads.
        n_background, n_signal: numbers of events at all masses.
        n_inside: number of background events in the window.
        share: share of the signal in the window.
    """

    path: Path
    n_background: int
    n_signal: int
    n_inside: int
    share: float

    def injected(self, strength: float) -> int:
        """Number of signal events, at all masses, for S/sqrt(B) to be expected in the window."""
        return round(strength * math.sqrt(self.n_inside) / self.share)


def make_sample(path: Path, recipe: Recipe) -> Sample:
    """The sample of a recipe; its file is written if it is missing or another.

    Raises:
        DataError: a file lacks a column, or has too few events.
    """
    digest = recipe.digest()
    background, signal, window, n_background, strength, seed = recipe
    if not _is_made(path, digest):
        with io.open_hdf5(background) as behind, io.open_hdf5(signal) as hidden:
            columns = _columns(behind, background, hidden, signal)
            rows = _rows(behind, 0, background)
            rows = rows[_drawn(len(rows), n_background, background, seed, "background")]
            n_inside = int(window.contains(_masses(behind)[rows]).sum())
            signal_rows = _rows(hidden, 1, signal)
            share = _share(_masses(hidden)[signal_rows], window, signal)
            wanted = min(len(signal_rows), MOST_SIGNAL)
            if strength is not None:
                wanted = Sample(path, len(rows), 0, n_inside, share).injected(strength)
            signal_rows = signal_rows[_drawn(len(signal_rows), wanted, signal, seed, "signal")]
            table = {
                name: np.concatenate([behind[name][:][rows], hidden[name][:][signal_rows]])
                for name in columns
            }
        table["event_id"] = np.arange(len(rows) + len(signal_rows))
        counts = {"n_background": len(rows), "n_signal": len(signal_rows), "n_inside": n_inside}
        io.write_hdf5(
            path, table, {"made_of": digest, "format_version": 1, **counts, "share": share}
        )
    with io.open_hdf5(path) as file:
        found = file.attrs
        return Sample(
            path,
            n_background=int(found["n_background"]),
            n_signal=int(found["n_signal"]),
            n_inside=int(found["n_inside"]),
            share=float(found["share"]),
        )


def _share(mass: np.ndarray, window: Window, signal: Path) -> float:
    """Share of the signal in the window, which must not be 0."""
    share = float(np.mean(window.contains(mass)))
    if not share:
        raise DataError(
            f"{signal}: the window of a signal must hold some of it, but [{window.low:g}, "
            f"{window.high:g}) GeV holds none; its median mass is {np.median(mass):g} GeV"
        )
    return share


def _columns(behind: _File, background: Path, hidden: _File, signal: Path) -> list[str]:
    """Columns that both files have, which must be those of jets and the label."""
    for file, path in ((behind, background), (hidden, signal)):
        if missing := [name for name in (*RAW_COLUMNS, "label") if name not in file]:
            raise DataError(
                f"{path}: a file of the bundled layout must have {', '.join(missing)}; make it "
                "with anode generate, or with anode features layout=anode"
            )
    own = [name for name, item in behind.items() if hasattr(item, "shape")]  # no group
    return [name for name in own if name in hidden and name != "event_id"]


def _rows(file: _File, label: int, path: Path) -> np.ndarray:
    rows = np.flatnonzero(file["label"][:] == label)
    if not rows.size:
        raise DataError(f"{path}: events of label {label} are needed, but there are none")
    return rows


def _masses(file: _File) -> np.ndarray:
    """(N,) m_jj of all events [GeV]."""
    jets = []
    for jet in (1, 2):
        px, py, pz, m = (file[f"{q}j{jet}"][:].astype(np.float64) for q in MOMENTUM_COLUMNS)
        jets.append(Jet(px, py, pz, m, {}))
    return invariant_mass(*jets)


def _drawn(n: int, wanted: int | None, path: Path, seed: int, name: str) -> np.ndarray:
    """Rising places of the events that a seed draws."""
    if wanted is None:
        return np.arange(n)
    if wanted > n:
        raise DataError(
            f"{path}: {wanted} {name} events are needed, but there are {n}; generate more of "
            "them, or lower study.strengths or study.n_background"
        )
    drawn: np.ndarray = np.sort(stream(seed, "reach", name).permutation(n)[:wanted])
    return drawn


def _is_made(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with io.open_hdf5(path) as file:
        return bool(file.attrs.get("made_of") == digest)
