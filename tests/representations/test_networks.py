"""Every network: losses of events, gradients, latent vectors of single events, reproducibility."""

from dataclasses import replace

import pytest
import torch

from anode.errors import ConfigError, DataError
from anode.representations.networks import base
from anode.representations.networks.base import NetworkConfig
from anode.representations.networks.build import NETWORKS, build_network
from anode.representations.networks.parts.noise import batch_stream
from anode.training import loop
from anode.training.optimiser import Adam
from anode.training.recipe import Pace
from anode.training.state import Fit, Sample
from helpers.interrupted import Killed, assert_same_weights, killing, save_every, weights
from helpers.settings import trainer_config
from helpers.toy_networks import CONFIGS, SHAPES, inputs, network

NAMES = list(NETWORKS)
RECONSTRUCTING = [name for name in NAMES if network(name).reconstructs]
DRAWING = ["vae", "vit", "contrastive", "pooled"]


def no_context(x):
    return torch.zeros(len(x), 1)


def test_the_table_and_the_tests_know_the_same_networks():
    assert list(CONFIGS) == NAMES
    assert {entry.config for entry in NETWORKS.values()} == {type(c) for c in CONFIGS.values()}


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_one_finite_number_for_each_event_with_and_without_gradients(name):
    one, x = network(name), inputs(name, 12)
    with torch.no_grad():
        without = one.loss(x, no_context(x))
    loss = one.loss(x, no_context(x))
    assert loss.shape == without.shape == (12,)
    assert torch.isfinite(loss).all()
    assert loss.std() > 0
    assert torch.allclose(loss, without, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    one, x = network(name), inputs(name, 12)
    one.loss(x, no_context(x)).mean().backward()
    for key, parameter in one.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", NAMES)
def test_the_latent_vector_of_an_event_depends_on_no_other_event(name, monkeypatch):
    one, x = network(name), inputs(name, 12)
    together = one.encode(x)
    alone = torch.cat([one.encode(x[i : i + 1]) for i in range(12)])
    monkeypatch.setattr(base, "CHUNK", 5)
    assert together.shape == (12, one.n_latent)
    assert together.std(0).min() > 0
    for other in (alone, one.encode(x), one.encode(x.flip(0)).flip(0)):
        assert torch.allclose(together, other, atol=1e-5)


@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_the_reconstruction_of_an_event_depends_on_no_other_event(name):
    one, x = network(name), inputs(name, 12)
    together = one.reconstruct(x)
    alone = torch.cat([one.reconstruct(x[i : i + 1]) for i in range(12)])
    assert together.shape == x.shape
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in RECONSTRUCTING if name != "set_ae"])
def test_reconstructions_are_linear_in_the_last_bias(name):
    # A sigmoid at the end would confine them to (0, 1).
    one, x = network(name), inputs(name, 3)
    before, bias = one.reconstruct(x), list(one.parameters())[-1]
    with torch.no_grad():
        bias -= 7.0
    assert torch.allclose(one.reconstruct(x), before - 7.0, atol=1e-4)


@pytest.mark.parametrize("name", RECONSTRUCTING)
def test_scores_are_finite_and_the_error_grows_with_the_distance_from_the_reconstruction(name):
    one, x = network(name), inputs(name, 12)
    terms = one.terms(x)
    assert set(terms) == (
        {"reconstruction", "kl", "elbo"} if name == "vae" else {"reconstruction"}
    )
    for values in terms.values():
        assert values.shape == (12,)
        assert torch.isfinite(values).all()
    if name != "set_ae":  # whose errors have weights
        expected = (one.reconstruct(x) - x).square().flatten(1).mean(1)
        assert torch.allclose(terms["reconstruction"], expected, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RECONSTRUCTING])
def test_a_network_without_reconstruction_says_which_scores_there_are(name):
    one, x = network(name), inputs(name, 3)
    assert one.terms(x) == {}
    with pytest.raises(DataError, match="choose score=mahalanobis"):
        one.reconstruct(x)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_leaves_the_mode_of_training_and_no_gradients(name):
    one, x = network(name).train(), inputs(name, 3)
    assert not one.encode(x).requires_grad
    assert one.training


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_weights_whatever_was_drawn_before(name):
    torch.manual_seed(5)
    first = network(name, seed=3).state_dict()
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)  # building took nothing from the global state
    again, other = network(name, seed=3).state_dict(), network(name, seed=4).state_dict()
    for key, value in first.items():
        assert torch.equal(value, again[key]), key
    assert any(not torch.equal(value, other[key]) for key, value in first.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_a_batch_is_the_same_whatever_was_drawn_before(name):
    one, x = network(name), inputs(name, 12)
    first = one.loss(x, no_context(x))
    torch.rand(7)
    assert torch.equal(first, one.loss(x, no_context(x)))


@pytest.mark.parametrize("name", DRAWING)
def test_another_order_of_the_same_events_draws_other_noise(name):
    one, x = network(name), inputs(name, 12)
    loss, other = one.loss(x, no_context(x)), one.loss(x.flip(0), no_context(x)).flip(0)
    assert (loss - other).abs().max() > 0.01 * loss.std()


def test_the_noise_depends_on_the_order_of_the_events():
    # Where all events are one batch, every epoch has the same ones.
    x = inputs("vae", 12)
    first, again, other = (torch.rand(4, generator=batch_stream(v)) for v in (x, x, x.flip(0)))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_lower_the_loss(name):
    one, x = network(name), inputs(name, 96)
    optimiser = Adam(one.parameters(), weight_decay=0.0, gradient_clip=None)
    losses = []
    for _ in range(30):
        loss = one.loss(x, no_context(x)).mean()
        losses.append(loss.item())
        loss.backward()
        optimiser.step(Pace(1e-2, 0.9))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("name", DRAWING)
def test_a_killed_fit_ends_with_the_weights_of_an_uninterrupted_one(name, tmp_path, monkeypatch):
    save_every(monkeypatch, 1)
    x = inputs(name, 48)
    sample, rest = (Sample(part, no_context(part)) for part in x.split([32, 16]))
    config = trainer_config(batch_size=16)

    def fit(folder):
        one = Fit(network(name), sample, rest, seed=7, directory=tmp_path / folder / "fit")
        one.directory.mkdir(parents=True, exist_ok=True)
        loop.fit([one], config=config)
        return weights(one.directory)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "mean_loss", killing(loop.mean_loss, 2))
        with pytest.raises(Killed):
            fit("killed")
    torch.rand(3)  # the resumed process has another global random state
    assert_same_weights(fit("killed"), fit("whole"))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_another_kind_are_refused(name):
    shape = next(s for kind, s in SHAPES.items() if kind != NETWORKS[name].input)
    with pytest.raises(ConfigError, match=f"network={name} takes"):
        build_network(CONFIGS[name], shape, seed=1)


def test_an_unknown_network_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean sparse_ae"):
        build_network(NetworkConfig("sparse_a"), (4,), seed=1)


MISTAKES = [
    ("ae", {"hidden": [8, 0]}, "network.hidden must be at least 1"),
    ("ae", {"activation": "rleu"}, "did you mean relu"),
    ("vae", {"beta": -1.0}, "network.beta must not be negative"),
    ("cae", {"channels": []}, "network.channels must name at least 1 level"),
    ("unet", {"channels": [8]}, "at least 2 levels"),
    ("vit", {"heads": 5}, "network.width must be a multiple of network.heads"),
    ("vit", {"mask_fraction": 1.0}, r"network.mask_fraction must lie in \(0, 1\)"),
    ("set_ae", {"hidden": []}, "network.hidden must name at least 1 width"),
    ("contrastive", {"temperature": 0.0}, "network.temperature must be above 0"),
    ("contrastive", {"split": 1.5}, r"network.split must lie in \[0, 1\]"),
    ("contrastive", {"smear": -1.0}, "network.smear must not be negative"),
    ("pooled", {"kernels": [4]}, "network.kernels must be odd"),
    ("pooled", {"radius": 0.0}, "network.radius must be above 0"),
]


@pytest.mark.parametrize(("name", "change", "message"), MISTAKES)
def test_an_impossible_setting_is_refused(name, change, message):
    with pytest.raises(ConfigError, match=message):
        replace(CONFIGS[name], **change)


IMPOSSIBLE_IMAGES = [
    ("cae", (1, 18, 18), "must be a multiple of 4 pixels, got 18"),
    ("unet", (1, 18, 18), "must be a multiple of 4 pixels, got 18"),
    ("vit", (1, 18, 18), "network.patch must divide the image's side"),
    ("vit", (1, 4, 4), "into at least 2"),
    ("cae", (1, 16, 12), r"takes images of shape \(C, S, S\)"),
]


@pytest.mark.parametrize(("name", "shape", "message"), IMPOSSIBLE_IMAGES)
def test_an_image_that_cannot_be_divided_is_refused(name, shape, message):
    with pytest.raises(ConfigError, match=message):
        build_network(CONFIGS[name], shape, seed=1)
