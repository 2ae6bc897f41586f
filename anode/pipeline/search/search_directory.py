"""Files of a search, and whether it has come to its result."""

from pathlib import Path

from anode import io
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, load_search


class SearchDirectory(RunDirectory):
    """The folder of a search; the README's table says what each file holds."""

    _load = staticmethod(load_search)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.result = self.path / "search.json"
        self.spectra = self.path / "spectra.h5"
        self.top_events = self.path / "top_events.json"
        self.workspace = self.path / "workspace.json"

    def _leftovers(self) -> list[Path]:
        """Not those below windows, which jobs of their own may be writing."""
        return [*self.path.glob(".*.partial*"), *self.figures.glob(".*.partial*")]


def is_concluded(config: SearchConfig, directory: SearchDirectory) -> bool:
    """Whether the result there is, is of these settings."""
    if not directory.result.is_file():
        return False
    return bool(io.read_json(directory.result).get("conclusion") == config.conclusion)
