"""The published 14 columns, drawn at random, and files of them."""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np


def raw_columns(n: int = 50, seed: int = 0) -> dict[str, np.ndarray]:
    """n made-up di-jets as LHC Olympics columns, every third one signal."""
    rng = np.random.default_rng(seed)
    columns = {}
    for jet in (1, 2):
        pt, phi, eta = rng.uniform(1200, 2000, n), rng.uniform(-3, 3, n), rng.normal(0, 1, n)
        columns[f"pxj{jet}"], columns[f"pyj{jet}"] = pt * np.cos(phi), pt * np.sin(phi)
        columns[f"pzj{jet}"] = pt * np.sinh(eta)
        columns[f"mj{jet}"] = rng.exponential(150, n) + 10
        taus = np.sort(rng.uniform(0.01, 1, (3, n)), axis=0)[::-1]
        columns |= {f"tau{i + 1}j{jet}": tau for i, tau in enumerate(taus)}
    return columns | {"label": (np.arange(n) % 3 == 0).astype(float)}


def write_pandas(path: Path, columns: dict[str, np.ndarray], *, own_block: str = "") -> Path:
    """What ``DataFrame.to_hdf(path, key="df", complib="blosc")`` writes, as far as we read it.

    ``own_block`` names an integer column to put into a block of its own, as pandas does.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        floats = [name for name in columns if name != own_block]
        blocks = [floats] + ([[own_block]] if own_block else [])
        for i, names in enumerate(blocks):
            group[f"block{i}_items"] = np.array([name.encode() for name in names])
            values = np.stack([columns[name] for name in names], axis=1)
            group.create_dataset(
                f"block{i}_values",
                data=values if i == 0 else values.astype(np.int64),
                chunks=(7, len(names)),
                **hdf5plugin.Blosc(),
            )
    return path


def write_root(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """One dataset for each column, with event ids counting down."""
    n = len(next(iter(columns.values())))
    with h5py.File(path, "w") as file:
        for name, values in {"event_id": np.arange(n)[::-1] + 7, **columns}.items():
            file[name] = values
    return path
