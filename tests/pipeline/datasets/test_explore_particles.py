"""An exploration draws the particles of a file that has them, and of no other."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from anode.configuration.composition import compose
from anode.errors import DataError
from anode.events.readers.lhco_features import BUNDLED_PATH
from anode.events.writers.feature_files import write_features
from anode.pipeline.datasets import explore as exploration
from anode.pipeline.datasets import explore_particles
from anode.pipeline.datasets.explore import explore, parse_explore
from anode.pipeline.datasets.explore_particles import EventSample
from helpers.particles import made_up

IDS = 7 * np.arange(60)[::-1]


def write(path: Path, *, label: bool = True, particles: bool = True) -> Path:
    """The first bundled events with particles that have nothing to do with them."""
    with h5py.File(BUNDLED_PATH) as file:
        columns = {name: file[name][:60] for name in file}
    columns |= {"event_id": IDS, "label": (np.arange(60) % 3 == 0).astype(np.int8)}
    columns["mj1"][5] = -1.0
    if not label:
        del columns["label"]
    kept = iter([made_up(IDS)]) if particles else None
    write_features(path, [columns], n_rows=60, layout="anode", attributes={}, particles=kept)
    return path


def explored(path: Path, output: Path) -> set[str]:
    regions = ["regions.signal=[2500,3500]", "regions.sidebands=[[null,2500],[3500,null]]"]
    explore(parse_explore(compose("explore", [f"data.path={path}", f"output={output}", *regions])))
    return {p.name for p in output.iterdir()}


@pytest.mark.parametrize("label", [True, False])
def test_images_and_constituents_are_drawn_and_shown_on_the_card(tmp_path, label, monkeypatch):
    asked = []
    real = exploration.images_figure
    monkeypatch.setattr(
        exploration, "images_figure", lambda found: (asked.append(found), real(found))[1]
    )
    left = explored(write(tmp_path / "events.h5", label=label), tmp_path / "out")
    for name in ("images", "constituents"):
        assert {f"{name}.png", f"{name}.pdf"} <= left
        assert f"![{name}]({name}.png)" in (tmp_path / "out/card.md").read_text()
    (found,) = asked
    numbers = {name: summary.n_events for name, summary in found.items()}
    assert numbers == ({"background": 39, "signal": 20} if label else {"all": 59})


def test_a_file_without_particles_has_no_such_figures(tmp_path):
    left = explored(write(tmp_path / "events.h5", particles=False), tmp_path / "out")
    assert "spectrum.png" in left
    assert not {"images.png", "constituents.png"} & left


def test_damaged_particles_are_refused(tmp_path):
    path = write(tmp_path / "events.h5")
    with h5py.File(path, "r+") as file:
        file["particles/jet"][:] = 1
    with pytest.raises(DataError, match="its harder one has none"):
        explored(path, tmp_path / "out")


def test_a_sample_of_many_events_is_as_large_as_allowed_and_repeatable(tmp_path, monkeypatch):
    from anode.events.readers.dijet_files import BundledFile

    monkeypatch.setattr(explore_particles, "MAX_EVENTS", 8)
    source = BundledFile(write(tmp_path / "events.h5"))
    chosen = []
    for seed, rows in ((1, 100), (1, 7), (2, 100)):
        sample = EventSample(seed)
        for block in source.fault_scan(None, rows):
            sample.add(block)
        chosen.append({name: ids.tolist() for name, ids in sample.chosen().items()})
    assert chosen[0] == chosen[1] != chosen[2]
    assert [len(set(ids)) for ids in chosen[0].values()] == [8, 8]
    assert set(chosen[0]["signal"]) < set(IDS[::3].tolist())
    assert IDS[5] not in chosen[0]["background"]
