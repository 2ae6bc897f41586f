"""Energy flow polynomials of many jets at once.

A polynomial belongs to a multigraph G (P. T. Komiske, E. M. Metodiev, J. Thaler, JHEP 04 (2018)
013, arXiv:1712.07124, eq. 1.1),

    EFP_G = sum_i1 ... sum_in  z_i1 ... z_in  prod_(k, l) in G  theta_(ik il),

with z_i = pT_i / sum_j pT_j and theta_ij = sqrt((y_i - y_j)^2 + (phi_i - phi_j)^2) over the
constituents of a jet, the hadronic measure with beta = 1.

A vertex of one neighbour is summed over by a product of matrix and vector, one of two neighbours
by a product of matrices that becomes an edge between them. Graphs of up to five edges need no
more, so that M constituents cost M^3 rather than M^n, and polynomials share what they have in
common: one plan of steps serves all jets, padded to a few sizes.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError
from anode.events.feature_definitions import wrapped
from anode.events.substructure_columns import GRAPHS, Edges
from anode.jets.substructure.arrays import JetArrays

Array = NDArray[np.float64]

_SIZE_STEP = 8
"""Jets are padded to a multiple of so many constituents, whatever other jets there are: the last
bits of a sum hang on its length."""

_BATCH_VALUES = 1 << 14
"""Numbers of the matrices of theta that are worked on at a time: they fit a cache."""

_ONE = ("one",)
_Step = tuple[object, ...]
"""("one",); ("theta", k); ("times", step, step): elementwise; ("join", matrix, vector, matrix):
sum_k a_ik z_k v_k b_kj; ("send", matrix, vector): sum_k a_ik z_k v_k; ("sum", vector)."""


class _Plan(NamedTuple):
    """Steps, each behind those that it reads, and the step of each polynomial."""

    steps: tuple[_Step, ...]
    results: tuple[_Step, ...]


def flow_polynomials(jets: JetArrays, names: Sequence[str] = tuple(GRAPHS)) -> Array:
    """(J, len(names)) energy flow polynomials of J jets.

    Each is 1 for no edge, falls with collimation, and is 0 for a jet of one constituent. A value
    hangs on its own jet alone, to the last bit.

    Args:
        jets: constituents of J jets.
        names: names of ``GRAPHS``.

    Raises:
        ConfigError: there is no such polynomial.

    Example:
        >>> eta, phi = np.array([0.0, 0.3]), np.array([3.1, 3.1])
        >>> jet = JetArrays(np.array([0, 2]), np.array([30.0, 10.0]), eta, phi)
        >>> flow_polynomials(jet, ["efp_2_1_0"]).round(4).tolist()  # 2 z_1 z_2 theta_12
        [[0.1125]]
    """
    if unknown := [name for name in names if name not in GRAPHS]:
        raise ConfigError(
            f"there is no polynomial {unknown[0]!r}: expected efp_n_d_k with up to 5 edges d, "
            f"{next(iter(GRAPHS))} to {list(GRAPHS)[-1]}"
        )
    plan = _plan(tuple(names))
    result = np.empty((jets.n_jets, len(names)))
    sizes = -(-jets.counts // _SIZE_STEP) * _SIZE_STEP
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        n_batch = max(1, _BATCH_VALUES // size**2)
        for start in range(0, len(members), n_batch):
            here = members[start : start + n_batch]
            z, theta = _measure(jets, here, size)
            values = _values(plan, z, theta)
            result[here] = np.stack(values, axis=1)
    return result


def _measure(jets: JetArrays, which: NDArray[np.int64], size: int) -> tuple[Array, Array]:
    """(B, M) z and (B, M, M) theta of some jets; z is 0 behind the constituents."""
    pt, eta, phi = jets.padded(which, size)
    phi = wrapped(phi)
    across = np.abs(phi[:, :, np.newaxis] - phi[:, np.newaxis])
    across = np.minimum(across, 2 * np.pi - across)
    along = eta[:, :, np.newaxis] - eta[:, np.newaxis]
    return pt / pt.sum(axis=1, keepdims=True), np.sqrt(along * along + across * across)


def _values(plan: _Plan, z: Array, theta: Array) -> list[Array]:
    """(B,) values of each polynomial."""
    found: dict[_Step, Array] = {_ONE: np.ones_like(z)}
    for step in plan.steps:
        kind, *rest = step
        if kind == "theta":
            power = int(str(rest[0]))
            found[step] = theta if power == 1 else found["theta", power - 1] * theta
            continue
        parts = [found[part] for part in rest if isinstance(part, tuple)]
        if kind == "times":
            found[step] = parts[0] * parts[1]
        elif kind == "join":
            left, vector, right = parts
            found[step] = np.matmul(left * (z * vector)[:, np.newaxis], right)
        elif kind == "send":
            matrix, vector = parts
            found[step] = np.matmul(matrix, (z * vector)[:, :, np.newaxis])[:, :, 0]
        elif kind == "sum":
            found[step] = (z * parts[0]).sum(axis=1)
    return [found[step] for step in plan.results]


@functools.cache
def _plan(names: tuple[str, ...]) -> _Plan:
    results = tuple(_eliminated(GRAPHS[name]) for name in names)
    most = max(GRAPHS[name].count(edge) for name in names for edge in GRAPHS[name])
    steps: dict[_Step, None] = {("theta", k): None for k in range(1, most + 1)}

    def visit(step: _Step) -> None:
        if step in steps or step == _ONE:
            return
        for part in step[1:]:
            if isinstance(part, tuple):
                visit(part)
        steps[step] = None

    for result in results:
        visit(result)
    return _Plan(tuple(steps), results)


def _eliminated(edges: Edges) -> _Step:
    """The polynomial of a connected graph as a step, its vertices summed over one by one, the one
    of fewest neighbours first."""
    vector: dict[int, _Step] = dict.fromkeys(sorted({v for edge in edges for v in edge}), _ONE)
    matrix: dict[tuple[int, int], _Step] = {}
    for pair in sorted(set(edges)):
        step: _Step = ("theta", edges.count(pair))
        matrix[pair] = matrix[pair[::-1]] = step
    while len(vector) > 1:
        neighbours = {v: sorted(b for a, b in matrix if a == v) for v in vector}
        gone = min(vector, key=lambda v: (len(neighbours[v]), v))
        own = vector.pop(gone)
        if len(neighbours[gone]) == 1:
            (at,) = neighbours[gone]
            vector[at] = _times(vector[at], ("send", matrix[at, gone], own))
        else:
            a, b = neighbours[gone]
            for x, y in ((a, b), (b, a)):
                joined: _Step = ("join", matrix[x, gone], own, matrix[gone, y])
                matrix[x, y] = _times(matrix[x, y], joined) if (x, y) in matrix else joined
        matrix = {pair: step for pair, step in matrix.items() if gone not in pair}
    return ("sum", *vector.values())


def _times(a: _Step, b: _Step) -> _Step:
    """The product of two steps, the same whatever their order."""
    if _ONE in (a, b):
        return b if a == _ONE else a
    first, second = sorted((a, b), key=repr)
    return ("times", first, second)
