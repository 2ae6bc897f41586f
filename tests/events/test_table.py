"""A table of one's own: every kind of file alike, every fault named by file, row and column."""

import gzip
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from anode.errors import ConfigError, DataError
from anode.events.formats import open_source
from anode.events.readers.tables.config import TableColumns
from anode.events.readers.tables.table import Table
from helpers.feature_columns import write_pandas
from helpers.sources import (
    COLUMNS,
    WRITERS,
    table_columns,
    table_config,
    write_csv,
    write_datasets,
    write_npz,
)

KINDS = list(WRITERS)
NAMES = ["alpha", "b"]


def table(path: Path, columns: TableColumns = COLUMNS, unit: str | None = None) -> Table:
    source = open_source(table_config(path, columns, unit), seed=1)
    assert isinstance(source, Table)
    return source


def written(kind: str, folder: Path, columns: dict[str, np.ndarray]) -> Path:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    return WRITERS[kind](folder / f"t.{kind}", columns)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_holds_the_numbers_that_were_written(tmp_path, kind):
    columns = table_columns()
    events = table(written(kind, tmp_path, columns)).read(["b", "gamma", "alpha"])
    assert np.array_equal(events.mass, columns["m"])
    expected = np.stack([columns["b"], columns["a"], columns["a"]], axis=1)
    assert np.array_equal(events.features, expected)
    assert np.array_equal(events.event_id, columns["id"])
    assert np.array_equal(events.label, columns["truth"])
    assert events.units == ("", "", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_may_tell_events_apart_in_place_of_what_is_read(tmp_path, kind):
    columns = table_columns()
    columns["who"] = np.arange(len(columns["m"]), dtype=np.int64)[::-1] + 2**62
    named = TableColumns("m", {"alpha": "a", "b": "b"}, "truth", "id", "who")
    source = table(written(kind, tmp_path, columns), named)
    few, both = source.read(["b"]), source.read(["alpha", "b"], rows=(3, 20))
    assert np.array_equal(few.identity, columns["who"].astype(np.uint64))
    assert np.array_equal(both.identity, few.identity[3:20])
    parts = np.concatenate([part.read().identity for part in source.parts(["b"], 7)])
    assert np.array_equal(parts, few.identity)
    own = table(source.path, COLUMNS)
    assert not np.array_equal(own.read(["b"]).identity, own.read(["alpha"]).identity)


def test_a_column_that_tells_events_apart_has_whole_numbers(tmp_path):
    columns = {**table_columns(), "who": np.full(len(table_columns()["m"]), 0.5)}
    named = TableColumns("m", {"b": "b"}, None, None, "who")
    with pytest.raises(DataError, match=r"'who' must be a whole number, but row 0 has 0\.5"):
        table(write_csv(tmp_path / "t.csv", columns), named).read(["b"])


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels_and_ids_rows_stand_for_events(tmp_path, kind):
    path = written(kind, tmp_path, table_columns())
    source = table(path, TableColumns("m", {"x": "a"}))
    events = source.read(["x"], rows=(7, 20))
    assert not source.has_labels
    assert events.label is None
    assert events.event_id.tolist() == list(range(7, 20))


@pytest.mark.parametrize("kind", KINDS)
def test_masses_in_tev_become_gev(tmp_path, kind):
    columns = table_columns()
    path = written(kind, tmp_path, {**columns, "m": columns["m"] / 1000})
    events = table(path, unit="TeV").read(NAMES)
    np.testing.assert_allclose(events.mass, columns["m"], rtol=1e-15)


def test_a_wrong_unit_is_refused_and_a_stated_one_only_warned_of(tmp_path, caplog):
    columns = table_columns()
    tev = write_csv(tmp_path / "tev.csv", {**columns, "m": columns["m"] / 1000})
    source = table(tev)
    for ask in (source.read, lambda names: list(source.blocks(names))):
        with pytest.raises(
            DataError, match=r"tev.csv: .*column 'm' is below 3.* GeV; set data\.mass_unit=TeV"
        ):
            ask(NAMES)
    list(source.fault_scan())
    assert "set data.mass_unit=TeV" in caplog.text
    caplog.clear()
    assert len(table(tev, unit="GeV").read(NAMES)) == 60
    assert "set data.mass_unit=TeV" in caplog.text
    gev = write_csv(tmp_path / "gev.csv", columns)
    with pytest.raises(DataError, match=r"above 3.* TeV, more than any .* data\.mass_unit=GeV"):
        table(gev, unit="TeV").read(NAMES)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "  "])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv"])
def test_text_comes_in_many_guises(tmp_path, delimiter, ending):
    columns = table_columns()
    path = write_csv(tmp_path / f"t.{ending}", columns, delimiter=delimiter)
    lines = path.read_text().splitlines()
    lines[0] = "\ufeff# " + lines[0]
    lines[5:5] = ["", "  "]
    content = "\r\n".join([*lines, "", ""]).encode()
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    events = table(path).read(NAMES)
    assert np.array_equal(events.mass, columns["m"])
    assert np.array_equal(events.features[:, 1], columns["b"])


def test_quoted_cells_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"m, jj",a,"name"\n"3500.5",1,"x, y"\n3600,"2",z\n')
    events = table(path, TableColumns("m, jj", {"a": "a"})).read(["a"])
    assert events.mass.tolist() == [3500.5, 3600.0]
    assert events.features.tolist() == [[1.0], [2.0]]


def test_pandas_frames_and_nested_datasets_are_tables_too(tmp_path):
    columns = table_columns()
    frame = write_pandas(tmp_path / "frame.h5", columns, own_block="id")
    assert np.array_equal(table(frame).read(NAMES).event_id, columns["id"])
    nested = write_datasets(tmp_path / "nested.h5", columns)
    with h5py.File(nested, "r+") as file:
        file["other/a"] = np.zeros(60)
    by_path = TableColumns("events/m", {"alpha": "events/a", "b": "b"})
    assert np.array_equal(table(nested, by_path).read(NAMES).features[:, 0], columns["a"])
    with pytest.raises(DataError, match=r"names 'a', but there is no such column"):
        table(nested, TableColumns("m", {"a": "a"})).read(["a"])


def set_cell(column: str, value: float):
    def change(columns: dict[str, np.ndarray]) -> None:
        values = columns[column].astype(np.float64)
        values[[7, 30]] = value
        columns[column] = values

    return change


def drop(column: str):
    return lambda columns: columns.pop(column)


def set_id(columns: dict[str, np.ndarray]) -> None:
    columns["id"] = np.arange(60)
    columns["id"][41] = 3


def halve_id(columns: dict[str, np.ndarray]) -> None:
    columns["id"] = np.arange(60) / 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_cell("a", np.nan), r"column 'a' must be finite, but row 7 has nan"),
        (set_cell("b", np.inf), r"column 'b' must be finite, but row 7 has inf"),
        (set_cell("m", np.nan), r"column 'm' must be finite, but row 7 has nan"),
        (set_cell("m", -3500.0), r"column 'm' must be positive, but row 7 has -3500"),
        (set_cell("truth", 2.0), r"column 'truth' must be 0 .* or 1 .*, but row 7 has 2"),
        (set_cell("truth", np.nan), r"column 'truth' must be 0 .* or 1 .*, but row 7 has nan"),
        (halve_id, r"column 'id' must be a whole number, but row 1 has 0\.5"),
        (set_id, r"every event_id must occur once, but 3 occurs again in row 41"),
        (drop("b"), r"data.columns names 'b', but there is no such column"),
        (drop("truth"), r"data.columns names 'truth', but there is no such column"),
    ],
)
def test_faults_are_named_by_file_column_and_row(tmp_path, kind, change, message):
    columns = table_columns()
    change(columns)
    source = table(written(kind, tmp_path, columns))
    with pytest.raises(DataError, match=rf"t\.{kind}: {message}"):
        source.read(NAMES)
    with pytest.raises(DataError, match=message):
        assert source.count() == sum(map(len, source.blocks(NAMES, 10)))


def test_the_nearest_column_is_suggested(tmp_path):
    path = write_csv(tmp_path / "t.csv", {"m_jj": np.ones(2), "alpha": np.ones(2)})
    with pytest.raises(
        DataError, match=r"names 'mjj', .* did you mean 'm_jj'\? present are m_jj, alpha"
    ):
        table(path, TableColumns("mjj", {"a": "alpha"})).read(["a"])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("abc", r"column 'a' must be a number, but row 7 has 'abc'"),
        ("", r"column 'a' must be a number, but row 7 has ''"),
        ("1.5.2", r"column 'a' must be a number, but row 7 has '1\.5\.2'"),
        ("1,2", r"every row must have 6 values, .* but row 7 has 7"),
    ],
)
def test_cells_of_a_text_that_are_no_number_are_named(tmp_path, cell, message):
    path = write_csv(tmp_path / "t.csv", table_columns())
    lines = path.read_text().splitlines()
    cells = lines[8].split(",")
    cells[2] = cell
    lines[8] = ",".join(cells)
    path.write_text("\n".join(lines))
    for ask in (lambda: table(path).read(NAMES), lambda: list(table(path).blocks(NAMES, 5))):
        with pytest.raises(DataError, match=message):
            ask()


@pytest.mark.parametrize("kind", KINDS)
def test_text_where_numbers_belong_is_refused(tmp_path, kind):
    columns = table_columns()
    if kind == "h5":
        path = written(kind, tmp_path, columns)
        with h5py.File(path, "r+") as file:
            del file["events/a"]
            file["events/a"] = np.array([b"x"] * 60)
    else:
        columns["a"] = np.array(["x"] * 60)
        if kind == "csv":
            path = tmp_path / "t.csv"
            rows = zip(*columns.values(), strict=True)
            path.write_text("\n".join([",".join(columns), *(",".join(map(str, r)) for r in rows)]))
        else:
            path = written(kind, tmp_path, columns)
    with pytest.raises(DataError, match=r"column 'a' must (be a number|hold numbers)"):
        table(path).read(NAMES)


@pytest.mark.parametrize("write", [write_datasets, write_npz])
def test_columns_of_unequal_length_are_refused(tmp_path, write):
    columns = {**table_columns(), "b": np.ones(59)}
    path = write(tmp_path / f"t.{'h5' if write is write_datasets else 'npz'}", columns)
    with pytest.raises(DataError, match=r"same number of rows, at least one, got m 60, .*b 59"):
        table(path).read(NAMES)


def test_columns_of_several_numbers_a_row_are_refused(tmp_path):
    path = write_npz(tmp_path / "t.npz", {**table_columns(), "b": np.ones((60, 2))})
    with pytest.raises(DataError, match=r"column 'b' must have one number a row, got shape \(60"):
        table(path).read(NAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_and_broken_files_are_refused(tmp_path, kind):
    none = {name: values[:0] for name, values in table_columns().items()}
    path = written(kind, tmp_path, none)
    with pytest.raises(DataError, match=r"at least one, got m 0"):
        table(path).read(NAMES)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"expected .*"):
        table(path).read(NAMES)
    path = written(kind, tmp_path, table_columns())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff\xfe")
    with pytest.raises(DataError, match=str(path)):
        table(path).read(NAMES)
    path.unlink()
    with pytest.raises(DataError, match=r"there is no such file; check data\.path"):
        table(path).read(NAMES)


def test_broken_text_is_refused(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"m,a,b\n" * 5000)[:40])
    with pytest.raises(DataError, match=r"t\.csv\.gz: expected text, gzipped"):
        table(path, TableColumns("m", {"alpha": "a", "b": "b"})).read(NAMES)
    path = tmp_path / "t.csv"
    path.write_text("1.5,2.5\n3.5,4.5\n")
    with pytest.raises(DataError, match=r"first line must hold names .* got 1\.5, 2\.5"):
        table(path).read(NAMES)
    path.write_text("m,a,a\n3500,1,2\n")
    with pytest.raises(DataError, match=r"names must differ, but 'a' is there 2 times"):
        table(path).read(NAMES)


def test_a_broken_table_is_described_row_by_row(tmp_path):
    columns = table_columns()
    columns["b"][11] = np.inf
    columns["m"][13] = -1
    columns["truth"] = columns["truth"].astype(float)
    columns["truth"][17] = 0.5
    path = write_csv(tmp_path / "t.csv", columns)
    lines = path.read_text().splitlines()
    cells = lines[6].split(",")
    cells[2] = "n/a"
    lines[6] = ",".join(cells)
    path.write_text("\n".join(lines))
    blocks = list(table(path).fault_scan(None, 16))
    found = {
        (each.column, each.rule): (block.first_row + np.flatnonzero(each.bad)).tolist()
        for block in blocks
        for each in block.violations
    }
    assert found == {
        ("a", "must be a number"): [5],
        ("b", "must be finite"): [11],
        ("m", "must be positive"): [13],
        ("label", "must be 0 (background) or 1 (signal)"): [17],
    }
    assert sum(len(block.events) for block in blocks) == 56
    assert set(blocks[0].stored) == {"m", "a", "b"}
    assert blocks[0].units == {"m": "GeV"}
    assert np.array_equal(blocks[1].event_id, columns["id"][16:32])


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        ConfigError, match=r"needs the package pyarrow; install the extra 'tables'"
    ):
        table(tmp_path / "t.parquet").check(NAMES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (TableColumns(None, {"a": "a"}), r"type for instance 'data\.columns=\{mass: m_jj"),
        (TableColumns("m", None), r"type for instance 'data\.columns=\{mass: m_jj"),
        (TableColumns("m", {}), r"type for instance 'data\.columns=\{mass: m_jj"),
    ],
)
def test_columns_that_are_not_named_are_asked_for(columns, message):
    with pytest.raises(ConfigError, match=message):
        table_config(Path("t.csv"), columns)


def test_other_endings_and_units_are_refused():
    with pytest.raises(ConfigError, match=r"files that end in \.csv, .*got t\.root"):
        table(Path("t.root")).check(NAMES)
    with pytest.raises(ConfigError, match=r"mass_unit must be GeV, TeV or null, got 'MeV'"):
        table_config(Path("t.csv"), unit="MeV")
    with pytest.raises(ConfigError, match=r"features: 'mj1' is none of data\.columns\.features"):
        table(Path("t.csv")).check(["mj1"])
