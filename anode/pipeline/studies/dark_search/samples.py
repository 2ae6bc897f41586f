"""Data samples of a dark search: all background, and signal drawn for a strength and a seed.

A sample is drawn once, from the table of all events, and every set of features is searched in it,
so that searches with and without features of the shower differ in nothing else.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.identity import identity_of
from anode.jets.semivisible import COLUMNS
from anode.pipeline.studies.dark_search.config import DarkSearchConfig
from anode.regions.splits import uniform_of
from anode.regions.windows import Window

FOLDER = "samples"
MIN_SHAPE = 200
"""Fewest events of which the shape of a signal is made."""


class Sample(NamedTuple):
    """A data sample, without labels.

    Attributes:
        path: file with the columns of ``semivisible``, ``event_id`` and ``identity``.
        n_injected: number of signal events in it, at all masses.
        n_signal, n_background: numbers of signal and background events in the window.
    """

    path: Path
    n_injected: int
    n_signal: int
    n_background: int


def make_sample(config: DarkSearchConfig, events: Path, strength: float, seed: int) -> Sample:
    """The sample of a strength and a seed; its file is written if it is missing or another.

    Args:
        config: settings of the study.
        events: table of all events with labels.
        strength: S/sqrt(B) that is expected in the window.
        seed: root seed.

    Raises:
        DataError: there is no signal or background in the window, or not enough signal.
    """
    with io.open_hdf5(events) as file:
        table = {name: file[name][:] for name in (*COLUMNS, "event_id", "label")}
        made_of = str(file.attrs["made_of"])
    label, mass = table.pop("label"), table[config.mass]
    n_injected = injected(mass, label, config.window, strength)
    signal = np.flatnonzero(label == 1)
    kept = label == 0
    kept[signal[drawn(table["event_id"][signal], n_injected, seed)]] = True
    path = Path(config.output) / FOLDER / f"{config.mass}_{strength:g}_seed{seed}.h5"
    digest = io.sha256_text(json.dumps([made_of, n_injected, seed]))
    if not _is_made(path, digest):
        io.write_hdf5(path, _columns(table, kept), {"made_of": digest})
    inside = kept & Window(*config.window).contains(mass)
    n_signal = int(np.count_nonzero(inside & (label == 1)))
    return Sample(path, n_injected, n_signal, int(np.count_nonzero(inside)) - n_signal)


def write_shape(config: DarkSearchConfig, events: Path) -> Path:
    """Write the distribution of the mass over the centre of the window, of the signal events that
    no seed puts into a sample, as ``spectrum.signal_shape`` of a search takes it.

    It ends at 0.5 and 1.4; signal beyond has no place in a fit of these masses.

    Raises:
        DataError: fewer than ``MIN_SHAPE`` events are left.
    """
    with io.open_hdf5(events) as file:
        mass, label, event_id = (file[name][:] for name in (config.mass, "label", "event_id"))
    most = injected(mass, label, config.window, max(config.strengths))
    signal = np.flatnonzero(label == 1)
    used = [drawn(event_id[signal], most, seed) for seed in config.seeds]
    left = np.delete(mass[signal], np.unique(np.concatenate(used)))
    counts, edges = np.histogram(left / np.mean(config.window), np.arange(0.5, 1.401, 0.02))
    if counts.sum() < MIN_SHAPE:
        raise DataError(
            f"shape=signal needs {MIN_SHAPE} signal events that no seed draws, got "
            f"{counts.sum()}; generate more signal, ask for fewer seeds or lower strengths, or "
            "give shape=wprime"
        )
    path = Path(config.output) / "shape.json"
    content = {"edges": edges.tolist(), "fractions": (counts / counts.sum()).tolist()}
    io.write_json(path, content)
    return path


def drawn(event_id: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(n,) places of the events that a seed draws of all signal: of a larger number all those of a
    smaller one, and others.

    Args:
        event_id: (N,) ids of the signal events.
        n: number of them to be drawn, at most N.
        seed: root seed.

    Example:
        >>> few, many = drawn(np.arange(9), 2, seed=1), drawn(np.arange(9), 5, seed=1)
        >>> len(set(few)), set(few) <= set(many)
        (2, True)
    """
    return np.argsort(uniform_of(event_id, seed, "dark search", "injected"), kind="stable")[:n]


def injected(mass: np.ndarray, label: np.ndarray, window: Sequence[float], strength: float) -> int:
    """Number of signal events at all masses of which S = strength sqrt(B) are expected in the
    window.

    Args:
        mass: (N,) masses [GeV].
        label: (N,) 1 signal, 0 background.
        window: low and high edge [GeV].
        strength: S/sqrt(B).

    Raises:
        DataError: there is no signal or background in the window, or not enough signal.

    Example:
        >>> mass = np.array([1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 9.0, 9.0])
        >>> label = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
        >>> injected(mass, label, [0, 2], 1.5)  # S = 1.5 sqrt(4) of the 3 of 5 in the window
        5
    """
    inside = Window(*window).contains(mass)
    n_background = int(np.count_nonzero(inside & (label == 0)))
    n_signal, n_inside = (int(np.count_nonzero(label == 1)), int((inside & (label == 1)).sum()))
    if not n_background or not n_inside:
        raise DataError(
            f"window={list(window)} must have background and signal, got {n_background} and "
            f"{n_inside} events; choose a window where the signal is, or generate more events"
        )
    wanted = round(strength * math.sqrt(n_background) * n_signal / n_inside)
    if wanted > n_signal:
        raise DataError(
            f"S/sqrt(B)={strength:g} takes {wanted} signal events, but there are {n_signal}; "
            "generate more of them, or lower strengths"
        )
    return wanted


def _columns(table: dict[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of the file, in an order that does not tell signal from background."""
    features = np.column_stack([table[name] for name in COLUMNS])
    identity = (identity_of(table["mt"], features) >> np.uint64(1)).astype(np.int64)
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(identity[rows], kind="stable")]
    return {name: values[rows] for name, values in {**table, "identity": identity}.items()}


def _is_made(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with io.open_hdf5(path) as file:
        return bool(file.attrs.get("made_of") == digest)
