"""One small source of every format, each of labelled events with ids of its own."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from anode.events.config import DataConfig
from anode.events.dark_sector.source import DarkSectorConfig
from anode.events.formats import open_source
from anode.events.readers.tables.config import TableColumns, TableConfig
from anode.events.source import MemorySource, Source
from helpers import dark_sector_files as dark_files
from helpers.cathode_files import write_folder
from helpers.feature_columns import raw_columns, write_pandas, write_root

COLUMNS = TableColumns("m", {"alpha": "a", "b": "b", "gamma": "a"}, "truth", "id")


def table_columns(n: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """n made-up events in the columns that ``COLUMNS`` names, and one more."""
    rng = np.random.default_rng(seed)
    return {
        "id": (1 << 53) + 3 * np.arange(n),  # a double cannot tell these from their neighbours
        "m": rng.uniform(2000, 5000, n),
        "a": rng.normal(0, 1, n),
        "unused": rng.normal(0, 1, n),
        "b": rng.exponential(1, n),
        "truth": np.arange(n) % 4 // 3,
    }


def write_csv(path: Path, columns: dict[str, np.ndarray], *, delimiter: str = ",") -> Path:
    """A header and a line a row, to the last digit."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [delimiter.join(columns), *(delimiter.join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_datasets(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """HDF5 datasets in a group."""
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"events/{name}"] = values
    return path


def write_npz(path: Path, columns: dict[str, np.ndarray]) -> Path:
    np.savez(path, **columns)
    return path


def write_parquet(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """Row groups of 17 rows, so that blocks do not end where they do."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=17)
    return path


WRITERS: dict[str, Callable[[Path, dict[str, np.ndarray]], Path]] = {
    "csv": write_csv,
    "h5": write_datasets,
    "npz": write_npz,
    "parquet": write_parquet,
}
"""Ending -> how a table is written."""


def table_config(
    path: Path, columns: TableColumns = COLUMNS, unit: str | None = None
) -> TableConfig:
    return TableConfig("table", str(path), None, None, None, columns=columns, mass_unit=unit)


def _opened(reader: str, path: Path) -> Source:
    return open_source(DataConfig(reader, str(path), None, None, None), seed=1)


def _bundled(folder: Path) -> Source:
    return _opened("bundled", write_root(folder / "root.h5", raw_columns(60)))


def _lhco(folder: Path) -> Source:
    return _opened("lhco_features", write_pandas(folder / "frame.h5", raw_columns(60)))


def _arrays(folder: Path) -> Source:
    sizes = {"innerdata_train": 25, "outerdata_train": 30, "innerdata_val": 5}
    source = write_folder(folder / "arrays", {**sizes, "innerdata_extrasig": 7})
    path = source / "innerdata_val.npy"
    rows = np.load(path)
    rows[:, 5] = 1
    np.save(path, rows)
    return _opened("arrays", source)


def _toy(folder: Path) -> Source:
    return open_source(DataConfig("toy", None, None, 50, 10), seed=1)


def _limited(folder: Path) -> Source:
    path = write_root(folder / "more.h5", raw_columns(200))
    return open_source(DataConfig("bundled", str(path), None, 40, 20), seed=1)


def _memory(folder: Path) -> Source:
    return MemorySource(_bundled(folder).read(["mj1", "tau21_2"]))


def _table(ending: str) -> Callable[[Path], Source]:
    def opened(folder: Path) -> Source:
        path = WRITERS[ending](folder / f"table.{ending}", table_columns())
        return open_source(table_config(path), seed=1)

    return opened


def _dark_sector(folder: Path) -> Source:
    """25 jets of the Standard Model, 35 dark ones of two files."""
    folder /= "dark_sector"
    folder.mkdir()
    for name, n, seed in ((dark_files.PEAK, 25, 1), (dark_files.LOW, 19, 2)):
        dark_files.write(folder / name, dark_files.jets(n, seed))
    dark_files.write(folder / dark_files.STANDARD_MODEL, dark_files.jets(25, 3))
    data = DarkSectorConfig("dark_sector", str(folder), None, None, None, "jet_m", "drop")
    return open_source(data, seed=1)


SOURCES: dict[str, Callable[[Path], Source]] = {
    "bundled": _bundled,
    "lhco_features": _lhco,
    "arrays": _arrays,
    "toy": _toy,
    "dark_sector": _dark_sector,
    "table": _table("csv"),
    "table_h5": _table("h5"),
    "table_npz": _table("npz"),
    "table_parquet": _table("parquet"),
    "limited": _limited,
    "memory": _memory,
}
"""Name -> a source of 60 events, some of either class, in a folder of its own."""
