"""Generation of a zoo of signals: one file each in the bundled layout, and a data card of all."""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from anode.configuration.builder import CONFIG_DIR, build
from anode.errors import ConfigError, DataError, nearest
from anode.events.simulation.signals.base import MAX_NUMBER, Signal
from anode.events.simulation.signals.families import family_of
from anode.events.writers.bundled import write_raw
from anode.io import open_hdf5
from anode.pipeline.datasets.chunks import ProcessSample, Recipe, generate_sample
from anode.pipeline.datasets.config import FolderConfig, check_least
from anode.pipeline.datasets.workers import ClusterConfig, open_workers
from anode.pipeline.datasets.zoo.card import write_zoo_card
from anode.pipeline.datasets.zoo.event_file import (
    IDS_PER_SIGNAL,
    MAX_SEED,
    event_ids,
    write_samples,
)

log = logging.getLogger(__name__)

CHUNKS = "chunks.partial"
"""Folder of finished chunks, within that of the files."""

_BUNDLED = "bundled"
"""Signal of the bundled events, which has a file already."""


@dataclass(frozen=True)
class ZooConfig:
    """Keys of ``configs/generate.yaml`` with ``process=zoo``.

    Attributes:
        process: name of the process, "zoo".
        data: where the files go.
        signals: names of the signals, each a file of ``configs/signal/``.
        n_events: number of events in each file, after the trigger.
        chunk_size: generated events in a chunk, the unit of work and of resuming.
        trigger_pt: lowest transverse momentum of the leading jet [GeV].
        raw: True to write the particles too.
        seed: root seed.
        n_jobs: number of processes; the result does not depend on it.
        keep_chunks: True to keep the folder of finished chunks.
        cluster: workers that generate the chunks.
    """

    process: str
    data: FolderConfig
    signals: list[str]
    n_events: int
    chunk_size: int
    trigger_pt: float
    raw: bool
    seed: int
    n_jobs: int
    keep_chunks: bool
    cluster: ClusterConfig

    def __post_init__(self) -> None:
        check_least(vars(self), n_events=1, chunk_size=1, n_jobs=1, seed=0)
        if self.n_events > IDS_PER_SIGNAL:
            raise ConfigError(f"n_events must be at most {IDS_PER_SIGNAL:.0e}")
        if self.seed > MAX_SEED:
            raise ConfigError(f"seed must stay below 9e8, or event ids overflow, got {self.seed}")
        if not self.trigger_pt > 0:
            raise ConfigError(f"trigger_pt must be positive, got {self.trigger_pt} GeV")
        if not self.signals or len(set(self.signals)) < len(self.signals):
            raise ConfigError(
                "signals must name at least one signal, each once, got "
                f"[{', '.join(self.signals)}]"
            )
        _check_numbers([zoo_signal(name) for name in self.signals])

    def recipes(self) -> list[tuple[Signal, Recipe]]:
        """Each signal and the settings of its chunks."""
        signals = [zoo_signal(name) for name in self.signals]
        return [
            (
                signal,
                Recipe(signal.process(), self.seed, self.chunk_size, self.trigger_pt, self.raw),
            )
            for signal in signals
        ]


def zoo_names() -> tuple[str, ...]:
    """Names of all signals that the zoo can have, in the order of their numbers.

    Example:
        >>> zoo_names()[:2]
        ('wprime_500_100', 'wprime_300_300')
    """
    return tuple(sorted(_names(), key=lambda name: zoo_signal(name).number))


def zoo_signal(name: str) -> Signal:
    """The signal of a name.

    Args:
        name: name of a file of ``configs/signal/``, without the ending.

    Raises:
        ConfigError: there is no such signal, or its file is wrong.

    Example:
        >>> zoo_signal("ttbar").prongs
        (3, 3)
    """
    names = _names()
    if name not in names:
        raise ConfigError(
            f"signals must be among {', '.join(names)}, got {name}{nearest(name, names)}"
        )
    content: Any = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / "signal" / f"{name}.yaml"))
    signal = build(family_of(content, name), content, name)
    if signal.name != name:
        raise ConfigError(
            f"configs/signal/{name}.yaml: name must be that of the file, got {signal.name}"
        )
    return signal


def generate_zoo(config: ZooConfig) -> None:
    """Generate every file that is not there yet, then the data card of the folder.

    Interrupted, it goes on behind the last finished file and chunk when started again.

    Raises:
        DataError: a file of this name is there and has other events.
    """
    folder = Path(config.data.folder)
    recipes = config.recipes()
    left = [asked for asked in recipes if not _is_there(folder, asked[1], config.n_events)]
    work = (folder / CHUNKS).resolve()
    if left:
        with open_workers(config.cluster, n_jobs=config.n_jobs) as workers:
            for signal, recipe in left:
                sample = generate_sample(recipe, config.n_events, work, workers)
                _write(folder, signal, sample)
    # Not before the workers are gone: one may still write a chunk that nobody needs.
    for _, recipe in [] if config.keep_chunks else recipes:
        shutil.rmtree(work / recipe.folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # chunks of other settings are still there
        work.rmdir()
    write_zoo_card(folder, zoo_names())


def _check_numbers(signals: Sequence[Signal]) -> None:
    owners = {0: _BUNDLED}
    for signal in signals:
        if signal.number in owners:
            raise ConfigError(
                f"{signal.name}.number must differ from those of other signals, got that of "
                f"{owners[signal.number]}, {signal.number}; choose another up to {MAX_NUMBER}"
            )
        owners[signal.number] = signal.name


def _names() -> list[str]:
    folder = CONFIG_DIR / "signal"
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem != _BUNDLED)


def _is_there(folder: Path, recipe: Recipe, n_events: int) -> bool:
    """Whether a finished file has these events."""
    path = folder / f"{recipe.process.name}.h5"
    if not path.exists():
        return False
    with open_hdf5(path) as file:
        made = (file.attrs.get("fingerprint"), len(file["event_id"]))
    if made != (_fingerprint(recipe), n_events):
        raise DataError(
            f"{path} is there and has other events than these settings make; delete it, or choose "
            "another data.folder"
        )
    return (folder / "raw" / path.name).exists() or not recipe.raw


def _write(folder: Path, signal: Signal, sample: ProcessSample) -> None:
    """The particles first: the file of features is the sign that all is there."""
    path, recipe = folder / f"{signal.name}.h5", sample.recipe
    if recipe.raw:
        ids = {"event_id": event_ids(sample, signal.number)}
        write_raw(folder / "raw" / path.name, sample.raw_parts(), beside=ids)
    write_samples(path, [sample], number=signal.number, more=_said(signal, recipe))
    log.info(
        "%s: %d events, %.1f%% of the generated ones pass the trigger",
        path,
        len(sample.values),
        100 * sample.n_accepted / sample.n_generated,
    )


def _said(signal: Signal, recipe: Recipe) -> dict[str, str | int | float]:
    """What a file says of its signal, beside settings, seed and versions."""
    light, heavy = signal.masses
    first, second = signal.prongs
    return {
        "signal": signal.name,
        "decay": signal.decay,
        "resonance_mass": signal.resonance_mass,
        "resonance_width": signal.resonance_width,
        "mass_1": light,
        "mass_2": heavy,
        "prongs_1": first,
        "prongs_2": second,
        "fingerprint": _fingerprint(recipe),
    }


def _fingerprint(recipe: Recipe) -> str:
    """That of a file of features, which are the same whether particles are kept or not."""
    return recipe._replace(raw=False).fingerprint()
