"""Blocks of a raw file, computed in parallel, and the account of its events."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from anode import io, progress
from anode.errors import DataError
from anode.events.readers.raw_particles import raw_layout
from anode.events.substructure_columns import columns_of_groups
from anode.events.writers.particle_group import PT_BITS, STEP
from anode.jets.blocks import STAGES, BlockJob, BlockReport, package_versions, process_block
from anode.jets.features import COLUMNS
from anode.jets.settings import JetConfig
from anode.pipeline.datasets.config import RawDataConfig
from anode.pipeline.datasets.workers import ClusterConfig, open_workers

log = logging.getLogger(__name__)

LISTED = 100
"""Number of skipped rows that the manifest lists for each reason."""


class RawInput(NamedTuple):
    """A raw file with everything that its features depend on.

    Attributes:
        path: absolute path.
        n_events: number of rows.
        identity: size, time of change, and hash of the first and last MiB, which a restart can
            check for a file of any size without reading it all.
        settings: settings of the jets.
        versions: versions of the packages.
        particles: True if the particles are kept beside the features.
        substructure: groups of further columns that are made.
    """

    path: Path
    n_events: int
    identity: str
    settings: JetConfig
    versions: dict[str, str]
    particles: bool = False
    substructure: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Short hash of all of it but the path."""
        versions = sorted(self.versions.items())
        content: tuple[object, ...] = (
            self.identity, self.n_events, asdict(self.settings), versions, COLUMNS,
        )  # fmt: skip
        if self.particles:  # without, it is that of former versions
            content += (("particles", PT_BITS, STEP),)
        if self.substructure:
            content += (("substructure", columns_of_groups(self.substructure)),)
        return io.sha256_text(repr(content))[:12]


class Tally:
    """Sums over blocks."""

    def __init__(self) -> None:
        self.n_read = self.n_written = 0
        self.skipped: Counter[str] = Counter()
        self.rows: dict[str, list[int]] = {}
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def add(self, report: BlockReport) -> None:
        """Add the numbers of a block."""
        self.n_read += report.n_read
        self.n_written += report.n_written
        for reason, rows in report.skipped.items():
            self.skipped[reason] += len(rows)
            # Blocks end in any order; the first rows must not depend on it.
            self.rows[reason] = sorted([*self.rows.get(reason, []), *rows])[:LISTED]
        for stage, seconds in report.seconds.items():
            self.seconds[stage] += seconds

    def check(self, source: RawInput) -> None:
        """Refuse sums in which not every event was read once, and written or skipped.

        Raises:
            DataError: the sums disagree, which is a bug.
        """
        accounted = self.n_written + sum(self.skipped.values())
        if not self.n_read == accounted == source.n_events:
            raise DataError(
                f"{source.path}: each of the {source.n_events} events must be written or skipped, "
                f"but {self.n_read} were read and {accounted} accounted for; this is a bug"
            )


def raw_source(
    path: Path,
    settings: JetConfig,
    *,
    particles: bool = False,
    substructure: tuple[str, ...] = (),
) -> RawInput:
    """A raw file as it is now, for features with or without its particles and further columns.

    Raises:
        ConfigError: a package is missing.
        DataError: it is missing, or no raw file.
    """
    n_events = raw_layout(path).n_events
    path = path.resolve()
    identity = identity_of(path)
    versions = package_versions()
    return RawInput(path, n_events, identity, settings, versions, particles, substructure)


def identity_of(path: Path) -> str:
    """Size, time of change, and hash of the first and last MiB."""
    facts, reach = path.stat(), 1 << 20
    with open(path, "rb") as file:
        head = file.read(reach)
        file.seek(max(0, facts.st_size - reach))
        content = head + file.read(reach)
    return f"{facts.st_size} {facts.st_mtime_ns} {io.sha256_text(content.hex())}"


def blocks_of(source: RawInput, folder: Path, block_rows: int) -> Iterator[BlockJob]:
    """The file in blocks, in the order of its rows."""
    for start in range(0, source.n_events, block_rows):
        stop = min(start + block_rows, source.n_events)
        path = folder / f"{start:012d}_{stop:012d}.h5"
        yield BlockJob(
            source.path,
            start,
            stop,
            source.settings,
            path,
            source.versions,
            source.particles,
            source.substructure,
        )


def run_blocks(
    source: RawInput, folder: Path, block_rows: int, cluster: ClusterConfig, n_jobs: int
) -> Tally:
    """Compute every block that is not finished; blocks end in any order."""
    tally = Tally()
    n_jobs = min(n_jobs, -(-source.n_events // block_rows))
    with (
        open_workers(cluster, n_jobs=n_jobs) as workers,
        progress.task("features", total=source.n_events, unit="events") as bar,
    ):
        for _, report in workers.completed(process_block, blocks_of(source, folder, block_rows)):
            tally.add(report)
            bar.update(report.n_read)
    return tally


def refuse_skipped(
    path: Path, skipped: Mapping[str, int], rows: Mapping[str, Sequence[int]], data: RawDataConfig
) -> None:
    """Log events without features, and refuse the file if they are too many.

    Raises:
        DataError: they are more than ``data.max_skipped`` allows.
    """
    n_skipped, n_events = sum(skipped.values()), raw_layout(path).n_events
    if not n_skipped:
        return
    reasons = "; ".join(
        f"{r}: {n}, first row {rows[r][0]}" for r, n in sorted(skipped.items()) if n
    )
    text = f"{path}: {n_skipped} of {n_events} events have no features ({reasons})"
    if n_skipped > data.max_skipped * n_events or n_skipped == n_events:
        raise DataError(
            f"{text}, more than the share of {data.max_skipped:g} that data.max_skipped allows; "
            "repair the file, or raise data.max_skipped"
        )
    log.warning("%s", text)
