"""How often would a scan without signal find as large an excess anywhere?

A toy is a bootstrap of the events: each counts as often as a Poisson number with mean f says. The
weights f, near one, are such that no window has an excess: in every window and at every cut, the
weighted events are as many as the fit of the weighted spectrum outside predicts. So a window's
count is Poisson distributed about its prediction, and windows that share events move together, as
those of the scan do. In every toy, every window and cut is counted and its spectrum fitted again;
the largest Z of each is what the scan's is compared with.

Where no toy reaches the scan's Z, its probability is extrapolated from a lower level z0 (Gross,
Vitells 1005.1891, eqs. 3 and 4, for one degree of freedom):

    p_global(z) = p_local(z) + N(z0) exp(-(z^2 - z0^2) / 2),    N(z0) = p_global(z0) - p_local(z0).
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from anode.search.significance import p_of_z, z_of_p, z_values
from anode.search.spectrum_many import predict_many

BATCH = 100  # toys held as events at once
MIN_TOYS = 10  # beyond the observed Z, for a probability that is not extrapolated
ROUNDS = 8  # of weights and predictions
SWEEPS = 20  # over all cells, in each round
TAIL = 0.05  # share of toys above z0


class Cells(NamedTuple):
    """K windows at cuts that compete for the largest excess, and the events they count.

    Attributes:
        counts: (U,) events alike; U kinds.
        membership: (K B, U) 0 or 1, which kinds are counted in which bin of which cell; sparse.
        edges: (B+1,) [GeV].
        used: (K, B) bins of each cell's fit.
        inside: (K, B) bins of each cell's window.
    """

    counts: np.ndarray
    membership: sparse.csr_matrix
    edges: np.ndarray
    used: np.ndarray
    inside: np.ndarray


class GlobalP(NamedTuple):
    """Probability of as large an excess anywhere, without signal.

    Attributes:
        p_global, p_global_error: with the error that the number of toys leaves.
        z_global, z_global_error: the same as Z.
        source: "toys" or "extrapolated".
        n_toys: of the whole scan.
    """

    p_global: float
    p_global_error: float
    z_global: float
    z_global_error: float
    source: str
    n_toys: int


def inclusive_cells(
    counts: np.ndarray, edges: np.ndarray, used: np.ndarray, inside: np.ndarray
) -> Cells:
    """Cells of the spectrum without a cut: all windows count the same (B,) ``counts``."""
    n_cells = len(used)
    identity = sparse.identity(len(counts), format="csr")
    return Cells(counts, sparse.vstack([identity] * n_cells, format="csr"), edges, used, inside)


def selected_cells(
    bins: np.ndarray,
    passing: list[np.ndarray],
    edges: np.ndarray,
    used: np.ndarray,
    inside: np.ndarray,
) -> Cells:
    """Cells of events that pass cuts.

    Args:
        bins: (N,) of the events, -1 where they lie in none.
        passing: for each of K cells, the rows of the events it counts.
        edges, used, inside: as ``Cells`` has them.
    """
    n_bins = len(edges) - 1
    rows, columns = [], []
    for cell, index in enumerate(passing):
        index = index[bins[index] >= 0]
        rows.append(cell * n_bins + bins[index])
        columns.append(index)
    # An event that no cell counts is no kind.
    kept, kinds = np.unique(np.concatenate(columns), return_inverse=True)
    shape = (len(passing) * n_bins, len(kept))
    entries = (np.ones(len(kinds)), (np.concatenate(rows), kinds))
    return Cells(np.ones(len(kept)), sparse.csr_matrix(entries, shape=shape), edges, used, inside)


def largest_excess_of_toys(cells: Cells, *, n_toys: int, rng: np.random.Generator) -> np.ndarray:
    """(n_toys,) largest Z of any cell in scans without signal."""
    cells, weights = without_excess(cells)
    n_cells, n_bins = cells.used.shape
    spectra = np.empty((n_cells, n_toys, n_bins), dtype=np.float32)
    mean = cells.counts * weights
    for start in range(0, n_toys, BATCH):
        n = min(BATCH, n_toys - start)
        drawn = rng.poisson(mean, size=(n, len(mean))).T.astype(np.float32)
        counted = (cells.membership @ drawn).reshape(n_cells, n_bins, n)
        spectra[:, start : start + n] = counted.transpose(0, 2, 1)
    largest = np.full(n_toys, -np.inf)
    for cell in range(n_cells):
        z = _z(spectra[cell].astype(float), cells, cell)
        largest = np.fmax(largest, z)
    return largest


def global_p(z_observed: float, z_toys: np.ndarray) -> GlobalP:
    """The probability that a toy's largest Z is at least the observed one.

    Args:
        z_observed: largest Z of the scan.
        z_toys: (n,) of toys.
    """
    n_toys = len(z_toys)
    n_beyond = int(np.sum(z_toys >= z_observed))
    if n_beyond >= MIN_TOYS:
        p = n_beyond / n_toys
        return _result(p, float(np.sqrt(p * (1 - p) / n_toys)), "toys", n_toys)
    z0 = float(np.quantile(z_toys, 1 - TAIL))
    at_z0 = float(np.mean(z_toys >= z0))
    crossings = max(at_z0 - float(p_of_z(z0)), 0.0)
    damping = float(np.exp(-0.5 * (max(z_observed, z0) ** 2 - z0**2)))
    p = float(p_of_z(z_observed)) + crossings * damping
    error = float(np.sqrt(at_z0 * (1 - at_z0) / n_toys)) * damping
    return _result(min(p, 1.0), error, "extrapolated", n_toys)


def local_z_for(z_global: float, z_toys: np.ndarray) -> float:
    """The local Z whose global Z is ``z_global``, by bisection of ``global_p``."""
    low, high = 0.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        if global_p(middle, z_toys).p_global > p_of_z(z_global):
            low = middle
        else:
            high = middle
    return high


def without_excess(cells: Cells) -> tuple[Cells, np.ndarray]:
    """Weights (U,) of the kinds of events with which no cell has an excess; and the cells, with a
    kind of its own for each that counts no event, of which a toy may have some."""
    cells = _with_empty(cells)
    weights = np.ones(len(cells.counts))
    n_cells, n_bins = cells.used.shape
    rows = [
        cells.membership[cell * n_bins : (cell + 1) * n_bins][cells.inside[cell]]
        for cell in range(n_cells)
    ]
    members = [np.unique(row.indices) for row in rows]
    for _ in range(ROUNDS):
        spectra = (cells.membership @ (cells.counts * weights)).reshape(n_cells, 1, n_bins)
        wanted = np.array(
            [_predicted(spectra[cell], cells, cell)[0][0] for cell in range(n_cells)]
        )
        for _ in range(SWEEPS):
            for kinds, target in zip(members, wanted, strict=True):
                if np.isfinite(target):
                    total = np.sum(cells.counts[kinds] * weights[kinds])
                    weights[kinds] *= target / total
    return cells, weights


def _with_empty(cells: Cells) -> Cells:
    """An event of weight next to nothing in the middle of each window that counts none."""
    n_cells, n_bins = cells.used.shape
    counted = (cells.membership @ cells.counts).reshape(n_cells, n_bins)
    empty = np.flatnonzero(np.sum(counted * cells.inside, axis=1) == 0)
    if not len(empty):
        return cells
    middles = [int(np.median(np.flatnonzero(cells.inside[cell]))) for cell in empty]
    rows = empty * n_bins + np.array(middles)
    entries = (np.ones(len(empty)), (rows, np.arange(len(empty))))
    more = sparse.csr_matrix(entries, shape=(n_cells * n_bins, len(empty)))
    return cells._replace(
        counts=np.concatenate([cells.counts, np.full(len(empty), 1e-6)]),
        membership=sparse.hstack([cells.membership, more], format="csr"),
    )


def _predicted(spectra: np.ndarray, cells: Cells, cell: int) -> tuple[np.ndarray, np.ndarray]:
    predictions = predict_many(
        spectra, cells.edges, cells.used[cell], cells.inside[cell], expectations=True
    )
    return predictions.n_expected, predictions.n_expected_error


def _z(spectra: np.ndarray, cells: Cells, cell: int) -> np.ndarray:
    """(T,) Z of one cell in each toy; where its spectrum cannot be fitted, none is claimed."""
    n_expected, error = _predicted(spectra, cells, cell)
    n_observed = spectra[:, cells.inside[cell]].sum(axis=1)
    fitted = np.isfinite(n_expected)
    z = np.full(len(spectra), -np.inf)
    z[fitted] = z_values(n_observed[fitted], n_expected[fitted], error[fitted])
    return z


def _result(p: float, error: float, source: str, n_toys: int) -> GlobalP:
    z = float(z_of_p(np.clip(p, 1e-300, 1 - 1e-12)))
    # dp = phi(z) dz, in logarithms since phi is tiny far out
    slope = np.log(max(error, 1e-300)) + 0.5 * z**2 + 0.5 * np.log(2 * np.pi)
    return GlobalP(p, error, z, float(np.exp(min(slope, 700.0))), source, n_toys)
