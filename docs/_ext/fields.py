"""Directive ``{fields} module.Class``: fields of a dataclass or NamedTuple as a table.

Types come from the annotations, units and meanings from the "Attributes" of the docstring, so that
the schema of a file is written where the code keeps it. ``{fields} module.Class key`` names the
first column.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from types import NoneType, UnionType
from typing import Any

from config_tables import _Directive
from docutils import nodes
from sphinx.application import Sphinx

UNIT = re.compile(r"\s*\[(GeV|TeV|events|s|bytes|MB)\]")
ROLE = re.compile(r":\w+:`([^`]+)`")
WORDS = {float: "number", int: "whole number", str: "text", bool: "true or false", Any: "anything"}


class Meaning(typing.NamedTuple):
    """Unit and meaning of a field."""

    unit: str
    text: str


class Field(typing.NamedTuple):
    """A field of a record: its name in the file, its annotation and its meaning."""

    key: str
    type: Any
    meaning: Meaning


def type_in_words(annotation: Any) -> str:
    """An annotation as JSON has it.

    Example:
        >>> type_in_words(dict[str, float] | None), type_in_words(list[int])
        ('text → number, or null', 'list of whole number')
    """
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in WORDS:
        return WORDS[annotation]
    if origin in (typing.Union, UnionType):
        words = [type_in_words(arg) for arg in args if arg is not NoneType]
        return " or ".join(words) + (", or null" if NoneType in args else "")
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin in (list, tuple, typing.get_origin(typing.Sequence[int])):
        inner = [arg for arg in args if arg is not Ellipsis]
        return "list of " + (type_in_words(inner[0]) if inner else "values")
    if origin in (dict, typing.get_origin(typing.Mapping[str, int])):
        return f"{type_in_words(args[0])} → {type_in_words(args[1])}"
    if "ndarray" in (getattr(annotation, "__name__", ""), getattr(origin, "__name__", "")):
        return "array"
    if inspect.isclass(annotation) and _is_record(annotation):
        return f"`{annotation.__name__}`"
    return getattr(annotation, "__name__", str(annotation))


def meanings(docstring: str) -> dict[str, Meaning]:
    """Unit and meaning of every field, from the "Attributes" of a docstring.

    Example:
        >>> meanings("A window.\\n\\nAttributes:\\n    low, high: edges [GeV].")["low"]
        Meaning(unit='GeV', text='edges.')
    """
    found: dict[str, Meaning] = {}
    for names, text in _entries(inspect.cleandoc(docstring).splitlines()):
        unit = UNIT.search(text)
        plain = ROLE.sub(r"`\1`", UNIT.sub("", text).strip())
        plain = re.sub(r"\bNone\b", "null", plain)
        for name in names.split(","):
            found[name.strip()] = Meaning(unit[1] if unit else "", plain)
    return found


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    inside, name, text = False, "", ""
    for line in lines:
        if line == "Attributes:":
            inside = True
        elif inside and line and not line.startswith(" "):
            break
        elif inside and (match := re.match(r"    ([\w, ]+): ?(.*)", line)):
            if name:
                yield name, text
            name, text = match[1], match[2]
        elif inside:
            text = f"{text} {line.strip()}"
    if name:
        yield name, text


def _is_record(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")


def record_fields(cls: type) -> list[Field]:
    """The fields of a record under their names in a file, inherited meanings included.

    Raises:
        ValueError: a field has no meaning in the docstring.
    """
    known: dict[str, Meaning] = {}
    for base in reversed(cls.__mro__):
        known |= meanings(base.__doc__ or "")
    hints = typing.get_type_hints(cls)
    found = []
    for name, key in _names_and_keys(cls):
        if name not in known:
            raise ValueError(f"{cls.__name__}: no meaning of {name} in its Attributes")
        found.append(Field(key, hints[name], known[name]))
    return found


def _names_and_keys(cls: type) -> list[tuple[str, str]]:
    if not dataclasses.is_dataclass(cls):
        return [(name, name) for name in cls._fields]
    return [
        (field.name, field.metadata.get("key", field.name))
        for field in dataclasses.fields(cls)
        if field.compare  # not what a record remembers of its file
    ]


def _described(field: Field) -> tuple[str, str, str]:
    """What neighbouring fields may share, which then are one row."""
    return type_in_words(field.type), field.meaning.unit, field.meaning.text


def records_in(annotation: Any) -> Iterator[type]:
    """The records that an annotation names, however deep."""
    if inspect.isclass(annotation) and _is_record(annotation):
        yield annotation
    for arg in typing.get_args(annotation):
        yield from records_in(arg)


class Fields(_Directive):
    """The table of a record, and tables of the records in it that the page does not have yet."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        first = self.arguments[1] if len(self.arguments) > 1 else "key"
        return self._tables(getattr(import_module(module), name), first)

    def _tables(self, cls: type, first: str) -> list[nodes.Node]:
        shown = self.env.current_document.setdefault("anode records", set())
        shown.add(cls)
        fields = record_fields(cls)
        rows = [
            [", ".join(f"`{field.key}`" for field in same), *of_all]
            for of_all, same in groupby(fields, key=_described)
            for same in [list(same)]
        ]
        found: list[nodes.Node] = [self.table([first, "type", "unit", "meaning"], rows)]
        for inner in [inner for field in fields for inner in records_in(field.type)]:
            if inner not in shown:
                summary = (inner.__doc__ or "").strip().splitlines()[0]
                found.append(nodes.rubric("", "", *self.text(f"`{inner.__name__}`: {summary}")))
                found += self._tables(inner, "key")
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("fields", Fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
