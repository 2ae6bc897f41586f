"""The folder of a search, and whether it has come to its result."""

from pathlib import Path

from anode import io
from anode.errors import DataError
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, load_search
from anode.statistics.scan.search_result import SearchResult


class SearchDirectory(RunDirectory):
    """The folder of a search; docs/reference/files.md says what each file holds."""

    _load = staticmethod(load_search)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.result = self.path / "search.json"
        self.spectra = self.path / "spectra.h5"
        self.top_events = self.path / "top_events.json"
        self.workspace = self.path / "workspace.json"
        self.overdispersion = self.path / "overdispersion.json"

    def read_result(self) -> SearchResult:
        """The content of ``search.json``.

        Raises:
            DataError: there is none, it is not JSON, or a key is missing or of the wrong kind.
        """
        return SearchResult.from_json(io.read_json(self.result), self.result)

    def _leftovers(self) -> list[Path]:
        """Not those below windows, which jobs of their own may be writing."""
        return [*self.path.glob(".*.partial*"), *self.figures.glob(".*.partial*")]


def is_concluded(config: SearchConfig, directory: SearchDirectory) -> bool:
    """Whether there is a result, and it is of these settings; one that cannot be read is not."""
    if not directory.result.is_file():
        return False
    try:
        return directory.read_result().conclusion == config.conclusion
    except DataError:
        return False
