"""Source of dark-sector jets: a folder of files or one, a jet an event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from anode.errors import ConfigError
from anode.events.config import FileConfig
from anode.events.dark_sector.features import FEATURES, check_names, jet_features
from anode.events.dark_sector.jets_file import DarkJets, count_rows, read_jets
from anode.events.dark_sector.names import dark_sector_files, point_of
from anode.events.source import FileSource, Rows
from anode.events.table import EventTable

ROWS_PER_FILE = 100_000_000
"""event_id = place of the file in the folder * this + row: ids of different files differ."""

OTHER_JETS = ("drop", "background")


@dataclass(frozen=True)
class DarkSectorConfig(FileConfig):
    """Files of dark-sector jets.

    Attributes:
        mass: feature that serves as the mass of an event, in which a signal region lies.
        other_jets: "drop" leaves out jets of signal files that are not dark, "background" labels
            them as background.
    """

    mass: str
    other_jets: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mass not in FEATURES:
            raise ConfigError(f"data.mass must be one of {', '.join(FEATURES)}, got {self.mass!r}")
        if self.other_jets not in OTHER_JETS:
            raise ConfigError(
                f"data.other_jets must be one of {', '.join(OTHER_JETS)}, got {self.other_jets!r}"
            )


@dataclass(frozen=True)
class DarkSectorFiles(FileSource):
    """Jets as events: dark ones of the signal files have label 1, all of the Standard Model 0."""

    mass: str = "jet_m"
    drop: bool = True

    @classmethod
    def open(cls, data: DarkSectorConfig, seed: int) -> Self:
        return cls(Path(str(data.path)), data.mass, data.other_jets == "drop")

    @property
    def files(self) -> list[Path]:
        return dark_sector_files(self.path)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(FEATURES)

    @property
    def has_labels(self) -> bool:
        return True

    def check(self, features: Sequence[str], *, sidebands: bool = True) -> None:
        check_names(features)
        for path in self.files:
            count_rows(path, dark_only=False)

    def count(self) -> int:
        return sum(map(self._count, self.files))

    def read(
        self, features: Sequence[str], *, rows: Rows = None, id_offset: int = 0
    ) -> EventTable:
        check_names(features)
        names = list(dict.fromkeys([*features, self.mass]))
        parts = list(self._parts(self.count() if rows is None else rows[1], rows))
        if not parts:
            return self._table(np.empty((0, len(names))), names, features, [], [], id_offset)
        values = np.concatenate([jet_features(jets, names) for _, jets in parts])
        labels = [jets.is_dark.astype(np.int8) for _, jets in parts]
        return self._table(values, names, features, [ids for ids, _ in parts], labels, id_offset)

    def jets(self) -> Iterator[DarkJets]:
        """Jets of every file with their constituents and truth; all of them, dark or not."""
        return map(read_jets, self.files)

    def _count(self, path: Path) -> int:
        return count_rows(path, dark_only=self.drop and point_of(path) is not None)

    def _parts(self, stop: int, rows: Rows) -> Iterator[tuple[np.ndarray, DarkJets]]:
        """(ids, jets) of each file in a range of the kept rows; files outside stay closed."""
        first, begin = 0, 0 if rows is None else rows[0]
        for place, path in enumerate(self.files):
            behind = first + self._count(path)
            if first < stop and behind > begin:
                jets = read_jets(path)
                drop = self.drop and jets.point is not None
                kept = np.flatnonzero(jets.is_dark) if drop else np.arange(jets.n_jets)
                kept = kept[max(begin - first, 0) : stop - first]
                yield place * ROWS_PER_FILE + kept, jets.where(kept)
            first = behind

    def _table(
        self,
        values: np.ndarray,
        names: list[str],
        features: Sequence[str],
        ids: list[np.ndarray],
        labels: list[np.ndarray],
        id_offset: int,
    ) -> EventTable:
        columns = [names.index(name) for name in features]
        return EventTable(
            np.concatenate([np.empty(0, np.int64), *ids]) + id_offset,
            values[:, names.index(self.mass)],
            values[:, columns],
            tuple(features),
            tuple(FEATURES[name].unit for name in features),
            np.concatenate([np.empty(0, np.int8), *labels]),
            self.name,
        )
