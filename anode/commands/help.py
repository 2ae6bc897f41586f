"""Help texts: the list of commands; the keys and groups of one."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from anode.commands.table import COMMANDS, Command
from anode.errors import ConfigError

if TYPE_CHECKING:
    from anode.configuration.keys import Group, Key

_COLUMN = 34  # where the meaning of keys begins
_WIDEST = 100

_OPTIONS = """\
Options:
  --multirun  one job for each of several values, seed=1,2,3; hydra/launcher=joblib runs them
              side by side, hydra/launcher=submitit_slurm on a cluster
  --cfg job   print the configuration and stop"""


def overview(version: str, commands: Mapping[str, Command] = COMMANDS) -> str:
    """Every command and what it does, or some."""
    rows = [(name, command.summary) for name, command in commands.items()]
    lines = [
        f"anode {version}: density estimation for resonant anomaly detection at colliders",
        "",
        "usage: anode COMMAND [KEY=VALUE ...]",
        "",
        *_two_columns(rows, column=19),
        "",
        "anode COMMAND --help explains a command and every key of it.",
    ]
    return "\n".join(lines)


def command_help(name: str, overrides: Sequence[str] = ()) -> str:
    """What a command does, examples, its groups and its keys.

    Args:
        name: name of the command.
        overrides: choices of groups, such as "method=cathode", whose keys are to be shown.

    Raises:
        ConfigError: an override is wrong.
    """
    # Hydra takes a while to load, and listing the commands does without.
    from anode.configuration.keys import groups_of, keys_of
    from anode.configuration.mistakes import explain

    command = COMMANDS[name]
    try:
        groups, keys = groups_of(command.config, overrides), keys_of(command.config, overrides)
    except Exception as error:  # Hydra's own, OmegaConf's, and ValueError
        raise ConfigError(explain(error, command.config, overrides)) from None
    lines = [f"anode {name}: {command.summary}", "", *(f"  {line}" for line in command.examples)]
    lines += _group_lines(name, groups) if groups else []
    lines += ["", "Keys, KEY=VALUE, with their defaults:", "", *_key_lines(keys, groups)]
    return "\n".join([*lines, "", _OPTIONS])


def _group_lines(name: str, groups: "Sequence[Group]") -> list[str]:
    lines = [
        "",
        "Groups, GROUP=CHOICE; * is chosen. The keys below are those of these choices:",
        f"anode {name} GROUP=CHOICE --help shows others.",
    ]
    for group in groups:
        rows = [
            (f"  {'*' if choice.name == group.default else ' '} {choice.name}", choice.summary)
            for choice in group.choices
        ]
        column = 6 + max(len(choice.name) for choice in group.choices)
        note = " (one must be given)" if group.default == "???" else ""
        lines += ["", group.name + note, *_two_columns(rows, column=column)]
    return lines


def _key_lines(keys: "Sequence[Key]", groups: "Sequence[Group]") -> list[str]:
    """Keys without a heading first; every heading above the keys that it is of."""
    chosen = {group.name: f"of {group.name}={group.default}" for group in groups if group.default}
    rows = []
    last = ""
    for key in sorted(keys, key=lambda key: key.is_heading or "." in key.path):
        top, dot, _ = key.path.partition(".")
        if dot and top != last:
            rows.append((top, chosen.get(top, "")))
        given = key.path if key.is_heading else f"  {key.path}={key.default}"
        must = "must be given" if key.default == "???" else ""
        meaning = "; ".join(filter(None, [must, " | ".join(key.choices), key.comment]))
        rows.append((given, meaning))
        last = top
    return _two_columns(rows)


def _two_columns(rows: Iterable[tuple[str, str]], column: int = _COLUMN) -> list[str]:
    """Lines with the second text wrapped beside the first, or below it where that is long."""
    width = max(column + 30, min(_WIDEST, shutil.get_terminal_size().columns))
    lines = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, width - column)
        if len(left) > column - 2 or not wrapped:
            lines.append(left)
            left = ""
        for line in wrapped:
            lines.append(f"{left:<{column}}{line}")
            left = ""
    return lines
