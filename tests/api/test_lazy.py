"""``import anode`` loads nothing heavy, and every public name is there when it is asked for."""

import ast
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import anode
from helpers.settings import REPOSITORY

HEAVY = ("torch", "hydra", "omegaconf", "sklearn", "matplotlib", "scipy", "h5py", "pandas")


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a new process has loaded after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    return set(done.stdout.split())


def test_the_import_loads_no_heavy_package():
    loaded = modules_after("import anode; dir(anode); anode.__version__")
    assert "anode" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert not [name for name in loaded if name.startswith("anode.")]


def test_errors_load_no_heavy_package():
    assert modules_after("from anode import AnodeError").isdisjoint(HEAVY)


def test_events_need_neither_hydra_nor_figures():
    assert modules_after("from anode import Events").isdisjoint({"hydra", "sklearn", "matplotlib"})


@pytest.mark.parametrize("name", anode.__all__)
def test_every_public_name_is_there(name):
    assert getattr(anode, name) is not None
    assert name in dir(anode)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Annode'"):
        _ = anode.Annode


def test_type_checkers_see_the_names_that_are_loaded():
    tree = ast.parse(Path(anode.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {node.names[0].name: node.module for node in block.body}
    assert seen == anode._MODULES
    assert (files("anode") / "py.typed").is_file()
