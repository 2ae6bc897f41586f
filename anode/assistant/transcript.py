"""``transcript.jsonl`` and ``transcript.md``: every call, its arguments, and the facts it gave."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anode import io
from anode.errors import AnodeError, DataError, RunDirectoryError
from anode.records import Json

_SHOWN = 8  # entries of a list in the Markdown; all are in the other file


@dataclass(frozen=True)
class Call:
    """One call of a tool.

    Attributes:
        tool, arguments: what was called, with what.
        facts: what it gave; None if it failed.
        error: why it failed; None if it did not.
        seconds: wall time [s].
    """

    tool: str
    arguments: Mapping[str, Json]
    facts: Json
    error: str | None
    seconds: float

    def to_json(self) -> dict[str, Json]:
        """A line of ``transcript.jsonl``, without its number."""
        return {
            "tool": self.tool, "arguments": dict(self.arguments), "facts": self.facts,
            "error": self.error, "seconds": self.seconds,
        }  # fmt: skip


class Transcript:
    """The transcript in a folder. Calls that succeeded are not made again.

    Args:
        folder: folder of both files.
        title: heading of the page.
        about: what the calls hang on; a transcript about something else is refused.

    Raises:
        RunDirectoryError: the folder has a transcript about something else, or a broken one.
    """

    def __init__(self, folder: Path, title: str, about: Mapping[str, Json]) -> None:
        self.folder, self.title, self.about = folder, title, dict(about)
        self.lines = folder / "transcript.jsonl"
        self.page = folder / "transcript.md"
        self.calls: list[Call] = []
        self._former = self._read()
        self._texts: list[str] = []

    def call(self, tool: str, arguments: Mapping[str, Json], make: Callable[[], Json]) -> Json:
        """The facts of a call: those that are known, or those of ``make``, which are kept.

        Raises:
            AnodeError: that of ``make``, which is kept, too.
        """
        if known := self._known(tool, arguments):
            self.calls.append(known)
            return known.facts
        started = time.monotonic()
        try:
            facts, error = make(), None
        except AnodeError as problem:
            facts, error = None, problem
        seconds = round(time.monotonic() - started, 1)
        said = None if error is None else str(error)
        self.calls.append(Call(tool, arguments, facts, said, seconds))
        self.write()
        if error is not None:
            raise error
        return facts

    def say(self, heading: str, lines: Sequence[str]) -> None:
        """Add a section of text to the page."""
        self._texts += [f"## {heading}", *lines]

    def write(self, conclusion: Json = None) -> None:
        """Write both files; with a conclusion they are complete."""
        lines: list[Json] = [{"title": self.title, "about": self.about}]
        lines += [{"call": n, **call.to_json()} for n, call in enumerate(self.calls, start=1)]
        if conclusion is not None:
            lines.append({"conclusion": conclusion})
        io.write_text(self.lines, "".join(f"{json.dumps(line)}\n" for line in lines))
        parts = [f"# {self.title}", *_bullets(self.about)]
        for number, call in enumerate(self.calls, start=1):
            parts += [f"## Call {number}: {call.tool}", *_bullets(call.arguments)]
            if call.error is None:
                parts += [f"Facts, after {call.seconds:g} s:", _block(call.facts)]
            else:
                parts.append(f"**Failed**: {call.error}")
        io.write_text(self.page, "\n\n".join([*parts, *self._texts]) + "\n")

    def _known(self, tool: str, arguments: Mapping[str, Json]) -> Call | None:
        """The same call at the same place of the former transcript, if its files are there."""
        place = len(self.calls)
        if place >= len(self._former):
            return None
        former = self._former[place]
        facts = former.facts
        files = facts.get("files", []) if isinstance(facts, dict) else []
        there = isinstance(files, list) and all((self.folder / str(f)).exists() for f in files)
        same = former.tool == tool and dict(former.arguments) == dict(arguments)
        if same and former.error is None and there:
            return former
        self._former = []  # what follows may hang on it
        return None

    def _read(self) -> list[Call]:
        if not self.lines.is_file():
            return []
        try:
            head, *rest = [json.loads(text) for text in self.lines.read_text().splitlines()]
            calls = [line for line in rest if "call" in line]
            names = ("tool", "arguments", "facts", "error", "seconds")
            former = [Call(*(line[name] for name in names)) for line in calls]
            about = head["about"]
        except (ValueError, KeyError, TypeError):
            raise RunDirectoryError(f"{self.lines} is damaged; delete it") from None
        if about != self.about:
            changed = [k for k in {**about, **self.about} if about.get(k) != self.about.get(k)]
            raise RunDirectoryError(
                f"{self.folder} has the transcript of something else ({', '.join(changed)} "
                "differ); choose another run_dir, or delete it"
            )
        return former


def _bullets(content: Mapping[str, Json]) -> list[str]:
    if not content:
        return []
    return ["\n".join(f"- {name}: `{_short(value)}`" for name, value in content.items())]


def _short(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _block(facts: Json) -> str:
    """Facts as JSON, long lists cut short."""
    return f"```json\n{json.dumps(_cut(facts), indent=1)}\n```"


def _cut(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    if isinstance(value, list):
        kept = [_cut(item) for item in value[:_SHOWN]]
        left = len(value) - len(kept)
        return [*kept, f"... {left} more in transcript.jsonl"] if left else kept
    return value


def only_dict(facts: Json) -> dict[str, Json]:
    """Facts that are a group of keys.

    Raises:
        DataError: they are not.
    """
    if not isinstance(facts, dict):
        raise DataError(f"facts must be a group of keys, got {facts!r}")
    return facts
