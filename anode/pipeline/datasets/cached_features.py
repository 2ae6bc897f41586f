"""How do raw particles and black boxes enter a run as any other features?

Raw particles are clustered once and their features kept in a folder (``data.cache``), under a
name that changes with the file and the settings; all commands, folds and seeds share them. For
files that take hours, make the features with ``scripts/features.py`` first.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from anode.errors import DataError
from anode.events.readers.lhco_features import BUNDLED_PATH, EVENT_ID
from anode.events.readers.raw_particles import is_raw
from anode.io import open_hdf5
from anode.pipeline.datasets.config import BlackboxConfig, DataConfig, RawDataConfig
from anode.pipeline.datasets.feature_blocks import raw_source
from anode.pipeline.datasets.features import make_features
from anode.pipeline.datasets.workers import LOCAL


class FeatureSource(NamedTuple):
    """Events as a file of features.

    Attributes:
        data: with a reader and path of features.
        path: the file or folder that was asked for.
        n_skipped: its events that have no features.
        blind: whether labels of the file must not be read.
    """

    data: DataConfig
    path: Path
    n_skipped: int
    blind: bool


def data_path(data: DataConfig) -> Path:
    """The file or folder of a configuration; the bundled file without one."""
    return BUNDLED_PATH if data.path is None else Path(data.path)


def as_features(data: DataConfig, *, n_jobs: int) -> FeatureSource:
    """The same events as features; raw particles are clustered unless they have been.

    Raises:
        DataError: as ``make_features``.
    """
    path = data_path(data)
    if not isinstance(data, RawDataConfig):
        return FeatureSource(data, path, 0, False)
    blind = isinstance(data, BlackboxConfig)
    if isinstance(data, BlackboxConfig) and data.key and not Path(data.key).is_file():
        raise DataError(f"data.key must be a file, or null, but there is no {data.key}")
    extra = data.extra_background
    if extra is not None and is_raw(extra):
        extra = str(_cached(data, Path(extra), "lhco", n_jobs)[0])
    reader, features, n_skipped = _reader_of(path), path, 0
    if not blind or reader == "lhco_raw":
        features, n_skipped = _cached(data, path, "anode", n_jobs)
        reader = "bundled"
    plain = DataConfig(reader, str(features), extra, data.n_background, data.n_signal)
    return FeatureSource(plain, path, n_skipped, blind)


def _reader_of(path: Path) -> str:
    """Which reader a file is for, by what is in it."""
    if is_raw(path):
        return "lhco_raw"
    with open_hdf5(path) as file:
        return "bundled" if EVENT_ID in file else "lhco_features"


def _cached(data: RawDataConfig, path: Path, layout: str, n_jobs: int) -> tuple[Path, int]:
    """The features of a raw file, made now or before, and how many of its events have none."""
    name = f"{path.stem}_{raw_source(path, data.jets).fingerprint()}_{layout}.h5"
    output = Path(data.cache) / name
    asked = dataclasses.replace(data, path=str(path))
    manifest = make_features(asked, output, layout=layout, cluster=LOCAL, n_jobs=n_jobs)
    return output, manifest.n_skipped
