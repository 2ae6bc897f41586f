"""Dark showers from Pythia's Hidden Valley, and which particles come from a dark hadron.

q qbar -> Z' -> two dark quarks, which shower and hadronise in a dark sector; a dark hadron decays
to a pair of stable dark particles with probability rinv, to quarks otherwise. The prescription is
that of the CMS searches for semi-visible jets (svjHelper of cms-svj/SVJProduction; CMS,
arXiv:2112.11125), after T. Cohen, M. Lisanti, H. K. Lou, S. Mishra-Sharma, JHEP 11 (2017) 196,
arXiv:1707.05326:

    N_c = N_f = 2,  b_0 = 11/6 N_c - 2/6 N_f
    Lambda_peak = 3.2 GeV (m_dark / GeV)^0.8,  alpha(1 TeV) = pi / (b_0 ln(1 TeV / Lambda))
    alpha_low, alpha_high = 0.5, 1.5 alpha_peak,  Lambda = 1 TeV exp(-pi / (b_0 alpha))

Dark quarks weigh m_dark / 2; three of four dark hadrons are vectors, which decay to all open
quarks alike; the others couple with the quark mass squared. An event has an even number of dark
hadrons that stay invisible.

A decay to quarks whose hadrons are too heavy is drawn again by Pythia, the invisible channel
included, so that more than rinv is invisible. ``DECAYS`` says which quarks are open: "exact" those
that Pythia can make hadrons of; "public" all whose current masses fit, in equal shares, which the
moments of the public files ask for.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.dark_sector.names import STANDARD_MODEL, SignalPoint
from anode.events.simulation.pythia import BEAM_ENERGY, Particles, ParticleSource, Process

Z_PRIME, DARK_QUARK = 4900023, 4900101
PSEUDOSCALARS, VECTORS = (4900111, 4900211), (4900113, 4900213)
DARK_HADRONS = (*PSEUDOSCALARS, *VECTORS)
STABLE_OF_PSEUDOSCALAR, STABLE_OF_VECTOR = 51, 53
"""Pythia's codes."""

N_COLOURS, N_FLAVOURS = 2, 2
_ALPHA_FACTOR = {"low": 0.5, "peak": 1.0, "high": 1.5}
_SCALE = 1000.0
"""Scale at which alpha is quoted [GeV]."""

_LOWEST_PT = 0.11
"""Lowest end of the dark shower [GeV]; Pythia's own bound is 0.1."""

_QUARKS = {1: (0.33, 0.005), 2: (0.33, 0.002), 3: (0.5, 0.1), 4: (1.5, 1.3), 5: (4.8, 4.2)}
"""Quark -> its constituent mass in Pythia, and its current mass [GeV]."""

DECAYS = ("exact", "public")
"""Which quarks dark hadrons decay to."""

_COMMON = (
    "Print:quiet = on",
    f"Beams:eCM = {2 * BEAM_ENERGY:g}",
    "HiddenValley:ffbar2Zv = on",
    f"{Z_PRIME}:doForceWidth = on",
    f"{Z_PRIME}:mWidth = 0.01",
)


def dark_coupling(point: SignalPoint) -> float:
    """alpha of the dark sector at 1 TeV."""
    peak = math.pi / (_b0() * math.log(_SCALE / (3.2 * point.m_dark**0.8)))
    return _ALPHA_FACTOR[point.alpha] * peak


def dark_scale(point: SignalPoint) -> float:
    """Lambda of the dark sector [GeV].

    Example:
        >>> round(dark_scale(SignalPoint(2000.0, 1.0, 0.3, "peak")), 6)
        3.2
    """
    return _SCALE * math.exp(-math.pi / (_b0() * dark_coupling(point)))


def dark_process(point: SignalPoint, *, decays: str = "exact") -> Process:
    """q qbar -> Z' -> dark quarks, label 1.

    Args:
        point: parameters.
        decays: one of ``DECAYS``.
    """
    settings = (
        *_COMMON,
        *_resonance(point.m_zprime),
        f"{Z_PRIME}:onIfAny = {DARK_QUARK}",
        *dark_sector_settings(point, decays=decays),
    )
    return Process(name=point.name, label=1, settings=settings)


def dark_sector_settings(point: SignalPoint, *, decays: str = "exact") -> tuple[str, ...]:
    """Pythia settings of the dark sector alone: its shower, its hadrons and their decays.

    Args:
        point: parameters; the mass of the Z' is not among these settings.
        decays: one of ``DECAYS``.
    """
    scale = dark_scale(point)
    settings = [
        f"HiddenValley:Ngauge = {N_COLOURS}",
        f"HiddenValley:nFlav = {N_FLAVOURS}",
        "HiddenValley:spinFv = 0",
        "HiddenValley:FSR = on",
        "HiddenValley:fragment = on",
        "HiddenValley:alphaOrder = 1",
        "HiddenValley:setLambda = on",  # or Lambda is ignored
        f"HiddenValley:Lambda = {scale:.9g}",
        f"HiddenValley:pTminFSR = {max(1.1 * scale, _LOWEST_PT):.9g}",
        "HiddenValley:probVector = 0.75",
        f"{DARK_QUARK}:m0 = {point.m_dark / 2:g}",
        *(f"{hadron}:m0 = {point.m_dark:g}" for hadron in DARK_HADRONS),
    ]
    for stable in (STABLE_OF_PSEUDOSCALAR, STABLE_OF_VECTOR):
        settings += [f"{stable}:m0 = 0", f"{stable}:isResonance = off"]
    for hadron in DARK_HADRONS:
        settings += _decays(hadron, point, decays)
    return tuple(settings)


def standard_model_process(m_zprime: float) -> Process:
    """q qbar -> Z' -> light quarks (u, d, s, c, b) of the same mass, label 0."""
    settings = (*_COMMON, *_resonance(m_zprime), f"{Z_PRIME}:onIfAny = 1 2 3 4 5")
    return Process(name=STANDARD_MODEL, label=0, settings=settings)


def _resonance(mass: float) -> tuple[str, ...]:
    return (
        f"{Z_PRIME}:m0 = {mass:.9g}",
        f"{Z_PRIME}:mMin = {mass - 1:.9g}",
        f"{Z_PRIME}:mMax = {mass + 1:.9g}",
        f"{Z_PRIME}:onMode = off",
    )


def _decays(hadron: int, point: SignalPoint, decays: str) -> list[str]:
    """Decay table of one kind of dark hadron: phase space, then to quarks."""
    is_vector, is_exact = hadron in VECTORS, decays == "exact"
    stable = STABLE_OF_VECTOR if is_vector else STABLE_OF_PSEUDOSCALAR
    weight = {
        quark: current**2 if is_exact and not is_vector else 1.0
        for quark, (constituent, current) in _QUARKS.items()
        if 2 * (constituent if is_exact else current) < point.m_dark
    }
    invisible = f"{hadron}:oneChannel = 1 {point.rinv:.9g} 0 {stable} -{stable}"
    return [invisible] + [
        f"{hadron}:addChannel = 1 {(1 - point.rinv) * w / sum(weight.values()):.9g} 91 {q} -{q}"
        for q, w in weight.items()
    ]


def _b0() -> float:
    return 11 / 6 * N_COLOURS - 2 / 6 * N_FLAVOURS


class DarkEvents(NamedTuple):
    """Final-state particles of N events, and their dark hadrons, in flat arrays.

    Attributes:
        particles: particles of the N events.
        from_dark: (P,) whether a particle descends from a dark hadron.
        hadron_offsets: (N + 1,) int64 first dark hadron of each event, and H.
        hadron_pt, hadron_eta, hadron_phi: (H,) dark hadrons; pT [GeV].
        hadron_invisible: (H,) whether it decays to stable dark particles.
    """

    particles: Particles
    from_dark: NDArray[np.bool_]
    hadron_offsets: NDArray[np.int64]
    hadron_pt: NDArray[np.float64]
    hadron_eta: NDArray[np.float64]
    hadron_phi: NDArray[np.float64]
    hadron_invisible: NDArray[np.bool_]


class DarkEventSource(ParticleSource):
    """One running Pythia, with the history of each particle.

    Args:
        process: process to generate.
        seed: non-negative integer, mapped to Pythia's range of 1 to 900,000,000.

    Raises:
        ConfigError: as of ``ParticleSource``.
    """

    def batch(self, n_events: int) -> Particles:
        """The particles of ``dark_events``."""
        return self.dark_events(n_events).particles

    def dark_events(self, n_events: int) -> DarkEvents:
        """Generate ``n_events`` events; those with an odd number of invisible dark hadrons, and
        the few that Pythia aborts, are left out."""
        import awkward as ak

        record = self._pythia.nextBatch(n_events).prt
        stable = np.abs(record.id)
        stable = (record.status > 0) & (
            (stable == STABLE_OF_PSEUDOSCALAR) | (stable == STABLE_OF_VECTOR)
        )
        record = record[ak.sum(stable, axis=1) % 4 == 0]
        counts = ak.to_numpy(ak.num(record.id)).astype(np.int64)
        identity, final, first, child = (
            ak.to_numpy(ak.flatten(column)).astype(np.int64)
            for column in (record.id, record.status > 0, record.mother1, record.daughter1)
        )
        momentum = ak.flatten(record.p)
        px, py, pz, energy = (ak.to_numpy(momentum[axis]) for axis in ("px", "py", "pz", "e"))
        begin = np.cumsum(counts) - counts
        hadron = np.isin(np.abs(identity), DARK_HADRONS)
        descends = _descends(hadron, first + np.repeat(begin, counts))
        seen = final.astype(bool)
        kind, charge = self._classify(identity[seen].astype(np.int32))
        particles = Particles(
            _offsets(seen, counts), px[seen], py[seen], pz[seen], energy[seen], kind, charge
        )
        daughter = np.abs(identity[(child + np.repeat(begin, counts))[hadron]])
        pt = np.hypot(px[hadron], py[hadron])
        return DarkEvents(
            particles,
            descends[seen],
            _offsets(hadron, counts),
            pt,
            np.arcsinh(pz[hadron] / np.maximum(pt, 1e-9)),
            np.arctan2(py[hadron], px[hadron]),
            np.isin(daughter, (STABLE_OF_PSEUDOSCALAR, STABLE_OF_VECTOR)),
        )


def event_source(process: Process, *, seed: int) -> ParticleSource:
    """One running Pythia of any process; of a dark shower, one that leaves out events with an odd
    number of invisible dark hadrons.

    Args:
        process: process to generate.
        seed: non-negative integer, mapped to Pythia's range of 1 to 900,000,000.

    Raises:
        ConfigError: as of ``ParticleSource``.
    """
    is_dark = any(line.startswith("HiddenValley:") for line in process.settings)
    return (DarkEventSource if is_dark else ParticleSource)(process, seed=seed)


def _offsets(chosen: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N + 1,) first chosen row of each event among the chosen ones."""
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])
    return running[np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])]


def _descends(ancestor: NDArray[np.bool_], mother: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(P,) whether a particle, or one that it comes from, is an ancestor.

    Args:
        ancestor: (P,) True for the ancestors.
        mother: (P,) row of the first mother; that of the first row of an event is itself.
    """
    found = ancestor.copy()
    while True:  # each turn doubles the generations that are looked back
        further = found | found[mother]
        grandmother = mother[mother]
        if np.array_equal(grandmother, mother):
            return further
        found, mother = further, grandmother
