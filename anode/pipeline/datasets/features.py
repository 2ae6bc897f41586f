"""Conversion of a file of raw particles, of any size, to a file of features.

Rows are cut into blocks, blocks are tasks of ``workers.py``, and each is saved when it is done in
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode import io
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError, DataError
from anode.events.feature_definitions import RAW_COLUMNS
from anode.events.readers.particle_group import ParticleGroup
from anode.events.substructure_columns import columns_of_groups, groups_of
from anode.events.writers.feature_files import (
    EVENT_ID,
    LABEL,
    LAYOUTS,
    WITH_PARTICLES,
    WITH_SUBSTRUCTURE,
    Columns,
    write_features,
)
from anode.jets.blocks import STAGES, read_block, read_block_particles
from anode.jets.features import COLUMNS
from anode.pipeline.datasets.config import CHOICES, RUN_KEYS, DataConfig, RawDataConfig
from anode.pipeline.datasets.feature_blocks import (
    RawInput,
    blocks_of,
    identity_of,
    raw_source,
    refuse_skipped,
    run_blocks,
)
from anode.pipeline.datasets.features_manifest import (
    FeaturesManifest,
    RawFile,
    manifest_path,
    read_features_manifest,
)
from anode.pipeline.datasets.workers import ClusterConfig
from anode.provenance import peak_memory_mb, provenance

log = logging.getLogger(__name__)

INTEGER_COLUMNS = ("n_constituentsj1", "n_constituentsj2", "n_particles")


@dataclass(frozen=True)
class FeaturesConfig:
    """Keys of ``configs/features.yaml``."""

    data: DataConfig
    output: str
    layout: str
    n_jobs: int
    keep_blocks: bool
    cluster: ClusterConfig
    particles: bool

    def __post_init__(self) -> None:
        if type(self.data) is not RawDataConfig:
            raise ConfigError(
                "features are made of raw particles, and keep labels if there are any: choose "
                f"data=lhco_raw, got data.reader={self.data.reader}"
            )
        for key in ("extra_background", "n_background", "n_signal"):
            if getattr(self.data, key) is not None:
                raise ConfigError(f"data.{key} has no meaning here: every event gets its features")
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        if self.particles and self.layout != WITH_PARTICLES:
            raise ConfigError(
                f"particles=true needs layout={WITH_PARTICLES}, the only one with room for them, "
                f"got layout={self.layout}; choose layout={WITH_PARTICLES}, or particles=false"
            )
        if self.data.substructure is not None and self.layout != WITH_SUBSTRUCTURE:
            raise ConfigError(
                f"data.substructure={self.data.substructure} needs layout={WITH_SUBSTRUCTURE}, "
                f"the only one with room for its columns, got layout={self.layout}; choose "
                f"layout={WITH_SUBSTRUCTURE}, or data.substructure=null"
            )
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")


def parse_features(raw: DictConfig) -> FeaturesConfig:
    """Check Hydra's configuration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    content = {key: value for key, value in resolve(raw).items() if key not in RUN_KEYS}
    return build(FeaturesConfig, content, choices=CHOICES)


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
        particles=config.particles,
    )
    print(
        f"{output}: {manifest.n_written} of {manifest.n_read} events, "
        f"{manifest.n_skipped} skipped; {manifest_path(output)} has the rest"
    )


def make_features(
    data: RawDataConfig,
    output: Path,
    *,
    layout: str,
    cluster: ClusterConfig,
    n_jobs: int,
    keep_blocks: bool = False,
    particles: bool = False,
) -> FeaturesManifest:
    """Write the features of ``data.path``, and its particles if asked for, to ``output``, or find
    them there; give the manifest.

    Raises:
        ConfigError: a package is missing.
        DataError: the file is no raw file or is damaged, more than ``data.max_skipped`` of its
            events have no features, the disk is full, or ``output`` is something else.
    """
    groups = groups_of(data.substructure)
    path = Path(str(data.path))
    source = raw_source(path, data.jets, particles=particles, substructure=groups)
    work = output.with_name(f"{output.name}.partial")
    finished = _finished(output, source, layout)  # refuses before anything is made
    if finished is not None and not work.exists():  # nothing to write, where nobody may
        refuse_skipped(source.path, finished.skipped, finished.skipped_rows, data)
        return finished
    with _writing(output, work), _locked(work):
        finished = _finished(output, source, layout)
        if finished is None:
            finished = _make(data, source, output, work, layout, cluster, n_jobs)
        else:
            refuse_skipped(source.path, finished.skipped, finished.skipped_rows, data)
        if not keep_blocks:
            shutil.rmtree(work, ignore_errors=True)
    return finished


def _make(
    data: RawDataConfig,
    source: RawInput,
    output: Path,
    work: Path,
    layout: str,
    cluster: ClusterConfig,
    n_jobs: int,
) -> FeaturesManifest:
    clock = [time.perf_counter()]
    folder = work.resolve() / source.fingerprint()
    tally = run_blocks(source, folder, data.block_rows, cluster, n_jobs)
    clock.append(time.perf_counter())
    tally.check(source)
    refuse_skipped(source.path, tally.skipped, tally.rows, data)
    if identity_of(source.path) != source.identity:
        raise DataError(f"{source.path} has changed while it was read; run the command again")
    digest = io.sha256_file(source.path)
    clock.append(time.perf_counter())
    facts = {
        "layout": layout,
        "n_read": tally.n_read,
        "n_written": tally.n_written,
        "n_skipped": sum(tally.skipped.values()),
    }
    paths = [block.path for block in blocks_of(source, folder, data.block_rows)]
    settings = {f"jets_{key}": value for key, value in asdict(source.settings).items()}
    versions = {f"version_{name}": text for name, text in source.versions.items()}
    further = {"substructure": " ".join(source.substructure)} if source.substructure else {}
    attributes = {**facts, **settings, **versions, **further, "source_sha256": digest}
    columns = columns_of_groups(source.substructure)
    parts = (part for path in paths if len((part := _columns(path, columns))[EVENT_ID]))
    assembled = folder / "assembled"
    write_features(
        assembled,
        parts,
        n_rows=tally.n_written,
        layout=layout,
        attributes=attributes,
        particles=map(read_block_particles, paths) if source.particles else None,
    )
    clock.append(time.perf_counter())
    walls = [round(b - a, 2) for a, b in itertools.pairwise(clock)]
    manifest = FeaturesManifest(
        layout=layout,
        n_read=tally.n_read,
        n_written=tally.n_written,
        n_skipped=sum(tally.skipped.values()),
        fingerprint=source.fingerprint(),
        skipped=dict(tally.skipped),
        skipped_rows={reason: tuple(rows) for reason, rows in tally.rows.items() if rows},
        columns=RAW_COLUMNS if layout == "lhco" else (*COLUMNS, *columns),
        j1="the jet of larger transverse momentum, in every layout",
        input=RawFile(source.path.name, source.path.stat().st_size, digest),
        output_sha256=io.sha256_file(assembled),
        settings=source.settings,
        block_rows=data.block_rows,
        max_skipped=data.max_skipped,
        n_jobs=n_jobs,
        cluster=cluster,
        seconds=dict(zip(("blocks", "hash", "assemble"), walls, strict=True)),
        seconds_in_blocks={name: round(tally.seconds[name], 2) for name in STAGES},
        peak_memory_mb=peak_memory_mb(),
        versions=source.versions,
        made_by=provenance(),
        particles=ParticleGroup(assembled).n_particles if source.particles else None,
        substructure=source.substructure or None,
    )
    # In this order: an output without its manifest would not be known again.
    io.write_json(manifest_path(output), manifest.to_json(), sealed=True)
    os.replace(assembled, output)
    return manifest


def _columns(path: Path, further: tuple[str, ...]) -> Columns:
    block = read_block(path)
    columns = {EVENT_ID: block.event_id, **dict(zip(COLUMNS, block.values.T, strict=True))}
    columns |= {name: columns[name].astype("int32") for name in INTEGER_COLUMNS}
    if block.substructure is not None:
        columns |= dict(zip(further, block.substructure.T, strict=True))
    return columns if block.label is None else {**columns, LABEL: block.label}


def _finished(output: Path, source: RawInput, layout: str) -> FeaturesManifest | None:
    """The manifest of the same features made before; None without any output.

    Raises:
        DataError: ``output`` is there and is something else.
    """
    if not output.exists():
        return None
    manifest = read_features_manifest(output)
    asked = (source.fingerprint(), layout)
    if manifest is not None and (manifest.fingerprint, manifest.layout) == asked:
        if io.sha256_file(output) != manifest.output_sha256:
            raise DataError(
                f"{output} is not as it was written, by its manifest "
                f"{manifest_path(output).name}; delete both and run the command again"
            )
        log.info("%s is there already, with %d events", output, manifest.n_written)
        return manifest
    raise DataError(
        f"{output} exists and is not what this command makes (another input, settings, layout or "
        "package version, with or without particles or substructure, or no manifest); choose "
        "another output, or delete it"
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
    """A full disk, a folder that cannot be written, a lost scheduler are the user's to mend."""
    try:
        yield
    except OSError as error:
        kept = f"; finished blocks are kept in {work}" if work.is_dir() else ""
        raise DataError(
            f"cannot finish {output}: {error}{kept}: mend that and run the same command again, or "
            "choose another folder"
        ) from None
