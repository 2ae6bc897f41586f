"""Events of a configuration in their roles: data sample, extra test events, regions."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events import rules
from anode.events.known_events import KnownEvents
from anode.events.source import MemorySource, Source
from anode.events.table import EventTable, concatenate
from anode.methods.base import RegionEvents
from anode.methods.build import fits_density
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.runs.config import RunConfig
from anode.regions.distortion import distort
from anode.regions.injection import DRAWN_BY, draw_background, drawn, drawn_by, inject
from anode.regions.windows import Regions
from anode.seeding import stream

# Ids of a second file start here, of a third at twice it: far above row numbers of the first.
EXTRA_ID_OFFSET = 1 << 40
N_NAMED = 3  # copies that a message names

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """Events in their roles.

    Attributes:
        data: data sample, labelled where the truth is known; fits see it without labels.
        extra: labelled events outside the data sample, for the test alone; None without any.
        regions: signal region and sidebands.
        files: paths that were asked for.
        source: source that they were read from.
    """

    data: EventTable
    extra: EventTable | None
    regions: Regions
    files: list[Path]
    source: Source

    @property
    def n_dropped(self) -> int:
        """Events of the file that could not be used."""
        return self.source.n_skipped

    @property
    def n_copies(self) -> int:
        """Events of the data sample that are copies of an earlier one."""
        return int(self.data.is_copy().sum())

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
        config: configuration of the run.
        check_sidebands: True if missing sidebands are an error; scoring, and methods that fit in
            the signal region alone, need none.

    Raises:
        ConfigError, DataError: with file, row, column or key; nothing was computed yet.
    """
    regions = config.regions.regions()
    source = open_data(config.data, seed=config.seed, n_jobs=config.n_jobs)
    source.check(config.read_features, sidebands=check_sidebands)
    rules.say_unread(source.name, source.unread)
    background = config.data.extra_background
    own_background = None if background is None else source.further(Path(background))
    others = [source.further(Path(path)) for path in config.data.extra]
    injection = _draw(source, config)
    data, left = injection.data, (*injection.left, source.extra(config.read_features))
    extras = [table for table in left if table is not None and len(table)]
    files = source.files
    if own_background is not None:
        extras.append(_extra_background(own_background, config.read_features, [data, *extras]))
        files = [*files, *own_background.files]
    for number, other in enumerate(others, start=2):
        offset = number * EXTRA_ID_OFFSET
        extras.append(_extra(other, config.read_features, offset, [data, *extras]))
        files = [*files, *other.files]
    extra = concatenate(extras) if extras else None
    prepared = Prepared(data, extra, regions, files, source)
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
        config: configuration of the run; what it says of files and injections is left out.
        data: data sample; its labels, if any, serve the evaluation.
        extra: labelled events that are not in the data sample; None for none.
        check_sidebands: flag as in ``prepare``.

    Raises:
        DataError: a region has no events, or an event of ``extra`` is one of ``data``.
    """
    regions = config.regions.regions()
    if extra is not None:
        _refuse_known(extra, [data], f"{extra.source}: an event")
    prepared = Prepared(data, extra, regions, [], MemorySource(data))
    return _checked(config, prepared, check_sidebands=check_sidebands)


class Drawn(NamedTuple):
    """The data sample, and the signal and background that are left out of it, if any."""

    data: EventTable
    left: tuple[EventTable | None, ...]


def _draw(source: Source, config: RunConfig) -> Drawn:
    own = events = source.read(config.read_features)
    wanted, seed = config.injection, config.seed
    if wanted.n_signal is None and wanted.n_background is None:
        return Drawn(events, ())
    if events.names != DRAWN_BY and set(DRAWN_BY) <= set(source.feature_names):
        events = drawn_by(events, source.read(DRAWN_BY))
    events, spare = draw_background(events, wanted.n_background, stream(seed, "background"))
    data, not_injected = inject(events, wanted.n_signal, stream(seed, "injection"))
    left = [None if table is None else drawn(table, own) for table in (not_injected, spare)]
    return Drawn(drawn(data, own), tuple(left))


def _checked(config: RunConfig, prepared: Prepared, *, check_sidebands: bool) -> Prepared:
    """The events as methods see them."""
    data, extra = prepared.data, prepared.extra
    _refuse_copies(data, config.data.max_copies)
    if extra is not None:
        concatenate([data.without_label(), extra.without_label()])  # refuses ids in both
    prepared.regions.check(data, sidebands=check_sidebands)
    steps = config.preprocessing
    spikes_matter = fits_density(config.method) and not steps.dequantise
    rules.check_sample(data, binary=steps.binary_features, spikes_matter=spikes_matter)
    data = distort(data, config.distortion, config.seed)
    extra = None if extra is None else distort(extra, config.distortion, config.seed)
    return prepared._replace(data=data, extra=extra)


def _extra_background(
    source: Source, features: Sequence[str], known: Sequence[EventTable]
) -> EventTable:
    """Test background from its own file, none of which is among the ``known`` events; labels
    there, if any, must all be 0."""
    table = source.read(features, id_offset=EXTRA_ID_OFFSET)
    if table.label is not None and table.label.any():
        raise DataError(
            f"{source.name}: data.extra_background must hold background alone, but "
            f"{table.label.sum()} of its events are labelled as signal"
        )
    _refuse_known(table, known, f"{source.name}: an event of data.extra_background")
    background = np.zeros(len(table), dtype=np.int8)
    return dataclasses.replace(table, label=background, source=source.name)


def _extra(
    source: Source, features: Sequence[str], id_offset: int, known: Sequence[EventTable]
) -> EventTable:
    """Labelled events of a further file, none of which is among the ``known`` ones."""
    parts = (part(features, id_offset=id_offset) for part in (source.read, source.extra))
    table = concatenate([part for part in parts if part is not None], source.name)
    if table.label is None:
        raise DataError(f"{source.name}: data.extra needs truth labels, but there are none")
    _refuse_known(table, known, f"{source.name}: an event of data.extra")
    return table


def _refuse_known(table: EventTable, known: Sequence[EventTable], what: str) -> None:
    """Refuse events that are in one of the ``known`` tables, too."""
    for other in known:
        rows = np.flatnonzero(KnownEvents(other).recognise(table).known)
        if rows.size:
            raise DataError(
                f"{what} must occur once, but {rows.size} have the mass and features of an event "
                f"in {other.source}, first row {rows[0]}; remove them from one of the two"
            )


def _refuse_copies(data: EventTable, allowed: float) -> None:
    """Refuse data with too many copies; warn of fewer."""
    rows = np.flatnonzero(data.is_copy())
    if not rows.size:
        return
    _, first, number = np.unique(data.identity, return_index=True, return_inverse=True)
    ids = data.event_id
    pairs = [f"{ids[row]} (as {ids[first[number[row]]]})" for row in rows[:N_NAMED]]
    found = (
        f"{data.source}: {rows.size} of {len(data)} events have the mass and features of an "
        f"earlier one, first event_id {', '.join(pairs)}"
    )
    if rows.size <= allowed * len(data):
        log.warning("%s; copies are in one fold, but count as often as they are there", found)
        return
    raise DataError(
        f"{found}, more than data.max_copies={allowed:g} allows: each counts as an event of its "
        "own; remove them, as drop_duplicates() of pandas does, or, if different "
        f"events look alike in these features, set data.max_copies={_above(rows.size, data)}"
    )


def _above(n_copies: int, data: EventTable) -> float:
    """A share that allows as many."""
    return float(np.ceil(100 * n_copies / len(data)) / 100)
