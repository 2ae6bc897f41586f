"""A quick run of the whole chain, and its configuration."""

from pathlib import Path

import h5py
import numpy as np
from hydra import compose, initialize_config_dir

from anode.pipeline.runs import config as configuration
from helpers.settings import REPOSITORY

QUICK = [
    "data=toy",
    "data.n_background=6000",
    "data.n_signal=1200",
    "injection.n_signal=300",
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=3",
    "ensemble.size=3",
    "split.folds=2",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=2000",
    "n_jobs=1",
    "store=null",
    "figures=false",
]


def composed_content(*overrides: str) -> dict:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return configuration.resolve(compose("run", overrides=["run_dir=x", *overrides]))


COLUMNS = [
    f"{name}j{jet}" for jet in (1, 2) for name in ["px", "py", "pz", "m", "tau1", "tau2", "tau3"]
]


def _lhco_file(
    path: Path, *, n: int = 6000, seed: int = 1, with_label: bool = True, change=None
) -> Path:
    """Back-to-back jets in the published layout; ``change`` edits the table of columns."""
    rng = np.random.default_rng(seed)
    label = (rng.uniform(size=n) < 0.05).astype(float)
    half = np.where(label == 1, rng.normal(1750, 40, n), 1300 + rng.exponential(300, n))
    phi = rng.uniform(-np.pi, np.pi, n)
    table = {}
    for jet, sign in ((1, 1), (2, -1)):
        mass = np.where(label == 1, 100.0 * (3 - jet) ** 2 + rng.normal(0, 10, n), 0)
        mass = np.where(label == 1, mass, rng.gamma(3, 50, n))
        tau1 = rng.uniform(0.05, 0.5, n)
        tau2 = tau1 * rng.uniform(0.2, 0.9, n)
        values = [sign * half * np.cos(phi), sign * half * np.sin(phi), rng.normal(0, 100, n)]
        values += [mass, tau1, tau2, tau2 * 0.8]
        table |= dict(zip([c for c in COLUMNS if c.endswith(str(jet))], values, strict=True))
    if with_label:
        table["label"] = label
    if change is not None:
        change(table)
    with h5py.File(path, "w") as file:
        file["df/block0_items"] = np.array(list(table), dtype="S")
        file["df/block0_values"] = np.column_stack(list(table.values()))
    return path
