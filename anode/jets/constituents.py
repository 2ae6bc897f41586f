"""Constituents of the jets of events as padded arrays, in an order that a network can use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError, needs_extra
from anode.events.particles import DetectorObjects, EventParticles
from anode.jets.clustering import object_momenta
from anode.jets.frame import N_JETS, JetConstituents, jet_constituents, sums

KT_RADIUS = 1.0
"""R of the kT algorithm whose clustering orders constituents."""

FIRST = ("pt", "mass")
"""What the first jet has more of than the other one."""

_JETS = 4000
"""Jets clustered at a time."""


@dataclass(frozen=True, kw_only=True)
class ConstituentConfig:
    """Which constituents of a jet are kept, and their order.

    Attributes:
        n: number kept of each jet, the hardest ones.
        order: "pt" by falling pT, or "kt" by the clustering of the jet.
        first: which of the jets comes first, that of larger "pt" or that of larger "mass".

    Raises:
        ConfigError: an impossible value.

    Example:
        >>> ConstituentConfig(n=30, order="kt").n
        30
    """

    n: int = 50
    order: str = "pt"
    first: str = "pt"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"n must be at least 1 constituent, got {self.n}")
        if self.order not in ORDERS:
            raise ConfigError(f"order must be one of {', '.join(ORDERS)}, got {self.order!r}")
        if self.first not in FIRST:
            raise ConfigError(f"first must be one of {', '.join(FIRST)}, got {self.first!r}")


def constituents(particles: EventParticles, config: ConstituentConfig) -> NDArray[np.float32]:
    """(N, 2, n, 4) constituents of both jets of N events, the harder or the heavier jet first.

    Columns: share of the pT of the jet; delta eta and delta phi to the axis of the jet, which is
    the pT-weighted mean direction of all its constituents (``frame.jet_constituents``); and 1 for
    a constituent, 0 for padding, which is 0 everywhere. The n hardest constituents of a jet are
    kept. Their order:

    "pt"
        Falling pT.
    "kt"
        The order of the tree in which the jet was clustered. The constituents, massless, are
        clustered by the kT algorithm (S. Catani et al., Nucl. Phys. B406 (1993) 187; S. D. Ellis,
        D. E. Soper, Phys. Rev. D48 (1993) 3160) in its exclusive form with R = 1 and summed
        momenta: the two objects with the smallest

            d_ij = min(pT_i^2, pT_j^2) ((y_i - y_j)^2 + (phi_i - phi_j)^2) / R^2

        merge, or, where some pT_i^2 is smaller still, that object is final. Read backwards, every
        merging is a splitting. Final objects are taken by falling pT, and each is walked through
        depth first, at every splitting down the branch of larger pT first, so that constituents
        of one prong stand together and the hardest prong comes first.

    Constituents of equal pT count in the order of delta eta, then delta phi. The result does not
    depend on the order in which the particles are given.

    Args:
        particles: particles of N events.
        config: how many, and in which order.

    Raises:
        ConfigError: FastJet, which clusters, is not installed.
        DataError: a jet has no constituent; the message names the event.

    Example:
        >>> pt, jet = np.float32([10.0, 30.0, 40.0]), np.int8([0, 0, 1])
        >>> angle = np.float32([1.0, 0.0, 3.0])
        >>> event = EventParticles(np.array([8]), np.array([0, 3]), pt, angle, angle, jet)
        >>> constituents(event, ConstituentConfig(n=3))[0, 0].tolist()
        [[0.75, -0.25, -0.25, 1.0], [0.25, 0.75, 0.75, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    n_jets = N_JETS * len(particles.event_id)
    jets = _hardest_first(jet_constituents(particles))
    counts = np.bincount(jets.jet, minlength=n_jets)
    first = np.cumsum(counts) - counts
    kept = np.flatnonzero(np.arange(len(jets.jet)) - first[jets.jet] < config.n)
    order = ORDERS[config.order](particles, jets)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    kept = kept[np.argsort(rank[kept])]  # jet by jet, since every order is
    n_kept = np.minimum(counts, config.n)
    slot = np.arange(len(kept)) - np.repeat(np.cumsum(n_kept) - n_kept, n_kept)
    result = np.zeros((n_jets, config.n, 4), dtype=np.float32)
    values = (jets.fraction, jets.delta_eta, jets.delta_phi, np.ones(len(jets.jet)))
    result[jets.jet[kept], slot] = np.stack(values, axis=1)[kept]
    events = result.reshape(-1, N_JETS, config.n, 4)
    if config.first == "mass":
        other = np.flatnonzero(np.diff(_mass_squared(particles, jets), axis=1)[:, 0] > 0)
        events[other] = events[other, ::-1]
    return events


def _hardest_first(jets: JetConstituents) -> JetConstituents:
    """The same, by falling pT within each jet."""
    order = np.lexsort((jets.delta_phi, jets.delta_eta, -jets.fraction, jets.jet))
    return JetConstituents(
        jets.place[order],
        jets.jet[order],
        jets.fraction[order],
        jets.delta_eta[order],
        jets.delta_phi[order],
    )


def _mass_squared(particles: EventParticles, jets: JetConstituents) -> NDArray[np.float64]:
    """(N, 2) squared masses of the jets, of all their constituents, these massless [GeV^2]."""
    pt, eta, phi = (np.asarray(column[jets.place], np.float64) for column in particles[2:5])
    n_jets = N_JETS * len(particles.event_id)
    e, x, y, z = (
        sums(jets.jet, pt * factor, n_jets)
        for factor in (np.cosh(eta), np.cos(phi), np.sin(phi), np.sinh(eta))
    )
    return (e**2 - x**2 - y**2 - z**2).reshape(-1, N_JETS)


def _by_pt(particles: EventParticles, jets: JetConstituents) -> NDArray[np.int64]:
    """(K,) constituents, jet by jet, in the order they have."""
    return np.arange(len(jets.jet))


def _by_kt(particles: EventParticles, jets: JetConstituents) -> NDArray[np.int64]:
    """(K,) constituents, jet by jet, in the order of the tree."""
    with needs_extra("features", "ordering constituents by their clustering"):
        import fastjet

    pt, eta, phi = (np.asarray(column[jets.place], np.float64) for column in particles[2:5])
    counts = np.bincount(jets.jet)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    momenta = object_momenta(DetectorObjects(offsets, pt, eta, phi))
    px, py = pt * np.cos(phi), pt * np.sin(phi)
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, KT_RADIUS)
    order = np.empty(len(pt), dtype=np.int64)
    for start in range(0, len(counts), _JETS):
        sequence = fastjet.ClusterSequence(momenta[start : start + _JETS], definition)
        histories = sequence.unique_history_order().to_list()
        for jet, history in enumerate(histories, start=start):
            own = slice(offsets[jet], offsets[jet + 1])
            order[own] = offsets[jet] + _depth_first(history, px[own], py[own])
    return order


class _Branch(NamedTuple):
    """What has merged so far: momentum [GeV], and constituents in their order."""

    px: float
    py: float
    leaves: list[int]

    def before(self, other: "_Branch") -> bool:
        """Whether it comes first: of larger pT or, if that is equal, of the harder constituent."""
        own, others = self.px**2 + self.py**2, other.px**2 + other.py**2
        return own > others or (own == others and min(self.leaves) < min(other.leaves))

    def merged(self, other: "_Branch") -> "_Branch":
        """Both as one branch."""
        leaves = self.leaves + other.leaves if self.before(other) else other.leaves + self.leaves
        return _Branch(self.px + other.px, self.py + other.py, leaves)


def _depth_first(
    history: list[int], px: NDArray[np.float64], py: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(n,) constituents of one jet in the order of its tree.

    FastJet's ``unique_history_order`` gives every merging right behind the two branches that it
    joins, so that a stack holds these; a final object alone on the stack merges with nothing.

    Args:
        history: entries in that order; those below n are constituents.
        px, py: (n,) momenta of the constituents [GeV].
    """
    branches: list[_Branch] = []
    final: list[_Branch] = []
    x, y = px.tolist(), py.tolist()
    for entry in history:
        if entry < len(x):
            branches.append(_Branch(x[entry], y[entry], [entry]))
        elif len(branches) == 1:
            final.append(branches.pop())
        else:
            last = branches.pop()
            branches.append(branches.pop().merged(last))
    final.sort(key=lambda branch: (-(branch.px**2) - branch.py**2, min(branch.leaves)))
    return np.array([leaf for branch in final for leaf in branch.leaves], dtype=np.int64)


ORDERS: dict[str, Callable[[EventParticles, JetConstituents], NDArray[np.int64]]] = {
    "pt": _by_pt,
    "kt": _by_kt,
}
"""Name of an order -> (K,) constituents in it, jet by jet, of those by falling pT."""
