"""The official client uses the tools in process, over stdio and over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

from anode.assistant.resources import FIGURES
from anode.assistant.serve import mcp
from anode.assistant.server import make_server
from anode.assistant.settings import McpConfig
from anode.assistant.toolbox.toolbox import Toolbox
from anode.assistant.toolbox.tools import TOOLS
from anode.errors import ConfigError, MissingPackageError
from anode.reporting.search.report import CAPTIONS
from helpers.assistant_files import (
    OF_TABLE,
    QUICK_SEARCH,
    InstantJobs,
    processes_of,
    write_table,
)
from helpers.settings import REPOSITORY
from helpers.synthetic_search import write_search

COMMAND = [sys.executable, "-m", "anode", "assistant", "mcp"]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def root(tmp_path) -> Path:
    write_search(tmp_path / "s")
    (tmp_path / "s" / "report.md").write_text("# Search\n")
    (tmp_path / "s" / "figures").mkdir()
    (tmp_path / "s" / "figures" / "scan.png").write_bytes(PNG)
    write_table(tmp_path / "flat.npz", n_signal=0)
    return tmp_path


def in_process(root: Path, use: Callable[[Client], Awaitable[None]], mode: str = "auto") -> None:
    async def run() -> None:
        toolbox = Toolbox(root)
        toolbox.jobs = InstantJobs(root / ".jobs")
        async with Client(make_server(toolbox), mode=mode) as client:
            await use(client)

    anyio.run(run)


async def try_everything(client: Client) -> None:
    """Tools, a call, errors, a resource and a prompt; the client checks results by schemas."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == list(TOOLS)
    assert all(tool.output_schema for tool in tools)
    described = {**OF_TABLE, "path": "flat.npz", "output": "card"}
    done = await client.call_tool("describe_file", described)
    assert not done.is_error, done.content
    facts = done.structured_content["facts"]
    assert facts["n_rows"] > 0
    assert facts["n_signal"] is None
    assert json.loads(done.content[0].text) == done.structured_content
    for name, arguments, message in (
        ("describe_file", {**described, "path": "../flat.npz"}, "below the root"),
        ("describe_file", {**described, "labels": "yes"}, "labels must be of type bool"),
        ("search", {"data": "toy", "run_dir": "x", "start": 3.3}, "start must be at least 50"),
        ("python_repl", {"code": "1"}, "unknown tool python_repl"),
    ):
        refused = await client.call_tool(name, arguments)
        assert refused.is_error
        assert message in refused.content[0].text
    await try_resources(client)


async def try_resources(client: Client) -> None:
    found = {str(one.uri) for one in (await client.list_resources()).resources}
    assert {"anode://metrics/s", "anode://report/s", "anode://figure/s/scan.png"} <= found
    (metrics,) = (await client.read_resource("anode://metrics/s")).contents
    assert json.loads(metrics.text)["folder"] == "s"
    (report,) = (await client.read_resource("anode://report/s")).contents
    assert report.text == "# Search\n"
    (figure,) = (await client.read_resource("anode://figure/s/scan.png")).contents
    assert figure.mime_type == "image/png"
    for address in ("anode://report/../s", "anode://report/..%2Fs", "anode://figure/s/roc.png",
                    "anode://report/none", "file:///etc/passwd"):  # fmt: skip
        with pytest.raises(MCPError):
            await client.read_resource(address)
    assert [p.name for p in (await client.list_prompts()).prompts] == ["analyse", "review"]
    prompt = await client.get_prompt("review", {"subject": "s"})
    assert "Review the search in s" in prompt.messages[0].content.text
    with pytest.raises(MCPError, match="unknown prompt"):
        await client.get_prompt("other", {})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_client_uses_the_tools_in_process(root, mode):
    in_process(root, try_everything, mode)


def test_results_fit_their_schemas(root):
    """The client refuses a result that does not."""

    async def use(client: Client) -> None:
        await client.list_tools()
        arguments = {**OF_TABLE, "path": "flat.npz", "run_dir": "made"}
        for name, more in (
            ("propose_regions", {}), ("search", {}),
            ("isolation_forest", {"low": 3300, "high": 3700}),
        ):  # fmt: skip
            done = await client.call_tool(name, {**arguments, **more})
            assert not done.is_error, done.content
        for name in ("score", "report"):
            done = await client.call_tool(name, {"run_dir": "made"})
            assert not done.is_error, done.content
        assert not (await client.call_tool("list_runs", {})).is_error

    in_process(root, use)


def test_a_fault_of_ours_is_not_told_in_its_words(root, monkeypatch):
    def broken(*arguments: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Toolbox, "list_runs", broken)

    async def use(client: Client) -> None:
        done = await client.call_tool("list_runs", {})
        assert done.is_error
        assert done.content[0].text == "a fault of anode, not of your input: RuntimeError"

    in_process(root, use)


@pytest.mark.slow
def test_the_client_uses_the_tools_over_stdio(root):
    async def run() -> None:
        words = [*COMMAND[1:], f"root={root}"]
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        server = StdioServerParameters(command=COMMAND[0], args=words, env=env)
        async with Client(stdio_client(server)) as client:
            await try_everything(client)

    anyio.run(run)


@pytest.mark.slow
def test_the_client_uses_the_tools_over_http(root):
    words = [*COMMAND, f"root={root}", "transport=http", "port=0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/mcp", process.stderr.readline())

        async def run() -> None:
            async with Client(address) as client:
                await try_everything(client)

        anyio.run(run)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


@pytest.mark.slow
def test_cancel_leaves_no_process_and_the_search_goes_on_later(root):
    async def run() -> None:
        toolbox = Toolbox(root)
        async with Client(make_server(toolbox), read_timeout_seconds=600) as client:
            seen: list[str] = []

            async def watch(done: float, total: float | None, message: str | None) -> None:
                seen.append(message or "")
                if "windows: 1 of" in seen[-1] or (root / "search/windows").is_dir():
                    scope.cancel()

            with anyio.CancelScope() as scope:
                await client.call_tool("search", QUICK_SEARCH, progress_callback=watch)
            assert scope.cancelled_caught
            assert seen
            (job,) = toolbox.jobs.all()
            await anyio.sleep(2)
            assert not processes_of(job.process)
            assert toolbox.jobs.state(job).state == "cancelled"
            assert not (root / "search" / "search.json").exists()
            done = await client.call_tool("search", QUICK_SEARCH)
            assert not done.is_error, done.content
            assert done.structured_content["facts"]["n_tests"] >= 1
            begun = await client.call_tool("report", {"run_dir": "search", "wait": False})
            assert begun.structured_content["job"]["state"] == "running"
            assert begun.structured_content["facts"] is None
            name = begun.structured_content["job"]["id"]
            await until_finished(client, name)

    anyio.run(run)


async def until_finished(client: Client, name: str) -> None:
    end = time.monotonic() + 600
    state: Any = "running"
    while state == "running" and time.monotonic() < end:
        await anyio.sleep(0.2)
        done = await client.call_tool("job_status", {"job": name})
        state = done.structured_content["state"]
    assert state == "finished"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transport": "sse"}, "transport must be one of stdio, http"),
        ({"port": 70000}, "port must lie in 0 to 65535"),
        ({"transport": "http", "host": "0.0.0.0"}, "host must be 127.0.0.1"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    given = {"root": ".", "transport": "stdio", "host": "127.0.0.1", "port": 0, **changes}
    with pytest.raises(ConfigError, match=message):
        McpConfig(**given)  # type: ignore[arg-type]


def test_without_its_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mcp.types", None)
    monkeypatch.delitem(sys.modules, "anode.assistant.server")
    with pytest.raises(MissingPackageError, match=r"anode assistant mcp needs .*\[assistant\]"):
        mcp(McpConfig(str(tmp_path), "stdio", "127.0.0.1", 0))


def test_a_root_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="root must be a folder that is there"):
        mcp(McpConfig(str(tmp_path / "none"), "stdio", "127.0.0.1", 0))


def test_figures_of_a_search_are_those_of_its_report():

    assert {name.removesuffix(".png") for name in FIGURES} == set(CAPTIONS)
