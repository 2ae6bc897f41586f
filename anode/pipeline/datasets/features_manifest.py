"""``FILE.manifest.json``: what became of every event of a raw file, and how features were made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from anode import io
from anode.errors import AnodeError
from anode.jets.settings import JetConfig
from anode.pipeline.datasets.workers import ClusterConfig
from anode.provenance import Provenance
from anode.records import LEFT_OUT_IF_NONE, Json, Place, Record


@dataclass(frozen=True)
class RawFile(Record):
    """The raw file.

    Attributes:
        file: name of the file.
        bytes: size of the file [bytes].
        sha256: hash of the file.
    """

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class FeaturesManifest(Record):
    """The content of the manifest beside a file of features.

    Attributes:
        layout: layout of the output, one of ``LAYOUTS``.
        n_read, n_written, n_skipped: events read, with features, and without.
        fingerprint: hash of all that determines the output.
        skipped: reason -> events without features.
        skipped_rows: reason -> rows of the first of them.
        columns: columns of the output.
        j1: meaning of the first jet.
        input: raw file.
        output_sha256: hash of the output.
        settings: settings of the jets.
        block_rows: number of events in a block.
        max_skipped: fraction of events that may have no features.
        n_jobs: number of processes.
        cluster: machines that the processes ran on.
        seconds: step -> wall time [s].
        seconds_in_blocks: stage -> time summed over blocks [s].
        peak_memory_mb: largest resident memory of a process [MB].
        versions: package -> version, of those that determine the output.
        made_by: command, code and versions; its keys stand beside the others.
        particles: number of particles kept beside the features; None without.
        substructure: groups of further columns; None without.
    """

    layout: str
    n_read: int
    n_written: int
    n_skipped: int
    fingerprint: str
    skipped: dict[str, int]
    skipped_rows: dict[str, tuple[int, ...]]
    columns: tuple[str, ...]
    j1: str
    input: RawFile
    output_sha256: str
    settings: JetConfig
    block_rows: int
    max_skipped: float
    n_jobs: int
    cluster: ClusterConfig
    seconds: dict[str, float]
    seconds_in_blocks: dict[str, float]
    peak_memory_mb: float
    versions: dict[str, str]
    made_by: Provenance
    particles: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True)
    substructure: tuple[str, ...] | None = field(
        default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True
    )

    @classmethod
    def read(cls, content: object, place: Place) -> Self:
        """As ``from_json``."""
        group = place.group(content)
        return super().read({**group, "made_by": group}, place)

    def to_json(self) -> dict[str, Json]:
        """The content of the file."""
        content = super().to_json()
        del content["made_by"]
        return content | self.made_by.to_json()


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(f"{output.name}.manifest.json")


def read_features_manifest(output: Path) -> FeaturesManifest | None:
    """The manifest of an output; None if there is none of this version."""
    path = manifest_path(output)
    try:
        return FeaturesManifest.from_json(io.read_json(path), path)
    except AnodeError:
        return None
