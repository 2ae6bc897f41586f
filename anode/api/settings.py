"""Keywords of the public classes -> keys of ``configs/``, whose values are the only defaults."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.configuration.keys import choices_of
from anode.errors import ConfigError, nearest

KEYS = {
    "signal": "regions.signal",
    "sidebands": "regions.sidebands",
    "features": "features",
    "folds": "split.folds",
    "seed": "seed",
    "epochs": "trainer.epochs",
    "batch_size": "trainer.batch_size",
    "learning_rate": "trainer.learning_rate",
    "logit": "preprocessing.logit",
    "n_jobs": "n_jobs",
    "threads": "threads",
    "device": "device",
    "store": "store",
    "density": "density",
    "trainer": "trainer",
    "classifier": "classifier",
    "representation": "representation",
    "split": "split",
    "ensemble": "ensemble",
    "preprocessing": "preprocessing",
    "evaluation": "evaluation",
    "max_copies": "data.max_copies",
}
"""Keyword -> key, a value or a group of them. Keys of the method's own group come without it."""

CHOICES = {
    "density": "density",
    "trainer": "trainer",
    "classifier": "classifier",
    "representation": "representation",
    "split": "split",
    "method_density": "density@method.density",
    "method_trainer": "trainer@method.trainer",
}
"""Keyword -> group with several files in ``configs/``, of which a name picks one."""

_PICKED = [key.partition("@")[2] or key for key in CHOICES.values()]

# What a command has and arrays have not, or a person at a keyboard is there to see.
_IN_MEMORY = (
    "injection.n_signal=null",
    "injection.n_background=null",
    "tracker=none",
    "store=null",
)


def content_of(
    name: str,
    method: str,
    given: Mapping[str, Any],
    own: Mapping[str, Any] | None = None,
    *,
    data: str | None = None,
) -> dict[str, Any]:
    """The nested configuration of ``configs/NAME.yaml``, with settings in place of its own.

    Args:
        name: name of the file of ``configs/``, "run" or "search".
        method: choice of ``configs/method``.
        given: keywords, of ``KEYS`` or of the method.
        own: further keys by their path, such as ``{"scan.width": 400}``.
        data: choice of ``configs/data``; None where events are in memory.

    Raises:
        ConfigError: a keyword, key or choice is unknown; the message suggests the nearest one.
    """
    check_choice("method", method)
    members = given.get("members") if method == "combination" else None
    paths = _paths(method, given)
    if data is not None:
        check_choice("data", data)
    source = [] if data is None else [f"data={data}"]
    picked = [choice for keyword, value in given.items() for choice in _picked(keyword, value)]
    raw = _composed(name, (f"method={method}", *_members(members), *picked, *source, *_IN_MEMORY))
    for path, value in {**paths, **_plain(own or {})}.items():
        _change(raw, path, value)
    return resolve(raw)


def keywords_of(method: str) -> dict[str, str]:
    """Every keyword that a model of this method takes, with its key in the configuration; where
    the method has a key of the same name as the run, its own is called ``method_NAME``."""
    own = [key for key in _composed("run", (f"method={method}",)).method if key != "name"]
    return {**KEYS, **{f"method_{k}" if k in KEYS else k: f"method.{k}" for k in own}}


def check_choice(group: str, choice: str) -> None:
    """Refuse what is no choice of a group.

    Raises:
        ConfigError: it is not; the message has the choices and suggests the nearest one.
    """
    known = [each.name for each in choices_of(group)]
    if choice not in known:
        raise ConfigError(
            f"{group} must be one of {', '.join(known)}, got {choice!r}"
            f"{nearest(str(choice), known)}"
        )


def _composed(name: str, overrides: tuple[str, ...]) -> DictConfig:
    """A copy that may be changed."""
    return _composed_once(name, overrides).copy()


@functools.lru_cache(maxsize=64)
def _composed_once(name: str, overrides: tuple[str, ...]) -> DictConfig:
    return compose(name, [*overrides, "run_dir=replaced"])


def _picked(keyword: str, value: Any) -> list[str]:
    """The override that picks a choice of a group, if a setting names one."""
    choice = value.get("name") if isinstance(value, Mapping) else value
    if keyword not in CHOICES or choice is None:
        return []
    check_choice(CHOICES[keyword].partition("@")[0], choice)
    return [f"{CHOICES[keyword]}={choice}"]


def _members(members: Any) -> list[str]:
    """Overrides that replace the members of a combination."""
    if members is None:
        return []
    default = _composed("run", ("method=combination",)).method.members
    known = [each.name for each in choices_of("method") if each.name != "combination"]
    for name in members:
        if name not in known:
            raise ConfigError(
                f"members must be of {', '.join(known)}, got {name!r}{nearest(str(name), known)}"
            )
    dropped = [f"~method@method.members.{name}" for name in default if name not in members]
    added = [f"+method@method.members.{n}={n}" for n in members if n not in default]
    return [*dropped, *added]


def _paths(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Path in the configuration -> value: groups first, so that single keys refine them."""
    known, paths = keywords_of(method), {}
    for keyword, value in given.items():
        if keyword == "representation" and value is None:
            continue
        if keyword not in known:
            raise ConfigError(
                f"method={method} has no setting {keyword!r}{nearest(keyword, known)}; "
                f"it has {', '.join(known)}"
            )
        if keyword == "ensemble" and not isinstance(value, Mapping):
            value = {"size": value}
        if (keyword == "members" or keyword in CHOICES) and not isinstance(value, Mapping):
            value = {}  # a name, which has been picked
        paths[known[keyword]] = _plain(value)
    return dict(sorted(paths.items(), key=lambda item: not isinstance(item[1], dict)))


def _change(raw: DictConfig, path: str, value: Any) -> None:
    """Put a value, or each value of a mapping, at its place."""
    *parents, key = path.split(".")
    node = raw
    for parent in parents:
        node = node[parent]
    if key not in node:
        known = [str(name) for name in node]
        raise ConfigError(
            f"unknown key {path}, expected one of {', '.join(known)}{nearest(key, known)}"
        )
    if isinstance(value, dict) and isinstance(node[key], DictConfig):
        for inner, each in value.items():
            if not (inner == "name" and path in _PICKED):
                _change(raw, f"{path}.{inner}", each)
    else:
        node[key] = value


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts, of NumPy's numbers, arrays, tuples and paths."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
