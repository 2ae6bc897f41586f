"""Made-up particles of events with two jets."""

from collections.abc import Sequence

import numpy as np

from anode.events.particles import EventParticles


def made_up(event_id: np.ndarray, seed: int = 0, n_most: int = 20) -> EventParticles:
    """Events of two sprays back to back and some particles in neither jet."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(6, n_most, len(event_id))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    columns = []
    for count in counts:
        jet = np.resize([0, 1, -1, 0, 1], count)
        pt = np.sort(rng.exponential(60, count) + 0.5)[::-1]
        centre = rng.uniform(-np.pi, np.pi)
        phi = centre + np.pi * (jet == 1) + np.pi / 2 * (jet == -1) + rng.normal(0, 0.2, count)
        eta = np.array([0.7, -0.4, 0.0])[jet] + rng.normal(0, 0.2, count)
        columns.append([pt, eta, (phi + np.pi) % (2 * np.pi) - np.pi, jet])
    pt, eta, phi, jet = np.concatenate(columns, axis=1)
    values = (column.astype(np.float32) for column in (pt, eta, phi))
    return EventParticles(np.asarray(event_id), offsets, *values, jet.astype(np.int8))


def part_of(events: EventParticles, rows: Sequence[int]) -> EventParticles:
    """Some of the events, in this order."""
    places = [np.arange(*events.offsets[[row, row + 1]]) for row in rows]
    chosen = np.concatenate([np.empty(0, np.int64), *places]).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in places], dtype=np.int64)])
    columns = (column[chosen] for column in events[2:])
    ids = events.event_id[np.asarray(rows, dtype=np.int64)]
    return EventParticles(ids, offsets.astype(np.int64), *columns)


def event_of(
    pt: Sequence[float], eta: Sequence[float], phi: Sequence[float], jet: Sequence[int]
) -> EventParticles:
    """One event, its particles as they are given."""
    values = (np.asarray(column, np.float32) for column in (pt, eta, phi))
    offsets = np.array([0, len(pt)])
    return EventParticles(np.array([11]), offsets, *values, np.asarray(jet, np.int8))
