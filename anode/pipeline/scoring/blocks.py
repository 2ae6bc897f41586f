"""Scoring of a file of any size by a finished fit, in blocks.

Blocks of rows are read, scored and written one after the other, a few at a time in each process:
memory holds some blocks, whatever the size of the file. An event that the fits have seen, told by
its content, is scored by the fold that has not; all others by the average over folds.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from anode import io, progress
from anode.errors import ConfigError, DataError
from anode.events import rules
from anode.events.known_events import KnownEvents, Recognised
from anode.events.source import BLOCK_ROWS, Part
from anode.events.table import EventTable
from anode.methods.range_check import check_fraction_outside, judged
from anode.parallel import stream_jobs
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.fitted_events import FILE, fitted_events
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import DATA, EXTRA, attributes, columns
from anode.regions.distortion import distort

log = logging.getLogger(__name__)

Job = TypeVar("Job")


class Block(NamedTuple):
    """Events to score, the run that does, and the folder that names the events its fits have
    seen."""

    config: RunConfig
    directory: Path
    known: Path
    part: Part


class ScoredBlock(NamedTuple):
    """Datasets of the block's events that were scored, and how many it read."""

    datasets: dict[str, np.ndarray]
    n_read: int


class Fitted(NamedTuple):
    """SHA-256 of the files that fits have seen, and where their events' scores are."""

    sha256: frozenset[str]
    scores: str


def score_file(config: RunConfig, directory: RunDirectory, output: Path) -> None:
    """Score the signal-region events of another file with a run's densities.

    p_data of events that are new to every fold is the average over folds; an event that was fitted
    is scored by the fold that has not seen it, as in the run.

    Args:
        config: configuration of the run, with ``data`` replaced by the file's.
        directory: directory of the run.
        output: HDF5 file to write.

    Raises:
        DataError: the file is one the run was fitted on, no event of it lies in the signal
            region, every fit has seen an event, or too many lie outside the fitted range of
            features; nothing is written then.
        RunDirectoryError: the run does not say which events its fits have seen.
    """
    if config.representation is not None and config.representation.particles is not None:
        raise ConfigError(
            "representation.particles names the particles of the run's own events, not of "
            f"{config.data.path}; make particles beside the features, anode features with "
            "particles=true, and leave the key null"
        )
    n_jobs, config = config.n_jobs, for_new_events(config)
    fitted = Fitted(hashes(directory), str(directory.scores))
    blocks, n_events = in_blocks(config, directory, fitted, n_jobs)
    write_blocks(
        output,
        score_block,
        blocks,
        config,
        attributes(config.seen_features, stages.method_of(config, directory)),
        n_events=n_events,
        n_jobs=n_jobs,
        where=f"in the signal region {config.regions.signal} GeV",
    )


def for_new_events(config: RunConfig) -> RunConfig:
    """As a process that scores a block of events needs it, which are new to every fold."""
    split = dataclasses.replace(config.split, extra="average")
    return dataclasses.replace(config, n_jobs=1, split=split)


def write_blocks(
    output: Path,
    function: Callable[[Job], ScoredBlock],
    blocks: Iterator[Job],
    config: RunConfig,
    attributes: Mapping[str, str],
    *,
    n_events: int,
    n_jobs: int,
    where: str,
) -> None:
    """Score blocks, a few at a time, and write them one after the other.

    Args:
        output: HDF5 file to write.
        function: function that scores a block.
        blocks: blocks of events.
        config: configuration that names the file, and the threads of each process.
        attributes: attributes of the output.
        n_events: number of events in all blocks.
        n_jobs: number of processes.
        where: range of masses, in words, that events must lie in to be scored.

    Raises:
        DataError: none lies there, or too many lie outside the fitted range of features.
    """
    source = str(config.data.path)
    n_scored = n_judged = n_outside = n_known = 0
    written: dict[str, Any] = dict(attributes)
    with (
        io.growing_hdf5(output, written) as append,
        progress.task("score", total=n_events, unit="events") as bar,
    ):
        for block in stream_jobs(function, blocks, n_jobs=n_jobs, threads=config.threads):
            append(block.datasets)
            datasets = block.datasets
            counted = judged(datasets.get("label"), len(datasets["score"]))
            n_scored += len(counted)
            n_judged += int(counted.sum())
            n_outside += int((datasets["outside"] & counted).sum())
            n_known += int(np.sum(datasets["sample"] == DATA))
            bar.update(block.n_read)
        if not n_scored:
            raise DataError(
                f"{source}: none of its {n_events} events lies {where}; no score file was written"
            )
        check_fraction_outside(n_outside, n_judged, source)
        written["n_known"] = n_known
    if n_known:
        log.warning(
            "%s: %d of the %d scored events are events that were fitted, each scored by the fold "
            "that has not seen it: sample 0 in %s",
            source,
            n_known,
            n_scored,
            output,
        )
    log.info(
        "%d of %d events lie %s and are scored, the other %d are not; results in %s",
        n_scored,
        n_events,
        where,
        n_events - n_scored,
        output,
    )


def score_block(block: Block) -> ScoredBlock:
    """Read, cut and score one block."""
    config, found = block.config, read_block(block)
    mass = found.events.mass
    inside = config.regions.regions().in_signal_region(mass)
    datasets = score_events(config, block.directory, *found.take(inside))
    return ScoredBlock(datasets, len(mass))


def read_block(block: Block) -> Recognised:
    """All events of a block, as the methods see them, and which of them the fits have seen."""
    table = block.part.read()
    if not block.config.preprocessing.binary_features:
        rules.refuse_binary(table)
    events = distort(table, block.config.distortion, block.config.seed)
    written = (block.known / FILE).stat().st_mtime_ns
    return _known(block.known, written).recognise(events)


def score_events(
    config: RunConfig, directory: Path, events: EventTable, known: np.ndarray
) -> dict[str, np.ndarray]:
    """Datasets of events by the run in ``directory``, by fits that have not seen them.

    Args:
        config: configuration of the run.
        directory: its folder.
        events: N events of its signal region.
        known: (N,) True for those that it was fitted on.

    Raises:
        DataError: every fit has seen one.
    """
    method = stages.method_of(config, RunDirectory(directory))
    seen = np.flatnonzero(~method.unseen(events, known))
    if seen.size:
        raise DataError(
            f"{events.source}: events must be new to some fit of {directory}, but every one has "
            f"seen {seen.size}, first event_id {events.event_id[seen[0]]}; remove them, or score "
            "by a run with split=kfold"
        )
    scores = method.score(events.without_label(), known)
    return columns(scores, events, np.where(known, DATA, EXTRA))


@functools.lru_cache(maxsize=1)
def _known(folder: Path, written: int) -> KnownEvents:
    """Read once by every process; ``written`` tells a later file apart."""
    return fitted_events(folder)


def hashes(directory: RunDirectory) -> frozenset[str]:
    """SHA-256 of the files a run was fitted on, and of all together."""
    data = directory.read_manifest().data
    return frozenset() if data is None else data.hashes


def in_blocks(
    config: RunConfig,
    directory: RunDirectory,
    fitted: Fitted,
    n_jobs: int,
    *,
    rows: int = BLOCK_ROWS,
) -> tuple[Iterator[Block], int]:
    """The file in blocks of so many rows, and its number of events.

    Raises:
        DataError: fits have seen the file.
    """
    source = open_data(config.data, seed=config.seed, n_jobs=n_jobs)
    source.check(config.read_features, sidebands=False)
    rules.say_unread(source.name, source.unread)
    _refuse_own(fitted, source.files)
    fitted_events(directory.path)  # or it says why not
    parts = source.parts(config.read_features, rows)
    known = directory.path
    return (Block(config, directory.path, known, part) for part in parts), source.count()


def _refuse_own(fitted: Fitted, files: list[Path]) -> None:
    for path in files:
        if io.sha256_file(path) in fitted.sha256:
            raise DataError(
                f"{path} is a file this run was fitted on: its cross-fitted scores are in "
                f"{fitted.scores}"
            )
