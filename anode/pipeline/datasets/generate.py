"""Generation of a data set like the bundled one: a file of events, and its card."""

import contextlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.events.simulation.pythia import BackgroundConfig, Process, background_process
from anode.events.simulation.signals.base import Signal
from anode.events.simulation.signals.families import family_of
from anode.events.writers.bundled import write_raw
from anode.pipeline.datasets.card import write_card
from anode.pipeline.datasets.chunks import Recipe, generate_samples
from anode.pipeline.datasets.config import check_least
from anode.pipeline.datasets.dark_sector.generate import DarkShowerConfig, generate_dark_showers
from anode.pipeline.datasets.workers import ClusterConfig
from anode.pipeline.datasets.zoo.event_file import (
    IDS_PER_SEED,
    IDS_PER_SIGNAL,
    MAX_SEED,
    write_samples,
)
from anode.pipeline.datasets.zoo.generate import ZooConfig, generate_zoo

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenerateConfig:
    """Keys of ``configs/generate.yaml`` with ``process=dijet``.

    Attributes:
        process: name of the process, "dijet".
        out: file to write; the card is written beside it.
        n_background, n_signal: numbers of events in the file, after the trigger.
        seed: root seed.
        n_jobs: number of processes; the result does not depend on it.
        chunk_size: generated events in a chunk, the unit of work and of resuming.
        trigger_pt: lowest transverse momentum of the leading jet [GeV].
        raw: True to write the particles too, to a file named like ``out`` with ``_raw`` behind
            the stem.
        keep_chunks: True to keep the folder of finished chunks.
        reference: folder with LHC Olympics files to compare the events with, or null.
        background, signal: settings of the processes.
        cluster: workers that generate the chunks.
    """

    process: str
    out: str
    n_background: int
    n_signal: int
    seed: int
    n_jobs: int
    chunk_size: int
    trigger_pt: float
    raw: bool
    keep_chunks: bool
    reference: str | None
    background: BackgroundConfig
    signal: Signal
    cluster: ClusterConfig

    def __post_init__(self) -> None:
        check_least(vars(self), n_background=0, n_signal=0, n_jobs=1, chunk_size=1, seed=0)
        if self.n_background + self.n_signal == 0:
            raise ConfigError("n_background and n_signal must not both be 0; ask for events")
        if self.n_background > IDS_PER_SEED // 2:
            raise ConfigError(f"n_background must be at most {IDS_PER_SEED // 2:.0e}")
        if self.n_signal > IDS_PER_SIGNAL:
            raise ConfigError(f"n_signal must be at most {IDS_PER_SIGNAL:.0e}")
        if self.seed > MAX_SEED:
            raise ConfigError(f"seed must stay below 9e8, or event ids overflow, got {self.seed}")
        if not self.trigger_pt > 0:
            raise ConfigError(f"trigger_pt must be positive, got {self.trigger_pt} GeV")
        if self.reference is not None and not Path(self.reference).is_dir():
            raise ConfigError(f"reference must be a folder or null, but {self.reference} is none")

    def processes(self) -> list[tuple[Process, int]]:
        """Each process and the number of events wanted of it, background first."""
        asked = [
            (background_process(self.background), self.n_background),
            (self.signal.process(), self.n_signal),
        ]
        return [(process, n_events) for process, n_events in asked if n_events]


def parse_generate(raw: DictConfig) -> GenerateConfig | DarkShowerConfig | ZooConfig:
    """Check Hydra's configuration of a generation.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    content = resolve(raw)
    if content.get("process") == "dark_shower":
        return build(DarkShowerConfig, content)
    if content.get("process") == "zoo":
        return build(ZooConfig, content)
    return build(GenerateConfig, content, choices={Signal: family_of})


def generate(config: GenerateConfig | DarkShowerConfig | ZooConfig) -> None:
    """Generate the files of a configuration; interrupted, go on when started again.

    Raises:
        DataError: a file of dark-sector jets or of the zoo is there and has other events.
    """
    if isinstance(config, DarkShowerConfig):
        generate_dark_showers(config)
    elif isinstance(config, ZooConfig):
        generate_zoo(config)
    else:
        generate_dijets(config)


def generate_dijets(config: GenerateConfig) -> None:
    """Generate events, write them to ``config.out``, and a data card beside it.

    Interrupted, it goes on behind the last finished chunk when started again.
    """
    out = Path(config.out)
    work = out.with_name(f"{out.stem}.partial")
    wanted = [
        (Recipe(process, config.seed, config.chunk_size, config.trigger_pt, config.raw), n_events)
        for process, n_events in config.processes()
    ]
    samples = generate_samples(wanted, work=work, cluster=config.cluster, n_jobs=config.n_jobs)
    write_samples(out, samples, number=config.signal.number)
    log.info("%s: %s events", out, " and ".join(str(len(sample.values)) for sample in samples))
    if config.raw:
        raw_path = out.with_name(f"{out.stem}_raw.h5")
        n_raw = write_raw(raw_path, (part for sample in samples for part in sample.raw_parts()))
        log.info("%s: particles of %d events", raw_path, n_raw)
    write_card(out, samples, reference=config.reference)
    if not config.keep_chunks:
        for sample in samples:
            shutil.rmtree(sample.paths[0].parent)
        with contextlib.suppress(OSError):  # chunks of other settings are still there
            work.rmdir()
