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
from types import NoneType, UnionType
from typing import Any

from config_tables import _Directive
from docutils import nodes
from sphinx.application import Sphinx

UNIT = re.compile(r"\s*\[(GeV|TeV|events|s|bytes|MB)\]")
WORDS = {float: "number", int: "whole number", str: "text", bool: "true or false", Any: "anything"}


class Meaning(typing.NamedTuple):
    """Unit and meaning of a field."""

    unit: str
    text: str


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
        plain = UNIT.sub("", text).strip()
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


class Fields(_Directive):
    """The table of a class; nested records are named, and have tables of their own."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = self.arguments[0]
        module, _, name = path.rpartition(".")
        cls = getattr(import_module(module), name)
        known = meanings(cls.__doc__ or "")
        hints = typing.get_type_hints(cls)
        names = (
            [field.name for field in dataclasses.fields(cls)]
            if dataclasses.is_dataclass(cls)
            else list(cls._fields)
        )
        missing = [field for field in names if field not in known]
        if missing:
            raise self.error(f"{path}: no meaning of {', '.join(missing)} in its Attributes")
        rows = [
            [f"`{field}`", type_in_words(hints[field]), known[field].unit, known[field].text]
            for field in names
        ]
        first = self.arguments[1] if len(self.arguments) > 1 else "key"
        return [self.table([first, "type", "unit", "meaning"], rows)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("fields", Fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
