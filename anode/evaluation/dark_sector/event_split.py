"""Which jets a classifier of dark-sector jets learns from, and which it is tested on.

Sides are drawn by collision: a hash of its ``event_id`` and the seed puts all jets of it on one
side, whatever file they are in and whatever pair of files is trained and tested on. So no jet, and
no partner of it from the same collision, is on both sides of any pair.
"""

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.events.dark_sector.jets_file import EVENT_ID, DarkJets
from anode.regions.splits import uniform_of
from anode.seeding import stream_seed


def collision_of(jets: DarkJets, jets_per_event: int | None) -> NDArray[np.uint64]:
    """(N,) identity of the collision of each jet.

    Args:
        jets: jets of a file.
        jets_per_event: number of consecutive rows that are one collision, for a file that has no
            ``event_id``; None to refuse such a file.

    Raises:
        DataError: the file has no ``event_id`` and ``jets_per_event`` is None or does not divide
            its rows.

    Example:
        >>> columns, particles = {}, np.ones((6, 20, 3))
        >>> collision = collision_of(DarkJets("mine.h5", None, columns, particles, None), 3)
        >>> [bool(collision[0] == other) for other in collision]
        [True, True, True, False, False, False]
    """
    if jets.event_id is not None:
        return jets.event_id.astype(np.uint64)
    if jets_per_event is None:
        raise DataError(
            f"{jets.source}: jets of one collision must stay together, which takes the dataset "
            f"'{EVENT_ID}', but there is none; write it, or give jets_per_event=3 if three "
            "consecutive rows are one collision"
        )
    if jets.n_jets % jets_per_event:
        raise DataError(
            f"{jets.source}: with jets_per_event={jets_per_event} the number of rows must be a "
            f"multiple of it, got {jets.n_jets}; give the right number, or write the dataset "
            f"'{EVENT_ID}'"
        )
    name = jets.source.rpartition("/")[2]  # collisions of two files are different ones
    return (np.arange(jets.n_jets, dtype=np.uint64) // np.uint64(jets_per_event)) ^ np.uint64(
        stream_seed(0, "collision", name)
    )


def is_tested(collision: NDArray[np.uint64], seed: int, share: float) -> NDArray[np.bool_]:
    """(N,) True for jets of the test, False for those that fits see.

    Args:
        collision: (N,) identities, by ``collision_of``.
        seed: root seed.
        share: share of the collisions that is for the test.

    Example:
        >>> is_tested(np.arange(8, dtype=np.uint64) // np.uint64(2), seed=1, share=0.5)
        array([False, False,  True,  True,  True,  True, False, False])
    """
    return np.asarray(uniform_of(collision, seed, "tested collisions") < share)
