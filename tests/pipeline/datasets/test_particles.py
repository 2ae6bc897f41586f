"""Particles are kept beside the features when asked for, and nothing changes when not."""

from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from helpers.raw_files import raw_rows, write_frame
from helpers.settings import REPOSITORY

pytest.importorskip("fastjet")

from anode import io
from anode.errors import ConfigError, DataError
from anode.events.readers.lhco_features import read_bundled
from anode.events.readers.particle_group import ParticleGroup
from anode.events.readers.raw_particles import read_raw
from anode.events.writers.particle_group import PT_BITS
from anode.jets import blocks
from anode.jets.features import COLUMNS
from anode.jets.settings import DEFAULT
from anode.pipeline.datasets import features as pipeline
from anode.pipeline.datasets.feature_blocks import raw_source

N_EVENTS = 12


def make(path: Path, output: Path, *overrides: str) -> dict:
    given = [f"data.path={path}", f"output={output}", "n_jobs=1", "data.max_skipped=0.2"]
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        config = pipeline.parse_features(compose("features", overrides=[*given, *overrides]))
    pipeline.features(config)
    return io.read_json(pipeline.manifest_path(output))


@pytest.fixture(scope="module")
def raw_file(tmp_path_factory) -> Path:
    rows = raw_rows(N_EVENTS, seed=2)
    rows[5, 3:2100] = 0.0  # without two jets
    return write_frame(tmp_path_factory.mktemp("raw") / "raw.h5", rows)


@pytest.fixture(scope="module")
def made(raw_file, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("made") / "events.h5"
    make(raw_file, output, "particles=true")
    return output


def test_the_features_beside_particles_are_those_without(made, raw_file, tmp_path):
    manifest = make(raw_file, tmp_path / "plain.h5")
    assert "particles" not in manifest
    with h5py.File(made) as file, h5py.File(tmp_path / "plain.h5") as plain:
        assert set(file) == {*plain, "particles"}
        for name, values in plain.items():
            np.testing.assert_array_equal(values[:], file[name][:])
        assert dict(file.attrs) == dict(plain.attrs)


def test_the_jets_of_the_particles_are_those_of_the_features(made):
    group = ParticleGroup(made)
    found = group.read(group.event_id[::-1])
    assert 5 not in group.event_id
    with h5py.File(made) as file:
        columns = {name: file[name][:][::-1] for name in COLUMNS}
    for i in range(len(found.event_id)):
        own = slice(*found.offsets[i : i + 2])
        assert found.offsets[i + 1] - found.offsets[i] == columns["n_particles"][i]
        for jet in (1, 2):
            inside = found.jet[own] == jet - 1
            assert inside.sum() == columns[f"n_constituentsj{jet}"][i]
            hardest = found.pt[own][inside].max()
            assert hardest == pytest.approx(columns[f"pt_leadj{jet}"][i], rel=2.0**-PT_BITS)


def test_the_manifest_counts_them(made):
    manifest = io.read_json(pipeline.manifest_path(made))
    assert manifest["particles"] == ParticleGroup(made).n_particles
    assert pipeline.read_features_manifest(made).to_json() == manifest


def test_an_interrupted_command_goes_on_with_the_particles(raw_file, made, tmp_path, monkeypatch):
    output, asked = tmp_path / "events.h5", ["particles=true", "data.block_rows=4"]
    real = blocks.read_raw

    def failing(path: Path, start: int, stop: int):
        if start == 8:
            raise DataError("power cut")
        return real(path, start, stop)

    monkeypatch.setattr(blocks, "read_raw", failing)
    with pytest.raises(DataError, match="power cut"):
        make(raw_file, output, *asked)
    read = []
    monkeypatch.setattr(blocks, "read_raw", lambda p, a, b: (read.append(a), real(p, a, b))[1])
    make(raw_file, output, *asked)
    assert read == [8]
    assert output.read_bytes() == made.read_bytes()
    with pytest.raises(DataError, match="with or without particles"):
        make(raw_file, output)


def test_a_file_without_particles_has_the_fingerprint_it_always_had(raw_file):
    plain, kept = (raw_source(raw_file, DEFAULT, particles=p) for p in (False, True))
    content = (plain.identity, N_EVENTS, asdict(DEFAULT), sorted(plain.versions.items()), COLUMNS)
    assert plain.fingerprint() == io.sha256_text(repr(content))[:12]
    assert kept.fingerprint() != plain.fingerprint()


def test_a_block_without_particles_does_not_stand_for_one_with(raw_file, tmp_path):
    job = blocks.BlockJob(
        raw_file, 0, 4, DEFAULT, tmp_path / "b.h5", blocks.package_versions(), particles=False
    )
    blocks.process_block(job)
    blocks.process_block(job._replace(particles=True))
    assert len(blocks.read_block_particles(job.path).event_id) == 4
    assert read_raw(raw_file, 0, 4).objects.offsets[-1] == len(
        blocks.read_block_particles(job.path).pt
    )


@pytest.mark.parametrize("layout", ["lhco", "jsonl"])
def test_other_layouts_have_no_room_for_particles(raw_file, tmp_path, layout):
    with pytest.raises(ConfigError, match=f"needs layout=anode, .* got layout={layout}; choose"):
        make(raw_file, tmp_path / "out", "particles=true", f"layout={layout}")


def test_the_features_are_read_as_from_any_other_file(made):
    events = read_bundled(made, ["mj1", "delta_mj"])
    assert len(events) == N_EVENTS - 1
    assert events.names == ("mj1", "delta_mj")
