"""Which events the fits of a run or search have seen: ``fitted_events.h5``."""

from pathlib import Path

import numpy as np

from anode.errors import RunDirectoryError
from anode.events.known_events import KnownEvents

FILE = "fitted_events.h5"


def keep_fitted(folder: Path, events: KnownEvents, *, fits: Path) -> None:
    """Write which events the fits will see, or find the same there.

    Args:
        folder: folder of the run or search.
        events: all events of its fits.
        fits: folder of the fits.

    Raises:
        RunDirectoryError: the fits have seen other events, or were divided by another rule.
    """
    path = folder / FILE
    if not path.is_file():
        if fits.is_dir() and any(fits.iterdir()):
            raise _of_former_version(folder)
        events.write(path)
    elif not np.array_equal(KnownEvents.read(path).identity, events.identity):
        raise RunDirectoryError(
            f"{path} must name the events of this run, but names others; choose another run_dir, "
            "or delete this one"
        )


def fitted_events(folder: Path) -> KnownEvents:
    """The events that the fits of a run or search have seen.

    Raises:
        RunDirectoryError: the folder does not say.
    """
    path = folder / FILE
    if not path.is_file():
        raise _of_former_version(folder)
    return KnownEvents.read(path)


def _of_former_version(folder: Path) -> RunDirectoryError:
    return RunDirectoryError(
        f"{folder} must say in {FILE} which events its fits have seen, but there is none: a "
        "former version, whose folds hung on rows, made it; choose another run_dir, or delete "
        "this one"
    )
