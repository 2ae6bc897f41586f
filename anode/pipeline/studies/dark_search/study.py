"""Searches for a Z' to dark quarks: by strength, with and without features of the dark shower."""

from pathlib import Path

import numpy as np

from anode import io, progress
from anode.configuration.builder import resolve
from anode.configuration.composition import as_word, compose
from anode.errors import ConfigError
from anode.evaluation.dark_sector.resonance_search import FoundResonance
from anode.pipeline.search.config import SearchConfig, search_from_mapping
from anode.pipeline.search.search import find
from anode.pipeline.studies.dark_search.config import DarkSearchConfig
from anode.pipeline.studies.dark_search.events import make_events
from anode.pipeline.studies.dark_search.samples import Sample, make_sample, write_shape
from anode.records import plain
from anode.reporting.common.style import save_figure
from anode.reporting.study.dark_search import page, short_table, strength_figure
from anode.statistics.scan.search_result import SearchResult


def dark_search(config: DarkSearchConfig) -> None:
    """Make the events, search what is missing; write ``dark_search.json``, ``.md`` and a figure.

    Raises:
        ConfigError: an override of the search is impossible, or the window none of the scan.
        DataError: the files cannot be read, or have too few events for a strength.
    """
    plan = [
        (name, strength, seed)
        for name in config.feature_sets
        for strength in config.strengths
        for seed in config.seeds
    ]
    for name, strength, seed in plan:  # before the events are made
        unread = Path("unread.h5"), None
        _check_window(config, _search(config, *unread, name, strength, seed))
    path = make_events(config)
    shape = write_shape(config, path) if config.shape == "signal" else None
    samples = {
        (strength, seed): make_sample(config, path, strength, seed)
        for strength in config.strengths
        for seed in config.seeds
    }
    found = []
    with progress.task("searches", total=len(plan), unit="searches") as bar:
        for name, strength, seed in plan:
            sample = samples[strength, seed]
            search = _search(config, sample.path, shape, name, strength, seed)
            find(search)
            found.append(_row(config, search, sample, name, strength, seed))
            bar.update()
    _write(config, found, path)


def _search(
    config: DarkSearchConfig,
    path: Path,
    shape: Path | None,
    name: str,
    strength: float,
    seed: int,
) -> SearchConfig:
    """The search of one set of features, which is given no labels."""
    features = ", ".join(f"{each}: {each}" for each in config.feature_sets[name])
    folder = f"{config.mass}_{name.replace(' ', '_')}_{strength:g}_seed{seed}"
    overrides = [
        *config.search,
        *config.scan.overrides,
        *([] if shape is None else [f"spectrum.signal_shape={as_word(shape)}"]),
        "data=table",
        f"data.path={as_word(path)}",
        f"data.columns={{mass: {config.mass}, features: {{{features}}}, label: null, "
        "event_id: event_id, identity: identity}",
        "injection.n_signal=null",
        f"seed={seed}",
        f"n_jobs={config.n_jobs}",
        f"run_dir={as_word(Path(config.output) / 'searches' / folder)}",
    ]
    return search_from_mapping(resolve(compose("search", overrides)))


def _check_window(config: DarkSearchConfig, search: SearchConfig) -> None:
    """Refuse a window that the scan does not have."""
    windows = [[each.low, each.high] for each in search.scan.windows]
    if list(config.window) not in windows:
        raise ConfigError(
            f"window must be one of the scan, {windows[0]} to {windows[-1]} by "
            f"{search.scan.step:g} GeV, got {config.window}; change it, or scan"
        )


def _row(
    config: DarkSearchConfig,
    search: SearchConfig,
    sample: Sample,
    name: str,
    strength: float,
    seed: int,
) -> FoundResonance:
    """What one search has found."""
    path = Path(search.run.run_dir) / "search.json"
    result = SearchResult.from_json(io.read_json(path), str(path))
    inclusive = [row for row in result.at(1.0) if (row.low, row.high) == tuple(config.window)]
    combined = [row for row in result.combined if (row.low, row.high) == tuple(config.window)]
    best = result.best
    return FoundResonance(
        features=name,
        strength=strength,
        seed=seed,
        n_injected=sample.n_injected,
        n_signal=sample.n_signal,
        n_background=sample.n_background,
        z_inclusive=next((row.z_local for row in inclusive if row.tested), None),
        z_selected=next((row.z_local for row in combined), None),
        best_low=None if best is None else best.low,
        best_high=None if best is None else best.high,
        z_global=None if best is None else best.z_global,
        is_lower_limit=best is not None and best.p_global_from == "above toys",
    )


def _write(config: DarkSearchConfig, found: list[FoundResonance], events: Path) -> None:
    """Write and print the table, and draw the figure."""
    output = Path(config.output)
    with io.open_hdf5(events) as file:
        label = file["label"][:]
    content = {
        "mass": config.mass,
        "window": config.window,
        "selection": plain(config.selection),
        "n_background": int(np.count_nonzero(label == 0)),
        "n_signal": int(np.count_nonzero(label == 1)),
        "features": config.feature_sets,
        "scan": plain(config.scan),
        "shape": config.shape,
        "search": config.search,
        "searches": plain(tuple(found)),
    }
    io.write_json(output / "dark_search.json", content)
    save_figure(strength_figure(found, config.mass), output / "strength")
    io.write_text(output / "dark_search.md", page(found, config.feature_sets, config.mass))
    print(short_table(found))
    print(f"table and figure: {output}")
