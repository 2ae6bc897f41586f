"""Mistakes in the arguments of a command, in one line, and what may have been meant."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException

from anode.configuration.builder import CONFIG_DIR
from anode.configuration.keys import Group, groups_of, keys_of
from anode.errors import nearest

_NOISE = re.compile(r"^\s*(full_key|object_type|reference_type|Search path)\b.*$", re.MULTILINE)


def explain(
    error: Exception, config: str, overrides: Sequence[str], *, multirun: bool = False
) -> str:
    """Why Hydra cannot compose a configuration, in one line.

    Args:
        error: error of Hydra or OmegaConf.
        config: file of ``configs/`` that the command starts from.
        overrides: arguments of the command.
        multirun: True if several values of a key are several jobs.
    """
    return next(_mistakes(config, overrides, multirun), None) or in_one_line(error)


def parse(text: str) -> Any:
    """Hydra's ``Override`` of one argument.

    Raises:
        HydraException: it is no KEY=VALUE.
    """
    return OverridesParser.create().parse_override(text)


def _mistakes(config: str, overrides: Sequence[str], multirun: bool) -> Iterator[str]:
    parsed = []
    for text in overrides:
        try:
            parsed.append(parse(text))
        except HydraException:
            yield _unreadable(text)
            return
        if not parsed[-1].key_or_group:
            yield _unreadable(text)
    parsed = [p for p in parsed if not p.is_hydra_override()]
    if not multirun:
        yield from (_several(p.input_line) for p in parsed if p.is_sweep_override())
    of_groups = [p for p in parsed if (CONFIG_DIR / p.key_or_group).is_dir()]
    chosen: list[str] = []
    # First the groups that may bring others: density@method.density is one of method=r_anode.
    for override in sorted(of_groups, key=lambda p: p.package is not None):
        name = _name(override)
        group = {group.name: group for group in groups_of(config, chosen)}.get(name)
        if group is None:
            yield f"unknown group {name}; --help lists those of the command"
            return
        yield from (_wrong(group, value) for value in _values(override) if not _fits(value, group))
        chosen.append(f"{name}={next(_values(override))}")
    groups = groups_of(config, chosen)
    yield from (_must_choose(group) for group in groups if group.default == "???")
    known = [key.path for key in keys_of(config, chosen)] + [group.name for group in groups]
    for override in parsed:
        path = _name(override)
        if override not in of_groups and not override.is_add() and not _is_known(path, known):
            yield _unknown_key(path, known)


def _unreadable(text: str) -> str:
    key, equals, _ = text.partition("=")
    if not (key and equals):
        return f"an argument must be KEY=VALUE, got {text!r}"
    return (
        f"cannot read {text!r}: close every bracket and quote, and quote a value with brackets or "
        f"'=' in it, as {key}='\"VALUE\"'"
    )


def _several(text: str) -> str:
    key, _, values = text.partition("=")
    return (
        f"{text} gives several values to one key: add --multirun to run each, or write a list, "
        f"'{key}=[{values}]'"
    )


def _fits(value: str, group: Group) -> bool:
    names = [choice.name for choice in group.choices]
    return value in names or (value == "null" and group.default is None)


def _wrong(group: Group, value: str) -> str:
    return _not_among(group.name, value, [choice.name for choice in group.choices])


def _not_among(group: str, value: str, names: Sequence[str]) -> str:
    return f"{group} must be one of {', '.join(names)}, got {value}{nearest(value, names)}"


def _must_choose(group: Group) -> str:
    names = ", ".join(choice.name for choice in group.choices)
    return f"{group.name} must be given: {group.name}=CHOICE, one of {names}"


def _is_known(path: str, known: Sequence[str]) -> bool:
    """Also what lies in a key that is no heading, such as a dictionary: its owner judges that."""
    above = {path.rsplit(".", n)[0] for n in range(1, path.count(".") + 1)}
    return path in known or any(
        p in known and not any(k.startswith(f"{p}.") for k in known) for p in above
    )


def _unknown_key(path: str, known: Sequence[str]) -> str:
    group, _, last = path.rpartition(".")
    inside = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == group]
    if group and inside:
        close = difflib.get_close_matches(last, inside, n=1)
        hint = f"did you mean {group}.{close[0]}?" if close else f"{group} has {', '.join(inside)}"
        return f"unknown key {path}; {hint}"
    # A key without its group is like the last part of one.
    ends = {k.rpartition(".")[2]: k for k in reversed(known)}
    close = difflib.get_close_matches(path, known, n=1) or [
        ends[end] for end in difflib.get_close_matches(last, ends, n=1)
    ]
    hint = f"did you mean {close[0]}?" if close else "--help lists those of the command"
    return f"unknown key {path}; {hint}"


def _name(override: Any) -> str:
    package = override.package
    return str(override.key_or_group) + ("" if package is None else f"@{package}")


def _values(override: Any) -> Iterator[str]:
    if override.is_sweep_override():
        yield from override.sweep_string_iterator()
    else:
        yield str(override.get_value_element_as_str())


def in_one_line(error: Exception) -> str:
    """The message of an error of Hydra or OmegaConf, and of its cause, without line breaks."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return _not_among(group, name, error.options)
    messages = [str(e) for e in (error, error.__cause__) if e is not None and str(e)]
    lines = [line.strip().rstrip(".") for m in messages for line in _NOISE.sub("", m).splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or type(error).__name__
