"""How does a file of raw particles of any size become a file of features?

Rows are cut into blocks, blocks are tasks of ``cluster.py``, and each is saved when it is done in
the folder ``<output>.partial``. An interrupted command goes on behind the blocks that are there;
the result does not depend on the size of blocks, the number of workers or interruptions. Memory
holds a few blocks. The manifest beside the output says what every event became.
"""

import fcntl
import itertools
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig
from tqdm import tqdm

from anode import io
from anode.errors import ConfigError, DataError
from anode.events.dijet import RAW_COLUMNS
from anode.events.feature_file import EVENT_ID, LABEL, LAYOUTS, Columns, write_features
from anode.events.raw import raw_layout
from anode.jets.blocks import (
    STAGES,
    Block,
    BlockReport,
    package_versions,
    process_block,
    read_block,
)
from anode.jets.features import COLUMNS
from anode.jets.settings import JetConfig
from anode.pipeline.artifacts import peak_memory_mb, provenance
from anode.pipeline.cluster import ClusterConfig, open_workers
from anode.pipeline.config import build, resolve
from anode.pipeline.data_config import DataConfig, RawDataConfig

log = logging.getLogger(__name__)

INTEGER_COLUMNS = ("n_constituentsj1", "n_constituentsj2", "n_particles")
LISTED = 100
"""Rows of skipped events that the manifest lists for each reason."""


@dataclass(frozen=True)
class FeaturesConfig:
    """Keys of ``configs/features.yaml``."""

    data: DataConfig
    output: str
    layout: str
    n_jobs: int
    keep_blocks: bool
    cluster: ClusterConfig

    def __post_init__(self) -> None:
        if not isinstance(self.data, RawDataConfig):
            raise ConfigError(
                f"features are made of raw particles: choose data=lhco_raw or data=blackbox, got "
                f"data.reader={self.data.reader}"
            )
        for key in ("extra_background", "n_background", "n_signal"):
            if getattr(self.data, key) is not None:
                raise ConfigError(f"data.{key} has no meaning here: every event gets its features")
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")


class Source(NamedTuple):
    """A raw file and everything about it that decides what its features are.

    Attributes:
        path: absolute.
        n_events: its rows.
        identity: size, time of change, and hash of the first and last MiB: what a restart can
            check of a file of any size without reading it all.
        settings: of the jets.
        versions: of the packages.
    """

    path: Path
    n_events: int
    identity: str
    settings: JetConfig
    versions: dict[str, str]

    def fingerprint(self) -> str:
        """Short hash of it all."""
        versions = sorted(self.versions.items())
        content = (self.identity, self.n_events, asdict(self.settings), versions, COLUMNS)
        return io.sha256_text(repr(content))[:12]


def parse_features(raw: DictConfig) -> FeaturesConfig:
    """Check Hydra's configuration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(FeaturesConfig, resolve(raw), "")


def features(config: FeaturesConfig) -> None:
    """Make the features of a raw file and say what became of its events."""
    data = config.data
    assert isinstance(data, RawDataConfig)
    output = Path(config.output)
    manifest = make_features(
        data,
        output,
        layout=config.layout,
        cluster=config.cluster,
        n_jobs=config.n_jobs,
        keep_blocks=config.keep_blocks,
    )
    print(
        f"{output}: {manifest['n_written']} of {manifest['n_read']} events, "
        f"{manifest['n_skipped']} skipped; {manifest_path(output)} has the rest"
    )


def make_features(
    data: RawDataConfig,
    output: Path,
    *,
    layout: str,
    cluster: ClusterConfig,
    n_jobs: int,
    keep_blocks: bool = False,
) -> dict[str, Any]:
    """Write the features of ``data.path`` to ``output``, or find them there; give the manifest.

    Raises:
        ConfigError: a package is missing.
        DataError: the file is no raw file or is damaged, more than ``data.max_skipped`` of its
            events have no features, the disk is full, or ``output`` is something else.
    """
    source = _source(Path(str(data.path)), data.jets)
    work = output.with_name(f"{output.name}.partial")
    with _writing(output, work), _locked(work):
        finished = _finished(output, source, layout)
        if finished is None:
            finished = _make(data, source, output, work, layout, cluster, n_jobs)
        if not keep_blocks:
            shutil.rmtree(work, ignore_errors=True)
    return finished


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(f"{output.name}.manifest.json")


def _make(
    data: RawDataConfig,
    source: Source,
    output: Path,
    work: Path,
    layout: str,
    cluster: ClusterConfig,
    n_jobs: int,
) -> dict[str, Any]:
    clock = [time.perf_counter()]
    folder = work.resolve() / source.fingerprint()
    tally = _run_blocks(source, folder, data.block_rows, cluster, n_jobs)
    clock.append(time.perf_counter())
    _refuse_skipped(source, tally, data.max_skipped)
    if _identity(source.path) != source.identity:
        raise DataError(f"{source.path} has changed while it was read; run the command again")
    digest = io.sha256_file(source.path)
    clock.append(time.perf_counter())
    facts = {
        "layout": layout,
        "fingerprint": source.fingerprint(),
        "n_read": tally.n_read,
        "n_written": tally.n_written,
        "n_skipped": sum(tally.skipped.values()),
    }
    paths = (folder / _block_name(*rows) for rows in _cut(source.n_events, data.block_rows))
    settings = {f"jets_{key}": value for key, value in asdict(source.settings).items()}
    versions = {f"version_{name}": text for name, text in source.versions.items()}
    attributes = {**facts, **settings, **versions, "source_sha256": digest}
    parts = (part for path in paths if len((part := _columns(path))[EVENT_ID]))
    assembled = folder / "assembled"
    write_features(assembled, parts, n_rows=tally.n_written, layout=layout, attributes=attributes)
    clock.append(time.perf_counter())
    walls = [round(b - a, 2) for a, b in itertools.pairwise(clock)]
    manifest = {
        **facts,
        "skipped": dict(tally.skipped),
        "skipped_rows": {reason: rows for reason, rows in tally.rows.items() if rows},
        "columns": list(RAW_COLUMNS if layout == "lhco" else COLUMNS),
        "j1": "the jet of larger transverse momentum, in every layout",
        "input": {"file": source.path.name, "bytes": source.path.stat().st_size, "sha256": digest},
        "output_sha256": io.sha256_file(assembled),
        "settings": asdict(source.settings),
        "block_rows": data.block_rows,
        "max_skipped": data.max_skipped,
        "n_jobs": n_jobs,
        "cluster": asdict(cluster),
        "seconds": dict(zip(("blocks", "hash", "assemble"), walls, strict=True)),
        "seconds_in_blocks": {name: round(tally.seconds[name], 2) for name in STAGES},
        "peak_memory_mb": peak_memory_mb(),
        "versions": source.versions,
        **provenance(),
    }
    # In this order: an output without its manifest would not be known again.
    io.write_json(manifest_path(output), manifest)
    os.replace(assembled, output)
    return manifest


class _Tally:
    """Sums over blocks."""

    def __init__(self) -> None:
        self.n_read = self.n_written = 0
        self.skipped: Counter[str] = Counter()
        self.rows: dict[str, list[int]] = {}
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def add(self, report: BlockReport) -> None:
        self.n_read += report.n_read
        self.n_written += report.n_written
        for reason, rows in report.skipped.items():
            self.skipped[reason] += len(rows)
            # Blocks end in any order; the first rows must not depend on it.
            self.rows[reason] = sorted([*self.rows.get(reason, []), *rows])[:LISTED]
        for stage, seconds in report.seconds.items():
            self.seconds[stage] += seconds


def _run_blocks(
    source: Source, folder: Path, block_rows: int, cluster: ClusterConfig, n_jobs: int
) -> _Tally:
    def blocks() -> Iterator[Block]:
        for start, stop in _cut(source.n_events, block_rows):
            path = folder / _block_name(start, stop)
            yield Block(source.path, start, stop, source.settings, path, source.versions)

    tally = _Tally()
    n_jobs = min(n_jobs, -(-source.n_events // block_rows))
    with (
        open_workers(cluster, n_jobs=n_jobs) as workers,
        tqdm(total=source.n_events, desc="features", unit=" events", disable=None) as bar,
    ):
        for _, report in workers.completed(process_block, blocks()):
            tally.add(report)
            bar.update(report.n_read)
    return tally


def _refuse_skipped(source: Source, tally: _Tally, max_skipped: float) -> None:
    """Report events without features, and refuse the file if they are too many."""
    n_skipped = sum(tally.skipped.values())
    if tally.n_read != tally.n_written + n_skipped or tally.n_read != source.n_events:
        raise DataError(
            f"{source.path}: every event must be written or skipped, but of {source.n_events} "
            f"{tally.n_read} were read, {tally.n_written} written and {n_skipped} skipped"
        )
    if not n_skipped:
        return
    reasons = "; ".join(
        f"{reason}: {n}, first row {tally.rows[reason][0]}"
        for reason, n in sorted(tally.skipped.items())
        if n
    )
    text = f"{source.path}: {n_skipped} of {tally.n_read} events have no features ({reasons})"
    if n_skipped > max_skipped * tally.n_read or not tally.n_written:
        raise DataError(
            f"{text}, more than the share of {max_skipped:g} that data.max_skipped allows; "
            "nothing was written. Repair the file, or raise data.max_skipped"
        )
    log.warning("%s", text)


def _columns(path: Path) -> Columns:
    block = read_block(path)
    columns = {EVENT_ID: block.event_id, **dict(zip(COLUMNS, block.values.T, strict=True))}
    columns |= {name: columns[name].astype("int32") for name in INTEGER_COLUMNS}
    return columns if block.label is None else {**columns, LABEL: block.label}


def _cut(n_events: int, block_rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_events, block_rows):
        yield start, min(start + block_rows, n_events)


def _block_name(start: int, stop: int) -> str:
    return f"{start:012d}_{stop:012d}.h5"


def _source(path: Path, settings: JetConfig) -> Source:
    n_events = raw_layout(path).n_events
    path = path.resolve()
    return Source(path, n_events, _identity(path), settings, package_versions())


def _identity(path: Path) -> str:
    facts, reach = path.stat(), 1 << 20
    with open(path, "rb") as file:
        head = file.read(reach)
        file.seek(max(0, facts.st_size - reach))
        content = head + file.read(reach)
    return f"{facts.st_size} {facts.st_mtime_ns} {io.sha256_text(content.hex())}"


def fingerprint(path: Path, settings: JetConfig) -> str:
    """Short hash of a raw file, the settings and package versions."""
    return _source(path, settings).fingerprint()


def _finished(output: Path, source: Source, layout: str) -> dict[str, Any] | None:
    """The manifest of the same features made before; None without any output.

    Raises:
        DataError: ``output`` is there and is something else.
    """
    if not output.exists():
        return None
    known = manifest_path(output)
    manifest: dict[str, Any] = io.read_json(known) if known.is_file() else {}
    theirs = (manifest.get("fingerprint"), manifest.get("layout"))
    if theirs == (source.fingerprint(), layout):
        log.info("%s is finished already", output)
        return manifest
    raise DataError(
        f"{output} exists and is not what this command makes (another input, settings, layout or "
        "package version, or no manifest); choose another output, or delete it"
    )


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Wait for another process that makes the same output."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            log.info("another process makes the same file; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        os.makedirs(work, exist_ok=True)
        yield


@contextmanager
def _writing(output: Path, work: Path) -> Iterator[None]:
    """A full disk, or one that cannot be written, is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write {output}: {error}; finished blocks are kept in {work}: make room and "
            "run the same command again"
        ) from None
