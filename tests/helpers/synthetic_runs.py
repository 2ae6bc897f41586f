"""Run directories as finished runs leave them, with made-up but plausible numbers."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from anode import io
from anode.pipeline.runs import config as configuration
from anode.pipeline.studies.settings import Study
from anode.pipeline.studies.study import study_runs
from anode.seeding import stream


class Kind(NamedTuple):
    """What runs of a method look like: quality at S/B 1%, spread over seeds, CPU seconds."""

    quality: float
    spread: float
    cpu_seconds: float
    uses_truth: bool = False


METHODS = {
    "supervised": Kind(3.3, 0.02, 60, uses_truth=True),
    "iad": Kind(3.0, 0.03, 55, uses_truth=True),
    "cathode": Kind(2.9, 0.05, 180),
    "lacathode": Kind(2.8, 0.06, 190),
    "cwola": Kind(2.4, 0.10, 40),
    "r_anode": Kind(2.95, 0.05, 400),
    "anode": Kind(2.6, 0.05, 31),
    "isolation_forest": Kind(0.8, 0.02, 12),
}
N_BACKGROUND = 71_000


def synthetic_study(folder: Path, **changes: object) -> Study:
    """Every method over four seeds; ``changes`` replace settings."""
    settings: dict[str, object] = {
        "runs": str(folder / "runs"),
        "output": str(folder / "compared"),
        "seeds": [1, 2, 3, 10],
        "common": [],
        "points": {},
        "variants": {name: [] for name in METHODS},
        "ensembles": [],
        "figures": ["sic", "roc", "cost", "fraction"],
        "published": None,
    }
    return Study(**{**settings, **changes})  # type: ignore[arg-type]


@functools.cache
def _base() -> configuration.RunConfig:
    return configuration.compose_run([], "x")


def write_runs(study: Study) -> None:
    """Finish every run of a study whose variants are methods, without doing its work."""
    for cell in study_runs(study):
        write_run(cell.run_dir, cell.variant, cell.seed, cell.point)


def write_run(run_dir: Path, method: str, seed: int, point: str = "") -> None:
    """``config.yaml``, ``curves.h5`` and ``metrics.json``: TPR = Phi(quality + Phi^-1(FPR)).

    A point named by a number has that S/B, others S/B = 1%.
    """
    kind = METHODS[method]
    io.write_text(run_dir / "config.yaml", replace(_base(), seed=seed).to_yaml())
    rng = stream(seed, f"synthetic {method} {point}")
    s_over_b = float(point) if point.replace(".", "").isdigit() else 0.01
    s_over_b *= 1 + 0.03 * stream(seed, point).normal()
    learned = 1.0 if kind.uses_truth else s_over_b**2 / (s_over_b**2 + 0.003**2)
    quality = kind.quality * learned + kind.spread * rng.normal() * 3
    if point == "shifted" and method == "cwola":
        quality = 0.3
    fpr = np.geomspace(25 / N_BACKGROUND, 1, 300)
    tpr = _gaussian_tpr(fpr, quality)
    sic = tpr / np.sqrt(fpr)
    error = 0.04 * sic
    curves = {"fpr": fpr, "tpr": tpr, "sic": sic, "sic_error": error}
    curves |= {"sic_low": sic - error, "sic_high": sic + error}
    io.write_hdf5(run_dir / "curves.h5", curves)
    fitted = {}
    if method == "r_anode":
        true = s_over_b / (1 + s_over_b)
        fitted = {
            "signal_fraction": true * (1 + 0.1 * rng.normal()),
            "signal_fraction_error": 0.1 * true,
            "true_signal_fraction": true,
        }
    cpu_seconds = kind.cpu_seconds * rng.uniform(0.8, 1.3)
    at = {key: float(np.interp(float(key), fpr, sic)) for key in ("1e-2", "1e-3")}
    io.write_json(
        run_dir / "metrics.json",
        {
            "method": method,
            "seed": seed,
            "auc": float(np.trapezoid(tpr, fpr)),
            "max_sic": float(sic.max()),
            "sic_at_fpr": at,
            "fpr_floor": 25 / N_BACKGROUND,
            "n_test_background": N_BACKGROUND,
            "s_over_b": s_over_b,
            "s_over_sqrt_b": s_over_b * np.sqrt(35_500),
            "seconds": cpu_seconds / 2,
            "cpu_seconds": cpu_seconds,
            "uses_truth": kind.uses_truth,
            **fitted,
        },
    )


def _gaussian_tpr(fpr: np.ndarray, quality: float) -> np.ndarray:
    """TPR of scores N(0, 1) for background and N(quality, 1) for signal."""
    tpr: np.ndarray = np.where(fpr < 1, ndtr(quality + ndtri(np.minimum(fpr, 1 - 1e-12))), 1.0)
    return tpr
