"""Does a download arrive whole, or not at all, whatever the server and the connection do?"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from anode.errors import ConfigError, DownloadError
from anode.events.download import transfer
from anode.events.download.registry import CHECKSUMS, Dataset, DatasetCache, RemoteFile
from anode.pipeline.datasets.config import CLASSES
from anode.pipeline.datasets.download import (
    DownloadConfig,
    download,
    overview,
    read_registry,
    usage,
)
from helpers.settings import REPOSITORY

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
NAME = "events.h5"
DROP = 4 * transfer.CHUNK  # what has come is written by chunks


class Server(ThreadingHTTPServer):
    """Serves CONTENT, and fails in the ways asked for.

    ``drops``: per request, the bytes of the body after which the connection closes, or None;
    ``stall``: bytes of the body after which nothing comes until ``resumed`` is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.drops: list[int | None] = []
        self.statuses: list[int] = []
        self.ranges = True
        self.etag: str | None = '"one"'
        self.asked: list[str | None] = []
        self.stall: int | None = None
        self.resumed = threading.Event()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no failure of the server."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if server.statuses and (status := server.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        if not self.path.endswith(NAME):
            self.send_error(404)
            return
        start = 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if asked and server.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.content)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        if server.stall is not None:
            self.wfile.write(body[: server.stall])
            server.resumed.wait(30)
            return
        drop = server.drops.pop(0) if server.drops else None
        self.wfile.write(body[:drop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def dataset(md5: str | None = MD5, name: str = NAME, host: str = "http://127.0.0.1:9") -> Dataset:
    file = RemoteFile(name, f"{host}/{name}", len(CONTENT), md5)
    return Dataset("made up", 1, "CC-BY-4.0", "nobody", None, "use {0}", [], [file])


def store(folder: Path, server: Server | None, **changes: object) -> DatasetCache:
    mirror = None if server is None else server.url
    return DatasetCache(folder, **{"mirror": mirror, "attempts": 3, "wait": 0.001, **changes})


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def partial(folder: Path, content: bytes, server: Server, **changes: object) -> None:
    """What an earlier attempt left."""
    target = folder / "made_up" / f"{NAME}.partial"
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    note = {"url": f"{server.url}/{NAME}", "validator": '"one"', "total": len(CONTENT), **changes}
    target.with_name(f"{NAME}.partial.json").write_text(json.dumps(note))


def test_a_file_comes_whole_and_leaves_nothing_beside(server, tmp_path):
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == {NAME}


def test_a_dropped_connection_goes_on_at_the_missing_byte(server, tmp_path):
    server.drops = [DROP, 700_000, 0, 700_000, 1]
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked[0] is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.asked[1:]]
    assert starts == sorted(starts)
    assert starts[0] == DROP
    assert left_in(tmp_path) == {NAME}


def test_a_server_without_ranges_sends_the_whole_again(server, tmp_path):
    server.ranges, server.drops = False, [DROP, None]
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={DROP}-"]


def test_a_later_command_goes_on_where_an_earlier_one_was_killed(server, tmp_path):
    partial(tmp_path, CONTENT[:2_000_000], server)
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked == ["bytes=2000000-"]


def test_a_killed_process_costs_nothing_that_has_come(server, tmp_path):
    server.stall = DROP
    code = f"""
from pathlib import Path
from anode.events.download.registry import Dataset, RemoteFile, DatasetCache
file = RemoteFile({NAME!r}, "", None, {MD5!r})
DatasetCache(Path({str(tmp_path)!r}), {server.url!r}).fetch(
    "made_up", Dataset("", 1, "", "", None, None, [], [file]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    growing = tmp_path / "made_up" / f"{NAME}.partial"
    deadline = time.monotonic() + 60
    while not (growing.exists() and growing.stat().st_size == DROP):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    server.stall = None
    server.resumed.set()
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={DROP}-"]
    assert left_in(tmp_path) == {NAME}


def test_a_finished_but_unrenamed_file_is_not_asked_for_again(server, tmp_path):
    partial(tmp_path, CONTENT, server)
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (b"x" * 2_000_000, {"validator": '"another version"'}),
        (b"x" * 2_000_000, {"url": "http://elsewhere/events.h5"}),
        (b"x" * 2_000_000, {"validator": None, "total": None}),
        (b"x" * 4_000_000, {}),
    ],
)
def test_bytes_of_two_versions_are_never_joined(server, tmp_path, content, changes):
    partial(tmp_path, content, server, **changes)
    (path,) = store(tmp_path, server).fetch("made_up", dataset(md5=None))
    assert path.read_bytes() == CONTENT


def test_without_validator_only_a_known_checksum_allows_going_on(server, tmp_path):
    server.etag, server.drops = None, [DROP]
    store(tmp_path / "known", server).fetch("made_up", dataset())
    assert server.asked == [None, f"bytes={DROP}-"]
    server.asked, server.drops = [], [DROP]
    (path,) = store(tmp_path / "unknown", server).fetch("made_up", dataset(md5=None))
    assert server.asked == [None, None]
    assert path.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, tmp_path):
    server.statuses = [503, 429]
    store(tmp_path, server).fetch("made_up", dataset())
    assert len(server.asked) == 3
    server.asked = []
    with pytest.raises(DownloadError, match=r"answers 404 .*mirror="):
        store(tmp_path, server).fetch("made_up", dataset(name="other.h5"))
    assert len(server.asked) == 1
    assert left_in(tmp_path / "made_up") == {NAME}


def test_no_network_is_said_and_what_has_come_is_kept(server, tmp_path):
    server.drops = [DROP, 0, 0, 0]
    with pytest.raises(DownloadError, match=rf"{DROP:,} bytes are kept in .*partial"):
        store(tmp_path, server).fetch("made_up", dataset())
    assert store(tmp_path, server).state("made_up", dataset()) == "35%"
    with pytest.raises(DownloadError, match=r"refused.* \(2 attempts"):
        store(tmp_path / "none", None, attempts=2).fetch("made_up", dataset())
    assert NAME not in left_in(tmp_path)


def test_corrupt_bytes_never_bear_the_name(server, tmp_path):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(DownloadError, match=r"wrong checksum.*deleted.*published one"):
        store(tmp_path, server).fetch("made_up", dataset())
    assert left_in(tmp_path) == set()


def test_a_damaged_file_is_set_aside_and_fetched_again(server, tmp_path):
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    path.write_bytes(CONTENT[:-5])
    with pytest.raises(DownloadError, match="damaged or not the published file"):
        store(tmp_path, server, offline=True).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT[:-5]
    store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == {NAME, f"{NAME}.damaged"}


def test_an_unpublished_checksum_is_recorded_once_and_checked_ever_after(server, tmp_path):
    (path,) = store(tmp_path, server).fetch("made_up", dataset(md5=None))
    recorded = json.loads((tmp_path / CHECKSUMS).read_text())
    assert recorded == {f"made_up/{NAME}": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"}
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match=r"recorded at the first download.*remove 'made_up/"):
        store(tmp_path, server).fetch("made_up", dataset(md5=None))
    assert not path.exists()
    assert json.loads((tmp_path / CHECKSUMS).read_text()) == recorded


def test_a_file_that_is_there_needs_no_network(server, tmp_path):
    path = tmp_path / "made_up" / NAME
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    for changes in ({}, {"offline": True}):
        assert store(tmp_path, server, **changes).fetch("made_up", dataset()) == [path]
    assert server.asked == []
    with pytest.raises(DownloadError, match="offline=true forbids"):
        store(tmp_path, server, offline=True).fetch("other", dataset())


def test_a_full_disk_is_noticed_before_the_first_byte(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        DownloadError, match=r"3,000,000 more bytes are needed, 1,000,000 are free"
    ):
        store(tmp_path, server).fetch("made_up", dataset())
    assert NAME not in left_in(tmp_path)


def test_a_disk_that_fills_up_on_the_way_costs_nothing_that_has_come(
    server, tmp_path, monkeypatch
):
    def full(file, chunk):
        if transfer._length(file) > 1_000_000:
            raise OSError(28, "No space left on device")
        file.write(chunk)

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_write_all", full)
        with pytest.raises(DownloadError, match=r"cannot write .*No space left.*make room"):
            store(tmp_path, server).fetch("made_up", dataset())
    (path,) = store(tmp_path, server).fetch("made_up", dataset())
    assert path.read_bytes() == CONTENT
    assert server.asked[1].startswith("bytes=1")


def test_two_processes_do_not_write_one_file(server, tmp_path):
    target = tmp_path / "made_up" / f"{NAME}.partial"
    target.parent.mkdir()
    with open(target, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process is fetching"):
            store(tmp_path, server).fetch("made_up", dataset())


def test_settings_are_refused_by_key(tmp_path):
    with pytest.raises(ConfigError, match="mirror must be like https"):
        DatasetCache(tmp_path, mirror="host/path")
    with pytest.raises(ConfigError, match="attempts must be at least 1"):
        DatasetCache(tmp_path, attempts=0)
    with pytest.raises(ConfigError, match=r"dataset: unknown 'rnd'; known are rnd_features, "):
        download(DownloadConfig(["rnd"], str(tmp_path), None, False, 1))


def test_the_registry_is_complete_and_its_commands_can_be_written(tmp_path):
    registry = read_registry()
    published = {file.name: file.md5 for entry in registry.values() for file in entry.files}
    assert {name: md5 for name, md5 in published.items() if md5} == {
        "events_anomalydetection_v2.features.h5": "271cf5e71fc756b2a8d2b32730689bdb",
        "events_anomalydetection_Z_XY_qqq.features.h5": "1e729f7dff225451182c28afaa4bb411",
        "events_anomalydetection_Z_XY_qqq.h5": "54e123a86143b668f9cb76905152a124",
    }
    for name, entry in registry.items():
        for file in entry.files:
            assert file.url == f"https://zenodo.org/records/{entry.record}/files/{file.name}"
        assert set(entry.unconfirmed) <= {"licence", "citation", "size", "layout"}
        assert entry.data in (*CLASSES, None)
        text = usage(entry, [DatasetCache(tmp_path).path(name, file) for file in entry.files])
        assert (str(tmp_path) in text.splitlines()[-1]) == (entry.data is not None)
        assert name in overview(registry, DatasetCache(tmp_path))


def script(*overrides: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "scripts/download.py"), *overrides]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_the_command_lists_fetches_and_refuses(server, tmp_path):
    listed = script(cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "rnd_features" in listed.stdout
    assert not list(tmp_path.iterdir())
    refused = script("dataset=rnd_features", f"mirror={server.url}", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "404" in refused.stderr
    assert "Traceback" not in refused.stderr
