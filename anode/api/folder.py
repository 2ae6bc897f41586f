"""A temporary folder that belongs to an object: removed with it, and part of its copies."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class PrivateFolder:
    """A folder for what a fit keeps; a copy or pickle of the object carries the files along.

    Attributes:
        path: path of the folder; another one after unpickling.

    Example:
        >>> import copy
        >>> folder = PrivateFolder()
        >>> _ = (folder.path / "note").write_text("fitted")
        >>> other = copy.deepcopy(folder)
        >>> other.path == folder.path, (other.path / "note").read_text()
        (False, 'fitted')
        >>> del folder
        >>> other.path.is_dir()
        True
    """

    path: Path

    def __init__(self) -> None:
        self._make()

    def _make(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="anode-"))
        weakref.finalize(self, _remove, self.path, os.getpid())

    def __getstate__(self) -> dict[str, bytes]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files}

    def __setstate__(self, files: dict[str, bytes]) -> None:
        self._make()
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _remove(path: Path, owner: int) -> None:
    """Unless this is a forked child, whose parent still needs the folder."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
