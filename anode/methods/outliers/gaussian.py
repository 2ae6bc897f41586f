"""Gaussian of a sample, and how far from it an event lies: the Mahalanobis distance.

    d(x) = sqrt((x - mu)^T C^-1 (x - mu)),

mu and C mean and covariance of the sample. Directions in which nothing varies are left out.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError


class Gaussian(NamedTuple):
    """Mean and shape of a sample.

    Attributes:
        mean: (D,) mean.
        whitening: (D, D) matrix W, with W W^T the inverse covariance on its range.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> Self:
        """The Gaussian of (N, D) values.

        Raises:
            DataError: there are fewer than two events.
        """
        if values.ndim != 2 or len(values) < 2:
            raise DataError(
                f"a covariance needs events of shape (N >= 2, D), got {values.shape}; give more "
                "events"
            )
        covariance = np.atleast_2d(np.cov(values.T))
        variance, vectors = np.linalg.eigh(covariance)
        varies = variance > 1e-10 * variance.max()
        scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        return cls(values.mean(axis=0), vectors * scale)

    def distance(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) distances of (N, D) values.

        Example:
            >>> sample = np.array([[0.0], [2.0], [4.0]])  # mean 2, standard deviation 2
            >>> Gaussian.fit(sample).distance(np.array([[2.0], [8.0]])).tolist()
            [0.0, 3.0]
        """
        return np.asarray(np.linalg.norm((values - self.mean) @ self.whitening, axis=1))
