"""Records: frozen dataclasses read from the content of a JSON file, every key and kind checked.

A record is the one place that knows the keys of its file. Its fields are the keys, in their order,
under the same names unless a field names another one (``key``).
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

from anode.errors import DataError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a JSON file can hold."""

_KEY, _LEFT_OUT = "key", "left out if None"
LEFT_OUT_IF_NONE = {_LEFT_OUT: True}
"""Metadata of a field that not every file has: not written while it is None."""

_KINDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    types.NoneType: "null",
}


def key(name: str) -> dict[str, Any]:
    """Metadata of a field whose key is another name, such as one that Python reserves."""
    return {_KEY: name}


@dataclasses.dataclass(frozen=True)
class Record:
    """A frozen dataclass that is a JSON file, or a group of keys in one.

    A field with a default is a key that older files may lack; it then has its default. A key that
    is no field is ignored: files may be of a newer version.

    Attributes:
        absent: keys that the file it was read from lacks; ``to_json`` leaves them out again, as
            long as they have their default.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Peak(Record):
        ...     mass: float
        ...     n_events: int | None = None
        >>> Peak.from_json({"mass": 3522.0}, "peak.json")
        Peak(mass=3522.0, n_events=None)
        >>> Peak(3522.0, 134).to_json()
        {'mass': 3522.0, 'n_events': 134}
        >>> Peak.from_json({"mass": "3.5 TeV"}, "peak.json")
        Traceback (most recent call last):
        anode.errors.DataError: peak.json: mass must be a number, got '3.5 TeV'
    """

    absent: frozenset[str] = dataclasses.field(
        default=frozenset(), repr=False, compare=False, kw_only=True
    )

    @classmethod
    def from_json(cls, content: object, file: Path | str) -> Self:
        """The record in the content of a JSON file.

        Args:
            content: what ``anode.io.read_json`` gives.
            file: its path, for errors.

        Raises:
            DataError: a key is missing or of the wrong kind; the message has the file, the key,
                what was expected and what is there.
        """
        return cls.read(content, Place(str(file)))

    @classmethod
    def read(cls, content: object, place: "Place") -> Self:
        """As ``from_json``, of a group of keys at some place of a file."""
        group = place.group(content)
        fields = _fields_of(cls)
        values = {f.name: f.read(group, place) for f in fields if f.needed or f.key in group}
        return cls(**values, absent=frozenset(f.key for f in fields) - group.keys())

    def to_json(self) -> dict[str, Json]:
        """The content of its file, ready for ``anode.io.write_json``."""
        return {
            field.key: plain(value)
            for field in _fields_of(type(self))
            if not self._is_left_out(field, value := getattr(self, field.name))
        }

    def _is_left_out(self, field: "_Field", value: object) -> bool:
        lacking = field.key in self.absent and value == field.default
        return lacking or (field.left_out_if_none and value is None)


class Place(NamedTuple):
    """Where in a file a value stands.

    Attributes:
        file: its path.
        key: names of the keys that lead there, joined by dots.
    """

    file: str
    key: str = ""

    def below(self, key: object) -> "Place":
        """A key of the group that stands here, or the number of an entry of the list."""
        if isinstance(key, int):
            return Place(self.file, f"{self.key}[{key}]")
        return Place(self.file, f"{self.key}.{key}" if self.key else str(key))

    def refuse(self, expected: str, got: object) -> DataError:
        """The error for a value of the wrong kind."""
        text = repr(got)
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        return DataError(
            f"{self.file}: {self.key or 'its content'} must be {expected}, got {shown}"
        )

    def lacking(self, expected: str) -> DataError:
        """The error for a key that is not there."""
        return DataError(f"{self.file}: {self.key} is missing, expected {expected}")

    def group(self, content: object) -> dict[str, object]:
        """The content as a group of keys, or an error."""
        if not isinstance(content, dict):
            raise self.refuse("a group of keys", content)
        return content


class _Field(NamedTuple):
    """A field of a record, and its key."""

    name: str
    key: str
    hint: Any
    needed: bool
    default: object
    left_out_if_none: bool

    def read(self, group: Mapping[str, object], place: Place) -> object:
        place = place.below(self.key)
        if self.key not in group:
            raise place.lacking(_kind(self.hint))
        return read_value(self.hint, group[self.key], place)


def _fields_of(cls: type) -> tuple[_Field, ...]:
    """Of a record, another dataclass, or a named tuple."""
    return _described(cls)


@functools.cache
def _described(cls: type) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(cls)
    if not dataclasses.is_dataclass(cls):
        defaults: dict[str, object] = cls._field_defaults  # type: ignore[attr-defined]
        return tuple(
            _Field(name, name, hints[name], name not in defaults, defaults.get(name), False)
            for name in cls._fields  # type: ignore[attr-defined]
        )
    found = []
    for field in dataclasses.fields(cls):
        if field.name == "absent":
            continue
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        needed = default is dataclasses.MISSING
        left_out = bool(field.metadata.get(_LEFT_OUT))
        own = field.metadata.get(_KEY, field.name)
        found.append(_Field(field.name, own, hints[field.name], needed, default, left_out))
    return tuple(found)


def read_value(hint: Any, value: object, place: Place) -> Any:
    """A value of a JSON file as its type hint asks.

    Hints are those of JSON's own values, ``X | None``, ``tuple[X, ...]``, ``tuple[X, Y]``,
    ``list[X]``, ``dict[str, X]`` or ``dict[int, X]``, records, other dataclasses and named tuples.

    Raises:
        DataError: it is of another kind.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        (wanted,) = (one for one in inner if one is not types.NoneType)
        if wanted in _KINDS and not (value is None or _is_of(wanted, value)):
            raise place.refuse(_kind(hint), value)
        return None if value is None else read_value(wanted, value, place)
    if origin is tuple:
        return _read_tuple(hint, inner, value, place)
    if origin is list:
        return list(_read_tuple(hint, (*inner, ...), value, place))
    if origin is dict:
        return {
            _read_key(inner[0], name, place): read_value(inner[1], item, place.below(name))
            for name, item in place.group(value).items()
        }
    if issubclass(hint, Record):
        return hint.read(value, place)
    if dataclasses.is_dataclass(hint) or issubclass(hint, tuple):
        group = place.group(value)
        fields = (f for f in _fields_of(hint) if f.needed or f.key in group)
        return hint(**{f.name: f.read(group, place) for f in fields})
    if not _is_of(hint, value):
        raise place.refuse(_kind(hint), value)
    return value


def _is_of(hint: type, value: object) -> bool:
    """Whether a plain value is of a kind; whole numbers are numbers, truth values are not."""
    accepted = (int, float) if hint is float else hint
    return isinstance(value, accepted) and (hint is bool or not isinstance(value, bool))


def _read_tuple(hint: Any, inner: tuple[Any, ...], value: object, place: Place) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise place.refuse(_kind(hint), value)
    hints = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
    if len(hints) != len(value):
        raise place.refuse(_kind(hint), value)
    return tuple(
        read_value(one, item, place.below(number))
        for number, (one, item) in enumerate(zip(hints, value, strict=True))
    )


def _read_key(hint: Any, name: str, place: Place) -> Any:
    """The name of an entry; a whole number, if it is to be one."""
    if hint is str:
        return name
    try:
        return hint(name)
    except ValueError:
        raise place.refuse(f"a group with keys of the kind {hint.__name__}", name) from None


def _kind(hint: Any) -> str:
    """A type hint in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return " or ".join(_kind(one) for one in inner)
    if origin in (tuple, list):
        any_length = origin is list or inner[-1] is Ellipsis
        return "a list" if any_length else f"a list of {len(inner)}"
    return _KINDS.get(hint, "a group of keys")


def plain(value: Any) -> Any:
    """Records, dataclasses and named tuples as groups of keys, ready for JSON."""
    if isinstance(value, Record):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
