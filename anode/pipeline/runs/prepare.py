"""From a configuration to events in their roles: data sample, extra test events, regions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events.readers.cathode_arrays import read_arrays
from anode.events.readers.lhco_features import read_bundled, read_lhco_features
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable, concatenate, copies
from anode.methods.base import RegionEvents
from anode.pipeline.datasets.cached_features import FeatureSource, as_features, data_path
from anode.pipeline.datasets.config import DataConfig
from anode.pipeline.runs.config import RunConfig
from anode.regions.distortion import distort
from anode.regions.injection import draw_background, inject
from anode.regions.windows import Regions
from anode.seeding import stream

# Ids of a second file start here, of a third at twice it: far above row numbers of the first.
EXTRA_ID_OFFSET = 1 << 40


class Prepared(NamedTuple):
    """Events in their roles.

    Attributes:
        data: the data sample, labelled where the truth is known; fits see it without labels.
        extra: labelled events outside the data sample, for the test alone; None without any.
        regions: signal region and sidebands.
        files: what was asked for.
        n_dropped: events of the file that could not be used.
    """

    data: EventTable
    extra: EventTable | None
    regions: Regions
    files: list[Path]
    n_dropped: int = 0

    def in_signal_region(self) -> np.ndarray:
        """(N,) which events of the data sample lie in the signal region."""
        return self.regions.in_signal_region(self.data.mass)

    def extra_in_signal_region(self) -> EventTable | None:
        """The extra events there; None without any."""
        if self.extra is None:
            return None
        inside = self.extra[self.regions.in_signal_region(self.extra.mass)]
        return inside if len(inside) else None

    def for_fits(self, *, with_truth: bool = False) -> RegionEvents:
        """The data sample cut by mass, its labels removed; and the labelled extra events of the
        signal region, for a method that uses truth."""
        blind = self.data.without_label()
        return RegionEvents(
            blind[self.in_signal_region()],
            blind[self.regions.in_sidebands(blind.mass)],
            self.extra_in_signal_region() if with_truth else None,
        )


def prepare(config: RunConfig, *, check_sidebands: bool = True) -> Prepared:
    """Read, cap, inject and check the events a configuration asks for.

    Args:
        config: the run's.
        check_sidebands: whether missing sidebands are an error; scoring, and methods that fit in
            the signal region alone, need none.

    Raises:
        ConfigError, DataError: with file, row, column or key; nothing was computed yet.
    """
    regions = Regions.from_bounds(config.regions.signal, config.regions.sidebands)
    source = as_features(config.data, n_jobs=config.n_jobs)
    events, given_extra, files = _read(config, source, sidebands=check_sidebands)
    events = _first(events, config.data)
    seed, wanted = config.seed, config.injection
    events, spare = draw_background(events, wanted.n_background, stream(seed, "background"))
    data, not_injected = inject(events, wanted.n_signal, stream(seed, "injection"))
    others = (not_injected, spare, given_extra)
    extras = [table for table in others if table is not None and len(table)]
    if config.data.extra_background is not None:
        extras.append(_extra_background(source.data, config.features))
        files = [*files, Path(config.data.extra_background)]
    for place, path in enumerate(config.data.extra):
        extras.append(_extra(config, Path(path), (2 + place) * EXTRA_ID_OFFSET, [data, *extras]))
        files = [*files, *_files(Path(path))]
    extra = concatenate(extras) if extras else None
    prepared = Prepared(data, extra, regions, files, source.n_skipped)
    return _checked(config, prepared, check_sidebands=check_sidebands)


def prepare_tables(
    config: RunConfig,
    data: EventTable,
    extra: EventTable | None = None,
    *,
    check_sidebands: bool = True,
) -> Prepared:
    """The same of events in memory.

    Args:
        config: the run's; what it says of files and injections is left out.
        data: the data sample; its labels, if any, serve the evaluation.
        extra: labelled events that are not in it; None for none.
        check_sidebands: as ``prepare``.

    Raises:
        DataError: a region has no events, or an event of ``extra`` is one of ``data``.
    """
    regions = Regions.from_bounds(config.regions.signal, config.regions.sidebands)
    if extra is not None:
        _refuse_copies(extra, [data], f"{extra.source}: an event")
    prepared = Prepared(data, extra, regions, [])
    return _checked(config, prepared, check_sidebands=check_sidebands)


def _checked(config: RunConfig, prepared: Prepared, *, check_sidebands: bool) -> Prepared:
    """The events as methods see them."""
    data, extra = prepared.data, prepared.extra
    if extra is not None:
        concatenate([data.without_label(), extra.without_label()])  # refuses ids in both
    prepared.regions.check(data, sidebands=check_sidebands)
    data = distort(data, config.distortion, config.seed)
    extra = None if extra is None else distort(extra, config.distortion, config.seed)
    return prepared._replace(data=data, extra=extra)


def _read(
    config: RunConfig, source: FeatureSource, *, sidebands: bool
) -> tuple[EventTable, EventTable | None, list[Path]]:
    data = source.data
    if data.reader == "toy":
        toy = Toy().sample(data.n_background or 0, data.n_signal or 0, stream(config.seed, "toy"))
        if tuple(config.features) != toy.names:
            raise DataError(f"data=toy has the features {toy.names}, got {config.features}")
        return toy, None, []
    path = source.path
    if data.reader == "arrays":
        table, extra = read_arrays(path, config.features, sidebands=sidebands)
        return table, extra, _files(path)
    reader = read_bundled if data.reader == "bundled" else read_lhco_features
    table = reader(data_path(data), config.features)
    table = table.without_label() if source.blind else table
    if data_path(data) != path:
        table = dataclasses.replace(table, source=str(path))
    return table, None, [path]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.npy")) if path.is_dir() else [path]


def _first(events: EventTable, data: DataConfig) -> EventTable:
    """The first ``n_background`` and ``n_signal`` events of each class."""
    if data.reader == "toy" or (data.n_background is None and data.n_signal is None):
        return events
    if events.label is None:
        raise DataError(
            f"{events.source}: data.n_background and data.n_signal need truth labels, but there "
            "are none; set both to null"
        )
    keep = np.ones(len(events), dtype=bool)
    for label, name in ((0, "n_background"), (1, "n_signal")):
        wanted = getattr(data, name)
        rows = np.flatnonzero(events.label == label)
        if wanted is not None and wanted > len(rows):
            raise DataError(
                f"{events.source}: data.{name}={wanted} asks for more than the {len(rows)} events "
                "there are"
            )
        if wanted is not None:
            keep[rows[wanted:]] = False
    return events[keep]


def _extra_background(data: DataConfig, features: list[str]) -> EventTable:
    """Test background from its own file; labels there, if any, must all be 0."""
    path = Path(str(data.extra_background))
    if data.reader == "arrays":
        table, _ = read_arrays(path, features, id_offset=EXTRA_ID_OFFSET)
    else:
        table = read_lhco_features(path, features, id_offset=EXTRA_ID_OFFSET)
    if table.label is not None and table.label.any():
        raise DataError(
            f"{path}: data.extra_background must hold background alone, but {table.label.sum()} "
            "of its events are labelled as signal"
        )
    background = np.zeros(len(table), dtype=np.int8)
    return EventTable(
        table.event_id, table.mass, table.features, table.names, table.units, background, str(path)
    )


def _extra(
    config: RunConfig, path: Path, id_offset: int, known: Sequence[EventTable]
) -> EventTable:
    """Labelled events of a further file, none of which is among the ``known`` ones."""
    reader = config.data.reader
    if reader == "arrays":
        parts = read_arrays(path, config.features, id_offset=id_offset, sidebands=False)
        table = concatenate([part for part in parts if part is not None], str(path))
    else:
        read = read_bundled if reader == "bundled" else read_lhco_features
        table = read(path, config.features, id_offset=id_offset)
    if table.label is None:
        raise DataError(f"{path}: data.extra needs truth labels, but there are none")
    _refuse_copies(table, known, f"{path}: an event of data.extra")
    return table


def _refuse_copies(table: EventTable, known: Sequence[EventTable], what: str) -> None:
    for other in known:
        n_copies = int(copies(table, other).sum())
        if n_copies:
            raise DataError(
                f"{what} must occur once, but {n_copies} have the mass and features of an event "
                f"in {other.source}; remove them from one of the two"
            )
