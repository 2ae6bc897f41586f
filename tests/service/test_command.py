"""``anode serve`` as a process: its port, its end, and its errors in one line."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from anode.errors import ConfigError, MissingPackageError
from anode.service import serve as command
from anode.service.settings import ServeConfig
from helpers.served_runs import quick_run, raw_rows


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return quick_run(tmp_path_factory.mktemp("command"))


def lines_of(answer: socket.socket) -> "list[bytes]":
    """The chunks that have come so far, at least one."""
    return [line for line in answer.recv(1 << 16).split(b"\r\n") if line.startswith(b"{")]


@pytest.mark.slow
def test_a_request_at_work_is_finished_at_sigterm(run):
    command_line = [sys.executable, "-m", "anode", "serve", f"run_dir={run}", "port=0"]
    process = subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        port = 0
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
            if "is in memory" in line:
                break
        line = json.dumps(raw_rows(run.parent / "other.h5")[0].tolist()).encode() + b"\n"
        chunk = b"%x\r\n%s\r\n" % (len(line), line)
        head = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            first: list[bytes] = []
            while not first:
                first = lines_of(client)
            process.send_signal(signal.SIGTERM)
            client.sendall(chunk + b"0\r\n\r\n")
            assert lines_of(client) == first
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


UPLOAD = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
kind, length = "application/x-npy", 30_000_000
head = f"POST /v1/score HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: {kind}\\r\\n"
client.sendall(f"{head}Content-Length: {length}\\r\\n\\r\\n".encode() + bytes(length // 2))
print("half", flush=True)
client.recv(1)
"""


@pytest.mark.slow
def test_a_client_killed_in_mid_upload_leaves_nothing(run, tmp_path):
    errors, scratch = tmp_path / "stderr", tmp_path / "scratch"
    scratch.mkdir()
    words = [sys.executable, "-m", "anode", "serve", f"run_dir={run}", "port=0"]
    with open(errors, "w") as log:
        process = subprocess.Popen(words, stderr=log, env={**os.environ, "TMPDIR": str(scratch)})
    try:
        until(lambda: "is in memory" in errors.read_text(), process)
        (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", errors.read_text())
        asking = f"http://127.0.0.1:{port}/metrics"

        def counted() -> str:
            return urllib.request.urlopen(asking, timeout=60).read().decode()

        def left() -> tuple[list[str], list[Path], str]:
            open_files = os.listdir(f"/proc/{process.pid}/fd") if os.path.exists("/proc") else []
            return open_files, sorted([*run.rglob("*"), *scratch.rglob("*")]), errors.read_text()

        counted()
        before = left()
        for _ in range(3):
            upload = [sys.executable, "-c", UPLOAD, port]
            with subprocess.Popen(upload, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout is not None
                assert client.stdout.readline() == "half\n"
                client.kill()
        gone = 'anode_requests_total{method="POST",route="/v1/score",status="499"} 3.0'
        until(lambda: gone in counted(), process)
        until(lambda: left() == before, process)
        assert "anode_in_flight 1.0" in counted()
    finally:
        process.kill()
        process.wait()


def children_of(process: int) -> list[int]:
    """Processes that a process has begun and that have not ended."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(process)], capture_output=True, text=True
    ).stdout.splitlines()
    rows = [line.split() for line in listed]
    return [int(number) for number, state in rows if not state.startswith("Z")]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_several_workers_answer_and_end_with_the_command(run, tmp_path):
    words = [sys.executable, "-m", "anode", "serve", f"run_dir={run}", "port=0", "workers=2"]
    errors = tmp_path / "stderr"
    with open(errors, "w") as log:
        process = subprocess.Popen(words, stderr=log)
    try:
        until(lambda: errors.read_text().count("is in memory") == 2, process)
        (port,) = set(re.findall(r"http://127\.0\.0\.1:(\d+)", errors.read_text()))
        workers = children_of(process.pid)
        assert len(workers) >= 2
        row = raw_rows(run.parent / "other.h5")[0].tolist()
        body = json.dumps({"events": [row]}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/score", body, {"Content-Type": "application/json"}
        )
        answers = {urllib.request.urlopen(asked, timeout=60).read() for _ in range(8)}
        assert len(answers) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        until(lambda: not any(map(is_there, workers)))
    finally:
        for each in [*children_of(process.pid), process.pid]:
            if is_there(each):
                os.kill(each, signal.SIGKILL)
        process.wait()


def until(condition: Callable[[], bool], process: "subprocess.Popen[bytes] | None" = None) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


def config(run: Path, **changes: object) -> ServeConfig:
    given = {
        "host": "127.0.0.1", "port": 0, "token_file": None, "max_events": 10, "max_body_mb": 1,
        "workers": 1, **changes,
    }  # fmt: skip
    return ServeConfig(str(run), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 70000}, "port must lie in 0 to 65535, got 70000"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"max_body_mb": 0}, "max_body_mb must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, **changes)


def test_what_cannot_be_served_is_refused_before_anything_listens(run, tmp_path):
    with pytest.raises(ConfigError, match="is this a run directory"):
        command.serve(config(tmp_path))
    with pytest.raises(ConfigError, match=r"there is no .*write the token into it"):
        command.serve(config(run, token_file=str(tmp_path / "none")))
    (tmp_path / "token").write_text("two words")
    with pytest.raises(ConfigError, match="must hold one token, in ASCII, got 2 words"):
        command.serve(config(run, token_file=str(tmp_path / "token")))


def test_a_port_in_use_is_named(run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use") as error:
            command.serve(config(run, port=port))
    assert error.value.filename == f"127.0.0.1:{port}"


def test_answers_are_sent_at_once_and_do_not_wait_to_be_acknowledged():
    async def options() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with command._listen("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(connected, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                nodelay = await found
                writer.close()
                return nodelay

    assert asyncio.run(options()) != 0


def test_without_its_packages_the_extra_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)
    with pytest.raises(MissingPackageError, match=r"anode serve needs .*anode\[serve\]"):
        command.serve(config(run))


def test_workers_read_the_settings_of_the_command(run, monkeypatch):
    with command._in_environment(config(run, max_events=7)):
        app = command.worker()
        assert app.state.anode.config.max_events == 7
    assert command.VARIABLE not in os.environ
