"""Formats of events: the one table that knows their names, and what opens each.

A new format is a subclass of ``source.Source`` in a module of its own, and a line of ``FORMATS``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from anode.errors import ConfigError
from anode.events.config import DataConfig, FileConfig
from anode.events.dark_sector.source import DarkSectorConfig, DarkSectorFiles
from anode.events.derived_source import first_events
from anode.events.readers.cathode_arrays import CathodeArrays
from anode.events.readers.dijet_files import BundledFile, LhcoFile, dijet_file
from anode.events.readers.tables.config import TableConfig
from anode.events.readers.tables.table import Table
from anode.events.simulation.toy_source import ToyConfig, ToyEvents
from anode.events.source import Source


class Format(NamedTuple):
    """One choice of ``data.reader``.

    Attributes:
        open: function of (configuration, root seed of the run) that gives its events; reads no
            value yet.
        config: dataclass of the keys below ``data``.
        makes_events: True if ``data.n_background`` and ``n_signal`` are numbers of events made
            rather than a limit.
    """

    open: Callable[[Any, int], Source]
    config: type[DataConfig] = FileConfig
    makes_events: bool = False


FORMATS: dict[str, Format] = {
    "bundled": Format(BundledFile.open, DataConfig),
    "lhco_features": Format(LhcoFile.open),
    "arrays": Format(CathodeArrays.open),
    "table": Format(Table.open, TableConfig),
    "dark_sector": Format(DarkSectorFiles.open, DarkSectorConfig),
    "toy": Format(ToyEvents.open, ToyConfig, makes_events=True),
}


def open_source(data: DataConfig, *, seed: int) -> Source:
    """The events that a configuration names, limited as it says.

    Args:
        data: settings of one of ``FORMATS``.
        seed: root seed of the run, for events that are made.

    Raises:
        ConfigError: there is no such format.
    """
    if data.reader not in FORMATS:
        raise ConfigError(f"data.reader must be one of {', '.join(FORMATS)}, got {data.reader!r}")
    chosen = FORMATS[data.reader]
    source = chosen.open(data, seed)
    return source if chosen.makes_events else first_events(source, data)


def source_of_file(path: Path) -> Source:
    """The source of an array or of a file of di-jet features, by what is in it.

    Raises:
        DataError: the file is missing, truncated or of another kind.
    """
    if path.is_dir() or path.suffix == ".npy":
        return CathodeArrays(path)
    return dijet_file(path)
