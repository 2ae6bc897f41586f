"""Collision events made with Pythia, and the particles of each.

A process is a name, a label and the Pythia settings that define it. ``ParticleSource`` runs one
process and gives its final-state particles in batches of flat arrays. The event record crosses
from C++ to NumPy a batch at a time (``Pythia.nextBatch``), never particle by particle.

Pythia: C. Bierlich et al., SciPost Phys. Codebases 8 (2022), arXiv:2203.11601.
Processes: those of the LHC Olympics 2020 R&D sample (Zenodo 4536377), whose settings are public
only in part; the free choices were made by comparison with its events.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import ConfigError, needs_extra

MAX_PYTHIA_SEED = 900_000_000
"""Largest value of Pythia's Random:seed."""

INVISIBLE, CHARGED_HADRON, ELECTRON, MUON, PHOTON, NEUTRAL_HADRON, NEUTRAL_STRANGE = range(7)
"""Particle kinds, as far as a detector tells them apart; the last are K0_S and Lambda.
Compiled into the detector, whose cache looks at its own file alone: change both together."""

BEAM_ENERGY = 6500.0
"""Energy of each proton beam [GeV]."""

BEAM_SETTINGS = ("Print:quiet = on", f"Beams:eCM = {2 * BEAM_ENERGY:g}")
"""13 TeV proton collisions, and all else as Pythia has it."""

COMMON_SETTINGS = (
    *BEAM_SETTINGS,
    "PartonLevel:MPI = off",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10",
)
"""13 TeV proton collisions without multiparton interactions. Particles that on average live
longer than 10 mm/c (K0_S, Lambda, ...) reach the detector: so the number of objects, their summed
transverse momentum and tau_21 agree with the R&D events; decaying all gives 6% more objects."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A named physics process.

    Attributes:
        name: name of the process, of its random streams and of its chunk files.
        label: class, 0 background, 1 signal.
        settings: Pythia settings, one ``key = value`` each, in the order they are read.
    """

    name: str
    label: int
    settings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BackgroundConfig:
    """QCD dijets: all 2 -> 2 parton scatterings above a transverse momentum.

    Attributes:
        pt_hat_min: lowest transverse momentum of the hard scattering [GeV]. With 1100 the jets'
            transverse momenta and m_jj agree with the R&D sample, which therefore seems to have
            been made with this cut; a sample complete above the trigger of 1200 GeV needs 900 or
            less, since initial-state radiation and resolution lift events over it. There is no
            cut on the partons' invariant mass, which would shape m_jj.
        like_dark_showers: True for multiparton interactions and decays of K0_S and Lambda as in
            ``hidden_valley``: else a search for dark showers finds the underlying event.

    Raises:
        ConfigError: it is not between 0 and the beam energy.
    """

    pt_hat_min: float
    like_dark_showers: bool = False  # unknown to former versions

    def __post_init__(self) -> None:
        if not 0 < self.pt_hat_min < BEAM_ENERGY:
            raise ConfigError(
                f"background.pt_hat_min must lie between 0 and the beam energy of "
                f"{BEAM_ENERGY:g} GeV, got {self.pt_hat_min:g}; 1100 is the default"
            )


def background_process(config: BackgroundConfig) -> Process:
    """QCD dijets, label 0."""
    settings = ("HardQCD:all = on", f"PhaseSpace:pTHatMin = {config.pt_hat_min:g}")
    common = BEAM_SETTINGS if config.like_dark_showers else COMMON_SETTINGS
    return Process(name="background", label=0, settings=common + settings)


class Particles(NamedTuple):
    """Final-state particles of N events in flat arrays; event i owns offsets[i]:offsets[i + 1].

    Attributes:
        offsets: (N + 1,) int64 first particle of each event, and P.
        px, py, pz, energy: (P,) float64 momenta and energies [GeV].
        kind: (P,) int8, one of the kinds of this module.
        charge: (P,) int8, sign of the electric charge.
    """

    offsets: NDArray[np.int64]
    px: NDArray[np.float64]
    py: NDArray[np.float64]
    pz: NDArray[np.float64]
    energy: NDArray[np.float64]
    kind: NDArray[np.int8]
    charge: NDArray[np.int8]

    @property
    def n_events(self) -> int:
        """N. There is no ``__len__``: a NamedTuple needs its own."""
        return len(self.offsets) - 1


class ParticleSource:
    """One running Pythia.

    Args:
        process: process to generate.
        seed: non-negative integer, mapped to Pythia's range of 1 to 900,000,000.

    Raises:
        ConfigError: Pythia is not installed, does not know a setting, or cannot be initialised.
    """

    def __init__(self, process: Process, *, seed: int) -> None:
        self._pythia = _initialised(process, 1 + seed % MAX_PYTHIA_SEED)
        self._table: dict[int, tuple[int, int]] = {}

    def batch(self, n_events: int) -> Particles:
        """Generate ``n_events`` events; the few that Pythia aborts are left out."""
        import awkward as ak

        events = self._pythia.nextBatch(n_events)
        final = events.prt[events.prt.status > 0]
        counts = ak.to_numpy(ak.num(final.id)).astype(np.int64)
        kind, charge = self._classify(ak.to_numpy(ak.flatten(final.id)))
        momentum = ak.flatten(final.p)
        return Particles(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            px=ak.to_numpy(momentum.px),
            py=ak.to_numpy(momentum.py),
            pz=ak.to_numpy(momentum.pz),
            energy=ak.to_numpy(momentum.e),
            kind=kind,
            charge=charge,
        )

    def _classify(self, ids: NDArray[np.int32]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Kind and sign of charge of each particle, from Pythia's particle table."""
        distinct, inverse = np.unique(ids, return_inverse=True)
        rows = [self._kind_and_charge(int(identity)) for identity in distinct]
        table = np.array(rows, dtype=np.int8).reshape(-1, 2)
        return table[inverse, 0], table[inverse, 1]

    def _kind_and_charge(self, identity: int) -> tuple[int, int]:
        if identity not in self._table:
            data = self._pythia.particleData
            charge = int(np.sign(data.chargeType(identity)))
            by_identity = {
                11: ELECTRON,
                13: MUON,
                22: PHOTON,
                310: NEUTRAL_STRANGE,
                3122: NEUTRAL_STRANGE,
            }
            if not data.isVisible(identity):
                kind = INVISIBLE
            elif abs(identity) in by_identity:
                kind = by_identity[abs(identity)]
            else:
                kind = CHARGED_HADRON if charge else NEUTRAL_HADRON
            self._table[identity] = (kind, charge)
        return self._table[identity]


def _initialised(process: Process, pythia_seed: int) -> Any:
    """A Pythia object, ready to generate."""
    with needs_extra("generate", "generating events"):
        import pythia8mc
    pythia = pythia8mc.Pythia("", False)
    seed_settings = ("Random:setSeed = on", f"Random:seed = {pythia_seed}")
    for line in process.settings + seed_settings:
        if not pythia.readString(line):
            raise ConfigError(
                f"process '{process.name}': Pythia settings must be 'key = value' with a known "
                f"key, got '{line}'; see https://pythia.org/latest-manual/"
            )
    if not pythia.init():
        raise ConfigError(
            f"process '{process.name}': Pythia refuses these settings together: "
            f"{'; '.join(process.settings)}"
        )
    return pythia
