"""How much more the counts of a search spread than Poisson counts, for its method and settings."""

from collections.abc import Sequence

from anode import io
from anode.events.table import EventTable
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.search_directory import SearchDirectory
from anode.regions.windows import Window
from anode.statistics.counting.overdispersion import Overdispersion


def overdispersion_of(
    config: SearchConfig, directory: SearchDirectory, data: EventTable, windows: Sequence[Window]
) -> Overdispersion | None:
    """The over-dispersion of the counts of a search, measured unless that was done.

    Args:
        config: configuration of the search.
        directory: its folder, with finished windows.
        data: events that are searched, at all masses.
        windows: windows of the search, in order of mass; events are drawn in the middle one.

    Returns:
        What ``overdispersion.json`` holds; None if it is not measured.
    """
    return read_overdispersion(directory)


def read_overdispersion(directory: SearchDirectory) -> Overdispersion | None:
    """The content of a search's ``overdispersion.json``; None without one.

    Raises:
        DataError: it is not JSON, or a key is missing or of the wrong kind.
    """
    path = directory.overdispersion
    return Overdispersion.from_json(io.read_json(path), path) if path.is_file() else None
