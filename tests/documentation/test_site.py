"""The extensions of the documentation site, and a page of it built with a formula."""

import doctest
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from helpers.settings import REPOSITORY

pytest.importorskip("sphinx", reason="the documentation needs the extra docs")
EXTENSIONS = sorted((REPOSITORY / "docs/_ext").glob("*.py"))


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch):
    """Loads an extension by name."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs/_ext"))

    def load(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.stem)
def test_examples_of_the_extensions_run(path: Path, extension) -> None:
    assert doctest.testmod(extension(path.stem)).failed == 0


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://host/mathjax.js"></script>',
        '<link rel="stylesheet" href="//host/a.css">',
        '<img src="http://host/badge.png">',
        "@import url('https://host/font.css');",
        "src: url(https://host/font.woff2)",
    ],
)
def test_what_comes_from_elsewhere_is_found(text: str, extension) -> None:
    assert extension("offline").loaded_from_elsewhere(text)


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://arxiv.org/abs/2001.04990">paper</a>',
        '<link rel="canonical" href="https://host/page.html">',
        '<script src="_static/doctools.js"></script>',
        '<math xmlns="http://www.w3.org/1998/Math/MathML"></math>',
    ],
)
def test_links_and_own_files_are_allowed(text: str, extension) -> None:
    assert extension("offline").loaded_from_elsewhere(text) == []


def test_every_field_of_a_record_needs_a_meaning(extension) -> None:
    found = extension("fields").meanings(
        "A window.\n\nAttributes:\n    low, high: edges [GeV].\n    n: events\n        in it.\n"
    )
    assert found["high"].unit == "GeV"
    assert found["n"].text == "events in it."
    assert set(found) == {"low", "high", "n"}


@pytest.mark.filterwarnings("ignore")
def test_a_formula_becomes_mathml_and_the_page_loads_nothing(tmp_path: Path) -> None:
    from sphinx.application import Sphinx

    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Page\n\n$$\n\\log p(x \\mid m) = \\frac{1}{2}\n$$\n")
    app = Sphinx(
        str(source),
        str(REPOSITORY / "docs"),
        str(tmp_path / "html"),
        str(tmp_path / "trees"),
        "html",
        status=None,
        warningiserror=True,
    )
    app.build()
    text = (tmp_path / "html/index.html").read_text()
    assert app.statuscode == 0
    assert "<mfrac>" in text
    assert not re.search(r'src="[^"]*mathjax', text, re.IGNORECASE)
