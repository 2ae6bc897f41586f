"""Source of a configuration's events; raw particles and black boxes become features first.

Raw particles are clustered once and their features kept in a folder (``data.cache``), under a
name that changes with the file and the settings; all commands, folds and seeds share them. For
files that take hours, make the features with ``anode features`` first.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anode.errors import DataError
from anode.events.derived_source import DerivedSource, first_events
from anode.events.formats import open_source, source_of_file
from anode.events.readers.fault_scan import Block
from anode.events.readers.raw_particles import is_raw
from anode.events.source import BLOCK_ROWS, Rows, Skipped, Source
from anode.events.substructure_columns import groups_of
from anode.events.table import EventTable
from anode.events.writers.feature_files import WITH_SUBSTRUCTURE
from anode.pipeline.datasets.config import BlackboxConfig, DataConfig, RawDataConfig
from anode.pipeline.datasets.feature_blocks import raw_source
from anode.pipeline.datasets.features import make_features
from anode.pipeline.datasets.features_manifest import FeaturesManifest
from anode.pipeline.datasets.workers import LOCAL


@dataclass(frozen=True)
class FeaturesOf(DerivedSource):
    """Features that stand for a file of raw particles, or a black box, whose labels stay unread.

    Attributes:
        inner: source of the features.
        data: settings of the source, the group ``data``.
        manifest: record of features made of raw particles; None for a file of features.
        n_jobs: number of processes that cluster a further file.
        is_blind: True if labels must not be read.
    """

    data: RawDataConfig
    manifest: FeaturesManifest | None
    n_jobs: int
    is_blind: bool

    @property
    def path(self) -> Path:
        return Path(str(self.data.path))

    @property
    def files(self) -> list[Path]:
        return [self.path]

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def features_file(self) -> Path | None:
        return self.inner.path if self.manifest else None

    @property
    def blind(self) -> bool:
        return self.is_blind

    @property
    def has_labels(self) -> bool:
        return self.inner.has_labels and not self.blind

    @property
    def skipped(self) -> Mapping[str, Skipped]:
        if self.manifest is None:
            return {}
        rows = self.manifest.skipped_rows
        counts = self.manifest.skipped.items()
        return {reason: Skipped(n, list(rows[reason])) for reason, n in counts if n}

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        events = self.inner.read(features, rows=rows, id_offset=id_offset)
        events = events.without_label() if self.blind else events
        return dataclasses.replace(events, source=self.name)

    def further(self, path: Path) -> Source:
        if is_raw(path):
            data = dataclasses.replace(self.data, path=str(path))
            layout = "lhco" if data.substructure is None else WITH_SUBSTRUCTURE
            return _clustered(data, layout, self.n_jobs)
        return source_of_file(path)

    def fault_scan(
        self, features: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[Block]:
        for block in self.inner.fault_scan(features, block_rows):
            events = block.events.without_label() if self.blind else block.events
            yield block._replace(events=events)


def open_data(data: DataConfig, *, seed: int, n_jobs: int, any_fault: bool = False) -> Source:
    """The events of a configuration as features; raw particles are clustered, once.

    Args:
        data: settings of any reader, the group ``data``.
        seed: root seed of the run, for events that are made.
        n_jobs: number of processes that cluster.
        any_fault: True to accept a raw file however many of its events are unusable.

    Raises:
        ConfigError: as ``open_source``.
        DataError: as ``make_features``; or ``data.key`` is no file.
    """
    if not isinstance(data, RawDataConfig):
        return open_source(data, seed=seed)
    if data.key_file is not None and not data.key_file.is_file():
        raise DataError(f"data.key must be a file, or null, but there is no {data.key_file}")
    data = dataclasses.replace(data, max_skipped=1.0) if any_fault else data
    path, is_blind = Path(str(data.path)), isinstance(data, BlackboxConfig)
    if is_blind and not is_raw(path):
        source = FeaturesOf(source_of_file(path), data, None, n_jobs, is_blind)
    else:
        source = _clustered(data, "anode", n_jobs, is_blind=is_blind)
    return first_events(source, data)


def _clustered(
    data: RawDataConfig, layout: str, n_jobs: int, *, is_blind: bool = False
) -> FeaturesOf:
    """The features of a raw file, made now or before."""
    path = Path(str(data.path))
    raw = raw_source(path, data.jets, substructure=groups_of(data.substructure))
    name = f"{path.stem}_{raw.fingerprint()}_{layout}.h5"
    output = Path(data.cache) / name
    manifest = make_features(data, output, layout=layout, cluster=LOCAL, n_jobs=n_jobs)
    return FeaturesOf(source_of_file(output), data, manifest, n_jobs, is_blind)
