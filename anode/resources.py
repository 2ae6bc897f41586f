"""Folders that belong to the package: the configuration files and the bundled events.

A wheel carries both inside the package, as ``anode/configs`` and ``anode/data``. In a checkout
they stand beside it.
"""

from importlib.resources import files
from pathlib import Path


def folder(name: str) -> Path:
    """The folder ``name``, wherever this installation has it.

    Args:
        name: "configs" or "data".
    """
    package = Path(str(files("anode")))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


CONFIGS = folder("configs")
DATA = folder("data")
