"""Few columns of many latent numbers: what tells the signal region from the sidebands.

Supervised by the region alone, never by labels. An event that is compressed is unknown to the
compression: with K folds there are K + 1 maps, each without one fold, and one of all.
"""

from pathlib import Path

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from anode import io
from anode.errors import RunDirectoryError
from anode.events.table import EventTable
from anode.regions.splits import fold_of
from anode.representations.config import CompressionConfig

FOLDS = 5
MOST_SIDEBAND = 4  # events of the sidebands for each of the signal region
STRENGTH = 1e-2  # of the L2 penalty, C of scikit-learn: latent numbers are many and related


class Compression:
    """Affine maps of latent numbers (N, L) to columns (N, C).

    Args:
        path: file of the maps.
        config: settings.
        seed: seed that divides events among folds.
    """

    def __init__(self, path: Path, config: CompressionConfig, seed: int) -> None:
        self.path, self.config, self.seed = path, config, seed

    def fit(
        self, inside: np.ndarray, region: EventTable, beside: np.ndarray, sidebands: EventTable
    ) -> None:
        """Fit all maps, unless that was done.

        Args:
            inside: (N, L) latent numbers of the events of the signal region.
            region: these N events.
            beside: (M, L) latent numbers of the events of the sidebands.
            sidebands: these M events.
        """
        if self.path.is_file():
            return
        chosen = np.argsort(sidebands.identity)[: MOST_SIDEBAND * len(region)]  # a hash: any
        values = np.concatenate([inside, beside[chosen]])
        is_inside = np.repeat([1.0, 0.0], [len(inside), len(chosen)])
        identity = np.concatenate([region.identity, sidebands.identity[chosen]])
        fold = fold_of(identity, FOLDS, self.seed)
        maps = [self._fitted(values[fold != k], is_inside[fold != k]) for k in range(FOLDS + 1)]
        io.write_hdf5(
            self.path,
            {
                "slope": np.array([slope for slope, _ in maps]),
                "offset": np.array([offset for _, offset in maps]),
            },
        )

    def columns(self, values: np.ndarray, events: EventTable, known: np.ndarray) -> np.ndarray:
        """(N, C) columns of N events with latent numbers (N, L).

        Args:
            values: latent numbers.
            events: the events.
            known: (N,) True for events that may have been given to ``fit``; of the others the map
                of all is taken.

        Raises:
            RunDirectoryError: nothing was fitted.
        """
        if not self.path.is_file():
            raise RunDirectoryError(f"there is no {self.path}; train first")
        with io.open_hdf5(self.path) as file:
            slope, offset = file["slope"][:], file["offset"][:]
        fold = np.where(known, fold_of(events.identity, FOLDS, self.seed), FOLDS)
        result = np.empty((len(values), slope.shape[2]))
        for k in range(FOLDS + 1):
            rows = fold == k
            result[rows] = values[rows] @ slope[k] + offset[k]
        return result

    def _fitted(self, values: np.ndarray, is_inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slope (L, C) and offset (C,)."""
        scaler = StandardScaler().fit(values)
        scaled = scaler.transform(values)
        if self.config.kind == "logistic":
            model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
            model.fit(scaled, is_inside)
            direction, offset = model.coef_.T, model.intercept_
        else:
            model = PLSRegression(self.config.columns, scale=False).fit(scaled, is_inside)
            direction = model.x_rotations_ * np.sign(model.y_loadings_)
            offset = np.zeros(direction.shape[1])
        slope = direction / scaler.scale_[:, np.newaxis]
        return slope, offset - scaler.mean_ @ slope
