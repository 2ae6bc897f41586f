"""Particles in a file of features: what is written is read, by id, and faults are named."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anode.errors import DataError
from anode.events.particles import EventParticles
from anode.events.readers import particle_group as reader
from anode.events.readers.particle_group import ParticleGroup, has_particles
from anode.events.writers import particle_group as writer
from anode.events.writers.feature_files import write_features
from anode.events.writers.particle_group import PT_BITS, STEP, rounded
from helpers.particles import made_up, part_of

IDS = np.array([40, 7, 12, 3, 99, 5])
EVENTS = made_up(IDS, seed=3)


def write(path: Path, parts: list[EventParticles]) -> Path:
    ids = np.concatenate([part.event_id for part in parts])
    columns = [{"event_id": ids, "mj1": np.ones(len(ids))}]
    write_features(
        path, columns, n_rows=len(ids), layout="anode", attributes={}, particles=iter(parts)
    )
    return path


@pytest.fixture(params=["whole", "by event"])
def file(request, tmp_path) -> Path:
    parts = [part_of(EVENTS, [i]) for i in range(len(IDS))]
    return write(tmp_path / "events.h5", [EVENTS] if request.param == "whole" else parts)


def test_events_are_read_by_id_in_any_order(file, monkeypatch):
    monkeypatch.setattr(reader, "_BLOCK", 16)
    group = ParticleGroup(file)
    assert (group.n_events, group.n_particles) == (6, len(EVENTS.pt))
    np.testing.assert_array_equal(group.event_id, IDS)
    for rows in ([0, 1, 2, 3, 4, 5], [5, 0, 3], [2], [4, 4, 1], []):
        found, expected = group.read(IDS[rows]), rounded(part_of(EVENTS, rows))
        for name, values in expected._asdict().items():
            np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
            assert getattr(found, name).dtype == values.dtype


def test_bytes_do_not_depend_on_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "CHUNK", 16)
    events = made_up(np.arange(30), seed=1)
    divisions = [[range(30)], [range(7), range(7, 8), range(8, 30)], [[i] for i in range(30)]]
    written = {
        write(tmp_path / f"{i}.h5", [part_of(events, list(p)) for p in parts]).read_bytes()
        for i, parts in enumerate(divisions)
    }
    assert len(written) == 1


def test_nothing_is_read_but_what_is_asked_for(file, monkeypatch):
    monkeypatch.setattr(reader, "_BLOCK", 1)
    asked = []
    real = ParticleGroup._values
    monkeypatch.setattr(
        ParticleGroup,
        "_values",
        lambda self, f, name, a, b: (asked.append((name, a, b)), real(self, f, name, a, b))[1],
    )
    group = ParticleGroup(file)
    asked.clear()
    group.read(IDS[[1]])
    start, stop = EVENTS.offsets[1:3]
    assert asked == [(f"particles/{name}", start, stop) for name in writer.VALUES]


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-2, 1e4), st.floats(-5, 5), st.floats(-100, 100))
def test_rounding_is_small_stays_in_range_and_changes_nothing_twice(pt, eta, phi):
    values = (np.float32([value]) for value in (pt, eta, phi))
    once = rounded(EventParticles(IDS[:1], np.array([0, 1]), *values, np.zeros(1, np.int8)))
    assert abs(once.pt[0] / np.float32(pt) - 1) <= 2.0 ** -(PT_BITS + 1)
    assert abs(once.eta[0] - np.float32(eta)) <= STEP / 2
    turn = np.float64(once.phi[0]) - np.float64(np.float32(phi))
    distance = abs((turn + np.pi) % (2 * np.pi) - np.pi)
    assert distance <= (STEP / 2 + 1e-12 if abs(once.phi[0]) < 3.1413 else STEP)
    assert -np.pi <= once.phi[0] < np.pi
    assert once.eta[0] % STEP == once.phi[0] % STEP == 0
    for again, before in zip(rounded(once), once, strict=True):
        np.testing.assert_array_equal(again, before)


def changed(path: Path, name: str, change) -> Path:
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        result = change(values)
        del file[name]
        if result is not None:
            file[name] = result
    return path


def put(place: int, value: float):
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pt", put(-1, np.nan), "'particles/pt' must be finite and above 0, but event 5 has nan"),
        ("pt", put(0, -2.0), "above 0, but event 40 has -2 .1 such"),
        ("eta", put(0, np.inf), "'particles/eta' must be finite, but event 40 has inf"),
        ("phi", put(0, np.nan), "'particles/phi' must be finite, but event 40 has nan"),
        ("jet", put(0, 2), "'particles/jet' must be 0, 1 or -1, but event 40 has 2"),
        ("jet", put(0, -2), "'particles/jet' must be 0, 1 or -1, but event 40 has -2"),
        ("offsets", put(2, 1), "must rise from 0 .* falls behind entry 1; make the file again"),
        ("offsets", put(0, 1), "must rise from 0 to the"),
        ("offsets", lambda v: v[:-1], "one entry more than the 6 events, got 6"),
        ("pt", lambda v: v[:-1], "must have one entry a particle each"),
        ("pt", lambda v: v.astype(int), "'particles/pt' must be a list of numbers, got"),
        ("eta", lambda v: None, "'particles/eta' must be a list of numbers, got nothing"),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_event(file, name, change, message):
    path = changed(file, f"particles/{name}", change)
    with pytest.raises(DataError, match=message) as raised:
        ParticleGroup(path).read(IDS)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_id_is_named(file):
    with pytest.raises(DataError, match=r"event 8 is not in it \(2 such ids of the 3 asked for"):
        ParticleGroup(file).read(np.array([7, 8, 1000]))


def test_an_id_that_occurs_twice_is_refused(file):
    changed(file, "event_id", put(3, 7))
    with pytest.raises(DataError, match="every event_id must occur once, but 7"):
        ParticleGroup(file)


def test_a_file_without_particles_says_how_to_make_one(tmp_path):
    path = tmp_path / "features.h5"
    columns = [{"event_id": IDS}]
    write_features(path, columns, n_rows=6, layout="anode", attributes={})
    assert not has_particles(path)
    with pytest.raises(DataError, match="anode features particles=true makes one"):
        ParticleGroup(path)


def test_a_damaged_file_is_refused(file):
    assert has_particles(file)
    content = bytearray(file.read_bytes())
    group = ParticleGroup(file)
    with h5py.File(file) as h5:
        place = h5["particles/pt"].id.get_chunk_info(0).byte_offset
    content[place + 4 : place + 20] = b"\0" * 16
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read 'particles/pt'.*the file is damaged"):
        group.read(IDS)
    file.write_bytes(content[:2000])
    with pytest.raises(DataError, match="truncated"):
        ParticleGroup(file)
