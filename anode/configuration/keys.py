"""Keys of a command: path, default, comment and choices, read from the files of ``configs/``.

Hydra decides which files a command is made of; the comments in them are the only documentation of
a key. A comment stands behind the value, on the lines below it, or on the lines above it:

    scan:              # GeV; of all keys below
      # where the first window begins
      start: 2500
    mode: last         # last | best; epochs that are averaged

A comment that begins with values separated by bars names the choices of a key. A key that its file
leaves without one is explained by another file of the group.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from anode.configuration.builder import CONFIG_DIR
from anode.configuration.loader import defaults_of

_CHOICES = re.compile(r"^(\S+(?: \| \S+)+?)(?:[;,:]\s+(.*)|)$")
_COMMAND = re.compile(r"(@package|anode )")
"""Lines of a file's description that describe nothing."""


class Key(NamedTuple):
    """One key of a command.

    Attributes:
        path: dotted path, as it is given on the command line.
        default: value in the file, in one line of YAML; "" for a heading, whose comment is of all
            keys below it.
        comment: meaning of the key, in one line; "" if no file says it.
        choices: values it may have, if the comment lists them.
        file: file of ``configs/`` that sets the default, without the ending.
    """

    path: str
    default: str
    comment: str
    choices: tuple[str, ...]
    file: str

    @property
    def is_heading(self) -> bool:
        return not self.default


class Choice(NamedTuple):
    """One file of a group: its name, the first sentence of its description, and all of it."""

    name: str
    summary: str
    description: str


class Group(NamedTuple):
    """A group of files, one of which is chosen by ``name=choice``.

    Attributes:
        name: name such as "density", or "density@method.density" where it serves another place.
        default: file chosen; None if none is, "???" if one must be.
        choices: files of the group, all of them.
    """

    name: str
    default: str | None
    choices: tuple[Choice, ...]


def keys_of(config: str, overrides: Sequence[str] = ()) -> list[Key]:
    """Every key of a command, in the order of the files.

    Args:
        config: file of ``configs/`` that the command starts from, such as "run" or "search".
        overrides: choices of groups, such as "method=cathode", whose keys are wanted instead.

    >>> {key.path: key.default for key in keys_of("run", ["method=cwola"])}["method.strip"]
    '200.0'
    """
    found: dict[str, Key] = {}
    for file, package in _files(config, overrides):
        for key in read_keys(file):
            path = f"{package}.{key.path}" if package else key.path
            former = found.get(path)
            if not (key.comment or key.choices):
                key = (
                    _explained(key)
                    if former is None
                    else key._replace(comment=former.comment, choices=former.choices)
                )
            found[path] = key._replace(path=path)
    return [found[path] for path in _with_headings_first(found)]


def groups_of(config: str, overrides: Sequence[str] = ()) -> list[Group]:
    """The groups of a command, with what each may be.

    Args:
        config: file of ``configs/`` that the command starts from.
        overrides: choices of groups, which may bring groups of their own.
    """
    chosen = defaults_of(config, overrides).overrides.known_choices
    return [
        Group(name, None if default == "null" else default, choices_of(name.partition("@")[0]))
        for name, default in reversed(chosen.items())
        if not name.startswith("hydra/")
    ]


@functools.cache
def choices_of(group: str) -> tuple[Choice, ...]:
    """The files of a group, by name; those of folders inside it too."""
    folder = CONFIG_DIR / group
    names = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.yaml"))
    return tuple(Choice(name, *describe(f"{group}/{name}")) for name in names)


def describe(file: str) -> tuple[str, str]:
    """The comment at the top of a file: its first sentence, and all of it, in one line each."""
    lines = [line[1:].strip() for line in _header(_text(file))]
    text = " ".join(line for line in lines if line and not _COMMAND.match(line))
    return re.split(r"(?<=[.?])\s", text, maxsplit=1)[0], text


@functools.cache
def read_keys(file: str) -> tuple[Key, ...]:
    """The keys of one file of ``configs/``, with paths relative to it."""
    text = _text(file)
    node = yaml.compose(text)
    if not isinstance(node, yaml.MappingNode):
        return ()
    keys = _walk(node, text.splitlines(), file, "")
    return tuple(key for key in keys if key.path.split(".")[0] not in _HIDDEN)


def _explained(key: Key) -> Key:
    """A key without a comment, with that of another file of its group."""
    group, slash, _ = key.file.partition("/")
    for choice in choices_of(group) if slash else ():
        for other in read_keys(f"{group}/{choice.name}"):
            said = other.comment or other.choices
            if said and key.path in (other.path, f"{group}.{other.path}"):
                return key._replace(comment=other.comment, choices=other.choices)
    return key


_HIDDEN = ("defaults", "hydra")


def _walk(node: yaml.MappingNode, lines: list[str], file: str, prefix: str) -> Iterator[Key]:
    for name, value in node.value:
        path = f"{prefix}{name.value}"
        comment = _comment(name, value, lines)
        is_heading = isinstance(value, yaml.MappingNode) and bool(value.value)
        choices, comment = _split_choices(comment)
        yield Key(path, "" if is_heading else _one_line(value, lines), comment, choices, file)
        if is_heading:
            yield from _walk(value, lines, file, f"{path}.")


def _one_line(value: yaml.Node, lines: list[str]) -> str:
    start, end = value.start_mark, value.end_mark
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        content = yaml.safe_load(yaml.serialize(value))
        return yaml.safe_dump(content, default_flow_style=True, width=10**6).strip()
    rows = lines[start.line : end.line + 1]
    rows[-1] = rows[-1][: end.column]
    rows[0] = rows[0][start.column :]
    return " ".join(row.strip() for row in rows) or "null"


def _comment(name: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """The comment of a key: above it, behind it and below it."""
    is_block = not getattr(value, "flow_style", True)
    end = name.end_mark if is_block else value.end_mark
    above: list[str] = []
    row = name.start_mark.line - 1
    header = len(_header("\n".join(lines)))
    while row >= header and _is_comment(lines[row], name.start_mark.column, exactly=True):
        above.insert(0, lines[row])
        row -= 1
    parts = [*above, re.sub(r"^[:\s]*", "", lines[end.line][end.column :])]
    row = end.line + 1
    while row < len(lines) and _is_comment(lines[row], name.start_mark.column + 1):
        parts.append(lines[row])
        row += 1
    return " ".join(part.strip().lstrip("#").strip() for part in parts if "#" in part)


def _is_comment(line: str, column: int, *, exactly: bool = False) -> bool:
    indent = len(line) - len(line.lstrip())
    return line.lstrip().startswith("#") and (indent == column if exactly else indent >= column)


def _split_choices(comment: str) -> tuple[tuple[str, ...], str]:
    matched = _CHOICES.match(comment)
    if matched is None:
        return (), comment
    return tuple(matched[1].split(" | ")), matched[2] or ""


def _header(text: str) -> list[str]:
    """Comment lines at the top of a file."""
    lines = text.splitlines()
    n = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[:n]


def _text(file: str) -> str:
    return (Path(CONFIG_DIR) / f"{file}.yaml").read_text(encoding="utf-8")


def _files(config: str, overrides: Sequence[str]) -> list[tuple[str, str]]:
    """(file, where its keys go) in the order in which later ones win."""
    return [
        (default.config_path, default.package or "")
        for default in defaults_of(config, overrides).defaults
        if default.config_path and not default.config_path.startswith("hydra/")
    ]


def _with_headings_first(found: dict[str, Key]) -> list[str]:
    """Paths in the order of first appearance, each key right behind others of its group."""
    order = {path: number for number, path in enumerate(found)}

    def place(path: str) -> list[int]:
        parts = path.split(".")
        return [
            min(n for p, n in order.items() if p == above or p.startswith(f"{above}."))
            for above in (".".join(parts[: i + 1]) for i in range(len(parts)))
        ]

    return sorted(found, key=place)
