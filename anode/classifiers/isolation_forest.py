"""Isolation forest: events that few random cuts separate from all others.

Trees split at random until events are alone; the anomaly score is 2^(-E[h(x)] / c(n)), with h the
depth at which x ends, averaged over trees, and c(n) the mean depth of n events [Liu, Ting, Zhou,
ICDM 2008]. It needs neither labels nor a second sample.
"""

from pathlib import Path

import numpy as np

from anode.classifiers.config import ForestConfig
from anode.classifiers.job import check_finite
from anode.classifiers.tree_arrays import from_isolation, load_trees, save_trees, sum_values
from anode.errors import DataError
from anode.seeding import stream_seed

FILE = "forest.npz"


def fit_forest(directory: Path, features: np.ndarray, config: ForestConfig, *, seed: int) -> None:
    """Grow a forest on events and write it; a folder that holds one is left as it is.

    Args:
        directory: folder of the forest; its name names the random stream.
        features: (N, D) physical features, N >= 2.
        config: numbers of trees and of events of each.
        seed: root seed of the run.

    Raises:
        DataError: the shape is wrong, or a value is not finite.
    """
    from sklearn.ensemble import IsolationForest

    if features.ndim != 2 or len(features) < 2:
        raise DataError(
            f"{directory.name}: a forest needs events of shape (N >= 2, D), got {features.shape}"
        )
    check_finite(directory.name, features)
    if (directory / FILE).is_file():
        return
    model = IsolationForest(
        n_estimators=config.trees,
        max_samples=min(config.max_samples, len(features)),
        random_state=stream_seed(seed, directory.name, "forest") % 2**32,
    ).fit(features)
    save_trees(
        directory / FILE,
        from_isolation(model),
        # log score = -log 2 sum_t h_t(x) / (T c(n))
        path_length=_path_length(model._max_samples) * config.trees,
        n_features=features.shape[1],
    )


def evaluate_forest(directory: Path, features: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Anomaly scores (N,) in (0, 1] of features (N, D); about 0.5 for an ordinary event.

    Raises:
        RunDirectoryError: there is no forest, or its file is broken.
        DataError: the shape differs from that of the fit, or a value is not finite.
    """
    trees, more = load_trees(directory / FILE)
    if features.ndim != 2 or features.shape[1] != more["n_features"]:
        raise DataError(
            f"{directory.name}: features must have shape (N, {more['n_features']}), got "
            f"{features.shape}"
        )
    check_finite(directory.name, features)
    # The forest splits between float32 numbers.
    depth = sum_values(trees, features.astype(np.float32), 0.0, threads)
    return np.exp2(-depth / float(more["path_length"]))


def _path_length(n: int) -> float:
    """c(n): mean depth of an unsuccessful search in a binary tree of n >= 2 events."""
    if n == 2:
        return 1.0
    return 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
