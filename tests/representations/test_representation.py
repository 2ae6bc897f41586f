"""A fitted representation: resumable, independent of the other events, compared to blank."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from anode import io
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.representations import representation as representation_module
from anode.representations.config import CompressionConfig, InputConfig
from anode.representations.inputs import Inputs
from anode.representations.networks.base import CHUNK
from anode.representations.representation import Representation, Resources, latent_names
from helpers.bit_flips import flipped
from helpers.interrupted import Killed, killing, save_every
from helpers.settings import trainer_config
from helpers.small_methods import representation, sample

CONFIG = representation(trainer=trainer_config(epochs=4, batch_size=128))
NAMES = ("x1", "x2", "x3", "x4")


def made(directory, config=CONFIG, seed=1, store=None) -> Representation:
    inputs = Inputs(config.inputs, NAMES, None)
    return Representation(
        directory / "representation", config, inputs, Resources(seed, "none", "cpu", store)
    )


@pytest.fixture(scope="module")
def events():
    return sample(2000, 0, 1).without_label()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, events):
    one = made(tmp_path_factory.mktemp("fit"))
    one.fit(events)
    return one


def test_latent_numbers_of_an_event_do_not_depend_on_the_others(fitted, events):
    whole = fitted.encode(events)
    assert whole.shape == (2000, 2)
    assert np.array_equal(fitted.encode(events[500:520]), whole[500:520])


def test_blocks_bound_what_is_in_memory_and_change_no_bit(fitted, events, monkeypatch):
    whole = fitted.encode(events), fitted.reconstruct(events), fitted.loss(events)
    sizes = []

    def counted(self, part):
        sizes.append(len(part))
        return of(self, part)

    of = Inputs.of
    monkeypatch.setattr(Inputs, "of", counted)
    monkeypatch.setattr(representation_module, "BLOCK", 2 * CHUNK)
    blocks = fitted.encode(events), fitted.reconstruct(events), fitted.loss(events)
    assert sizes == 3 * [1024, 976]
    assert all(map(np.array_equal, blocks[:2], whole[:2]))
    assert np.array_equal(blocks[2]["reconstruction"], whole[2]["reconstruction"])
    assert fitted.encode(events[:0]).shape == (0, 2)


def test_the_reconstruction_error_is_that_of_the_reconstruction(fitted, events):
    made_of = events.features
    mean, std = made_of.mean(axis=0), made_of.std(axis=0)
    error = fitted.loss(events)["reconstruction"]
    # Standardised by the training events, 85% of these: means and widths differ by their errors.
    by_hand = (((fitted.reconstruct(events) - made_of) / std) ** 2).mean(axis=1)
    assert error == pytest.approx(by_hand, rel=0.15, abs=0.05)
    assert mean.shape == (4,)


def test_a_killed_fit_ends_with_the_same_latent_numbers(tmp_path, fitted, events, monkeypatch):
    save_every(monkeypatch, 1)
    with monkeypatch.context() as patch:
        patch.setattr(io, "atomic_path", killing(io.atomic_path, 5))
        with pytest.raises(Killed):
            made(tmp_path).fit(events)
    resumed = made(tmp_path)
    resumed.fit(events)
    assert np.array_equal(resumed.encode(events), fitted.encode(events))


def test_equal_fits_are_made_once_and_other_ones_are_not_taken_for_them(
    tmp_path, fitted, events, monkeypatch
):
    fits = []
    real = representation_module.fit
    monkeypatch.setattr(
        representation_module, "fit", lambda *args, **rest: fits.append(1) or real(*args, **rest)
    )
    store = tmp_path / "store"
    first, second = (made(tmp_path / name, store=store) for name in "ab")
    first.fit(events)
    second.fit(events)
    assert len(fits) == 1
    assert second.gain == fitted.gain
    for one in (first, second):
        assert np.array_equal(one.encode(events), fitted.encode(events))
    longer = dataclasses.replace(CONFIG, trainer=trainer_config(epochs=5, batch_size=128))
    for name, other in (("c", {"seed": 2}), ("d", {"config": longer}), ("e", {})):
        of = events[: len(events) - (name == "e")]
        made(tmp_path / name, store=store, **other).fit(of)
    assert len(fits) == 4


def test_a_damaged_entry_of_the_store_is_fitted_again(tmp_path, fitted, events, caplog):
    store = tmp_path / "store"
    made(tmp_path / "a", store=store).fit(events)
    (weights,) = store.glob("*/epoch_0004.pt")
    other = made(tmp_path / "b", store=store)
    for _ in flipped(weights, 1):
        other.fit(events)
    assert "of the store, is damaged: fitted again" in caplog.text
    assert np.array_equal(other.encode(events), fitted.encode(events))


def test_the_gain_over_a_blank_prediction_is_kept_and_warned_of(tmp_path, fitted, events, caplog):
    assert fitted.gain is not None
    assert -1 < fitted.gain < 1
    lazy = dataclasses.replace(CONFIG, trainer=trainer_config(epochs=1, learning_rate=1e-9))
    made(tmp_path, lazy).fit(events)
    assert "no better than a blank one" in caplog.text


def test_another_network_in_the_same_folder_is_refused(fitted, events):
    network = dataclasses.replace(CONFIG.network, n_latent=3)
    other = dataclasses.replace(CONFIG, network=network)
    wrong = made(fitted.directory.parent, other)
    with pytest.raises(RunDirectoryError, match="network or inputs differ"):
        wrong.encode(events)


def test_a_flipped_bit_of_the_description_is_seen(tmp_path, events):
    one = made(tmp_path)
    one.fit(events)
    path = one.directory / "representation.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "names": ["x1", "x2", "x3", "x5"]}))
    with pytest.raises(RunDirectoryError):
        made(tmp_path).encode(events)


def test_features_of_another_file_need_the_same_names(fitted, events):
    renamed = dataclasses.replace(events, names=("a", "b", "c", "d"))
    with pytest.raises(DataError, match="no feature 'x1'"):
        fitted.encode(renamed)


def test_particles_need_a_file():
    config = InputConfig("features", None, None, None)
    with pytest.raises(ConfigError, match=r"inputs\.images must be given"):
        dataclasses.replace(config, kind="images")


def test_names_of_the_columns():
    inputs = Inputs(CONFIG.inputs, NAMES, None)
    assert latent_names(CONFIG, inputs) == ("z1", "z2")
    few = dataclasses.replace(CONFIG, compression=CompressionConfig("linear", 3))
    assert latent_names(few, inputs) == ("c1", "c2", "c3")


@pytest.mark.parametrize(("kind", "columns"), [("logistic", 2), ("linear", 5), ("linear", 0)])
def test_impossible_compressions_are_refused(kind, columns):
    with pytest.raises(ConfigError, match="columns must be 1 to"):
        CompressionConfig(kind, columns)


def test_the_global_random_state_is_left_alone(tmp_path, events):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    made(tmp_path).fit(events)
    assert torch.equal(torch.rand(3), expected)
