"""A representation of particles scores another file by that file's particles, or says why not."""

import shutil

import h5py
import numpy as np
import pytest

from anode.errors import AnodeError, ConfigError
from anode.events.readers.particle_group import BUNDLED_PARTICLES
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring import blocks
from anode.pipeline.scoring.scorer import Scorer

OVERRIDES = [
    "data=bundled_particles", "method=autoencoder", "representation=set_ae",
    "representation.network.hidden=[8]", "representation.trainer.epochs=1",
    "data.n_background=1500", "data.n_signal=300", "injection.n_signal=50", "store=null",
    "n_jobs=1", "figures=false", "evaluation.n_bootstrap=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = compose_run(OVERRIDES, tmp_path_factory.mktemp("run"))
    stages.run(config)
    return config


def other(path, *, offset: int, particles: bool):
    """The last bundled events with the ids of the first ones, which are other events."""
    shutil.copyfile(BUNDLED_PARTICLES, path)
    with h5py.File(path, "r+") as file:
        if not particles:
            del file["particles"]
        file["event_id"][:] = np.roll(file["event_id"][:], offset)
    return path


def scored(run, path, output):
    config = compose_run([*OVERRIDES, f"data.path={path}"], run.run_dir)
    blocks.score_file(config, RunDirectory(run.run_dir), output)
    with h5py.File(output) as file:
        return {name: file[name][:] for name in ("event_id", "mass", "score")}


def test_another_file_is_scored_by_its_own_particles(run, tmp_path):
    same = scored(
        run, other(tmp_path / "a.h5", offset=700, particles=True), tmp_path / "a_scores.h5"
    )
    rolled = scored(
        run, other(tmp_path / "b.h5", offset=500, particles=True), tmp_path / "b.scores"
    )
    assert np.array_equal(same["mass"], rolled["mass"])
    assert np.array_equal(same["score"], rolled["score"])  # whatever the events are called
    assert not np.array_equal(same["event_id"], rolled["event_id"])


def test_a_file_without_particles_is_refused(run, tmp_path):
    with pytest.raises(AnodeError, match="particles"):
        scored(run, other(tmp_path / "c.h5", offset=0, particles=False), tmp_path / "c_scores.h5")
    assert not (tmp_path / "c_scores.h5").exists()


def test_columns_of_numbers_are_not_enough(run):
    with pytest.raises(ConfigError, match="made of particles"):
        Scorer.load(run.run_dir)
