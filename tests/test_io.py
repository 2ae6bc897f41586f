"""Files appear whole or not at all, and leftovers of killed processes go."""

import errno
import os
import resource
import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest

from anode import io
from anode.errors import DataError
from anode.events.writers import bundled
from anode.events.writers.feature_files import LAYOUTS, write_features
from anode.jets.features import COLUMNS

ROOM = 200_000  # bytes


@pytest.fixture
def full_disk():
    """No file grows beyond ``ROOM``, which the kernel tells as it tells of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def grow(path) -> None:
    with io.growing_hdf5(path, {"of": "rows"}) as append:
        for start in range(0, 500_000, 50_000):
            append({"x": np.arange(start, start + 50_000.0), "n": np.arange(50_000)})


def write_small(path) -> None:
    io.write_hdf5(path, {"x": np.arange(50_000.0)})


def write_raw(path) -> None:
    rng = np.random.default_rng(1)
    one = bundled.RawEvents(np.arange(101), rng.normal(size=(100, 3)).astype(np.float32), 0)
    bundled.write_raw(path, [one] * 100)


def write_bundled(path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(30_000, 14)).astype(np.float32)
    label = np.zeros(30_000, dtype=np.int8)
    bundled.write_bundled(
        path, event_id=np.arange(30_000), values=values, label=label, attributes={}
    )


def _features(layout: str):
    def write(path) -> None:
        rng = np.random.default_rng(1)
        columns = {name: rng.normal(size=9000) for name in COLUMNS}
        part = {"event_id": np.arange(9000), **columns, "label": np.zeros(9000, dtype=np.int8)}
        write_features(path, [part] * 3, n_rows=27_000, layout=layout, attributes={})

    return write


WRITERS = [grow, write_small, write_raw, write_bundled, *map(_features, LAYOUTS)]
NAMES = ["growing", "small", "raw", "bundled", *LAYOUTS]


@pytest.mark.parametrize("write", WRITERS, ids=NAMES)
def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_the_former_one(
    tmp_path, full_disk, write
):
    path = tmp_path / "events.h5"
    path.write_bytes(b"of before")
    with pytest.raises(OSError, match=r"events\.h5") as raised:
        write(path)
    assert raised.value.errno == errno.EFBIG
    assert [p.name for p in tmp_path.iterdir()] == ["events.h5"]
    assert path.read_bytes() == b"of before"


CRASHING = """
import resource, sys
from test_io import ROOM, grow
resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
try:
    grow(sys.argv[1])
except OSError:
    print("refused")
"""


def test_a_process_outlives_a_full_disk(tmp_path):
    """HDF5 crashes in its last moment if it could not close a file."""
    paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path / "events.h5")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")


def test_what_grows_is_read_back(tmp_path):
    grow(tmp_path / "events.h5")
    with io.open_hdf5(tmp_path / "events.h5") as file:
        assert np.array_equal(file["x"], np.arange(500_000.0))
        assert np.array_equal(file["n"], np.tile(np.arange(50_000), 10))


def test_columns_of_other_names_are_refused(tmp_path):

    def write() -> None:
        with io.growing_hdf5(tmp_path / "events.h5", {}) as append:
            append({"x": np.zeros(3)})
            append({"y": np.zeros(3)})

    with pytest.raises(DataError, match="every block must have the columns"):
        write()
    assert not list(tmp_path.iterdir())


def test_the_same_columns_are_the_same_bytes_as_of_h5py_and_a_seal(tmp_path):
    values = np.arange(1000.0)
    io.write_hdf5(tmp_path / "ours.h5", {"x": values})
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = values
    assert (tmp_path / "ours.h5").read_bytes().startswith((tmp_path / "theirs.h5").read_bytes())


def test_leftovers_of_dead_processes_of_this_machine_go_and_others_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = socket.gethostname()
    gone = [f".scan.{here}-{dead.pid}.partial.png", f".scan.{here}-{os.getpid()}.partial.pdf"]
    stay = [f".a.{here}-{os.getppid()}.partial", ".a.elsewhere-1.partial", ".notes.partial", "b"]
    for name in (*gone, *stay):
        (tmp_path / name).write_text("half")
    (tmp_path / f".fit.{here}-{dead.pid}.partial").mkdir()
    (tmp_path / f".fit.{here}-{dead.pid}.partial" / "file").write_text("half")
    io.write_text(tmp_path / "new", "whole")
    assert {p.name for p in tmp_path.iterdir()} == {*stay, "new"}
