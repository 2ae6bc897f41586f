"""Injection: a chosen number of labelled events in the data sample, the others for the test.

Which events are drawn hangs on their mass and on features that do not change with those that a
method sees, so that methods of other features can be compared on the same injections.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.regions.splits import uniform_of

DRAWN_BY = ("mj1", "delta_mj", "tau21_1", "tau21_2")
"""Features that, with the mass, decide which events are drawn, where the events have them."""


class Injection(NamedTuple):
    """The two samples that an injection makes.

    Attributes:
        data: events of the data sample, in the order of the file.
        extra: all other events, for the test only; None if the file was left as it is.
    """

    data: EventTable
    extra: EventTable | None


def inject(events: EventTable, n_signal: int | None, rng: np.random.Generator) -> Injection:
    """Put ``n_signal`` of the true signal events, drawn at random, and all background into data.

    The draw depends on the generator and on the identities of the signal events, not on the order
    of the file, and is nested: with the same seed, a smaller injection is part of a larger one.
    Signal events are drawn at any mass: the number in the signal region is smaller.

    Args:
        events: events with truth labels; without them if ``n_signal`` is None.
        n_signal: number of signal events; None leaves the file as it is.
        rng: random stream of the injection.

    Raises:
        ConfigError: ``n_signal`` is negative or not an integer.
        DataError: there are no labels, or fewer signal events than asked.
    """
    return _draw(events, n_signal, rng, label=1, name="signal")


def draw_background(
    events: EventTable, n_background: int | None, rng: np.random.Generator
) -> Injection:
    """Put ``n_background`` of the background events and all signal into the data sample.

    For samples smaller than the file, and their spread from seed to seed; otherwise as ``inject``.

    Raises:
        ConfigError: ``n_background`` is negative or not an integer.
        DataError: there are no labels, or fewer background events than asked.
    """
    return _draw(events, n_background, rng, label=0, name="background")


def _draw(
    events: EventTable, n: int | None, rng: np.random.Generator, *, label: int, name: str
) -> Injection:
    if n is None:
        return Injection(events, None)
    key = f"injection.n_{name}"
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ConfigError(f"{key} must be a whole number >= 0 or null, got {n!r}")
    if events.label is None:
        raise DataError(
            f"{events.source}: {key}={n} needs truth labels, but there are none; set "
            f"{key}=null to take the file as it is"
        )
    rows = np.flatnonzero(events.label == label)
    if n > len(rows):
        raise DataError(
            f"{events.source}: {key}={n} asks for more {name} than the {len(rows)} {name} "
            f"events there are; ask for at most {len(rows)}, or set {key}=null to put in all"
        )
    drawn = uniform_of(events.identity[rows], int(rng.integers(1 << 62)))
    in_data = events.label != label
    in_data[rows[np.argsort(drawn, kind="stable")[:n]]] = True
    return Injection(events[in_data], events[~in_data])


def drawn_by(events: EventTable, basis: EventTable) -> EventTable:
    """The events with the identities that ``basis``, the same events with the features
    ``DRAWN_BY``, gives them for a draw; ``drawn`` gives them their own back."""
    return dataclasses.replace(events, identity=basis.identity)


def drawn(part: EventTable, events: EventTable) -> EventTable:
    """A part of ``events`` as it is when a draw is done: with the identities that they have."""
    order = np.argsort(events.event_id)
    place = order[np.searchsorted(events.event_id, part.event_id, sorter=order)]
    return dataclasses.replace(part, identity=events.identity[place])


@dataclass(frozen=True)
class InjectionConfig:
    """Numbers of the file's events, drawn by seed, that go into the data sample, the others being
    for the test only; null for all.

    Attributes:
        n_signal: number of signal events.
        n_background: number of background events.
    """

    n_signal: int | None
    n_background: int | None
