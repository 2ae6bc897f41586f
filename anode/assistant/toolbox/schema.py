"""Dataclasses as JSON schemas, and JSON checked against them: what tools take and give."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from anode.configuration.builder import build
from anode.errors import ConfigError
from anode.records import Json

T = TypeVar("T")
Schema = dict[str, Any]

_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean"}


def argument(
    meaning: str,
    default: Any = dataclasses.MISSING,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a dataclass of arguments, with its bounds.

    Args:
        meaning: description, unit included.
        default: default; without one the argument must be given.
        low, high: smallest and largest value; of a list, of its entries.
        choices: values that a text may have.
    """
    of = {"meaning": meaning, "low": low, "high": high, "choices": choices}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: default, metadata=of)
    return dataclasses.field(default=default, metadata=of)


def schema_of(cls: type) -> Schema:
    """JSON schema of a dataclass; its bounds and meanings, where fields have them.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Window:
        ...     low: float = argument("low edge [GeV]", low=0)
        >>> schema_of(Window)["properties"]
        {'low': {'type': 'number', 'minimum': 0, 'description': 'low edge [GeV]'}}
    """
    hints = typing.get_type_hints(cls)
    properties, required = {}, []
    for field in dataclasses.fields(cls):
        if field.name == "absent":  # of records, no key
            continue
        properties[field.name] = _described(_of_hint(hints[field.name]), field)
        if field.default is field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif field.metadata and field.default not in (None, dataclasses.MISSING):
            properties[field.name]["default"] = field.default
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _of_hint(hint: Any) -> Schema:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        (wanted,) = (one for one in inner if one is not types.NoneType)
        return {"anyOf": [_of_hint(wanted), {"type": "null"}]}
    if origin in (list, tuple):
        return {"type": "array", "items": _of_hint(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_hint(inner[1])}
    if dataclasses.is_dataclass(hint):
        return schema_of(typing.cast(type, hint))
    return {"type": _PLAIN[hint]} if hint in _PLAIN else {}


def _described(schema: Schema, field: "dataclasses.Field[Any]") -> Schema:
    of = field.metadata
    if "meaning" not in of:
        return schema
    bounded = schema["anyOf"][0] if "anyOf" in schema else schema
    bounded = bounded.get("items", bounded)
    names = (("minimum", of["low"]), ("maximum", of["high"]), ("enum", list(of["choices"])))
    bounded.update({name: value for name, value in names if value not in (None, [])})
    return {**schema, "description": of["meaning"]}


def checked(cls: type[T], content: Mapping[str, Json]) -> T:
    """The dataclass of a JSON object.

    Raises:
        ConfigError: a key is unknown, missing, of the wrong kind, or out of bounds.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Window:
        ...     low: float = argument("low edge [GeV]", low=0)
        >>> checked(Window, {"low": -1})
        Traceback (most recent call last):
        anode.errors.ConfigError: low must be at least 0, got -1.0
    """
    made = build(cls, dict(content))
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if "meaning" in field.metadata:
            value = getattr(made, field.name)
            for each in value if isinstance(value, list) else [value]:
                _check(field, each)
    return made


def _check(field: "dataclasses.Field[Any]", value: object) -> None:
    low, high, choices = (field.metadata[name] for name in ("low", "high", "choices"))
    if value is None:
        return
    if choices and value not in choices:
        raise ConfigError(f"{field.name} must be one of {', '.join(choices)}, got {value!r}")
    if not isinstance(value, int | float):
        return
    if low is not None and not value >= low:  # NaN is not
        raise ConfigError(f"{field.name} must be at least {low:g}, got {value!r}")
    if high is not None and not value <= high:
        raise ConfigError(f"{field.name} must be at most {high:g}, got {value!r}")
