"""Simulation of a detector like CMS: particles of a collision become detector objects.

An energy-flow simulation with the numbers of the CMS card of Delphes (J. de Favereau et al.,
JHEP 02 (2014) 057, arXiv:1307.6346; delphes_card_CMS.tcl), which made the LHC Olympics events:
charged particles bend in the field and leave tracks with an efficiency and a resolution; photons
and electrons deposit in ECAL cells, hadrons in HCAL cells; a cell whose energy exceeds that of
its tracks significantly adds a neutral object, another one pulls its tracks towards the combined
measurement. Objects are massless. Neutrinos and other invisible particles leave nothing.

Isolation and identification are left out, because no quantity here depends on them.
"""

import math

import numpy as np

from anode.events.particles import DetectorObjects
from anode.events.simulation.compiled import compiled
from anode.events.simulation.pythia import (
    ELECTRON,
    INVISIBLE,
    MUON,
    NEUTRAL_STRANGE,
    PHOTON,
    Particles,
)

ETA_MAX = 5.0
"""Largest |pseudorapidity| of objects, the reach of the calorimeters."""

TRACKER_ETA_MAX = 2.5
"""Largest |pseudorapidity| at which tracks start and leave the tracker. The second condition
removes most particles that curl up in the field, as the spectrum of the R&D events requires."""

FIELD, RADIUS, HALF_LENGTH = 3.8, 1.29, 3.0
"""Solenoid field [T], radius [m] and half length [m] of the tracking volume."""

ECAL, HCAL = 0, 1
_ECAL_FINE_REACH = 3.0
"""|Pseudorapidity| above which the forward calorimeter measures all energy, in HCAL cells."""
_ECAL_STEP = 0.0174
_ECAL_PHI_CELLS = 360
_MIN_ENERGY = (0.5, 1.0)
"""Lowest energy of a cell [GeV]: ECAL, HCAL."""
_MIN_SIGNIFICANCE = (2.0, 1.0)
"""Lowest energy of a cell in units of its resolution: ECAL, HCAL."""

_HCAL_ENDCAP = (1.653, 1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, 3.125, 3.3,
                3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 5.0)  # fmt: skip
_HCAL_EDGES = np.concatenate(
    [-np.array(_HCAL_ENDCAP)[::-1], np.arange(-18, 19) * 0.087, np.array(_HCAL_ENDCAP)]
)
"""Edges of the HCAL cells in pseudorapidity: 0.087 wide in the barrel, then coarser."""
_KEY_STRIDE = 1000
"""Cell key = eta index * stride + phi index; phi indices stay below 360."""
_FINE_OFFSET = 1000
"""First eta index of the fine ECAL cells; smaller ones are HCAL cells."""


def energy_flow(particles: Particles, rng: np.random.Generator) -> DetectorObjects:
    """Detector objects of each event, drawn from ``rng`` event by event.

    The numbers drawn for an event depend on the events before it, not on the division into
    batches.
    """
    offsets, pt, eta, phi = _all_events(
        particles.offsets,
        particles.px,
        particles.py,
        particles.pz,
        particles.energy,
        particles.kind,
        particles.charge,
        rng,
    )
    return DetectorObjects(offsets, pt, eta, phi)


@compiled
def _all_events(offsets, px, py, pz, energy, kind, charge, rng):  # type: ignore[no-untyped-def]
    n_events = offsets.size - 1
    # At most a track or an excess in each calorimeter: two objects a particle.
    out_pt = np.empty(2 * px.size)
    out_eta = np.empty(2 * px.size)
    out_phi = np.empty(2 * px.size)
    out_offsets = np.zeros(n_events + 1, np.int64)
    filled = 0
    for event in range(n_events):
        rows = slice(offsets[event], offsets[event + 1])
        filled = _one_event(
            px[rows], py[rows], pz[rows], energy[rows], kind[rows], charge[rows], rng,
            out_pt, out_eta, out_phi, filled,
        )  # fmt: skip
        out_offsets[event + 1] = filled
    return out_offsets, out_pt[:filled].copy(), out_eta[:filled].copy(), out_phi[:filled].copy()


@compiled
def _one_event(  # type: ignore[no-untyped-def]
    px, py, pz, energy, kind, charge, rng, out_pt, out_eta, out_phi, filled
):
    """Append one event's objects behind position ``filled`` and return the new end."""
    n = px.size
    eta, phi = np.empty(n), np.empty(n)
    track_pt, track_resolution = np.zeros(n), np.zeros(n)
    cell_eta, cell_phi = np.empty(n), np.empty(n)
    for i in range(n):
        pt = max(math.hypot(px[i], py[i]), 1e-9)
        eta[i] = math.asinh(pz[i] / pt)
        phi[i] = math.atan2(py[i], px[i])
        cell_eta[i], cell_phi[i] = eta[i], phi[i]
        if kind[i] == INVISIBLE or charge[i] == 0:
            continue
        cell_eta[i], cell_phi[i] = _calorimeter_entry(pt, eta[i], phi[i], charge[i])
        if abs(cell_eta[i]) > TRACKER_ETA_MAX:
            continue
        if rng.random() < _track_efficiency(kind[i], pt, abs(eta[i])):
            track_resolution[i] = _track_resolution(kind[i], pt, abs(eta[i]))
            track_pt[i] = _log_normal(pt, track_resolution[i] * pt, rng)

    for calorimeter in (ECAL, HCAL):
        filled = _measure_cells(
            calorimeter, energy, eta, kind, cell_eta, cell_phi, track_pt, track_resolution, rng,
            out_pt, out_eta, out_phi, filled,
        )  # fmt: skip
    for i in range(n):
        if track_pt[i] > 0:
            out_pt[filled], out_eta[filled], out_phi[filled] = track_pt[i], eta[i], phi[i]
            filled += 1
    return filled


@compiled
def _measure_cells(  # type: ignore[no-untyped-def]
    calorimeter, energy, eta, kind, cell_eta, cell_phi, track_pt, track_resolution, rng,
    out_pt, out_eta, out_phi, filled,
):  # fmt: skip
    """One calorimeter: append neutral excesses, rescale ``track_pt`` in the other cells."""
    n = energy.size
    keys, members, n_hits = np.empty(n, np.int64), np.empty(n, np.int64), 0
    for i in range(n):
        if abs(cell_eta[i]) >= ETA_MAX or _deposited_fraction(calorimeter, kind[i]) == 0:
            continue
        keys[n_hits] = _cell_key(calorimeter, cell_eta[i], cell_phi[i])
        members[n_hits] = i
        n_hits += 1

    # A stable sort: which of two equal keys comes first must not depend on the platform.
    order = np.argsort(keys[:n_hits], kind="mergesort")
    start = 0
    while start < n_hits:
        key = keys[order[start]]
        stop, deposit, track_energy, track_variance = start, 0.0, 0.0, 0.0
        while stop < n_hits and keys[order[stop]] == key:
            i = members[order[stop]]
            deposit += energy[i] * _deposited_fraction(calorimeter, kind[i])
            if track_pt[i] > 0:
                momentum = track_pt[i] * math.cosh(eta[i])
                track_energy += momentum
                track_variance += (track_resolution[i] * momentum) ** 2
            stop += 1

        low, high, phi_width = _cell_bounds(key // _KEY_STRIDE)
        centre = 0.5 * (low + high)
        measured = _log_normal(deposit, _cell_resolution(calorimeter, centre, deposit), rng)
        sigma = _cell_resolution(calorimeter, centre, measured)
        min_energy, min_significance = _MIN_ENERGY[calorimeter], _MIN_SIGNIFICANCE[calorimeter]
        if measured < min_energy or measured < min_significance * sigma:
            measured = 0.0
        # Position: anywhere in the cell, so that jets do not show the calorimeter's grid.
        object_eta = low + (high - low) * rng.random()
        object_phi = (key % _KEY_STRIDE + rng.random()) * phi_width - math.pi
        excess = max(measured - track_energy, 0.0)
        significance = excess / math.sqrt(track_variance + sigma * sigma)
        if excess > min_energy and significance > min_significance:
            out_pt[filled] = excess / math.cosh(object_eta)
            out_eta[filled], out_phi[filled] = object_eta, object_phi
            filled += 1
        elif track_energy > 0:
            # No neutral excess: both measure the same particles, combine by inverse variance.
            weight_track, weight_cell = 1 / track_variance, 1 / (sigma * sigma)
            combined = weight_track * track_energy + weight_cell * measured
            scale = combined / (weight_track + weight_cell) / track_energy
            for position in range(start, stop):
                track_pt[members[order[position]]] *= scale
        start = stop
    return filled


@compiled
def _calorimeter_entry(pt, eta, phi, charge):  # type: ignore[no-untyped-def]
    """(eta, phi) where a charged particle from the origin leaves the tracking volume.

    It moves on a helix of radius rho = pt / (0.3 B) [GeV, T, m]; after the transverse arc s it is
    at r = 2 rho sin(s / 2 rho), z = s sinh(eta), turned by s / 2 rho against its charge.
    """
    rho = pt / (0.3 * FIELD)
    slope = max(abs(math.sinh(eta)), 1e-9)
    arc = HALF_LENGTH / slope
    if 2 * rho > RADIUS:
        arc = min(arc, 2 * rho * math.asin(RADIUS / (2 * rho)))
    turn = arc / (2 * rho)
    # A curling particle may pass the axis: a negative radius is one in the opposite direction.
    r = 2 * rho * math.sin(turn)
    direction = phi - charge * turn + (math.pi if r < 0 else 0.0)
    return math.asinh(arc * math.sinh(eta) / max(abs(r), 1e-6)), direction


@compiled
def _deposited_fraction(calorimeter, kind):  # type: ignore[no-untyped-def]
    """Fraction of a particle's energy that it deposits in one calorimeter."""
    if kind in (INVISIBLE, MUON):
        return 0.0
    in_ecal = 1.0 if kind in (ELECTRON, PHOTON) else 0.0
    if kind == NEUTRAL_STRANGE:
        in_ecal = 0.3
    return in_ecal if calorimeter == ECAL else 1 - in_ecal


@compiled
def _track_efficiency(kind, pt, abs_eta):  # type: ignore[no-untyped-def]
    if pt <= 0.1 or abs_eta > TRACKER_ETA_MAX:
        return 0.0
    barrel = abs_eta <= 1.5
    if kind == ELECTRON:
        if pt <= 1:
            return 0.73 if barrel else 0.50
        if pt <= 100:
            return 0.95 if barrel else 0.83
        return 0.99 if barrel else 0.90
    if kind == MUON:
        low = 0.75 if barrel else 0.70
        high = 0.99 if barrel else 0.98
        return low if pt <= 1 else high * (math.exp(0.5 - 5e-4 * pt) if pt > 1000 else 1.0)
    low = 0.70 if barrel else 0.60
    return low if pt <= 1 else (0.95 if barrel else 0.85)


@compiled
def _track_resolution(kind, pt, abs_eta):  # type: ignore[no-untyped-def]
    """Relative resolution of a track's transverse momentum: constant (+) slope * pt [GeV]."""
    region = 0 if abs_eta <= 0.5 else (1 if abs_eta <= 1.5 else 2)
    if kind == ELECTRON:
        constant, slope = (0.03, 0.05, 0.15)[region], (1.3e-3, 1.7e-3, 3.1e-3)[region]
    else:
        constant, slope = (0.01, 0.015, 0.025)[region], (1.0e-4, 1.5e-4, 3.5e-4)[region]
    return math.hypot(constant, slope * pt)


@compiled
def _cell_resolution(calorimeter, eta, energy):  # type: ignore[no-untyped-def]
    """Absolute resolution [GeV] of a cell: constant term, stochastic term and noise."""
    if calorimeter == HCAL:
        if abs(eta) <= 3.0:
            return math.sqrt((0.05 * energy) ** 2 + 1.50**2 * energy)
        return math.sqrt((0.13 * energy) ** 2 + 2.70**2 * energy)
    resolution = math.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    if abs(eta) <= 1.5:
        return (1 + 0.64 * eta * eta) * resolution
    if abs(eta) <= 2.5:
        return (2.16 + 5.6 * (abs(eta) - 2) ** 2) * resolution
    return math.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)


@compiled
def _cell_key(calorimeter, eta, phi):  # type: ignore[no-untyped-def]
    """Cell of a point; its bounds are those of ``_cell_bounds``."""
    if calorimeter == ECAL and abs(eta) < _ECAL_FINE_REACH:
        eta_index = _FINE_OFFSET + math.floor((eta + _ECAL_FINE_REACH) / _ECAL_STEP)
    else:
        eta_index = np.searchsorted(_HCAL_EDGES, eta, side="right") - 1
    _, _, phi_width = _cell_bounds(eta_index)
    return eta_index * _KEY_STRIDE + int(((phi + math.pi) % (2 * math.pi)) / phi_width)


@compiled
def _cell_bounds(eta_index):  # type: ignore[no-untyped-def]
    """Lower and upper pseudorapidity of a cell, and its width in azimuth."""
    if eta_index >= _FINE_OFFSET:
        low = (eta_index - _FINE_OFFSET) * _ECAL_STEP - _ECAL_FINE_REACH
        return low, low + _ECAL_STEP, 2 * math.pi / _ECAL_PHI_CELLS
    low, high = _HCAL_EDGES[eta_index], _HCAL_EDGES[eta_index + 1]
    in_barrel = max(abs(low), abs(high)) < 1.66
    return low, high, math.pi / 36 if in_barrel else math.pi / 18


@compiled
def _log_normal(mean, sigma, rng):  # type: ignore[no-untyped-def]
    """Log-normal number of given mean and standard deviation; 0 if the mean is not positive."""
    if mean <= 0:
        return 0.0
    variance = math.log1p((sigma / mean) ** 2)
    return mean * math.exp(math.sqrt(variance) * rng.standard_normal() - 0.5 * variance)
