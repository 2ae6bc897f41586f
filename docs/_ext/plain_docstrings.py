"""Docstrings with formulas in plain text, as reStructuredText: indents and bars are kept."""

import re
from typing import Any

from sphinx.application import Sphinx

SECTION = re.compile(r"^(Args|Attributes|Example|Examples|Raises|Returns|Yields|Note):$")

BAR = re.compile(r"(?<![^\s(])\|(?=\S)")
"""Absolute values, which reStructuredText takes for substitutions."""


def with_literal_blocks(lines: list[str]) -> list[str]:
    """The lines, with ``::`` before each indented block of the text, outside the sections.

    Example:
        >>> with_literal_blocks(["A score:", "", "    R = log p", "", "Args:", "    x: (N,)."])
        ['A score:', '', '::', '', '    R = log p', '', 'Args:', '    x: (N,).']
    """
    result: list[str] = []
    in_section = False
    for line in lines:
        if SECTION.match(line):
            in_section = True
        elif line and not line[0].isspace():
            in_section = False
        starts_block = (
            not in_section
            and line.startswith("    ")
            and len(result) > 1
            and not result[-1]
            and not result[-2].startswith((" ", ">>>", "::"))
        )
        result += ["::", ""] if starts_block else []
        is_literal = not in_section and line.startswith("    ")
        result.append(line if is_literal else BAR.sub(r"\\|", line))
    return result


def _process(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = with_literal_blocks(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _process, priority=100)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
