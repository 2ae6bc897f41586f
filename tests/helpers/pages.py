"""The pages of the documentation: their links, code blocks, commands and inline code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from helpers.settings import REPOSITORY

FENCE = re.compile(r"^(`{3,})\s*(.*?)\s*$")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Block(NamedTuple):
    """A fenced block: what stands behind the fence, its lines, and where it begins."""

    kind: str
    text: str
    line: int


class Page(NamedTuple):
    """A Markdown page, with its fenced blocks taken out of its text."""

    path: Path
    text: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @property
    def links(self) -> list[str]:
        """Targets of links and images, those to other sites left out."""
        return [t for t in LINK.findall(self.text) if not re.match(r"[a-z]+:", t)]

    @property
    def inline_code(self) -> list[str]:
        return INLINE.findall(self.text)

    @property
    def command_lines(self) -> list[list[str]]:
        """Words of every line that is a command, in blocks without a language and in the text
        (not of results, where `anode maf` is a contender)."""
        shell = [b.text for b in self.blocks if b.kind in ("", "shell", "bash", "console")]
        whole = [line for text in shell for line in text.replace("\\\n", " ").splitlines()]
        lines = [part for line in whole for part in _parts(line)]
        if not self.name.startswith("results/"):
            lines += [part for code in self.inline_code for part in _parts(code)]
        words = [shlex.split(line.replace(r"\|", "|"), comments=True) for line in lines]
        return [each for each in words if len(each) > 1 and is_command(each)]


def is_command(words: list[str]) -> bool:
    """Whether the words are a command of ours."""
    of_script = words[0] == "python" and words[1].startswith("scripts/")
    return words[0] in ("anode", "make") or of_script


def read_page(path: Path) -> Page:
    blocks, text = [], []
    lines = path.read_text(encoding="utf-8").splitlines()
    start, fence, kind = 0, "", ""
    for number, line in enumerate(lines):
        match = FENCE.match(line.strip())
        if not fence and match and not match[2].endswith("`"):
            start, fence, kind = number + 1, match[1], match[2]
        elif fence and line.strip() == fence:
            blocks.append(Block(kind, "\n".join(lines[start:number]), start + 1))
            fence = ""
        elif not fence:
            text.append(line)
    assert not fence, f"{path}: a fence is not closed"
    return Page(path, "\n".join(text), tuple(blocks))


def all_pages() -> list[Page]:
    """The README, CONTRIBUTING, and every page of ``docs/``."""
    docs = [p for p in (REPOSITORY / "docs").rglob("*.md") if "_build" not in p.parts]
    top = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    results = (REPOSITORY / "results").rglob("README.md")
    return [read_page(path) for path in (*top, *sorted(docs), *sorted(results))]


def _parts(line: str) -> Iterator[str]:
    """Commands of a line joined by ``&&``; a comment belongs to none."""
    for part in line.split("&&"):
        if part.strip() and not part.strip().startswith("#"):
            yield part.strip()
