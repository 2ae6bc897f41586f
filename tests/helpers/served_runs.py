"""A quick run on the bundled events, and the columns of its files, for scorers and services."""

from pathlib import Path

import h5py
import numpy as np

from anode.events.feature_definitions import RAW_COLUMNS
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from helpers.bundled_files import bundled_part

QUICK = [
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "split.folds=2",
    "ensemble.size=2",
    "injection.n_signal=null",
    "evaluation.n_bootstrap=5",
    "evaluation.n_closure=1000",
    "n_jobs=1",
    "store=null",
    "tracker=none",
    "figures=false",
]


def quick_run(folder: Path, *overrides: str) -> Path:
    """A run fitted on ``own.h5``; ``other.h5`` has events that it has not seen, and some of its
    own."""
    own = bundled_part(folder / "own.h5", slice(0, 9000))
    bundled_part(folder / "other.h5", slice(8000, 12_000))
    quick = [
        *(
            key
            for key in QUICK
            if "density=made_mog" not in overrides or "n_transforms" not in key
        ),
        f"data.path={own}",
        *overrides,
    ]
    config = compose_run(quick, folder / "run")
    stages.train(config)
    stages.score(config)
    stages.evaluate(config)
    return folder / "run"


def raw_rows(path: Path) -> np.ndarray:
    """(N, 14) published columns of a file."""
    with h5py.File(path) as file:
        return np.stack([file[name][:].astype(np.float64) for name in RAW_COLUMNS], axis=1)
