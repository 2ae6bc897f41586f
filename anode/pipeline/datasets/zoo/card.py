"""Data card of a folder of signals, made of its files alone: page, ``card.json`` and figures."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anode.errors import DataError
from anode.evaluation.description.signal_zoo import (
    MJJ_HALF_WIDTH,
    ZOO_FEATURES,
    SignalZoo,
    ZooSignal,
    binomial_error,
    mjj_share,
    spreads,
    zoo_values,
)
from anode.events.formats import source_of_file
from anode.io import open_hdf5, read_json, sha256_file, write_json, write_text
from anode.pipeline.datasets.chunks import package_versions
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.zoo.figures import overview_figure, signal_figure
from anode.reporting.dataset.zoo.page import zoo_page
from anode.resources import DATA

log = logging.getLogger(__name__)

_BUNDLED = "anode_dijets.h5"


def write_zoo_card(folder: Path, names: Sequence[str]) -> None:
    """Write ``README.md``, ``card.json`` and ``figures/`` into a folder of signals.

    A card that already describes these very files is left alone.

    Args:
        folder: folder of the files.
        names: names of all signals there may be, in the order of the page.
    """
    found = [name for name in names if (folder / f"{name}.h5").is_file()]
    digests = {name: sha256_file(folder / f"{name}.h5") for name in found}
    card_path = folder / "card.json"
    if _described(card_path) == digests:
        log.info("%s describes these very files already", card_path)
        return
    background = _bundled_background()
    signals = {}
    for name in found:
        path = folder / f"{name}.h5"
        values = zoo_values(source_of_file(path).read(ZOO_FEATURES))
        signals[name] = _facts(path, digests[name], values)
        figure = signal_figure(name, signals[name], values, background)
        save_figure(figure, folder / "figures" / name)
    card = SignalZoo(package_versions(), MJJ_HALF_WIDTH, signals)
    save_figure(overview_figure(card), folder / "figures" / "overview")
    write_text(folder / "README.md", zoo_page(card))
    write_json(card_path, card.to_json())  # last, as the sign that all is there
    log.info("%s, README.md and figures written", card_path)


def _described(card_path: Path) -> dict[str, str]:
    """Hashes of the files that a card describes; one that cannot be read describes none."""
    try:
        card = SignalZoo.from_json(read_json(card_path), card_path)
    except DataError:
        return {}
    return {name: signal.sha256 for name, signal in card.signals.items()}


def _bundled_background() -> dict[str, np.ndarray]:
    """Features of the QCD di-jets that come along, to compare with."""
    table = source_of_file(DATA / _BUNDLED).read(ZOO_FEATURES)
    return {} if table.label is None else zoo_values(table[table.label == 0])


def _facts(path: Path, digest: str, values: dict[str, np.ndarray]) -> ZooSignal:
    with open_hdf5(path) as file:
        said: dict[str, Any] = dict(file.attrs)
        first_id, n_events = int(file["event_id"][0]), len(file["event_id"])
    n_generated = int(said[f"n_generated_{path.stem}"])
    n_accepted = int(said[f"n_accepted_{path.stem}"])
    return ZooSignal(
        file=path.name,
        sha256=digest,
        bytes=path.stat().st_size,
        decay=str(said["decay"]),
        prongs=(int(said["prongs_1"]), int(said["prongs_2"])),
        masses_gev=(float(said["mass_1"]), float(said["mass_2"])),
        resonance_mass=float(said["resonance_mass"]),
        resonance_width=float(said["resonance_width"]),
        seed=int(said["seed"]),
        chunk_size=int(said["chunk_size"]),
        trigger_pt=float(said["trigger_pt"]),
        n_events=n_events,
        first_event_id=first_id,
        n_generated=n_generated,
        trigger_efficiency=round(n_accepted / n_generated, 4),
        trigger_efficiency_error=binomial_error(n_accepted, n_generated),
        mjj_share=mjj_share(values["mjj"], float(said["resonance_mass"])),
        features=spreads(values),
        settings=tuple(str(said[f"settings_{path.stem}"]).splitlines()),
    )
