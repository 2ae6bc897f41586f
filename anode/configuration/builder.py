"""Strict dataclasses from YAML: every key and kind checked, errors name the key by its path."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from anode import integrity
from anode.errors import ConfigError, nearest
from anode.resources import CONFIGS, DATA

T = typing.TypeVar("T")

Choice = Callable[[Mapping[str, Any], str], type]
"""(content, path) -> dataclass: which keys a group has, decided by its content."""

CONFIG_DIR = CONFIGS


OmegaConf.register_new_resolver(
    "if_null", lambda given, value: value if given is None else None, replace=True
)
"""``${if_null:${data.path},780}`` in a YAML file: 780 where another key is null, else null."""

OmegaConf.register_new_resolver("keys", lambda group: list(group or ()), replace=True)
"""``${keys:${data.columns.features}}``: the names of a group's keys; none of null."""

OmegaConf.register_new_resolver("packaged", lambda name: str(DATA / name), replace=True)
"""``${packaged:anode_particles.h5}``: a file that comes with the package, wherever that lies."""


def resolve(raw: DictConfig) -> dict[str, Any]:
    """Plain containers with every interpolation replaced by its value.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation leads nowhere.
    """
    try:
        if missing := sorted(OmegaConf.missing_keys(raw)):
            raise ConfigError(f"{', '.join(missing)} must be given: {missing[0]}=VALUE")
        content = OmegaConf.to_container(raw, resolve=True)
    except OmegaConfBaseException as error:
        first, *_ = str(error).splitlines()
        raise ConfigError(f"a value of the configuration leads nowhere: {first}") from None
    return typing.cast(dict[str, Any], content)


def read_saved(path: Path) -> dict[str, Any]:
    """The content of a ``config.yaml`` that a command wrote, by ``as_saved``.

    Raises:
        ConfigError: it is no YAML, or a value leads nowhere.
        RunDirectoryError: it is not as it was written.
    """
    remedy = f"bring it back as it was, or delete the folder {path.parent}"
    text = integrity.read_text(path, remedy=remedy)
    try:
        raw = OmegaConf.create(text)
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        first, *_ = str(error).splitlines()
        raise ConfigError(f"cannot read {path}: it is not YAML ({first}); {remedy}") from None
    if not isinstance(raw, DictConfig):
        raise ConfigError(f"{path} must be a group of keys, got a list; {remedy}")
    return resolve(raw)


def as_saved(content: Mapping[str, Any]) -> str:
    """A configuration as YAML, sealed, ready for ``read_saved``."""
    return integrity.seal_text(OmegaConf.to_yaml(OmegaConf.create(dict(content))))


def build(
    cls: type[T], content: Any, path: str = "", choices: Mapping[type, Choice] | None = None
) -> T:
    """Make the dataclass ``cls`` of a mapping, with every key and kind checked.

    Args:
        cls: dataclass with type hints.
        content: mapping of its keys.
        path: path of the content in the whole configuration, for errors.
        choices: base class -> which of its subclasses a content is for.

    Raises:
        ConfigError: names the key by its full path.
    """
    return typing.cast(T, _Builder(choices or {}).build(cls, content, path))


def by_name(classes_by_name: Callable[[], Mapping[str, type]]) -> Choice:
    """A choice by the key ``name`` of a group, of classes that are asked for when they are
    needed."""

    def choose(content: Mapping[str, Any], path: str) -> type:
        name, classes = str(content.get("name")), classes_by_name()
        if name not in classes:
            raise ConfigError(f"{path}.name must be one of {', '.join(classes)}, got {name!r}")
        return classes[name]

    return choose


class _Builder(typing.NamedTuple):
    choices: Mapping[type, Choice]

    def build(self, cls: type, content: Any, path: str) -> Any:
        if not isinstance(content, Mapping):
            raise ConfigError(
                f"{path or 'configuration'} must be a group of keys, got {content!r}"
            )
        if cls in self.choices:
            cls = self.choices[cls](content, path)
        hints = typing.get_type_hints(cls)
        prefix = f"{path}." if path else ""
        fields = dataclasses.fields(cls)
        names = [field.name for field in fields]
        for key in content:
            if key not in names:
                hint = nearest(str(key), names) or f"; expected {', '.join(names)}"
                raise ConfigError(f"unknown key {prefix}{key}{hint}")
        for field in fields:
            no_default = field.default is field.default_factory is dataclasses.MISSING
            if field.name not in content and no_default:
                raise ConfigError(f"missing key {prefix}{field.name}")
        return cls(**{k: self.value(hints[k], value, prefix + k) for k, value in content.items()})

    def value(self, hint: Any, value: Any, path: str) -> Any:
        """``value`` as ``hint`` asks, or an error: only int -> float is converted."""
        if dataclasses.is_dataclass(hint):
            return self.build(typing.cast(type, hint), value, path)
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return None if value is None else self.value(typing.get_args(hint)[0], value, path)
        if typing.get_origin(hint) is list:
            if not isinstance(value, list | tuple):
                raise ConfigError(f"{path} must be a list, got {value!r}")
            (inner,) = typing.get_args(hint)
            return [self.value(inner, item, f"{path}[{i}]") for i, item in enumerate(value)]
        if typing.get_origin(hint) is dict:
            if not isinstance(value, Mapping):
                raise ConfigError(f"{path} must be a group of keys, got {value!r}")
            _, inner = typing.get_args(hint)
            return {str(k): self.value(inner, item, f"{path}.{k}") for k, item in value.items()}
        if hint is float and type(value) is int:
            return float(value)
        if type(value) is not hint:
            raise ConfigError(f"{path} must be of type {hint.__name__}, got {value!r}")
        return value
