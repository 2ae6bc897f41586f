"""Exploration of a source of events: its data card, as numbers, a page, and figures."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from anode import io, progress
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.evaluation.description.describe import (
    MASS_EDGES,
    N_EXAMPLES,
    Describer,
    Description,
    Fault,
)
from anode.events import rules
from anode.events.dark_sector.source import DarkSectorConfig
from anode.events.readers.fault_scan import Block
from anode.events.source import Source
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.config import CHOICES, DataConfig, with_feature_sets
from anode.pipeline.datasets.dark_sector.explore import explore_dark_sector
from anode.pipeline.datasets.explore_particles import EventSample, particle_summaries
from anode.records import Json, plain
from anode.regions.windows import Regions, RegionsConfig
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.exploration_card import card
from anode.reporting.dataset.exploration_figures import (
    correlations_figure,
    profiles_figure,
    regions_figure,
    spectrum_figure,
)
from anode.reporting.dataset.particle_figures import constituents_figure, images_figure

log = logging.getLogger(__name__)

MAX_DRAWN = 24
"""Largest number of features that figures have a panel for; hundreds would take minutes."""


@dataclass(frozen=True)
class ExploreConfig:
    """Keys of ``configs/explore.yaml``.

    Attributes:
        output: folder for the card.
        features: names of features; null for all that the file has.
        seed: seed of the random samples.
        sample_size: largest number of events drawn.
        n_jobs: number of processes that cluster raw particles.
        data: source of the events; of a file all are described.
        regions: signal region and sidebands.
        labels: False to say nothing that only labels say.
    """

    output: str
    features: list[str] | None
    seed: int
    sample_size: int
    n_jobs: int
    data: DataConfig
    regions: RegionsConfig
    labels: bool = True

    def __post_init__(self) -> None:
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")
        if self.sample_size < 1000:
            raise ConfigError(f"sample_size must be at least 1000, got {self.sample_size}")


def parse_explore(raw: DictConfig) -> ExploreConfig:
    """Check Hydra's configuration of an exploration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    content = with_feature_sets(resolve(raw))
    content.pop("injection", None)  # which a choice of data= may set for runs
    return build(ExploreConfig, content, choices=CHOICES)


def explore(config: ExploreConfig) -> None:
    """Describe the events, print the card, and write ``card.md``, ``card.json`` and figures.

    Raises:
        ConfigError, DataError: the source cannot be read at all; values alone are no reason.
    """
    if isinstance(config.data, DarkSectorConfig):
        explore_dark_sector(Path(str(config.data.path)), Path(config.output))
        return
    regions = config.regions.regions()
    # Faults are what one is here to see.
    source = open_data(config.data, seed=config.seed, n_jobs=config.n_jobs, any_fault=True)
    rules.say_unread(source.name, source.unread)
    sample = EventSample(config.seed)
    found = describe(config, source, regions, also=sample.add)
    description = _with_skipped(found, source)
    inside, outside = description.inside, description.outside
    features = description.features[:MAX_DRAWN]
    if len(features) < len(description.features):
        log.warning(
            "figures have the first %d of %d features; the card has all, features=[...] chooses",
            len(features),
            len(description.features),
        )
    figures = {
        "spectrum": spectrum_figure(description.mass_counts, MASS_EDGES, regions),
        "features": regions_figure(inside, outside, features),
        "profiles": profiles_figure(inside, outside, features, regions),
        "correlations": correlations_figure(features),
    }
    if source.particles_file is not None:
        particles = particle_summaries(source.particles_file, sample)
        figures["images"] = images_figure(particles)
        figures["constituents"] = constituents_figure(particles)
    output = Path(config.output)
    for name, figure in figures.items():
        save_figure(figure, output / name)
    origin = _origin(config, source, description)
    known: dict[str, Json] = {"has_labels": source.has_labels}
    io.write_json(output / "card.json", {**origin, **known, **facts(description)})
    names = [f"{name}.png" for name in figures]
    io.write_text(output / "card.md", card(description, origin, names))
    print(card(description, origin, markdown=False))
    print(f"card and figures: {output}")


def describe(
    config: ExploreConfig,
    source: Source,
    regions: Regions,
    *,
    also: Callable[[Block], None] = lambda block: None,
) -> Description:
    """Read the source block by block and describe it; ``also`` gets every block too."""
    describer = Describer(regions, sample_size=config.sample_size, seed=config.seed)
    with progress.task("read", unit="events") as events_read:
        for block in source.fault_scan(config.features):
            if not config.labels:
                block = block._replace(events=block.events.without_label())
            describer.add(block._replace(source=_shown(block.source)))
            also(block)
            events_read.update(block.n_rows)
    return describer.description()


def _with_skipped(description: Description, source: Source) -> Description:
    """The same with the faults of raw events that have no features."""
    if not source.n_skipped:
        return description
    name = _shown(source.name)
    faults = [
        Fault(name, "particles", reason, skipped.n, skipped.rows[:N_EXAMPLES])
        for reason, skipped in source.skipped.items()
    ]
    return dataclasses.replace(
        description,
        files={name: description.n_rows + source.n_skipped},
        n_rows=description.n_rows + source.n_skipped,
        n_faulty=description.n_faulty + source.n_skipped,
        faults=[*faults, *description.faults],
    )


def facts(description: Description) -> dict[str, Json]:
    """A description as plain containers, ready for JSON; samples are left out."""
    content = {
        field.name: getattr(description, field.name)
        for field in dataclasses.fields(description)
        if field.name not in ("inside", "outside", "mass_counts")
    }
    filled = np.flatnonzero(description.mass_counts["all"])
    first, last = (filled[0], filled[-1] + 1) if len(filled) else (0, 0)
    content["mass_counts"] = {
        name: counts[first:last].tolist() for name, counts in description.mass_counts.items()
    }
    content["mass_edges_gev"] = MASS_EDGES[first : last + 1].tolist()
    return {name: plain(value) for name, value in content.items()}


def _origin(config: ExploreConfig, source: Source, description: Description) -> dict[str, str]:
    origin = {"data": config.data.reader, "rows": f"{description.n_rows:,}"}
    if source.path is None:
        return origin | {"seed": str(config.seed)}
    if source.features_file is not None:
        origin["features and their manifest"] = _shown(source.features_file)
    origin["path"] = _shown(source.path)
    if source.path.is_file():
        size, digest = source.path.stat().st_size, io.sha256_file(source.path)
        origin |= {"bytes": f"{size:,}", "sha256": digest}
    return origin


def _shown(path: Path | str) -> str:
    """Relative to the working directory where it lies below it."""
    path, here = Path(path), Path.cwd()
    below = path.is_absolute() and path.is_relative_to(here)
    return str(path.relative_to(here) if below else path)
