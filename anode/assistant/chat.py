"""The command ``anode assistant chat``: a language model answers a question with the tools."""

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anode.assistant.numbers import mark_unknown, numbers_in
from anode.assistant.settings import ChatConfig
from anode.assistant.toolbox.toolbox import Toolbox
from anode.assistant.toolbox.tools import TOOLS
from anode.assistant.transcript import Transcript
from anode.errors import AnodeError, ConfigError, DataError
from anode.records import Json

log = logging.getLogger(__name__)

SYSTEM = (
    "You analyse collider events with tools; masses are in GeV and paths lie below one folder. "
    "Quote no number that no tool returned. Say how significant the largest excess is over the "
    "whole scan, and where z_global is a bound, say so. Below a global Z of 3 claim nothing. Say "
    "what else than a signal could explain it. Use no labels unless the user asks for them."
)
_NO_MORE = "The limit of calls is reached: answer with what the tools have returned."
_MOST = 16 * 2**20  # bytes of an answer

Message = dict[str, Any]


def chat(config: ChatConfig) -> None:
    """Ask the model, make the calls it wants, print its answer with unknown numbers marked.

    Raises:
        ConfigError: the server cannot be reached, or refuses.
        DataError: it does not answer as such a server does.
        RunDirectoryError: run_dir has the transcript of another question.
    """
    conversation = Conversation(config)
    print(conversation.answer())
    print(f"transcript: {conversation.transcript.page}")


class Conversation:
    """One question, and what is done about it.

    Args:
        config: settings.

    Raises:
        ConfigError: root is no folder, or there is no token file.
        RunDirectoryError: run_dir has the transcript of another question.
    """

    def __init__(self, config: ChatConfig) -> None:
        self.config, self.token = config, _token(config.token_file)
        self.toolbox = Toolbox(config.root)
        about: dict[str, Json] = {"question": config.question, "model": config.model}
        self.transcript = Transcript(Path(config.run_dir), "Conversation", about)
        self.messages: list[Message] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": config.question},
        ]
        self.n_calls = 0
        self.known: set[float] = set()

    def answer(self) -> str:
        """The model's answer, marked."""
        while True:
            message = self._ask()
            calls = _calls_of(message)
            if not calls or self._at_limit():
                break
            self.messages.append(message)
            for call in calls:
                self._make(call)
            if self._at_limit():
                self.messages.append({"role": "user", "content": _NO_MORE})
        text = message.get("content") or "The model gave no answer."
        marked, unknown = mark_unknown(str(text), self.known)
        self.transcript.say("Answer", [marked])
        listed: list[Json] = [*unknown]
        conclusion: Json = {
            "answer": marked,
            "not_returned_by_a_tool": listed,
            "n_calls": self.n_calls,
        }
        self.transcript.write(conclusion)
        return marked

    def _at_limit(self) -> bool:
        return self.n_calls >= self.config.max_calls

    def _make(self, call: Message) -> None:
        """One call; the model is told of an error, and of the limit."""
        function = call.get("function") or {}
        name = str(function.get("name"))
        if self._at_limit():
            result: Json = {"error": f"the limit of {self.config.max_calls} calls is reached"}
        else:
            self.n_calls += 1
            log.info("%s", name)
            result = self._result(name, function.get("arguments"))
            self.known.update(numbers_in(result))
        content = json.dumps(result)
        self.messages.append({"role": "tool", "tool_call_id": call.get("id"), "content": content})

    def _result(self, name: str, text: object) -> Json:
        try:
            given = json.loads(text) if isinstance(text, str) and text.strip() else text or {}
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return {"error": "arguments must be a JSON object"}
        try:
            return self.transcript.call(name, given, lambda: self.toolbox.call(name, given))
        except AnodeError as error:
            return {"error": str(error)}

    def _ask(self) -> Message:
        body: Message = {"model": self.config.model, "messages": self.messages}
        if not self._at_limit():
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": name,
                        "description": tool.summary,
                        "parameters": tool.input_schema,
                    },
                }
                for name, tool in TOOLS.items()
            ]
        return _message(self._post(body))

    def _post(self, body: Message) -> bytes:
        address = f"{self.config.endpoint.rstrip('/')}/chat/completions"
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.config.timeout) as answer:
                content: bytes = answer.read(_MOST + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise ConfigError(
                f"{address} must answer with status 200, got {error.code}; check endpoint, model "
                "and token_file"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)
            raise ConfigError(f"cannot reach {address}: {why}; check endpoint") from None
        if len(content) > _MOST:
            raise DataError(f"{address}: an answer must have at most {_MOST} bytes")
        return content


def _message(content: bytes) -> Message:
    """The message of an answer.

    Raises:
        DataError: it is none.
    """
    try:
        message = json.loads(content)["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        message = None
    if not isinstance(message, dict):
        raise DataError("the server must answer with choices[0].message, got something else")
    return message


def _calls_of(message: Mapping[str, Any]) -> list[Message]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _token(path: str | None) -> str | None:
    if path is None:
        return None
    if not Path(path).is_file():
        raise ConfigError(f"token_file: there is no {path}; write the token into it")
    return Path(path).read_text(encoding="utf-8").strip()
