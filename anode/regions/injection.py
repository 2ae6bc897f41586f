"""How much signal hides in the data, and which events serve only the test?"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable


class Injection(NamedTuple):
    """The two samples that an injection makes.

    Attributes:
        data: the events put into the data sample, in the order of the file.
        extra: the others, for the test only; None if the file was left as it is.
    """

    data: EventTable
    extra: EventTable | None


def inject(events: EventTable, n_signal: int | None, rng: np.random.Generator) -> Injection:
    """Put ``n_signal`` of the true signal events, drawn at random, and all background into data.

    The draw depends on the generator and on the signal's event ids, not on the order of the file,
    and is nested: with the same seed, a smaller injection is part of a larger one. Signal events
    are drawn at any mass: the number in the signal region is smaller.

    Args:
        events: with truth labels, unless ``n_signal`` is None.
        n_signal: how many; None leaves the file as it is.
        rng: the random stream of the injection.

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
    """
    return _draw(events, n_background, rng, label=0, name="background")


def _draw(
    events: EventTable, wanted: int | None, rng: np.random.Generator, *, label: int, name: str
) -> Injection:
    if wanted is None:
        return Injection(events, None)
    key = f"injection.n_{name}"
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)) or wanted < 0:
        raise ConfigError(f"{key} must be a whole number >= 0 or null, got {wanted!r}")
    if events.label is None:
        raise DataError(
            f"{events.source}: {key}={wanted} needs truth labels, but there are none; set "
            f"{key}=null to take the file as it is"
        )
    rows = np.flatnonzero(events.label == label)
    if wanted > len(rows):
        raise DataError(
            f"{events.source}: {key}={wanted} asks for more {name} than the {len(rows)} {name} "
            f"events there are; ask for at most {len(rows)}, or set {key}=null to put in all"
        )
    by_id = rows[np.argsort(events.event_id[rows])]
    in_data = events.label != label
    in_data[rng.permutation(by_id)[:wanted]] = True
    return Injection(events[in_data], events[~in_data])


@dataclass(frozen=True)
class InjectionConfig:
    """How many of the file's events, drawn by seed, go into the data sample; the others serve the
    test only, and null puts in all.

    Attributes:
        n_signal: signal events.
        n_background: background events.
    """

    n_signal: int | None
    n_background: int | None
