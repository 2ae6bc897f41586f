"""Raw files for tests: made-up sprays of particles in every variant of the layout."""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from helpers.settings import REPOSITORY

REAL = REPOSITORY.parent / "shared/data/lhco"
TINY = REAL / "events_anomalydetection_tiny.h5"
FIRST_20K = REAL / "events_anomalydetection_v1_first20k.features.h5"
WIDTH = 2100


def raw_rows(n: int, seed: int = 0, *, labelled: bool = True) -> np.ndarray:
    """(n, 2101 or 2100) events of two sprays back to back, every third one signal."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, WIDTH + 1))
    for i in range(n):
        count = int(rng.integers(20, 60))
        phi, eta = rng.uniform(-np.pi, np.pi), rng.normal(0, 0.8, 2)
        which = rng.integers(2, size=count)
        spread = rng.normal(scale=0.3, size=(count, 2))
        azimuth = phi + np.pi * which + spread[:, 1]
        triples = np.stack(
            [
                rng.exponential(80, count) + 0.5,
                eta[which] + spread[:, 0],
                (azimuth + np.pi) % (2 * np.pi) - np.pi,
            ],
            axis=1,
        )
        rows[i, : 3 * count] = triples.ravel()
    rows[:, WIDTH] = np.arange(n) % 3 == 0
    return rows if labelled else rows[:, :WIDTH]


def write_frame(path: Path, rows: np.ndarray, *, own_label: bool = False) -> Path:
    """What ``DataFrame.to_hdf(path, key="df", complib="blosc")`` writes, as far as we read it.

    ``own_label`` puts the label, as an integer, into a block of its own, as pandas does.
    """
    columns = np.arange(rows.shape[1])
    blocks = [(columns, rows)]
    if own_label:
        blocks = [(columns[-1:], rows[:, -1:].astype(np.int64)), (columns[:-1], rows[:, :-1])]
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        for i, (items, values) in enumerate(blocks):
            frame[f"block{i}_items"] = items
            chunks = (min(7, len(values)), values.shape[1])
            frame.create_dataset(
                f"block{i}_values", data=values, chunks=chunks, **hdf5plugin.Blosc()
            )
    return path
