"""Folders of a wheel lie in the package, those of a checkout beside it; all their files travel."""

from importlib import metadata

import pytest
import setuptools

from anode import resources
from helpers.settings import REPOSITORY


def test_a_checkout_has_its_folders_beside_the_package():
    assert REPOSITORY / "configs" == resources.CONFIGS
    assert REPOSITORY / "data" == resources.DATA


def test_a_wheel_has_its_folders_in_the_package(monkeypatch, tmp_path):
    (tmp_path / "anode/configs").mkdir(parents=True)
    monkeypatch.setattr(resources, "files", lambda package: tmp_path / package)
    assert resources.folder("configs") == tmp_path / "anode/configs"
    assert resources.folder("data") == tmp_path / "data"


def test_the_wheel_has_every_room_and_every_group_of_configurations(monkeypatch):
    given: dict = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    monkeypatch.chdir(REPOSITORY)
    exec((REPOSITORY / "setup.py").read_text(), {})
    packages = set(given["packages"])
    rooms = {path.parent for path in (REPOSITORY / "anode").rglob("*.py")}
    groups = {path.parent for path in (REPOSITORY / "configs").rglob("*.yaml")}
    dotted = {".".join(path.relative_to(REPOSITORY).parts) for path in rooms | groups}
    assert {n if n.startswith("anode") else f"anode.{n}" for n in dotted} <= packages
    assert "anode.data" in packages


def test_the_command_is_an_entry_point():
    try:
        (entry,) = metadata.distribution("anode").entry_points.select(name="anode")
    except metadata.PackageNotFoundError:
        pytest.skip("anode is not installed")
    assert entry.load().__module__ == "anode.commands.main"
