"""Features of a jet, made of its momentum and its stored constituents, at most the 20 hardest.

With z_i = pT_i / sum_k pT_k over the stored constituents and dR their distances in azimuth and
rapidity, which for massless constituents is the pseudorapidity:

    multiplicity = number of constituents stored, at most 20
    girth        = sum_i z_i dR(i, jet)
    ptd          = sqrt(sum_i z_i^2)
    tau21        = tau_2 / tau_1,  tau_N = sum_i z_i min(dR(i, axis 1), ..., dR(i, axis N)) / R
    c2           = e_3 / e_2^2,    e_2 = sum_(i<j) z_i z_j dR_ij,
                                   e_3 = sum_(i<j<k) z_i z_j z_k dR_ij dR_jk dR_ki

tau_N: J. Thaler, K. Van Tilburg, JHEP 03 (2011) 015, with exclusive kT jets as axes; C_2:
A. J. Larkoski, G. P. Salam, J. Thaler, JHEP 06 (2013) 108, with beta = 1. Both ratios are 0 where
the denominator is. Truth (``jets_file.TRUTH``) is no feature.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError
from anode.events.dark_sector.jets_file import N_PARTICLES, TRUTH, DarkJets
from anode.events.feature_definitions import TAU_ROUNDING, check_features, wrapped

_BLOCK = 5000
"""Jets whose distances of pairs are in memory at a time."""

Array = NDArray[np.float64]


class _Constituents(NamedTuple):
    """Constituents of B jets, padded with 0: fraction of pT, and the place relative to the jet."""

    fraction: Array
    eta: Array
    phi: Array
    mask: NDArray[np.bool_]


class _Feature(NamedTuple):
    """Unit of a feature, and what makes it of the constituents; None for a column of the file."""

    unit: str
    compute: Callable[[_Constituents], Array] | None = None


def jet_features(jets: DarkJets, names: Sequence[str]) -> Array:
    """(N, D) features of jets.

    Args:
        jets: jets of a file.
        names: D names of ``FEATURES``.

    Raises:
        ConfigError: a name is unknown, repeated, or that of a truth column.
    """
    check_names(names)
    result = np.empty((jets.n_jets, len(names)))
    for start in range(0, jets.n_jets, _BLOCK):
        block = jets.where(slice(start, start + _BLOCK))
        own = _constituents(block)
        for place, name in enumerate(names):
            compute = FEATURES[name].compute
            values = block.columns[name] if compute is None else compute(own)
            result[start : start + block.n_jets, place] = values
    return result


N_COLUMNS = 5
"""Numbers of a constituent in ``constituent_inputs``."""


def constituent_inputs(jets: DarkJets) -> Array:
    """(N, 20, 5) constituents of jets as networks take them, hardest first.

    The columns are z = pT / sum pT, the distances d_eta and d_phi to the jet, ln(pT / GeV), and 1
    for a constituent; a slot without one is 0 throughout. The pT is there because a dark hadron
    has a mass in GeV: angles alone, of jets of any pT, do not tell it. The place of the jet is not
    among them, nor is any truth.

    Args:
        jets: jets of a file.

    Example:
        >>> particles = np.full((1, 20, 3), -999.0)
        >>> particles[0, :2] = [[30.0, 0.1, 0.2], [10.0, -0.3, 0.2]]
        >>> columns = {"jet_eta": np.zeros(1), "jet_phi": np.full(1, 0.2)}
        >>> found = constituent_inputs(DarkJets("one", None, columns, particles, None))
        >>> found[0, :3].round(2).tolist()
        [[0.75, 0.1, 0.0, 3.4, 1.0], [0.25, -0.3, 0.0, 2.3, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    own = _constituents(jets)
    log_pt = np.log(jets.particles[:, :, 0], out=np.zeros_like(own.fraction), where=own.mask)
    columns = (own.fraction, own.eta, own.phi, log_pt, own.mask)
    return np.stack(columns, axis=2, dtype=np.float64)


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are no features.

    Raises:
        ConfigError: a name is unknown, repeated, or that of a truth column.
    """
    if truth := [name for name in names if name in TRUTH]:
        raise ConfigError(
            f"features must not name {', '.join(truth)}, which is the truth about a jet; choose "
            f"from {', '.join(FEATURES)}"
        )
    check_features(names, tuple(FEATURES))


def _constituents(jets: DarkJets) -> _Constituents:
    mask = jets.mask
    pt, eta, phi = (np.where(mask, jets.particles[:, :, place], 0.0) for place in range(3))
    delta_eta = np.where(mask, eta - jets.columns["jet_eta"][:, np.newaxis], 0.0)
    delta_phi = np.where(mask, wrapped(phi - jets.columns["jet_phi"][:, np.newaxis]), 0.0)
    return _Constituents(pt / pt.sum(axis=1, keepdims=True), delta_eta, delta_phi, mask)


def _multiplicity(own: _Constituents) -> Array:
    return own.mask.sum(axis=1).astype(np.float64)


def _girth(own: _Constituents) -> Array:
    return np.asarray((own.fraction * np.hypot(own.eta, own.phi)).sum(axis=1))


def _ptd(own: _Constituents) -> Array:
    return np.sqrt((own.fraction**2).sum(axis=1))


def _c2(own: _Constituents) -> Array:
    distance = np.hypot(
        own.eta[:, :, np.newaxis] - own.eta[:, np.newaxis],
        wrapped(own.phi[:, :, np.newaxis] - own.phi[:, np.newaxis]),
    )
    # e_3 is a trace: tr((z dR)^3) has every triple six times, e_2 every pair twice.
    product = own.fraction[:, :, np.newaxis] * distance
    e2 = 0.5 * np.einsum("bij,bj->b", product, own.fraction)
    e3 = np.einsum("bij,bji->b", product @ product, product) / 6
    return np.divide(e3, e2**2, out=np.zeros(len(e2)), where=e2 > TAU_ROUNDING)


def _tau21(own: _Constituents) -> Array:
    tau1, tau2 = (_tau(own, n_axes) for n_axes in (1, 2))
    return np.divide(tau2, tau1, out=np.zeros(len(tau1)), where=tau1 > TAU_ROUNDING)


def _tau(own: _Constituents, n_axes: int) -> Array:
    """(B,) sum of z_i times the distance to the nearest axis."""
    axis_y, axis_phi, is_axis = _exclusive_kt(own, n_axes)
    distance = np.hypot(
        own.eta[:, :, np.newaxis] - axis_y[:, np.newaxis],
        wrapped(own.phi[:, :, np.newaxis] - axis_phi[:, np.newaxis]),
    )
    nearest = np.where(is_axis[:, np.newaxis], distance, np.inf).min(axis=2)
    return np.asarray((own.fraction * np.where(own.mask, nearest, 0.0)).sum(axis=1))


def _exclusive_kt(own: _Constituents, n_axes: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """(B, 20) rapidity and azimuth of the objects left, and which slots hold one.

    Massless constituents merge, momenta summed, pair of smallest
    d_ij = min(pT_i, pT_j)^2 (dy^2 + dphi^2) first, until n objects are left. There is no beam:
    within a jet of R = 0.4 it never comes first for R of the algorithm of 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # of empty slots
        px, py = own.fraction * np.cos(own.phi), own.fraction * np.sin(own.phi)
        momentum = np.stack(
            [px, py, own.fraction * np.sinh(own.eta), own.fraction * np.cosh(own.eta)], axis=2
        )
        alive, jet = own.mask.copy(), np.arange(len(momentum))
        distance = np.full((len(momentum), N_PARTICLES, N_PARTICLES), np.inf)
        for slot in range(N_PARTICLES):
            _set_distances(distance, momentum, alive, jet, np.full(len(jet), slot))
        while len(jet := np.flatnonzero(alive.sum(axis=1) > n_axes)):
            flat = distance[jet].reshape(len(jet), -1).argmin(axis=1)
            kept, gone = np.divmod(flat, N_PARTICLES)
            momentum[jet, kept] += momentum[jet, gone]
            alive[jet, gone] = False
            distance[jet, gone, :] = distance[jet, :, gone] = np.inf
            _set_distances(distance, momentum, alive, jet, kept)
        rapidity = _rapidity(momentum[:, :, 3], momentum[:, :, 2])
    return rapidity, np.arctan2(momentum[:, :, 1], momentum[:, :, 0]), alive


def _rapidity(energy: Array, pz: Array) -> Array:
    return np.asarray(0.5 * np.log((energy + pz) / (energy - pz)))


def _set_distances(
    distance: Array,
    momentum: Array,
    alive: NDArray[np.bool_],
    jet: NDArray[np.int64],
    slot: NDArray[np.int64],
) -> None:
    """Fill in, for some jets, the distances of one slot each to all others."""
    px, py, pz, energy = np.moveaxis(momentum[jet], 2, 0)
    row = np.arange(len(jet))
    pt2 = px**2 + py**2
    rapidity = _rapidity(energy, pz)
    phi = np.arctan2(py, px)
    apart = (rapidity - rapidity[row, slot][:, np.newaxis]) ** 2
    apart += wrapped(phi - phi[row, slot][:, np.newaxis]) ** 2
    found = np.minimum(pt2, pt2[row, slot][:, np.newaxis]) * apart
    both = alive[jet] & alive[jet, slot][:, np.newaxis]
    both[row, slot] = False
    found = np.where(both, found, np.inf)
    distance[jet, slot, :] = found
    distance[jet, :, slot] = found


FEATURES: dict[str, _Feature] = {
    "jet_pt": _Feature("GeV"),
    "jet_eta": _Feature(""),
    "jet_phi": _Feature(""),
    "jet_m": _Feature("GeV"),
    "jet_e": _Feature("GeV"),
    "multiplicity": _Feature("", _multiplicity),
    "girth": _Feature("", _girth),
    "ptd": _Feature("", _ptd),
    "tau21": _Feature("", _tau21),
    "c2": _Feature("", _c2),
}
"""Every feature that ``features=[...]`` may name."""
