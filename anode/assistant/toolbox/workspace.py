"""Which files a caller may name: those below one folder, by names that are nothing but names."""

import re
from pathlib import Path

from anode.errors import ConfigError

_NAME = re.compile(r"[\w .+=@,()/-]+")
"""What a path may be made of: nothing that a shell, Hydra or OmegaConf would read as more."""
_WORD = re.compile(r"[A-Za-z_]\w*")


class Workspace:
    """A folder that every path must lie in.

    Args:
        root: folder; it must be there.

    Raises:
        ConfigError: it is not.

    Example:
        >>> Workspace(".").path("../other", "run_dir")
        Traceback (most recent call last):
        anode.errors.ConfigError: run_dir must lie below the root, without .., got '../other'
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise ConfigError(f"root must be a folder that is there, got {root}")

    def path(self, name: str, key: str) -> Path:
        """A path below the root, links followed; it need not be there.

        Args:
            name: path relative to the root, or an absolute one inside it.
            key: name of the argument, for errors.

        Raises:
            ConfigError: it leads out of the root, into a hidden folder, or has strange characters.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{key} must be made of letters, digits and ' .+=@,()/_-', got {name!r}"
            )
        given = Path(name)
        found = (self.root / given).resolve()
        if ".." in given.parts or not found.is_relative_to(self.root):
            raise ConfigError(f"{key} must lie below the root, without .., got {name!r}")
        if any(part.startswith(".") for part in found.relative_to(self.root).parts):
            raise ConfigError(f"{key} must not be hidden, got {name!r}")
        return found

    def file(self, name: str, key: str) -> Path:
        """A file below the root.

        Raises:
            ConfigError: as ``path``, or there is none.
        """
        found = self.path(name, key)
        if not found.is_file():
            raise ConfigError(f"{key}: there is no file {name} below the root")
        return found

    def output(self, name: str, key: str) -> Path:
        """A folder or file that may be written: not the root itself.

        Raises:
            ConfigError: as ``path``.
        """
        found = self.path(name, key)
        if found == self.root:
            raise ConfigError(f"{key} must be a folder or file below the root, got the root")
        return found

    def folder(self, name: str, key: str) -> Path:
        """A folder that may be written, there or not.

        Raises:
            ConfigError: as ``output``, or it is a file.
        """
        found = self.output(name, key)
        if found.is_file():
            raise ConfigError(f"{key} must be a folder, but {name} is a file; choose another name")
        return found

    def shown(self, path: Path) -> str:
        """A path below the root as callers name it."""
        return path.relative_to(self.root).as_posix()


def word(text: str, key: str) -> str:
    """A name of a column or feature.

    Raises:
        ConfigError: it is no plain word.
    """
    if not _WORD.fullmatch(text):
        raise ConfigError(f"{key} must be a word of letters, digits and _, got {text!r}")
    return text


def column(text: str, key: str) -> str:
    """A name of a column in a file, which may be a path inside HDF5.

    Raises:
        ConfigError: it has strange characters.
    """
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{key} must be made of letters, digits and ' .+=@,()/_-', got {text!r}")
    return text


def quoted(text: str) -> str:
    """A checked text as a value of Hydra's command line."""
    return f"'{text}'"
