"""A model behind an address uses the tools; numbers that none returned are marked."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anode.assistant.chat import Conversation, chat
from anode.assistant.numbers import MARK, mark_unknown, numbers_in
from anode.assistant.settings import ChatConfig
from anode.assistant.toolbox.tools import TOOLS
from anode.errors import ConfigError, DataError
from helpers.synthetic_search import write_search


class Endpoint(ThreadingHTTPServer):
    """A server that gives prepared messages, the last of them again and again."""

    def __init__(self, *messages: object) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages, self.asked = list(messages), []
        self.authorization: str | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(json.loads(body))
        self.server.authorization = self.headers["Authorization"]
        messages = self.server.messages
        message = messages.pop(0) if len(messages) > 1 else messages[0]
        known = self.path == "/v1/chat/completions" and message != "refuse"
        content = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def wants(name: str, **arguments: object) -> dict:
    """A message that asks for a call."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{name}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def says(text: str) -> dict:
    return {"role": "assistant", "content": text}


@pytest.fixture
def serve() -> Iterator:
    servers = []

    def start(*messages: object) -> Endpoint:
        server = Endpoint(*messages)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def config(server: Endpoint, root: Path, **changes: object) -> ChatConfig:
    given = {
        "endpoint": server.address, "model": "m", "question": "What is there?",
        "root": str(root), "run_dir": str(root / "talk"), "max_calls": 30, "token_file": None,
        "timeout": 30.0, **changes,
    }  # fmt: skip
    return ChatConfig(**given)


def test_the_model_gets_the_tools_and_the_facts(tmp_path, serve, capsys):
    write_search(tmp_path / "s")
    server = serve(wants("list_runs"), says("One search, with 3 folds."))
    chat(config(server, tmp_path))
    first, second = server.asked
    assert [tool["function"]["name"] for tool in first["tools"]] == list(TOOLS)
    assert first["tools"][0]["function"]["parameters"]["additionalProperties"] is False
    result = second["messages"][-1]
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_list_runs")
    assert json.loads(result["content"]) == {"runs": [], "jobs": []}
    assert f"3{MARK} folds" in capsys.readouterr().out
    *_, conclusion = (tmp_path / "talk" / "transcript.jsonl").read_text().splitlines()
    assert json.loads(conclusion)["conclusion"]["not_returned_by_a_tool"] == ["3"]
    assert "## Call 1: list_runs" in (tmp_path / "talk" / "transcript.md").read_text()


def test_errors_of_tools_go_to_the_model(tmp_path, serve):
    arguments = {"data": "bundled", "run_dir": "../x"}
    nonsense = wants("search")
    nonsense["tool_calls"][0]["function"]["arguments"] = "{"
    server = serve(
        wants("search", **arguments), wants("python", code="1"), nonsense, says("I cannot.")
    )
    assert Conversation(config(server, tmp_path)).answer() == "I cannot."
    results = [m["content"] for m in server.asked[-1]["messages"] if m["role"] == "tool"]
    assert "must lie below the root" in results[0]
    assert "unknown tool python" in results[1]
    assert "must be a JSON object" in results[2]
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("limit", [1, 30])
def test_no_more_calls_than_the_limit(tmp_path, serve, limit):
    several = wants("list_runs")
    several["tool_calls"] *= 4
    server = serve(several)
    conversation = Conversation(config(server, tmp_path, max_calls=limit))
    assert conversation.answer() == "The model gave no answer."
    assert conversation.n_calls == limit
    assert len(conversation.transcript.calls) == limit
    assert "tools" not in server.asked[-1]
    assert server.asked[-1]["messages"][-1]["content"].startswith("The limit of calls is reached")


def test_a_token_is_sent(tmp_path, serve):
    server = serve(says("Yes."))
    (tmp_path / "token").write_text("abc\n")
    Conversation(config(server, tmp_path, token_file=str(tmp_path / "token"))).answer()
    assert server.authorization == "Bearer abc"
    with pytest.raises(ConfigError, match="write the token into it"):
        Conversation(config(server, tmp_path, token_file=str(tmp_path / "none")))


def test_a_server_that_does_not_answer_so_is_an_error_in_a_line(tmp_path, serve):
    with pytest.raises(ConfigError, match="must answer with status 200, got 404"):
        Conversation(config(serve("refuse"), tmp_path)).answer()
    with pytest.raises(DataError, match=r"must answer with choices\[0\]"):
        Conversation(config(serve("text"), tmp_path)).answer()
    gone = serve(says("x"))
    gone.server_close()
    with pytest.raises(ConfigError, match=r"cannot reach .*check endpoint"):
        Conversation(config(gone, tmp_path)).answer()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"endpoint": "file:///etc/passwd"}, "endpoint must be an address"),
        ({"max_calls": 0}, "max_calls must lie in 1 to 1000, got 0"),
        ({"timeout": 0.0}, "timeout must be above 0"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, serve, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(serve(says("x")), tmp_path, **changes)


KNOWN = {3300.0, 3700.0, 7.5812, 0.0123, 20250.0, 1.5e-4, -0.74}


@pytest.mark.parametrize(
    "text",
    [
        "Z = 7.6 in 3300-3700 GeV", "Z is 7.58", "3.3-3.7 TeV", "3.3 TeV to 3.7 TeV",
        "20,250 events", "1.2% pass", "p < 1.5e-4", "p < 1.5 × 10^-4", "p < 1.5 x 10⁻⁴",
        "Z = -0.7", "7.6σ", "3300GeV", "0.0123x", "1. tau21_1 and W2", "no number",
    ],
)  # fmt: skip
def test_numbers_of_tools_are_not_marked_however_they_are_written(text):
    assert mark_unknown(text, KNOWN) == (text, [])


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Z = 7.59", "7.59"), ("407 events", "407"), ("20,000 events", "20,000"),
        ("3.4 TeV", "3.4 TeV"), ("p < 1.5e-5", "1.5e-5"), ("Z = 0.7", "0.7"), ("99%", "99%"),
    ],
)  # fmt: skip
def test_numbers_of_no_tool_are_marked_and_listed(text, unknown):
    marked, found = mark_unknown(text, KNOWN)
    assert found == [unknown]
    assert f"{unknown}{MARK}" in marked
    assert marked.endswith(f"{MARK} No tool returned: {unknown}.")


def test_numbers_of_a_result_are_those_of_its_texts_too():
    facts = {"a": [1, {"b": 2.5}], "c": "Z > 4.1 in 3.3-3.7 TeV", "d": True, "e": None}
    assert {1.0, 2.5, 4.1, 3.3, 3.7, 3700.0} <= set(numbers_in(facts))
    assert list(numbers_in({"d": True, "e": None})) == []


def test_times_and_names_of_a_result_are_no_numbers():
    job = {"id": "20261129-232457-search-12", "begun": "2026-11-29T23:24:57", "progress": 1.0}
    facts = {"folder": "scan 7", "files": ["scan 7/search.json"], "n_tests": 5}
    assert list(numbers_in({"job": job, "facts": facts})) == [5.0]
