"""Events and fits in memory -> files and folders that commands read, and back."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anode import integrity, io
from anode.api.fitted import SIMULATION_IDS, FittedRun
from anode.api.folder import PrivateFolder
from anode.configuration.command import quiet
from anode.errors import RunDirectoryError
from anode.events.table import EventTable
from anode.events.writers.column_files import data_settings, write_events
from anode.parallel import lent_process
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, from_mapping, load_run
from anode.pipeline.runs.prepare import Prepared
from anode.pipeline.runs.run_directory import RunDirectory

EVENTS, SIMULATION = "events.h5", "simulation.h5"


def save_run(run: FittedRun, path: Path, *, figures: bool) -> None:
    """Write what a command leaves, and the events; all of it appears at once, or nothing.

    Raises:
        RunDirectoryError: something is at ``path``.
        DataError: a score is not finite.
    """
    with _appearing(path) as folder:
        shutil.copytree(run.path, folder, dirs_exist_ok=True)
        directory = RunDirectory(folder)
        config = dataclasses.replace(run.config, run_dir=str(folder), figures=figures)
        if run.prepared is not None:
            config = _on_file(config, run.prepared, folder)
            # The manifest describes the data anew, by the hashes of their files.
            manifest = {k: v for k, v in io.read_json(directory.manifest).items() if k != "data"}
            io.write_json(directory.manifest, manifest, sealed=True)
            io.write_text(directory.config, config.to_yaml())
            with lent_process(), quiet():
                stages.run(config)
        io.write_text(directory.config, _at(config, path).to_yaml())


def load_saved(path: Path) -> RunConfig:
    """The configuration of a run directory; events that were saved with it are found there,
    wherever it has been moved.

    Raises:
        ConfigError: it is no run directory.
    """
    config = load_run(path / "config.yaml")
    return _at(config, path) if (path / EVENTS).is_file() else config


def _on_file(config: RunConfig, prepared: Prepared, folder: Path) -> RunConfig:
    """Write the events of a run, and tell its configuration where they are."""
    data, simulation = prepared.data, prepared.extra
    write_events(folder / EVENTS, data)
    extra = []
    if simulation is not None:
        ids = simulation.event_id - SIMULATION_IDS
        write_events(folder / SIMULATION, dataclasses.replace(simulation, event_id=ids))
        extra = [str(folder / SIMULATION)]
    settings = data_settings(
        folder / EVENTS,
        data.names,
        labelled=data.label is not None,
        extra=extra,
        max_copies=config.data.max_copies,
    )
    return from_mapping({**dataclasses.asdict(config), "data": settings})


def _at(config: RunConfig, path: Path) -> RunConfig:
    """The configuration of a run, and of the files that were saved with it, at another place."""

    def moved(file: str | None) -> str | None:
        here = file is not None and Path(file).name in (EVENTS, SIMULATION)
        return str(path / Path(str(file)).name) if here else file

    data = dataclasses.replace(
        config.data,
        path=moved(config.data.path),
        extra=[str(moved(file)) for file in config.data.extra],
    )
    return dataclasses.replace(config, run_dir=str(path), data=data)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that is renamed to it if all goes well."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunDirectoryError(f"{path} must be a new or empty folder; choose another path")
    partial = io.partial_path(path.absolute())
    io.remove_leftovers(partial.parent)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path.absolute())
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def keep_events(path: Path, events: EventTable) -> None:
    """Write the file, or find the same one there.

    Raises:
        RunDirectoryError: there are other events, or the file is damaged.
    """
    if not path.is_file():
        write_events(path, events)
        return
    folder = PrivateFolder()
    write_events(folder.path / path.name, events)
    if integrity.read(folder.path / path.name) != integrity.read(path):
        raise RunDirectoryError(
            f"{path.parent} holds a search of other events; choose another run_dir"
        )
