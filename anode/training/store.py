"""Store of finished fits, so that runs that need the same sideband fit make it once.

A fit is kept under the hash of everything it depends on: events, settings, seed, the code that
fits and torch. A run copies the fits that the store has, so that its own folder is complete, and
adds new ones to the store. Runs at the same time wait for each other.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from anode import io
from anode.errors import AnodeError
from anode.parallel import cpu_seconds
from anode.training import checkpoints
from anode.training.checkpoints import FitResult
from anode.training.densities import FitJob, fit_all

log = logging.getLogger(__name__)

COST = "cost.json"  # time of the fit, in the store and in copies; zeros where it was fitted
CODE = ("density", "regions/preprocessing.py", "training", "seeding.py")
"""Sources that the result of a fit depends on."""


class Contents(NamedTuple):
    """Files of a finished fit, beside ``fit.json`` and the weights that it names.

    Attributes:
        json: sealed JSON files.
        tensors: files of tensors.
    """

    json: tuple[str, ...]
    tensors: tuple[str, ...]


DENSITY = Contents(json=("density.json",), tensors=("preprocessing.pt",))


def fit_stored(
    jobs: list[FitJob], *, store: Path | None, n_jobs: int, threads: int
) -> list[FitResult]:
    """``fit_all`` with a store: fits that it has are copied, new ones are added to it.

    An entry of the store that is not as it was written is fitted again and replaced.

    Args:
        jobs: fits with random first weights.
        store: folder of the store; None fits everything here.
        n_jobs: number of processes.
        threads: threads of each process.

    Raises:
        ValueError: a job has ``start_from``.
    """
    if any(job.start_from is not None for job in jobs):
        raise ValueError("only fits that start from no other are stored")
    folders = [job.directory for job in jobs]
    if store is None or all(_is_finished(folder, DENSITY) for folder in folders):
        return fit_all(jobs, n_jobs=n_jobs, threads=threads)
    kept = {job.directory: store / content_hash(job) for job in jobs}
    with sharing(kept, DENSITY):
        return fit_all(jobs, n_jobs=n_jobs, threads=threads)


@contextlib.contextmanager
def sharing(kept: dict[Path, Path], contents: Contents) -> Iterator[None]:
    """Before the block, what the store has is copied; after it, what the block fitted is added.

    Args:
        kept: folder of a fit -> its entry in the store, named by a hash of all it depends on.
        contents: files of each.
    """
    with _locked([path for _, path in sorted(kept.items())]):
        damaged = {
            path for path in kept.values() if path.is_dir() and not _is_whole(path, contents)
        }
        for folder, path in kept.items():
            is_there = path not in damaged and _is_finished(path, contents)
            if is_there and not _is_finished(folder, contents):
                log.info("%s: copied from %s, fitted to the same events", folder, path)
                with _spared(path.parent):
                    _copy(path, folder)
        new = [p for p in kept.values() if p in damaged or not _is_finished(p, contents)]
        started, cpu_started = time.perf_counter(), cpu_seconds()
        yield
        cost = {
            "seconds": round((time.perf_counter() - started) / max(1, len(new)), 2),
            "cpu_seconds": round((cpu_seconds() - cpu_started) / max(1, len(new)), 2),
        }
        for folder, path in kept.items():
            if path in new:
                own = {"entry": path.name, **dict.fromkeys(cost, 0.0)}
                with _spared(path.parent):
                    _copy(folder, path, {"entry": path.name, **cost})
                    io.write_json(folder / COST, own, sealed=True)


def check_store(store: Path | None) -> None:
    """Say so, once a process, if nothing can be kept in the store."""
    if store is None:
        return
    with _spared(store):
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=store):
            pass


@contextlib.contextmanager
def _spared(store: Path) -> Iterator[None]:
    """Work with the store that a fit can do without: where it is read-only, full or broken."""
    try:
        yield
    except OSError as error:
        _say_once(store, error.strerror or str(error))


@functools.cache
def _say_once(store: Path, reason: str) -> None:
    log.warning("store=%s: %s; fits are made all the same and not kept there", store, reason)


def saved_seconds(directory: Path, key: str) -> float:
    """Time [s] that the copied fits below a folder took where they were made.

    Several copies of one fit count once, and not at all if it was made below the folder itself.

    Args:
        directory: any folder.
        key: "seconds" or "cpu_seconds".
    """
    costs: dict[str, float] = {}
    for path in directory.rglob(COST):
        content = io.read_json(path)
        costs[content["entry"]] = min(content[key], costs.get(content["entry"], math.inf))
    return sum(costs.values())


def content_hash(job: FitJob) -> str:
    """SHA-256 of the events, settings, seed and code that a fit's result depends on."""
    settings = {
        "density": dataclasses.asdict(job.density),
        "preprocessing": dataclasses.asdict(job.preprocessing),
        "trainer": dataclasses.asdict(job.trainer),
        "features": job.train.names,
        "stream": [job.seed, job.directory.name],
        "device": job.device,
        "code": code_hash(),
        "torch": torch.__version__,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for table in (job.train, job.validation):
        for values in (table.mass, table.features):
            digest.update(values.tobytes())
    return digest.hexdigest()


@functools.cache
def code_hash(parts: tuple[str, ...] = CODE) -> str:
    """SHA-256 of sources, rooms and modules of the package; by default those that fit
    densities."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for part in parts:
        root = package / part
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_finished(folder: Path, contents: Contents) -> bool:
    """Whether a fit is there, whole: one of which files are missing or broken is made again."""
    try:
        result = checkpoints.read_result(folder)
    except (AnodeError, KeyError, TypeError):
        return False
    needed = (*contents.json, *contents.tensors, *(c.path for c in result.checkpoints))
    return result.finished and all((folder / name).is_file() for name in needed)


def _is_whole(entry: Path, contents: Contents) -> bool:
    """Whether all files of an entry are there and as they were written; warns if not."""
    try:
        result = checkpoints.read_result(entry)
        for name in (*contents.json, COST):
            io.read_json(entry / name)
        for name in (*contents.tensors, *(one.path for one in result.checkpoints)):
            checkpoints.load_tensors(entry / name)
    except (AnodeError, OSError) as error:
        log.warning("%s, of the store, is damaged: fitted again, replaced (%s)", entry, error)
        return False
    return result.finished


def _copy(source: Path, target: Path, cost: dict[str, Any] | None = None) -> None:
    """Copy the files of a finished fit, with its cost, all at once."""
    temporary = io.partial_path(target)
    io.remove_leftovers(target.parent)
    try:
        temporary.mkdir(parents=True)
        for file in source.iterdir():
            if file.is_file() and file.name != "state.pt" and file.suffix != ".jsonl":
                shutil.copyfile(file, temporary / file.name)
        if cost is not None:
            io.write_json(temporary / COST, cost, sealed=True)
        if target.is_dir():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _locked(paths: list[Path]) -> Iterator[None]:
    """Lock these entries of the store, always in the same order, as far as it has locks."""
    with contextlib.ExitStack() as stack:
        with _spared(paths[0].parent):
            for path in sorted(set(paths)):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(path.with_suffix(".lock"), "w"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.info("waiting for another run that is fitting %s", path)
                    fcntl.flock(file, fcntl.LOCK_EX)
        yield
