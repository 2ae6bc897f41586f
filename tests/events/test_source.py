"""Every source of events does what the interface promises, whatever its format."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.errors import AnodeError, ConfigError
from anode.events.config import DataConfig
from anode.events.formats import FORMATS, open_source
from anode.events.source import Source
from anode.events.table import EventTable, concatenate
from anode.jets.settings import DEFAULT
from anode.pipeline.datasets.cached_features import FeaturesOf
from anode.pipeline.datasets.config import BlackboxConfig
from helpers.feature_columns import raw_columns, write_root
from helpers.settings import REPOSITORY
from helpers.sources import SOURCES, table_columns, table_config, write_csv

N_EVENTS = 60


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "table_parquet":
        pytest.importorskip("pyarrow")
    return SOURCES[request.param](tmp_path)


def same(first: EventTable, second: EventTable) -> None:
    for name in ("event_id", "mass", "features", "label"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert (first.names, first.units) == (second.names, second.units)


def test_every_format_is_among_the_sources_that_are_tested():
    assert set(FORMATS) <= set(SOURCES)


def test_nothing_above_the_sources_asks_for_a_format_by_its_name():
    package = REPOSITORY / "anode"
    asking = []
    for path in set(package.rglob("*.py")) - set((package / "events").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            operands = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            subscripts = [node.slice] if isinstance(node, ast.Subscript) else []
            found = (n.attr for n in operands + subscripts if isinstance(n, ast.Attribute))
            if "reader" in found:
                asking.append(f"{path.name}:{node.lineno}")
    assert not asking


def test_the_count_is_that_of_the_events(source):
    whole = source.read(source.feature_names)
    assert source.count() == len(whole) == N_EVENTS
    assert whole.names == source.feature_names
    assert source.has_labels
    assert set(whole.label.tolist()) == {0, 1}


@pytest.mark.parametrize("size", [1, 7, 25, 1000])
def test_blocks_put_together_are_the_whole(source, size):
    names = source.feature_names[:2]
    blocks = list(source.blocks(names, size))
    assert [len(block) for block in blocks] == [
        min(size, N_EVENTS - start) for start in range(0, N_EVENTS, size)
    ]
    same(concatenate(blocks), source.read(names))


def test_a_part_is_read_where_it_is_needed(source):
    """In another process: it is pickled before it is read, if it has to be."""
    names = source.feature_names
    parts = [pickle.loads(pickle.dumps(part)).read() for part in source.parts(names, 17)]
    same(concatenate(parts), source.read(names))


@pytest.mark.parametrize("rows", [(0, 1), (24, 31), (59, 60), (0, 60)])
def test_any_rows_are_those_of_the_whole(source, rows):
    names = source.feature_names
    same(source.read(names, rows=rows), source.read(names)[slice(*rows)])


def test_features_come_in_the_order_that_is_asked(source):
    names = source.feature_names[1::-1]
    whole = source.read(source.feature_names)
    asked = source.read(names)
    assert asked.names == names
    for name in names:
        assert np.array_equal(asked.column(name), whole.column(name))


def test_ids_are_offset(source):
    names = source.feature_names[:1]
    moved = source.read(names, id_offset=1 << 40).event_id
    assert np.array_equal(moved, source.read(names).event_id + (1 << 40))


def test_an_unknown_feature_is_refused_before_anything_is_read(source):
    for ask in (source.check, source.read):
        with pytest.raises(ConfigError, match="beauty"):
            ask([source.feature_names[0], "beauty"])
    source.check(source.feature_names)


def test_kinematics_are_those_of_the_events(source):
    whole = source.read(source.feature_names)
    wanted = np.sort(whole.event_id[[50, 3, 29]])
    found = source.kinematics(wanted)
    if source.path is None and not hasattr(source, "events"):
        assert found is None  # the toy is drawn anew
        return
    assert found.label is None
    assert np.array_equal(found.event_id, wanted)
    for row in range(3):
        (place,) = np.flatnonzero(whole.event_id == wanted[row])
        assert np.array_equal(found.features[row], whole.features[place])
        assert found.mass[row] == whole.mass[place]
    with pytest.raises(AnodeError, match=r"event -1 of the search is not in it \(1 such events\)"):
        source.kinematics(np.array([-1, wanted[0]]))


def test_what_is_scanned_for_faults_is_what_is_read(source):
    blocks = list(source.fault_scan(None, 17))
    if source.name.endswith("more.h5"):  # faults are those of all
        assert sum(block.n_rows for block in blocks) == 200
        return
    assert sum(block.n_rows for block in blocks) == N_EVENTS
    assert not any(block.violations for block in blocks)
    whole = source.read(source.feature_names)
    scanned = np.concatenate([block.events.features for block in blocks])
    assert np.array_equal(scanned, whole.features)
    assert np.array_equal(np.concatenate([b.events.label for b in blocks]), whole.label)


def test_files_are_named(source):
    assert all(path.is_file() for path in source.files)
    assert bool(source.files) == (source.path is not None)
    assert source.name == source.read(source.feature_names[:1]).source


def test_a_further_file_is_read_in_the_same_way(source, tmp_path):
    if source.path is None:
        with pytest.raises(ConfigError, match="has no files"):
            source.further(tmp_path)
        return
    again = source.further(source.path)
    names = source.feature_names[:2]
    if not source.name.endswith("more.h5"):
        same(again.read(names), source.read(names))
    assert again.path == source.path


@pytest.mark.parametrize("format_", ["bundled", "table"])
def test_poisoned_labels_change_nothing_but_the_labels(format_, tmp_path):
    if format_ == "bundled":
        columns, label = raw_columns(N_EVENTS), "label"
        first, second = (
            open_source(DataConfig("bundled", str(path), None, None, None), seed=1)
            for path in poisoned(tmp_path, columns, label, write_root, "h5")
        )
    else:
        columns, label = table_columns(), "truth"
        first, second = (
            open_source(table_config(path), seed=1)
            for path in poisoned(tmp_path, columns, label, write_csv, "csv")
        )
    true, false = (each.read(each.feature_names) for each in (first, second))
    assert not np.array_equal(true.label, false.label)
    assert np.array_equal(true.features, false.features)
    assert np.array_equal(true.event_id, false.event_id)
    for one, other in zip(first.blocks(["b"] if label == "truth" else ["mj1"], 17),
                          second.blocks(["b"] if label == "truth" else ["mj1"], 17),
                          strict=True):  # fmt: skip
        assert np.array_equal(one.features, other.features)


def poisoned(folder: Path, columns: dict, label: str, write, ending: str) -> list[Path]:
    """A file, and the same with labels at random."""
    random = np.random.default_rng(5).permutation(columns[label])
    return [
        write(folder / f"true.{ending}", columns),
        write(folder / f"false.{ending}", {**columns, label: random}),
    ]


def test_a_blind_source_reads_no_label(tmp_path):
    path = write_root(tmp_path / "box.h5", raw_columns(N_EVENTS))
    inner = open_source(DataConfig("bundled", str(path), None, None, None), seed=1)
    data = BlackboxConfig(
        "blackbox", str(path), None, None, None, DEFAULT, 10, 0.1, str(tmp_path), None
    )
    source = FeaturesOf(inner, data, None, 1, True)
    assert (source.blind, source.has_labels) == (True, False)
    names = source.feature_names
    assert source.read(names).label is None
    assert all(part.read().label is None for part in source.parts(names, 17))
    assert all(block.events.label is None for block in source.fault_scan())
    assert np.array_equal(source.read(names).features, inner.read(names).features)
    assert source.skipped == {}


def test_the_first_events_of_each_class_are_read(tmp_path):
    source = SOURCES["limited"](tmp_path)
    events = source.read(["mj1"])
    all_events = source.inner.read(["mj1"])
    assert np.bincount(events.label).tolist() == [40, 20]
    for label, n in ((0, 40), (1, 20)):
        first = all_events.event_id[all_events.label == label][:n]
        assert np.array_equal(events.event_id[events.label == label], first)


def test_more_events_than_there_are_or_limits_without_labels_are_refused(tmp_path):
    path = write_root(tmp_path / "a.h5", raw_columns(30))
    wanted = open_source(DataConfig("bundled", str(path), None, 100, None), seed=1)
    with pytest.raises(AnodeError, match=r"data.n_background=100 asks for more than the 20"):
        wanted.count()
    columns = raw_columns(30)
    del columns["label"]
    blind = write_root(tmp_path / "b.h5", columns)
    wanted = open_source(DataConfig("bundled", str(blind), None, 10, None), seed=1)
    with pytest.raises(AnodeError, match="need truth labels"):
        wanted.read(["mj1"])


def test_extra_events_come_from_the_folder_that_brings_them(tmp_path):
    extra = SOURCES["arrays"](tmp_path).extra(["mj1"])
    assert len(extra) == 7
    assert SOURCES["bundled"](tmp_path).extra(["mj1"]) is None


def test_an_unknown_format_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r"data.reader must be one of bundled, .*got 'root'"):
        open_source(DataConfig("root", None, None, None, None), seed=1)


def test_lines_of_a_key_are_rows_of_the_raw_file_where_features_are_made_of_one(tmp_path):
    columns = {**raw_columns(4), "event_id": np.array([0, 2, 3, 6])}
    path = write_root(tmp_path / "a.h5", columns)
    source = open_source(DataConfig("bundled", str(path), None, None, None), seed=1)
    events = source.read(["mj1"])
    n_lines, lines = source.numbering(events)
    assert (n_lines, lines.tolist()) == (4, [0, 1, 2, 3])
    with io.open_hdf5(path) as file:
        values = {name: file[name][:] for name in file}
    io.write_hdf5(path, values, {"n_read": 7})
    n_lines, lines = source.numbering(events)
    assert (n_lines, lines.tolist()) == (7, [0, 2, 3, 6])
