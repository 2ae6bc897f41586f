"""Constituents of jets in flat arrays, and the same padded."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import awkward as ak

Array = NDArray[np.float64]


class JetArrays(NamedTuple):
    """Massless constituents of J jets; jet i owns offsets[i]:offsets[i + 1], none is empty.

    Attributes:
        offsets: (J + 1,) int64 first constituent of each jet, and K.
        pt: (K,) transverse momentum [GeV], above 0.
        eta: (K,) pseudorapidity, which is the rapidity of what has no mass.
        phi: (K,) azimuth, wrapped or not.
    """

    offsets: NDArray[np.int64]
    pt: Array
    eta: Array
    phi: Array

    @classmethod
    def of(cls, constituents: "ak.Array") -> "JetArrays":
        """Of J lists of momenta (px, py, pz, E) [GeV]."""
        import awkward as ak

        flat = ak.flatten(constituents)
        px, py, pz = (ak.to_numpy(flat[axis]).astype(np.float64) for axis in ("px", "py", "pz"))
        counts = ak.to_numpy(ak.num(constituents)).astype(np.int64)
        pt = np.hypot(px, py)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return cls(offsets, pt, np.arcsinh(pz / pt), np.arctan2(py, px))

    @property
    def n_jets(self) -> int:
        """Number J of jets."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(J,) number of constituents."""
        return np.diff(self.offsets)

    @property
    def jet(self) -> NDArray[np.int64]:
        """(K,) jet of each constituent."""
        return np.repeat(np.arange(self.n_jets), self.counts)

    def padded(self, which: NDArray[np.int64], size: int) -> tuple[Array, Array, Array]:
        """(B, size) pT, eta and phi of some jets, 0 behind their constituents.

        Args:
            which: (B,) jets.
            size: number of columns, at least the largest number of constituents of any of them.

        Example:
            >>> ones = np.ones(3)
            >>> jets = JetArrays(np.array([0, 1, 3]), ones, 2 * ones, ones)
            >>> jets.padded(np.array([0, 1]), 3)[0].tolist()
            [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
        """
        counts = self.counts[which]
        slot = np.arange(size)
        inside = slot < counts[:, np.newaxis]
        place = np.where(inside, self.offsets[which][:, np.newaxis] + slot, 0)
        pt, eta, phi = (np.where(inside, column[place], 0.0) for column in self[1:])
        return pt, eta, phi
