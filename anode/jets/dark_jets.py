"""Jets of dark showers: columns of a file of dark-sector jets, made of generated events.

The three hardest anti-kT jets, R = 0.4, of the visible particles with pT > 1 GeV, at any
pseudorapidity, taken as massless; no detector. These choices reproduce the published moments of
the CMS-like files (docs/dark_sector.md).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.events.dark_sector.jets_file import N_PARTICLES, N_VALUES, PADDING
from anode.events.feature_definitions import wrapped
from anode.events.particles import DetectorObjects
from anode.events.simulation.hidden_valley import DarkEvents
from anode.events.simulation.pythia import INVISIBLE
from anode.jets.features import invariant_mass
from anode.jets.frame import sums
from anode.jets.hardest_jets import HardestJets, hardest_jets

RADIUS, N_JETS, MIN_PT = 0.4, 3, 1.0
"""Radius of the jets, jets of an event, and the lowest pT of a particle [GeV]."""

DEFINITIONS = {
    "jets": "three hardest anti-kT jets of R = 0.4 of an event; E scheme, massless constituents",
    "constituents": "visible generator-level particles with pT > 1 GeV, any eta, no detector",
    "particle_features": "20 hardest constituents, hardest first: pT [GeV], eta, phi; -999 padded",
    "jet_is_dark": "a constituent descends from a dark hadron",
    "jet_dark_pt": "pT [GeV] of the sum of the constituents that descend from a dark hadron",
    "jet_rinv": "share of the scalar pT of the dark hadrons within dR < 0.4 of the jet that "
    "decays invisibly; 0 where there is none",
    "event_id": "collision; the same for the three jets of an event",
}
"""Attributes of a file that say what its columns are."""


class DarkJetColumns(NamedTuple):
    """Jets of S events, three a event, hardest first.

    Attributes:
        event: (S,) int64, index of each event in the batch.
        columns: name -> (3 S,) values, as of ``jets_file.DarkJets``.
        particles: (3 S, 20, 3) constituents.
    """

    event: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    particles: NDArray[np.float64]


def dark_jets(events: DarkEvents) -> DarkJetColumns:
    """The jets of events with three.

    Raises:
        ConfigError: FastJet is not installed.
    """
    objects, from_dark = _visible(events)
    jets = hardest_jets(objects, n_jets=N_JETS, radius=RADIUS)
    momentum = jets.momentum.reshape(-1, 4)
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    columns = {
        "jet_pt": pt,
        "jet_eta": np.arcsinh(momentum[:, 2] / pt),
        "jet_phi": np.arctan2(momentum[:, 1], momentum[:, 0]),
        "jet_m": invariant_mass(momentum),
        "jet_e": momentum[:, 3],
    }
    columns |= _truth(events, objects, from_dark, jets, columns)
    return DarkJetColumns(jets.event, columns, _constituents(objects, jets))


def _visible(events: DarkEvents) -> tuple[DetectorObjects, NDArray[np.bool_]]:
    """Particles that jets are made of, and whether each comes from a dark hadron."""
    particles = events.particles
    pt = np.hypot(particles.px, particles.py)
    kept = (particles.kind != INVISIBLE) & (pt > MIN_PT)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[particles.offsets]
    eta = np.arcsinh(particles.pz[kept] / pt[kept])
    phi = np.arctan2(particles.py[kept], particles.px[kept])
    return DetectorObjects(offsets, pt[kept], eta, phi), events.from_dark[kept]


def _truth(
    events: DarkEvents,
    objects: DetectorObjects,
    from_dark: NDArray[np.bool_],
    jets: HardestJets,
    columns: dict[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    n_jets = len(jets.offsets) - 1
    jet = np.repeat(np.arange(n_jets), np.diff(jets.offsets))
    dark = from_dark[jets.objects]
    pt, phi = objects.pt[jets.objects], objects.phi[jets.objects]
    x, y = (sums(jet, values * dark, n_jets) for values in (pt * np.cos(phi), pt * np.sin(phi)))
    return {
        "jet_dark_pt": np.hypot(x, y),
        "jet_is_dark": (sums(jet, dark.astype(np.float64), n_jets) > 0).astype(np.float64),
        "jet_rinv": _invisible_share(events, jets, columns),
    }


def _invisible_share(
    events: DarkEvents, jets: HardestJets, columns: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """(3 S,) share of the pT of the dark hadrons around each jet that decays invisibly."""
    n_jets = len(columns["jet_eta"])
    counts = np.repeat(np.diff(events.hadron_offsets)[jets.event], N_JETS)
    first = np.repeat(events.hadron_offsets[jets.event], N_JETS)
    jet = np.repeat(np.arange(n_jets), counts)
    hadron = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(len(jet))
    distance = np.hypot(
        events.hadron_eta[hadron] - columns["jet_eta"][jet],
        wrapped(events.hadron_phi[hadron] - columns["jet_phi"][jet]),
    )
    pt = np.where(distance < RADIUS, events.hadron_pt[hadron], 0.0)
    total, lost = sums(jet, pt, n_jets), sums(jet, pt * events.hadron_invisible[hadron], n_jets)
    return np.divide(lost, total, out=np.zeros(n_jets), where=total > 0)


def _constituents(objects: DetectorObjects, jets: HardestJets) -> NDArray[np.float64]:
    """(3 S, 20, 3) hardest constituents of each jet."""
    counts = np.diff(jets.offsets)
    jet = np.repeat(np.arange(len(counts)), counts)
    values = np.stack([column[jets.objects] for column in objects[1:]], axis=1)
    order = np.lexsort((values[:, 2], values[:, 1], -values[:, 0], jet))
    slot = np.arange(len(jet)) - np.repeat(jets.offsets[:-1], counts)
    kept = slot < N_PARTICLES
    result = np.full((len(counts), N_PARTICLES, N_VALUES), PADDING)
    result[jet[kept], slot[kept]] = values[order][kept]
    return result
