"""Generation of dark-sector jets: one file for each point, as ``data=dark_sector`` reads them."""

import contextlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events.dark_sector.jets_file import write_jets
from anode.events.dark_sector.names import SignalPoint
from anode.events.simulation.hidden_valley import (
    DECAYS,
    dark_coupling,
    dark_process,
    dark_scale,
    standard_model_process,
)
from anode.events.simulation.pythia import BEAM_ENERGY, Process
from anode.events.writers.bundled import write_raw
from anode.io import open_hdf5
from anode.jets.dark_jets import DEFINITIONS, N_JETS
from anode.pipeline.datasets.chunks import package_versions
from anode.pipeline.datasets.config import FolderConfig, check_least
from anode.pipeline.datasets.dark_sector.chunks import (
    DarkRecipe,
    DarkSample,
    generate_dark_sample,
    raw_parts,
)
from anode.pipeline.datasets.workers import ClusterConfig, open_workers
from anode.seeding import stream_seed

log = logging.getLogger(__name__)

MAX_EVENTS = 1 << 24
"""Events a file: event_id = a hash of seed and file name * this + number of the event."""

CHUNKS = "chunks.partial"
"""Folder of finished chunks, within that of the files."""


@dataclass(frozen=True)
class DarkShowerConfig:
    """Keys of ``configs/generate.yaml`` with ``process=dark_shower``.

    Attributes:
        process: name of the process, "dark_shower".
        data: where the files go.
        n_events: number of events in each file.
        points: parameters of the signals.
        decays: which quarks dark hadrons decay to, one of ``hidden_valley.DECAYS``.
        sm_mass: mass of the resonance that decays to light quarks [GeV]; null for no such file.
        chunk_size: generated events in a chunk, the unit of work and of resuming.
        raw: True to write the particles behind a detector too.
        seed: root seed.
        n_jobs: number of processes; the result does not depend on it.
        keep_chunks: True to keep the folder of finished chunks.
        cluster: workers that generate the chunks.
    """

    process: str
    data: FolderConfig
    n_events: int
    points: list[SignalPoint]
    decays: str
    sm_mass: float | None
    chunk_size: int
    raw: bool
    seed: int
    n_jobs: int
    keep_chunks: bool
    cluster: ClusterConfig

    def __post_init__(self) -> None:
        check_least(vars(self), n_events=1, chunk_size=1, n_jobs=1, seed=0)
        if self.n_events > MAX_EVENTS:
            raise ConfigError(f"n_events must be at most {MAX_EVENTS:,}, got {self.n_events:,}")
        if self.decays not in DECAYS:
            raise ConfigError(f"decays must be one of {', '.join(DECAYS)}, got {self.decays!r}")
        if len(set(self.points)) < len(self.points):
            raise ConfigError("points must differ; remove the ones that are given twice")
        if not self.points and self.sm_mass is None:
            raise ConfigError("points must name a signal, or sm_mass a mass; ask for a file")
        heaviest = max([p.m_zprime for p in self.points] + [self.sm_mass or 100.0])
        if not 50 < heaviest < 2 * BEAM_ENERGY or (self.sm_mass or 100.0) <= 50:
            raise ConfigError(
                f"m_zprime and sm_mass must lie between 50 and {2 * BEAM_ENERGY:g} GeV, got "
                f"{heaviest:g} and {self.sm_mass}"
            )

    def processes(self) -> list[tuple[Process, SignalPoint | None]]:
        """The process of each file and its point, the Standard Model last."""
        asked: list[tuple[Process, SignalPoint | None]] = [
            (dark_process(point, decays=self.decays), point) for point in self.points
        ]
        if self.sm_mass is not None:
            asked.append((standard_model_process(self.sm_mass), None))
        return asked


def generate_dark_showers(config: DarkShowerConfig) -> None:
    """Generate every file that is not there yet.

    Interrupted, it goes on behind the last finished file and chunk when started again.

    Raises:
        DataError: a file of this name is there and has other events.
    """
    folder = Path(config.data.folder)
    recipes = [
        (DarkRecipe(process, config.seed, config.chunk_size, config.raw), point)
        for process, point in config.processes()
    ]
    left = [asked for asked in recipes if not _is_there(folder, asked[0], config)]
    if not left:
        log.info("%s: all files are there already", folder)
        return
    with open_workers(config.cluster, n_jobs=config.n_jobs) as workers:
        for recipe, point in left:
            work = _work_folder(folder, recipe).resolve()
            sample = generate_dark_sample(recipe, config.n_events, work, workers)
            _write(folder, recipe, point, sample, config.n_events)
    # Not before the workers are gone: one may still write a chunk that nobody needs.
    for recipe, _ in [] if config.keep_chunks else recipes:
        shutil.rmtree(_work_folder(folder, recipe), ignore_errors=True)
    with contextlib.suppress(OSError):  # chunks of other settings are still there
        (folder / CHUNKS).rmdir()


def _work_folder(folder: Path, recipe: DarkRecipe) -> Path:
    """Folder of the chunks of one file."""
    return folder / CHUNKS / f"{recipe.process.name}_{recipe.fingerprint()}"


def _is_there(folder: Path, recipe: DarkRecipe, config: DarkShowerConfig) -> bool:
    """Whether a finished file has these events."""
    path = folder / f"{recipe.process.name}.h5"
    raw = folder / "raw" / path.name
    if not path.exists():
        return False
    with open_hdf5(path) as file:
        made = (file.attrs.get("fingerprint"), int(file.attrs.get("n_events", 0)))
    if made != (recipe.fingerprint(), config.n_events):
        raise DataError(
            f"{path} is there and has other events than these settings make; delete it, or choose "
            "another data.folder"
        )
    return raw.exists() or not config.raw


def _write(
    folder: Path, recipe: DarkRecipe, point: SignalPoint | None, sample: DarkSample, n_events: int
) -> None:
    path = folder / f"{recipe.process.name}.h5"
    first = stream_seed(recipe.seed, recipe.process.name) // MAX_EVENTS * MAX_EVENTS
    event_id = first + np.arange(n_events, dtype=np.int64)
    attributes = _attributes(recipe, point, sample, n_events)
    if recipe.raw:
        _write_raw(folder / "raw" / path.name, recipe, sample, event_id)
    write_jets(path, sample.columns, sample.particles, np.repeat(event_id, N_JETS), attributes)
    log.info(
        "%s: %d events, %.1f%% of the jets dark%s",
        path,
        n_events,
        100 * sample.columns["jet_is_dark"].mean(),
        f", {sample.n_invisible / sample.n_hadrons:.3f} of the dark hadrons invisible"
        if sample.n_hadrons
        else "",
    )


def _attributes(
    recipe: DarkRecipe, point: SignalPoint | None, sample: DarkSample, n_events: int
) -> dict[str, str | int | float]:
    """What a file says of itself: settings, definitions, numbers of events, versions."""
    found: dict[str, str | int | float] = {
        "process": recipe.process.name,
        "settings": "\n".join(recipe.process.settings),
        "seed": recipe.seed,
        "chunk_size": recipe.chunk_size,
        "fingerprint": recipe.fingerprint(),
        "n_events": n_events,
        "n_generated": sample.n_generated,
        "n_accepted": sample.n_accepted,
        "n_dark_hadrons": sample.n_hadrons,
        "n_invisible_dark_hadrons": sample.n_invisible,
    }
    if point is not None:
        found |= {"m_zprime": point.m_zprime, "m_dark": point.m_dark, "rinv": point.rinv}
        found |= {"alpha": point.alpha, "alpha_at_1_tev": dark_coupling(point)}
        found |= {"lambda_gev": dark_scale(point)}
    found |= {f"definition_{name}": text for name, text in DEFINITIONS.items()}
    return found | {f"version_{name}": text for name, text in package_versions().items()}


def _write_raw(path: Path, recipe: DarkRecipe, sample: DarkSample, event_id: np.ndarray) -> None:
    """Particles in the layout of the LHC Olympics, with missing pT and ids beside them."""
    parts = list(raw_parts(sample, recipe.process.label))
    met = np.concatenate([part.met for part in parts])
    beside = {"met": met[:, 0], "met_phi": met[:, 1], "event_id": event_id}
    write_raw(path, (part.events for part in parts), beside=beside)
