"""Refuses a built site that loads a script, style, font or image from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

LOADED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "object": ("data",),
    "link": ("href",),
}
NAVIGATION = {"canonical", "next", "prev", "index", "search", "author", "license", "help"}
"""Relations of a <link> that a browser does not load."""
REMOTE = re.compile(r"^(https?:)?//")
REMOTE_IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and set((values.get("rel") or "").split()) <= NAVIGATION:
            return
        for name in LOADED.get(tag, ()):
            value = values.get(name) or ""
            if REMOTE.match(value):
                self.found.append(f"<{tag} {name}={value}>")


def loaded_from_elsewhere(text: str) -> list[str]:
    """What an HTML page or a style sheet loads by an absolute address.

    Example:
        >>> loaded_from_elsewhere('<script src="https://host/x.js"></script><a href="//host">')
        ['<script src=https://host/x.js>']
    """
    finder = _Finder()
    finder.feed(text)
    return finder.found + REMOTE_IN_STYLE.findall(text)


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        found = sorted(_all_found(Path(app.outdir)))
        if found:
            raise SphinxError(
                "the site must load nothing from elsewhere, but\n" + "\n".join(found)
            )


def _all_found(folder: Path) -> Iterator[str]:
    for path in (*folder.rglob("*.html"), *folder.rglob("*.css")):
        for what in loaded_from_elsewhere(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder)}: {what}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
