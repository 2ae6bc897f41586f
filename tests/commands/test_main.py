"""``anode`` lists its commands at once, and each explains itself."""

import importlib
import subprocess
import sys

import pytest

from anode import __version__
from anode.commands.main import main
from anode.commands.table import COMMANDS
from anode.configuration.keys import groups_of, keys_of
from anode.errors import MissingPackageError
from helpers.settings import REPOSITORY


@pytest.mark.parametrize("name", COMMANDS)
def test_functions_of_a_command_are_there(name):
    for path in (COMMANDS[name].parse, COMMANDS[name].function):
        module, _, function = path.partition(":")
        try:
            assert callable(getattr(importlib.import_module(module), function))
        except MissingPackageError as error:
            pytest.skip(str(error))


def test_scripts_are_the_commands():
    scripts = {path.stem: path.read_text() for path in (REPOSITORY / "scripts").glob("*.py")}
    assert set(scripts) == {name.split()[0] for name in COMMANDS}
    for name, text in scripts.items():
        words = f'translate("{name}", sys.argv[1:])' if "translate" in text else f'["{name}", '
        assert f"main({words}" in text


def test_examples_are_of_their_command():
    for name, command in COMMANDS.items():
        assert all(line.startswith(f"anode {name}") for line in command.examples)


def test_the_list_of_commands_needs_no_heavy_package():
    code = (
        "import sys; from anode.__main__ import main; main([]);"
        "print(*({'torch', 'hydra', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    *listed, loaded = done.stdout.split("\n")[:-1]
    assert loaded == ""
    assert all(any(line.startswith(name) for line in listed) for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--version"]])
def test_the_version_is_said(arguments, capsys):
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"anode {__version__}\n"


def test_an_unknown_command_names_the_nearest(capsys):
    assert main(["serch"]) == 2
    assert capsys.readouterr().err == "error: unknown command serch; did you mean search?\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_every_key_and_group_of_the_command(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    lines, words = text.splitlines(), " ".join(text.split())
    command = COMMANDS[name]
    assert command.summary in text
    assert all(f"  {example}" in lines for example in command.examples)
    for key in keys_of(command.config):
        assert key.is_heading or f"  {key.path}={key.default}" in text
        assert key.comment in words
    for group in groups_of(command.config):
        assert any(line.split(" (")[0] == group.name for line in lines)
        assert all(choice.summary in words for choice in group.choices)


def test_commands_below_one_are_listed_by_it(capsys):
    for words in (["assistant"], ["assistant", "--help"]):
        assert main(words) == 0
        text = capsys.readouterr().out
        assert all(name in text for name in COMMANDS if name.startswith("assistant "))
        assert "anode COMMAND --help" in text
    assert main(["assistant", "analise", "seed=1"]) == 2
    message = "error: unknown command assistant analise; did you mean assistant analyse?\n"
    assert capsys.readouterr().err == message


def test_help_shows_only_groups_of_the_command_and_keys_of_the_choice(capsys):
    main(["explore", "-h"])
    assert "density" not in capsys.readouterr().out.splitlines()
    main(["run", "method=cathode", "--help"])
    text = capsys.readouterr().out
    assert "method.oversampling=4.0" in text
    assert "method.warm_start" not in text
    assert "* cathode" in text


def test_help_of_an_unknown_choice_is_an_error(capsys):
    assert main(["run", "method=cathod", "--help"]) == 2
    assert "did you mean cathode?" in capsys.readouterr().err
