"""Formulas as MathML, by docutils: every browser draws it without a script or a font."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

FUNCTION = re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*<mo[^>]*>[(\[])")
"""A function whose argument has no bracket, as in log p."""
SPACE = '<mspace width="0.17em"></mspace>'


def to_mathml(formula: str, *, block: bool = False) -> str:
    """LaTeX as MathML, with a space between a function and its argument as TeX has it.

    Example:
        >>> SPACE in to_mathml(r"\\log p"), SPACE in to_mathml(r"\\log(p)")
        (True, False)
    """
    text = FUNCTION.sub(SPACE, tex2mathml(formula, as_block=block))
    return text.replace("<mtable ", '<mtable displaystyle="true" ')


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    formula = to_mathml(node.astext(), block=True)
    self.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
