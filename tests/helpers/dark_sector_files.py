"""Small made-up files of dark-sector jets, in the public layout."""

from pathlib import Path

import h5py
import numpy as np

PEAK = "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-peak.h5"
LOW = "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-low.h5"
HIDDEN = "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.8_alpha-peak.h5"
HEAVY = "AutomatedCMS_mZprime-2000_mDark-2.5_rinv-0.3_alpha-peak.h5"
STANDARD_MODEL = "NominalSM.h5"

ALL = (PEAK, LOW, HIDDEN, HEAVY, STANDARD_MODEL)


def jets(n: int, seed: int, *, softness: float = 1.0, event_id: bool = True) -> dict:
    """n jets of one to twenty massless constituents, three jets an event, four of five dark."""
    rng = np.random.default_rng(seed)
    particles = np.full((n, 20, 3), -999.0)
    columns: dict = {name: np.empty(n) for name in ("pt", "eta", "phi", "m", "e")}
    for row in range(n):
        count = int(rng.integers(1, 21))
        axis = rng.uniform([-2, -np.pi], [2, np.pi])
        pt = np.sort(1 + rng.exponential(20 / softness, count))[::-1]
        eta = axis[0] + rng.normal(0, 0.1, count)
        phi = (axis[1] + rng.normal(0, 0.1, count) + np.pi) % (2 * np.pi) - np.pi
        particles[row, :count] = np.stack([pt, eta, phi], axis=1)
        p = np.array(
            [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]
        ).sum(axis=1)
        columns["pt"][row] = np.hypot(p[0], p[1])
        columns["eta"][row] = np.arcsinh(p[2] / columns["pt"][row])
        columns["phi"][row] = np.arctan2(p[1], p[0])
        columns["m"][row] = np.sqrt(max(p[3] ** 2 - (p[:3] ** 2).sum(), 0.0))
        columns["e"][row] = p[3]
    datasets = {f"jet_{name}": values for name, values in columns.items()}
    datasets |= {"jet_dark_pt": 0.5 * columns["pt"], "jet_rinv": rng.uniform(size=n)}
    datasets["jet_is_dark"] = np.arange(n) % 5 > 0
    datasets["particle_features"] = particles.reshape(n, 60)
    if event_id:
        datasets["event_id"] = 1000 * seed + np.arange(n) // 3
    return datasets


def write(path: Path, datasets: dict) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def write_folder(folder: Path, n: int = 60, *, names: tuple[str, ...] = ALL) -> Path:
    """A file of each name; the Standard Model without jet_is_dark, as it may be."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, start=1):
        datasets = jets(n, seed, softness=3.0 if name == HIDDEN else 1.0)
        if name == STANDARD_MODEL:
            del datasets["jet_is_dark"]
        write(folder / name, datasets)
    return folder
