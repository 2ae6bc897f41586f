"""Speed of features of raw events, beside a plain loop over FastJet's Python interface.

The loop treats one event after the other, as in a tutorial: pseudojets, anti-kT, the two leading
jets, tau_1 to tau_3 with one-pass axes. Ours computes tau_4 and the other columns as well.
Both read the same rows with the same reader, in this process, in turns.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from anode.benchmark.result import RawSpeed
from anode.benchmark.timing import interleaved
from anode.events.readers.raw_particles import RawBlock, raw_layout, read_raw
from anode.jets.features import event_features
from anode.jets.settings import AXES, DEFAULT


def compare_raw(path: Path | str, *, n_events: int, rounds: int) -> RawSpeed:
    """Time [s] of each contender for one of the first ``n_events`` of a raw file."""
    n_events = min(n_events, raw_layout(path).n_events)
    contenders = {
        "plain FastJet loop": lambda: plain_loop(read_raw(path, 0, n_events)),
        "anode": lambda: event_features(read_raw(path, 0, n_events).objects, DEFAULT).values,
    }
    times = interleaved(contenders, rounds=rounds, seconds=0.0)
    return RawSpeed(n_events, {name: seconds / n_events for name, seconds in times.items()})


def plain_loop(block: RawBlock) -> list[list[float]]:
    """px, py, pz, m, tau_1, tau_2, tau_3 of the two leading jets of each event that has two."""
    import fastjet

    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, DEFAULT.radius)
    rows = []
    offsets, pt, eta, phi = block.objects
    for start, stop in itertools.pairwise(offsets):
        particles = []
        for i in range(start, stop):
            particle = fastjet.PseudoJet()
            particle.reset_PtYPhiM(pt[i], eta[i], phi[i], 0.0)
            particles.append(particle)
        sequence = fastjet.ClusterSequence(particles, definition)
        jets = fastjet.sorted_by_pt(sequence.inclusive_jets(DEFAULT.pt_min))[:2]
        if len(jets) < 2:
            continue
        row = []
        for jet, tau in zip(jets, _tau(jets, definition), strict=True):
            row += [jet.px(), jet.py(), jet.pz(), jet.m(), *tau]
        rows.append(row)
    return rows


def _tau(jets: Any, definition: Any) -> np.ndarray:
    """(2, 3) N-subjettiness, for which FastJet's Python package needs arrays."""
    import awkward as ak
    import fastjet
    import vector

    vector.register_awkward()
    constituents = ak.Array(
        [
            [{"px": p.px(), "py": p.py(), "pz": p.pz(), "E": p.E()} for p in jet.constituents()]
            for jet in jets
        ],
        with_name="Momentum4D",
    )
    tau = fastjet.ClusterSequence(constituents, definition).njettiness(
        axes_definition=AXES[DEFAULT.axes], njets=[1, 2, 3], beta=DEFAULT.beta, R0=DEFAULT.r0
    )
    return np.asarray(tau).reshape(2, 3)
