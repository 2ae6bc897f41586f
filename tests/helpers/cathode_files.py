"""Arrays as the public CATHODE code writes them."""

from pathlib import Path

import numpy as np


def cathode_rows(n: int, label: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(3.3, 3.7, n), *rng.uniform(0.05, 0.5, (4, n)), np.full(n, label)]
    return np.stack(columns, axis=1).astype(np.float32)


def write_folder(folder: Path, sizes: dict[str, int]) -> Path:
    folder.mkdir()
    for seed, (name, n) in enumerate(sizes.items()):
        np.save(folder / f"{name}.npy", cathode_rows(n, float("sig" in name), seed))
    return folder
