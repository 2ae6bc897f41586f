"""Tables of numbers keep each value on one line, and scroll where the page is too narrow."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 24
"""Characters of a value with its interval."""


def is_of_numbers(table: nodes.table) -> bool:
    """Whether every cell but those of the first column is short."""
    rows = list(table.findall(nodes.row))[1:]
    cells = [cell.astext() for row in rows for cell in list(row.children)[1:]]
    return len(cells) > 0 and max(map(len, cells)) <= LONGEST


def _mark(app: Sphinx, doctree: nodes.document, name: str) -> None:
    for table in doctree.findall(nodes.table):
        if is_of_numbers(table):
            table["classes"].append("numbers")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", _mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
