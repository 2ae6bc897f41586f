"""Sources of two jets an event: LHC Olympics feature files and files of the bundled layout."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from anode.events import dijet, feature_definitions
from anode.events.config import DataConfig
from anode.events.readers import lhco_features as lhco
from anode.events.readers.fault_scan import Block, broken_rules, unbroken
from anode.events.readers.particle_group import has_particles
from anode.events.source import BLOCK_ROWS, FileSource, Rows, Source
from anode.events.table import EventTable, Violation
from anode.io import open_hdf5

DIJET_FEATURES = (
    "mj1", "mj2", "delta_mj", "tau21_1", "tau21_2", "tau32_1", "tau32_2", "pt_1", "pt_2",
    "delta_eta", "delta_r",
)  # fmt: skip
"""Describe an event where the file has what they are made from."""

_KNOWN_COLUMNS = feature_definitions.columns_needed(tuple(feature_definitions.FEATURES))


@dataclass(frozen=True)
class DijetFile(FileSource):
    """Features are made of the momenta and tau_N of both jets."""

    bundled: ClassVar[bool]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the file."""
        return lhco.column_names(self.path, bundled=self.bundled)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return _available(self.columns)

    @property
    def has_labels(self) -> bool:
        return lhco.LABEL in self.columns

    @property
    def unread(self) -> list[str]:
        read = (lhco.LABEL, lhco.EVENT_ID, *_KNOWN_COLUMNS)
        return [name for name in self.columns if name not in read]

    def count(self) -> int:
        return lhco.count_events(self.path, bundled=self.bundled)

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        feature_definitions.check_features(features)
        lhco.check_columns(self.path, features, bundled=self.bundled)

    @abstractmethod
    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable: ...

    def further(self, path: Path) -> Source:
        return dijet_file(path)

    def numbering(self, events: EventTable) -> tuple[int, np.ndarray]:
        n_raw = lhco.raw_events(self.path)
        if n_raw is None:
            return super().numbering(events)
        return n_raw, events.event_id  # which are rows of the raw file

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        if features is not None:
            feature_definitions.check_features(features)
        stored = lhco.stored_rows(self.path, bundled=self.bundled, block_rows=block_rows)
        for first_row, columns in stored:
            yield _scanned(str(self.path), first_row, columns, features)


class BundledFile(DijetFile):
    """The events bundled with this project, or a file of the same layout."""

    bundled = True

    @classmethod
    def open(cls, data: DataConfig, seed: int) -> Self:
        return cls(lhco.BUNDLED_PATH if data.path is None else Path(data.path))

    @property
    def particles_file(self) -> Path | None:
        return self.path if has_particles(self.path) else None

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        return lhco.read_bundled(self.path, features, rows=rows, id_offset=id_offset)


class LhcoFile(DijetFile):
    """A feature file of the LHC Olympics."""

    bundled = False

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        return lhco.read_lhco_features(self.path, features, rows=rows, id_offset=id_offset)


def dijet_file(path: Path) -> DijetFile:
    """The source of a file of either layout, by what is in it.

    Raises:
        DataError: the file is missing, truncated or not HDF5.
    """
    with open_hdf5(path) as file:
        return BundledFile(path) if lhco.EVENT_ID in file else LhcoFile(path)


def _available(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        name
        for name in DIJET_FEATURES
        if all(needed in columns for needed in feature_definitions.columns_needed([name]))
    )


def _scanned(
    source: str, first_row: int, stored: Mapping[str, np.ndarray], features: Sequence[str] | None
) -> Block:
    label, event_id = stored.get(lhco.LABEL), stored.get(lhco.EVENT_ID)
    columns = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in stored.items()
        if name not in (lhco.LABEL, lhco.EVENT_ID)
    }
    names = _available(tuple(columns)) if features is None else tuple(features)
    needed = feature_definitions.columns_needed(names)
    if missing := [name for name in needed if name not in columns]:
        raise lhco.missing_columns(source, missing, tuple(columns))
    known = [name for name in _KNOWN_COLUMNS if name in columns]
    broken = broken_rules(dijet.violations({name: columns[name] for name in known}), label)
    good = unbroken(len(columns[needed[0]]), broken)
    sound = {name: columns[name][good] for name in needed}
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported
        derived = dijet.derive_sound(sound, names)
    finite = np.isfinite(derived.mass) & np.isfinite(derived.features).all(axis=1)
    found = [Violation("m_jj and features", ~finite, "must be finite")]
    found.append(dijet.heavy_jets(sound, derived.mass))
    for column, bad, rule in found:
        if bad.any():
            everywhere = np.zeros(len(good), dtype=bool)
            everywhere[good] = bad
            broken.append(Violation(column, everywhere, rule))
    usable = unbroken(len(finite), found)
    good[good] = usable
    events = EventTable(
        first_row + np.flatnonzero(good),
        derived.mass[usable],
        derived.features[usable],
        names,
        feature_definitions.units_of(names),
        None if label is None else label[good],
        source,
    )
    units = {name: "GeV" for name in columns if name.startswith(("px", "py", "pz", "pt", "mj"))}
    return Block(source, first_row, columns, broken, event_id, events, units)
