"""The documentation says what is there: links, commands, keys, messages, versions, examples."""

import ast
import re
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import anode
from anode.commands.table import COMMANDS, Command
from anode.configuration.builder import CONFIG_DIR
from anode.configuration.composition import compose
from anode.configuration.keys import choices_of, keys_of, read_keys
from anode.io import read_json
from helpers.pages import Page, all_pages, read_page
from helpers.settings import REPOSITORY

PAGES = all_pages()
DOCS = REPOSITORY / "docs"
GROUPS = {path.name for path in CONFIG_DIR.iterdir() if path.is_dir()}

EXAMPLES = {path.stem for path in (DOCS / "examples").glob("*.yaml")}
"""Choices that a page adds."""

of_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@of_page
def test_every_link_and_image_leads_to_a_file(page: Page) -> None:
    missing = []
    for target in page.links:
        path, _, _ = target.partition("#")
        if path and not (page.path.parent / path).exists():
            missing.append(target)
    assert not missing


@of_page
def test_every_anchor_is_a_heading_of_its_page(page: Page) -> None:
    for target in page.links:
        path, _, anchor = target.partition("#")
        if anchor:
            other = page if not path else read_page((page.path.parent / path).resolve())
            assert anchor in headings(other), target


def headings(page: Page) -> set[str]:
    """Anchors of a page, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", page.text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@of_page
def test_every_command_is_ours_and_composes(page: Page) -> None:
    for words in page.command_lines:
        if "..." in " ".join(words):
            continue
        if words[0] == "make":
            assert set(words[1:]) <= make_targets(), words
        else:
            name, rest = words[1] if words[0] == "anode" else Path(words[1]).stem, words[2:]
            if name.isupper() or (name == "assistant" and not rest):  # anode COMMAND
                continue
            if name == "assistant":  # which has commands below it
                name, rest = f"{name} {rest[0]}", rest[1:]
            assert name in COMMANDS, words
            arguments = [word for word in rest if not word.startswith("-")]
            if arguments:
                check_arguments(COMMANDS[name], first_values(arguments))


PLACEHOLDER = re.compile(r"\b[A-Z]{2,}[A-Z_]*\b")


def check_arguments(command: Command, arguments: list[str]) -> None:
    """Compose a command's configuration, and check its values where none stands for another."""
    raw = compose(command.config, arguments)
    if any(PLACEHOLDER.search(argument) for argument in arguments):
        return
    if command.config in ("run", "search"):
        raw = compose(command.config, [*arguments, "run_dir=somewhere"])
    module, _, function = command.parse.partition(":")
    getattr(import_module(module), function)(raw)


def first_values(overrides: list[str]) -> list[str]:
    """Overrides with the first of the values of a sweep, those of a group's CHOICE left out."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    return [
        f"{each.get_key_element()}={next(iter(each.sweep_string_iterator()))}"
        if each.is_sweep_override()
        else text
        for text, each in zip(overrides, parsed, strict=True)
        if not (each.get_key_element() in GROUPS and str(each.value()).isupper())
    ]


@cache
def make_targets() -> frozenset[str]:
    text = (REPOSITORY / "Makefile").read_text()
    return frozenset(re.findall(r"^([a-z][\w-]*):", text, flags=re.MULTILINE))


@cache
def known_keys() -> frozenset[str]:
    """Every key of every command, with those that a choice of a group sets, and headings."""
    found = {key.path for path in CONFIG_DIR.glob("*.yaml") for key in _keys(path.stem)}
    for group in GROUPS:
        for choice in choices_of(group):
            for key in read_keys(f"{group}/{choice.name}"):
                found |= {key.path, f"{group}.{key.path}"}
    # A method may have a density and a trainer of its own.
    inner = [key for key in found if key.startswith(("density.", "trainer."))]
    found |= {f"{outer}.{key}" for outer in ("method", "classifier") for key in inner}
    return frozenset({*found, *(".".join(k.split(".")[:-1]) for k in found)})


def _keys(config: str) -> list:
    return [] if config == "datasets" else keys_of(config)


@of_page
def test_every_configuration_key_exists(page: Page) -> None:
    if page.name == "docs/reference/files.md":  # keys of files
        return
    tops = {key.split(".")[0] for key in known_keys() if "." in key}
    unknown = []
    for code in page.inline_code:
        match = re.match(r"([a-z_]+(?:\.[a-z0-9_]+)+)(?==|$)", code)
        if match and match[1].split(".")[0] in tops and match[1] not in known_keys():
            unknown.append(code)
    assert not unknown


@of_page
def test_every_choice_of_a_group_exists(page: Page) -> None:
    for code in page.inline_code:
        match = re.fullmatch(r"([a-z]+)=([a-z_][a-z0-9_/]*)", code)
        if match and match[1] in GROUPS:
            names = {choice.name for choice in choices_of(match[1])}
            assert match[2] in {*names, *EXAMPLES, "null"}, code


@of_page
def test_python_blocks_compile(page: Page) -> None:
    for block in page.blocks:
        if block.kind == "python" or block.kind.startswith("{code-cell}"):
            ast.parse(block.text)


def test_messages_of_the_troubleshooting_page_are_those_of_the_code() -> None:
    page = read_page(DOCS / "troubleshooting.md")
    quoted = [code.removeprefix("error: ") for code in page.inline_code if code[:7] == "error: "]
    assert len(quoted) >= 15
    strange = [m for m in quoted if not any(in_order(parts, m) for parts in messages())]
    assert not strange


def in_order(parts: tuple[str, ...], text: str) -> bool:
    """Whether all parts stand in the text, one behind the other."""
    place = 0
    for part in parts:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True


@cache
def messages() -> list[tuple[str, ...]]:
    """Strings of the code, each as the parts between the values that are filled in."""
    found = set()
    for path in (REPOSITORY / "anode").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.add(tuple(p.value for p in node.values if isinstance(p, ast.Constant)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add((node.value,))
    return [parts for parts in found if sum(map(len, parts)) > 25]


def test_the_table_of_the_readme_is_that_of_the_reference() -> None:
    text = (REPOSITORY / "README.md").read_text()
    table = text.split("<!-- main-job-table -->")[1].strip().split("\n\n")[0].splitlines()
    reference = (REPOSITORY / "results/reference/anode/main_job/comparison.md").read_text()
    known = _table(reference)
    shown = _table("\n".join(table))
    assert len(shown) >= 2
    for name, row in shown.items():
        assert row == {column: known[name][column] for column in row}


def _table(text: str) -> dict[str, dict[str, str]]:
    """Rows by their first cell, cells by their column."""
    header, _, *rows = [_cells(line) for line in text.splitlines() if line.startswith("|")]
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_the_reference_is_of_its_numbers() -> None:
    folder = REPOSITORY / "results/reference/anode/full"
    rows = _table((folder / "comparison.md").read_text())
    for name, group in read_json(folder / "comparison.json").items():
        assert rows[name]["AUC"].startswith(f"{group['auc']['median']:.3f}")
        assert rows[name]["max SIC"].startswith(f"{group['max_sic']['median']:.2f}")


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == anode.__version__
    assert f"## {anode.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"anode-{anode.__version__}-py3" in (DOCS / "install.md").read_text()


def test_the_citation_file_has_what_the_format_asks_for() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "type"} <= citation.keys()
    for entry in [citation, *citation["references"]]:
        for author in entry["authors"]:
            assert "name" in author or {"family-names", "given-names"} <= author.keys()
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_the_installation_page_lists_every_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    rows = re.findall(r"^\| `([\w-]+)` \|", (DOCS / "install.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(project["optional-dependencies"])


def test_the_hosted_workflow_calls_make_targets_that_exist() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    called = [step["run"].split() for step in steps if "run" in step]
    targets = {target for words in called if words[0] == "make" for target in words[1:]}
    assert targets == {"lint", "test", "docs"}
    assert [".ci/wheel"] in called
    assert targets <= make_targets()


def test_issue_forms_are_forms() -> None:
    forms = sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    for path in forms:
        content = yaml.safe_load(path.read_text())
        if path.name != "config.yml":
            assert {"name", "description", "body"} <= content.keys()
            assert {part["type"] for part in content["body"]} <= {"textarea", "input", "markdown"}
    assert len(forms) >= 3
