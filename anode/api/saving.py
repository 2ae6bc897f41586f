"""Events and fits in memory -> files and folders that commands read, and back."""

import dataclasses
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anode import io
from anode.api.fitted import SIMULATION_IDS, FittedRun
from anode.api.folder import PrivateFolder
from anode.configuration.command import quiet
from anode.errors import RunDirectoryError
from anode.events.table import EventTable
from anode.parallel import lent_process
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, from_mapping, load_run
from anode.pipeline.runs.prepare import Prepared
from anode.pipeline.runs.run_directory import RunDirectory

EVENTS, SIMULATION = "events.h5", "simulation.h5"
MASS, EVENT_ID, LABEL = "mass", "event_id", "label"


def save_run(run: FittedRun, path: Path, *, figures: bool) -> None:
    """Write what a command leaves, and the events; all of it appears at once, or nothing.

    Raises:
        RunDirectoryError: something is at ``path``.
        DataError: a score is not finite, or many events lie outside the range of the fit.
    """
    with _appearing(path) as folder:
        shutil.copytree(run.path, folder, dirs_exist_ok=True)
        directory = RunDirectory(folder)
        config = dataclasses.replace(run.config, run_dir=str(folder), figures=figures)
        if run.prepared is not None:
            config = _on_file(config, run.prepared, folder)
            # The manifest describes the data anew, by the hashes of their files.
            manifest = {k: v for k, v in io.read_json(directory.manifest).items() if k != "data"}
            io.write_json(directory.manifest, manifest)
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
    partial = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path.absolute())
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_events(path: Path, events: EventTable) -> None:
    """Write an HDF5 file of one dataset a column; features are numbered, whatever their names."""
    columns = {MASS: events.mass, EVENT_ID: events.event_id}
    columns |= {_column(i): events.features[:, i] for i in range(len(events.names))}
    if events.label is not None:
        columns[LABEL] = events.label
    io.write_hdf5(path, columns)


def keep_events(path: Path, events: EventTable) -> None:
    """Write the file, or find the same one there.

    Raises:
        RunDirectoryError: there are other events.
    """
    if not path.is_file():
        write_events(path, events)
        return
    folder = PrivateFolder()
    write_events(folder.path / path.name, events)
    if io.sha256_file(folder.path / path.name) != io.sha256_file(path):
        raise RunDirectoryError(
            f"{path.parent} holds a search of other events; choose another run_dir"
        )


def data_settings(
    path: Path | str,
    names: Sequence[str],
    *,
    labelled: bool,
    max_copies: float,
    extra: Sequence[str] = (),
) -> dict[str, Any]:
    """Keys below ``data`` with which a command reads such a file.

    Args:
        path: path of the file.
        names: names of its features.
        labelled: True if it has labels, which the data sample may be judged by.
        max_copies: share of the events that may be copies of an earlier one.
        extra: further files of this kind, of labelled events.
    """
    return {
        "reader": "table",
        "path": str(path),
        "columns": {
            "mass": MASS,
            "features": {name: _column(i) for i, name in enumerate(names)},
            "label": LABEL if labelled else None,
            "event_id": EVENT_ID,
        },
        "mass_unit": "GeV",
        "extra_background": None,
        "extra": list(extra),
        "max_copies": max_copies,
        "n_background": None,
        "n_signal": None,
    }


def _column(number: int) -> str:
    return f"feature_{number + 1}"
