"""Searches for a Z' to dark quarks: by strength, with and without features of the dark shower."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anode import io, progress
from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.evaluation.dark_sector.resonance_search import FoundResonance
from anode.pipeline.search.config import SearchConfig, search_from_mapping
from anode.pipeline.search.search import find
from anode.pipeline.studies.dark_search.config import DarkSearchConfig
from anode.pipeline.studies.dark_search.events import make_events
from anode.records import plain
from anode.regions.windows import Window
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
    searches = [_search(config, Path("unread.h5"), *each, n_injected=0) for each in plan]
    for each in searches:  # before the events are made
        _check_window(config, each)
    path = make_events(config)
    mass, label = _mass_and_label(path, config.mass)
    found = []
    with progress.task("searches", total=len(plan), unit="searches") as bar:
        for name, strength, seed in plan:
            n_injected = injected(mass, label, config.window, strength)
            search = _search(config, path, name, strength, seed, n_injected=n_injected)
            find(search)
            found.append(_row(config, search, name, strength, seed, mass, label))
            bar.update()
    _write(config, found, mass, label)


def injected(mass: np.ndarray, label: np.ndarray, window: Sequence[float], strength: float) -> int:
    """Number of signal events at all masses that are S = strength sqrt(B) in the window.

    Args:
        mass: (N,) masses [GeV].
        label: (N,) 1 signal, 0 background.
        window: low and high edge [GeV].
        strength: S/sqrt(B).

    Raises:
        DataError: there is no signal or background in the window, or not enough signal.

    Example:
        >>> mass = np.array([1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 9.0, 9.0])
        >>> label = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
        >>> injected(mass, label, [0, 2], 1.5)  # S = 1.5 sqrt(4) of the 3 of 5 in the window
        5
    """
    inside = Window(*window).contains(mass)
    n_background = int(np.count_nonzero(inside & (label == 0)))
    n_signal, n_inside = (int(np.count_nonzero(label == 1)), int((inside & (label == 1)).sum()))
    if not n_background or not n_inside:
        raise DataError(
            f"window={list(window)} must have background and signal, got {n_background} and "
            f"{n_inside} events; choose a window where the signal is, or generate more events"
        )
    wanted = round(strength * math.sqrt(n_background) * n_signal / n_inside)
    if wanted > n_signal:
        raise DataError(
            f"S/sqrt(B)={strength:g} takes {wanted} signal events, but there are {n_signal}; "
            "generate more of them, or lower strengths"
        )
    return wanted


def _search(
    config: DarkSearchConfig, path: Path, name: str, strength: float, seed: int, *, n_injected: int
) -> SearchConfig:
    """The search of one set of features."""
    features = ", ".join(f"{each}: {each}" for each in config.feature_sets[name])
    folder = f"{config.mass}_{name.replace(' ', '_')}_{strength:g}_seed{seed}"
    overrides = [
        *config.search,
        *config.scan.overrides,
        "data=table",
        f"data.path={path}",
        f"data.columns={{mass: {config.mass}, features: {{{features}}}, label: label, "
        "event_id: event_id}",
        f"injection.n_signal={n_injected}",
        f"seed={seed}",
        f"n_jobs={config.n_jobs}",
        f"run_dir={Path(config.output) / 'searches' / folder}",
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


def _mass_and_label(path: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with io.open_hdf5(path) as file:
        return file[name][:], file["label"][:]


def _row(
    config: DarkSearchConfig,
    search: SearchConfig,
    name: str,
    strength: float,
    seed: int,
    mass: np.ndarray,
    label: np.ndarray,
) -> FoundResonance:
    """What one search has found."""
    path = Path(search.run.run_dir) / "search.json"
    result = SearchResult.from_json(io.read_json(path), str(path))
    window = Window(*config.window)
    inclusive = [row for row in result.at(1.0) if (row.low, row.high) == tuple(config.window)]
    combined = [row for row in result.combined if (row.low, row.high) == tuple(config.window)]
    n_injected = search.run.injection.n_signal or 0
    inside = window.contains(mass)
    share = float(np.mean(inside[label == 1]))
    best = result.best
    return FoundResonance(
        features=name,
        strength=strength,
        seed=seed,
        n_injected=n_injected,
        n_signal=round(n_injected * share),
        n_background=int(np.count_nonzero(inside & (label == 0))),
        z_inclusive=next((row.z_local for row in inclusive if row.tested), None),
        z_selected=next((row.z_local for row in combined), None),
        best_low=None if best is None else best.low,
        best_high=None if best is None else best.high,
        z_global=None if best is None else best.z_global,
        is_lower_limit=best is not None and best.p_global_from == "above toys",
    )


def _write(
    config: DarkSearchConfig,
    found: list[FoundResonance],
    mass: np.ndarray,
    label: np.ndarray,
) -> None:
    """Write and print the table, and draw the figure."""
    output = Path(config.output)
    content = {
        "mass": config.mass,
        "window": config.window,
        "selection": plain(config.selection),
        "n_background": int(np.count_nonzero(label == 0)),
        "n_signal": int(np.count_nonzero(label == 1)),
        "features": config.feature_sets,
        "scan": plain(config.scan),
        "search": config.search,
        "searches": plain(tuple(found)),
    }
    io.write_json(output / "dark_search.json", content)
    save_figure(strength_figure(found, config.mass), output / "strength")
    io.write_text(output / "dark_search.md", page(found, config.feature_sets, config.mass))
    print(short_table(found))
    print(f"table and figure: {output}")
