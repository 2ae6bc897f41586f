"""How much signal hides in the data, and which signal events serve only the test?"""

from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable


class Injection(NamedTuple):
    """The two samples that an injection makes.

    Attributes:
        data: all background and the injected signal, in the order of the file.
        extra: the signal that was not injected, for the test only; None if the file was left as
            it is.
    """

    data: EventTable
    extra: EventTable | None


def inject(events: EventTable, n_signal: int | None, rng: np.random.Generator) -> Injection:
    """Put ``n_signal`` of the true signal events, drawn at random, into the data sample.

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
    if n_signal is None:
        return Injection(events, None)
    if isinstance(n_signal, bool) or not isinstance(n_signal, (int, np.integer)) or n_signal < 0:
        raise ConfigError(
            f"injection.n_signal must be a whole number >= 0 or null, got {n_signal!r}"
        )
    if events.label is None:
        raise DataError(
            f"{events.source}: injection.n_signal={n_signal} needs truth labels, but there are "
            "none; set injection.n_signal=null to take the file as it is"
        )
    signal = np.flatnonzero(events.label == 1)
    if n_signal > len(signal):
        raise DataError(
            f"{events.source}: injection.n_signal={n_signal} asks for more signal than the "
            f"{len(signal)} signal events there are; ask for at most {len(signal)}"
        )
    by_id = signal[np.argsort(events.event_id[signal])]
    chosen = rng.permutation(by_id)[:n_signal]
    in_data = events.label == 0
    in_data[chosen] = True
    return Injection(events[in_data], events[~in_data])
