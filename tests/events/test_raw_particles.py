"""Files of raw particles: every variant gives the same events, and bad rows are told by reason."""

import h5py
import numpy as np
import pytest

from anode.errors import DataError
from anode.events.readers import raw_particles as raw
from anode.events.readers.raw_particles import is_raw, raw_layout, read_raw
from anode.events.writers.bundled import RawEvents, write_raw
from helpers.raw_files import TINY, WIDTH, raw_rows, write_frame


def particles(block: raw.RawBlock) -> list[np.ndarray]:
    """(n, 3) pT, eta, phi of each event."""
    objects = block.objects
    triples = np.stack([objects.pt, objects.eta, objects.phi], axis=1)
    return np.split(triples, objects.offsets[1:-1])


def expected_of(rows: np.ndarray) -> list[np.ndarray]:
    return [event[event[:, 0] > 0] for event in rows[:, :WIDTH].reshape(len(rows), -1, 3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_frame_gives_its_events(tmp_path, dtype, labelled):
    rows = raw_rows(20, labelled=labelled).astype(dtype)
    path = write_frame(tmp_path / "raw.h5", rows)
    assert raw_layout(path).n_events == 20
    assert is_raw(path)
    block = read_raw(path, 3, 12)
    assert block.row.tolist() == list(range(3, 12))
    for got, expected in zip(particles(block), expected_of(rows[3:12]), strict=True):
        np.testing.assert_array_equal(got, expected.astype(np.float64))
    if labelled:
        assert block.label is not None
        np.testing.assert_array_equal(block.label, rows[3:12, -1])
    else:
        assert block.label is None


def test_every_variant_of_the_layout_gives_the_same(tmp_path):
    rows = raw_rows(12)
    expected = particles(read_raw(write_frame(tmp_path / "one.h5", rows), 0, 12))
    split = write_frame(tmp_path / "two.h5", rows, own_label=True)
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["events"] = rows
    for path in (split, tmp_path / "plain.h5"):
        block = read_raw(path, 0, 12)
        np.testing.assert_array_equal(block.label, rows[:, -1])
        for got, wanted in zip(particles(block), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_pandas_files_are_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    rows = raw_rows(9)
    frame = pandas.DataFrame(rows).astype({WIDTH: np.int64})
    frame.to_hdf(tmp_path / "raw.h5", key="df", complib="blosc", complevel=5)
    block = read_raw(tmp_path / "raw.h5", 0, 9)
    np.testing.assert_array_equal(block.label, rows[:, -1])
    for got, expected in zip(particles(block), expected_of(rows), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_empty_frame_has_no_events(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    pandas.DataFrame(raw_rows(3)).iloc[:0].to_hdf(tmp_path / "empty.h5", key="df")
    with pytest.raises(DataError, match="the frame has no events"):
        raw_layout(tmp_path / "empty.h5")


def test_our_own_raw_file_is_read(tmp_path):
    triples = np.float32([[300, 0.1, 1.0], [200, -0.3, -2.0], [500, 0.5, 3.0]])
    parts = [RawEvents(np.array([0, 2, 3]), triples, 1), RawEvents(np.array([0, 1]), triples, 0)]
    write_raw(tmp_path / "raw.h5", parts)
    block = read_raw(tmp_path / "raw.h5", 0, 3)
    assert block.label is not None
    assert block.label.tolist() == [1, 1, 0]
    for got, expected in zip(
        particles(block), (triples[:2], triples[2:], triples[:1]), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.skipif(not TINY.is_file(), reason="no real events on this machine")
def test_the_published_file_is_read():
    assert raw_layout(TINY)[:2] == (1000, True)
    block = read_raw(TINY, 0, 1000)
    assert block.label is not None
    assert block.label.sum() == 93
    assert (block.objects.counts.min(), block.objects.counts.max()) == (47, 482)
    assert not any(len(rows) for rows in block.skipped.values())


def test_bad_rows_are_told_apart_and_the_others_kept(tmp_path):
    rows = raw_rows(10)
    rows[1, 4] = np.nan
    rows[2, 0] = -3.0
    rows[3, 1] = 25.0
    rows[4, 0] = 2e5
    rows[5, -1] = 0.5
    rows[6, :2] = -1.0, np.inf  # the first reason counts
    rows[7, :WIDTH] = 0.0  # an event, if an empty one
    rows[8, -1] = np.nan
    block = read_raw(write_frame(tmp_path / "raw.h5", rows), 0, 10)
    assert block.row.tolist() == [0, 7, 9]
    assert {reason: there.tolist() for reason, there in block.skipped.items()} == {
        raw.NOT_FINITE: [1, 6, 8],
        raw.NEGATIVE_PT: [2],
        raw.OUT_OF_RANGE: [3, 4],
        raw.BAD_LABEL: [5],
    }
    assert block.objects.counts[1] == 0
    rows = raw_rows(2)
    rows[1, 2] = 1e30  # an azimuth that says nothing
    assert read_raw(write_frame(tmp_path / "turns.h5", rows), 0, 2).row.tolist() == [0]
    late = read_raw(tmp_path / "raw.h5", 2, 4)
    assert late.skipped[raw.NEGATIVE_PT].tolist() == [2]


def test_other_files_are_refused(tmp_path):
    rows = raw_rows(20)
    whole = write_frame(tmp_path / "raw.h5", rows)
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text.h5").write_text("not HDF5")
    for name in ("cut.h5", "text.h5", "missing.h5"):
        with pytest.raises(DataError, match=rf"cannot read .*{name}"):
            raw_layout(tmp_path / name)
    write_frame(tmp_path / "narrow.h5", rows[:, :2000])
    with pytest.raises(DataError, match=r"2100 columns, or 2101 with a label, got 2000"):
        raw_layout(tmp_path / "narrow.h5")
    assert not is_raw(tmp_path / "narrow.h5")
    with h5py.File(whole, "r+") as file:
        file["df/block0_items"][5] = 6
    with pytest.raises(DataError, match="numbered 0 to 2100, each once"):
        raw_layout(whole)
    with h5py.File(tmp_path / "named.h5", "w") as file:
        file["df/block0_items"] = np.array([b"pxj1", b"pyj1"])
        file["df/block0_values"] = np.ones((3, 2))
    with pytest.raises(DataError, match=r"numbered, got pxj1, pyj1; choose data=lhco_features"):
        raw_layout(tmp_path / "named.h5")
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file.create_group("df")
    with pytest.raises(DataError, match="one pandas data frame in fixed format"):
        raw_layout(tmp_path / "table.h5")


def test_a_damaged_chunk_names_its_rows(tmp_path):
    path = write_frame(tmp_path / "raw.h5", raw_rows(20))
    with h5py.File(path) as file:
        chunk = file["df/block0_values"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(content)
    assert len(read_raw(path, 0, 7).row) == 7
    with pytest.raises(DataError, match=r"rows 7 to 14 .*damaged"):
        read_raw(path, 7, 14)
