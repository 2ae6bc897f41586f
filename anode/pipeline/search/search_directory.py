"""The folder of a search, and whether it has come to its result."""

import logging
from pathlib import Path

from anode import integrity, io
from anode.errors import DataError, RunDirectoryError
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, load_search
from anode.statistics.scan.search_result import SearchResult

log = logging.getLogger(__name__)

AGAIN = "delete search.json in this folder, and search again"
"""What to do about a damaged file of a search, its windows apart."""


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
            RunDirectoryError: it is not as it was written.
        """
        return SearchResult.from_json(io.read_json(self.result, remedy=AGAIN), self.result)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files beside ``search.json``, by their names, of those that are there."""
        files = (self.spectra, self.top_events, self.workspace)
        return {path.name: io.sha256_file(path) for path in files if path.is_file()}

    def check(self, result: SearchResult) -> None:
        """Check the files beside ``search.json``, as far as it says what they were.

        Raises:
            RunDirectoryError: one is not as it was written.
        """
        written = result.file_sha256 or {}
        for name, found in self.hashes().items():
            if written.get(name, found) != found:
                raise integrity.damaged(self.path / name, AGAIN)

    def _leftovers(self) -> list[Path]:
        """Not those below windows, which jobs of their own may be writing."""
        return [*self.path.glob(".*.partial*"), *self.figures.glob(".*.partial*")]


def is_concluded(config: SearchConfig, directory: SearchDirectory) -> bool:
    """Whether there is a result, and it is of these settings; one that cannot be read is not."""
    if not directory.result.is_file():
        return False
    try:
        return directory.read_result().conclusion == config.conclusion
    except (DataError, RunDirectoryError) as error:
        log.warning("the result is made again: %s", error)
        return False
