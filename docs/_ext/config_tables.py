"""Directives that list the keys and groups of a command, from the comments in ``configs/``.

``{config-keys} run`` makes one table for each heading, ``{config-groups} run`` one for each group,
and ``{config-choices} density`` one for each choice of a group; ``{command-table}`` lists the
commands.
"""

import re
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from anode.commands.table import COMMANDS
from anode.configuration.keys import Group, Key, choices_of, groups_of, keys_of, read_keys

CODE = re.compile(r"``?([^`]+)``?")


class _Directive(SphinxDirective):
    required_arguments = 1

    def text(self, text: str) -> list[nodes.Node]:
        """Plain text, in which code stands between single or double backticks."""
        parts = CODE.split(text)
        return [
            nodes.literal(part, part) if place % 2 else nodes.Text(part)
            for place, part in enumerate(parts)
            if part
        ]

    def table(self, header: list[str], rows: list[list[str]]) -> nodes.table:
        """A table of such texts."""
        table, group = nodes.table(), nodes.tgroup(cols=len(header))
        group += [nodes.colspec(colwidth=1) for _ in header]
        head, body = nodes.thead(), nodes.tbody()
        head += self._row(header)
        body += [self._row(row) for row in rows]
        group += [head, body]
        table += group
        return table

    def _row(self, cells: list[str]) -> nodes.row:
        row = nodes.row()
        for cell in cells:
            row += nodes.entry("", nodes.paragraph("", "", *self.text(cell)))
        return row


class ConfigKeys(_Directive):
    """Keys of a command's configuration, without those that other commands have."""

    option_spec = {"without": lambda text: text.split()}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        keys = keys_of(self.arguments[0])
        known = {key.path for other in self.options.get("without", ()) for key in keys_of(other)}
        keys = [key for key in keys if key.path not in known or key.is_heading]
        found: list[nodes.Node] = []
        for top, members in groupby(keys, key=lambda key: _top(key, keys)):
            found += self._section(top, list(members))
        return found

    def _section(self, top: str, keys: list[Key]) -> list[nodes.Node]:
        rows = [
            [f"`{key.path}`", f"`{key.default}`", _meaning(key)]
            for key in keys
            if not key.is_heading
        ]
        if not rows:
            return []
        heading = next((key.comment for key in keys if key.is_heading and key.path == top), "")
        title = f"`{top}`" + (f": {heading}" if heading else "")
        rubric = [nodes.rubric("", "", *self.text(title))] if top else []
        return [*rubric, self.table(["key", "default", "meaning"], rows)]


class ConfigGroups(_Directive):
    """Groups of a command's configuration and what each may be."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for group in groups_of(self.arguments[0]):
            found.append(nodes.rubric("", "", *self.text(_group_title(group))))
            rows = [[f"`{c.name}`", c.description] for c in group.choices]
            found.append(self.table([f"`{group.name}=`", "what"], rows))
        return found


class ConfigChoices(_Directive):
    """Each choice of a group with the keys that its own file sets."""

    def run(self) -> list[nodes.Node]:
        group = self.arguments[0]
        found: list[nodes.Node] = []
        for choice in choices_of(group):
            rows = [
                [f"`{key.path}`", f"`{key.default}`", _meaning(key)]
                for key in read_keys(f"{group}/{choice.name}")
                if not key.is_heading
            ]
            title = f"`{group}={choice.name}`: {choice.description}"
            found.append(nodes.rubric("", "", *self.text(title)))
            if rows:
                found.append(self.table([f"key below `{group}`", "value", "meaning"], rows))
        return found


class CommandTable(_Directive):
    """Every command with what it does, and its simplest example."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        rows = [
            [f"`anode {name}`", command.summary, f"`{command.examples[0]}`"]
            for name, command in COMMANDS.items()
        ]
        return [self.table(["command", "does", "example"], rows)]


def _top(key: Key, keys: list[Key]) -> str:
    """The first part of a path, if it is a heading."""
    first = key.path.split(".")[0]
    return first if any(k.path.startswith(f"{first}.") for k in keys) else ""


def _meaning(key: Key) -> str:
    choices = ", ".join(f"`{choice}`" for choice in key.choices)
    return "; ".join(part for part in (choices, key.comment) if part)


def _group_title(group: Group) -> str:
    default = "none" if group.default is None else f"`{group.default}`"
    return f"`{group.name}`, default {default}" if group.default != "???" else f"`{group.name}`"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("config-keys", ConfigKeys)
    app.add_directive("command-table", CommandTable)
    app.add_directive("config-choices", ConfigChoices)
    app.add_directive("config-groups", ConfigGroups)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
