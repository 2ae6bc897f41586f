"""Python cells of the documentation run, in order, in an empty folder."""

from pathlib import Path

import pytest

from helpers.pages import Page, all_pages

CELL = "{code-cell}"
PAGES = [page for page in all_pages() if any(b.kind.startswith(CELL) for b in page.blocks)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_cells_of_a_page_run(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in page.blocks:
        if block.kind.startswith(CELL):
            # As many lines before it as in the page, so that a traceback names the right one.
            code = compile("\n" * (block.line - 1) + block.text, page.name, "exec")
            exec(code, names)
