"""Inputs that are too large for memory lie in a file while a network is fitted to them."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from anode import io
from anode.events.table import EventTable
from anode.jets.images import ImageConfig
from anode.representations.config import InputConfig
from anode.representations.inputs import Inputs
from anode.representations.networks.convolutional import ConvolutionalConfig
from anode.representations.representation import Representation, Resources
from anode.training import loop
from helpers.interrupted import Killed, killing, save_every
from helpers.settings import trainer_config
from helpers.small_methods import representation

BUNDLED = Path(__file__).parents[2] / "data" / "anode_particles.h5"
IMAGES = InputConfig("images", None, ImageConfig(kind="jets", size=16), None)
CONFIG = representation(
    inputs=IMAGES,
    network=ConvolutionalConfig("cae", channels=[4, 8], n_latent=4),
    trainer=trainer_config(epochs=2, batch_size=64),
)


@pytest.fixture(scope="module")
def events() -> EventTable:
    with io.open_hdf5(BUNDLED) as file:
        ids, mass, mj1 = (file[name][:300] for name in ("event_id", "mjj", "mj1"))
    return EventTable(ids, mass, mj1[:, np.newaxis], ("mj1",), ("GeV",), None, str(BUNDLED))


def made(directory: Path) -> Representation:
    inputs = Inputs(IMAGES, ("mj1",), BUNDLED)
    return Representation(
        directory / "representation", CONFIG, inputs, Resources(1, "none", "cpu", None)
    )


def test_images_in_a_file_are_those_in_memory(tmp_path, events):
    inputs = Inputs(IMAGES, ("mj1",), BUNDLED)
    kept = inputs.of(events, tmp_path / "kept.npy")
    assert isinstance(kept, np.memmap)
    assert np.array_equal(kept, inputs.of(events))
    assert inputs.of(events[:0], tmp_path / "none.npy").shape == (0, 2, 16, 16)


def test_a_fit_leaves_no_inputs_behind_and_tidies_up_after_a_killed_one(
    tmp_path, events, monkeypatch
):
    save_every(monkeypatch, 1)
    whole = made(tmp_path / "whole")
    whole.fit(events)
    interrupted = made(tmp_path / "killed")
    (interrupted.directory / "inputs-of-a-killed-one").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(io, "atomic_path", killing(io.atomic_path, 4))
        with pytest.raises(Killed):
            interrupted.fit(events)
    resumed = made(tmp_path / "killed")
    resumed.fit(events)
    assert np.array_equal(resumed.encode(events), whole.encode(events))
    for one in (whole, resumed):
        assert not list(one.directory.glob("inputs*"))


def test_large_events_are_taken_batch_by_batch_to_the_same_weights(tmp_path, events, monkeypatch):
    at_once = made(tmp_path / "at_once")
    at_once.fit(events)
    monkeypatch.setattr(loop, "SHUFFLED_AT_ONCE", 0)
    one_by_one = made(tmp_path / "one_by_one")
    one_by_one.fit(events)
    assert np.array_equal(one_by_one.encode(events), at_once.encode(events))


def test_a_full_disk_is_an_error_and_no_crash(tmp_path, events, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        made(tmp_path).fit(events)
    assert not list((tmp_path / "representation").glob("inputs*"))


def test_the_memory_of_a_fit_is_not_that_of_its_inputs(tmp_path, events):
    """Training events are mapped from a file, so torch allocates no copy of all of them."""
    seen = []

    class Watched(Representation):
        def _fit(self, values):
            seen.extend(values)
            super()._fit(values)

    one = made(tmp_path)
    watched = Watched(one.directory, one.config, one.inputs, one.resources)
    watched.fit(events)
    train, validation = seen
    assert len(train) + len(validation) == 300
    assert isinstance(train, np.memmap)
    assert torch.from_numpy(train).data_ptr() == train.ctypes.data
