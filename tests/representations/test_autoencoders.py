"""Autoencoders of features and images against closed forms, and against a blank image."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from anode.representations.networks.autoencoder import AutoencoderConfig
from anode.representations.networks.build import build_network
from anode.representations.networks.convolutional import ConvolutionalConfig
from anode.representations.networks.sparse_autoencoder import SparseAutoencoderConfig
from anode.representations.networks.variational import (
    WIDTH_FLOOR,
    Posterior,
    VariationalConfig,
    divergence,
)
from anode.representations.networks.vit import VisionConfig
from anode.training.optimiser import Adam
from anode.training.recipe import Pace
from helpers.toy_networks import images, inputs, network


def fitted(one, x, *, steps: int, rate: float = 1e-2):
    """The network after steps on all of ``x``, the last half at a falling rate."""
    optimiser = Adam(one.parameters(), weight_decay=0.0, gradient_clip=None)
    for step in range(steps):
        one.loss(x, torch.zeros(len(x), 1)).mean().backward()
        optimiser.step(Pace(rate * min(1.0, 2 * (1 - step / steps)), 0.9))
    return one


def test_an_autoencoder_without_hidden_layers_finds_the_principal_components():
    x = inputs("ae", 200)
    centred = (x - x.mean(0)).double()
    expected = torch.linalg.svdvals(centred)[2:].square().sum() / x.numel()
    config = AutoencoderConfig("ae", hidden=[], n_latent=2, activation="silu")
    one = fitted(build_network(config, (6,), seed=1), x, steps=500, rate=0.1)
    loss = one.terms(x)["reconstruction"].double().mean()
    assert expected * (1 - 1e-5) < loss < 1.01 * expected


def test_an_autoencoder_reconstructs_large_negative_inputs():
    # A sigmoid at the end would keep the reconstruction in (0, 1).
    x = torch.linspace(-4, 4, 32)[:, None] * torch.tensor([1.0, -0.5])
    config = AutoencoderConfig("ae", hidden=[8], n_latent=1, activation="silu")
    one = fitted(build_network(config, (2,), seed=1), x, steps=400, rate=3e-2)
    assert torch.allclose(one.reconstruct(x), x, atol=0.1)


def test_the_divergence_is_that_of_torch():
    mean, width = torch.randn(7, 3), torch.rand(7, 3) + 0.1
    expected = kl_divergence(Normal(mean, width), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(divergence(Posterior(mean, width)), expected, rtol=1e-5, atol=1e-6)


def test_elbo_is_reconstruction_plus_beta_times_kl_and_larger_than_either():
    one = network("vae")
    terms = one.terms(inputs("vae", 12))
    expected = terms["reconstruction"] + 0.1 * terms["kl"]
    assert torch.allclose(terms["elbo"], expected)
    assert (terms["kl"] > 0).all()


def test_with_the_exact_posterior_the_variational_loss_is_minus_log_p():
    # x = W z + b + e with orthogonal columns of W: p(x) is Gaussian, and so is p(z|x), with
    # independent components (Tipping and Bishop, J. R. Stat. Soc. B 61 (1999) 611).
    n, latent = 5, 2
    config = VariationalConfig("vae", hidden=[], n_latent=2, activation="silu", beta=2 / n)
    one = build_network(config, (n,), seed=1).double()
    generator = torch.Generator().manual_seed(3)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator).double())[0][:, :latent]
    w, b = basis * torch.tensor([1.5, 0.7]), torch.linspace(-1, 1, n).double()
    width = (1 + w.square().sum(0)).rsqrt()
    with torch.no_grad():
        one.decoder[0].weight.copy_(w)
        one.decoder[0].bias.copy_(b)
        one.encoder[0].weight.zero_()
        one.encoder[0].weight[:latent] = width[:, None].square() * w.T
        one.encoder[0].bias[:latent] = -one.encoder[0].weight[:latent] @ b
        one.encoder[0].bias[latent:] = (width - WIDTH_FLOOR).expm1().log()
    x = torch.tensor([1.0, -2.0, 0.5, 0.3, 2.0]).double()
    many = x.expand(20_000, n)
    loss = one.loss(many, torch.zeros(len(many), 1)).detach()
    log_p = MultivariateNormal(b, torch.eye(n).double() + w @ w.T).log_prob(x)
    bound = -n / 2 * (loss + math.log(2 * math.pi))
    error = bound.std() / math.sqrt(len(bound))
    assert bound.mean().item() == pytest.approx(log_p.item(), abs=4 * error.item())
    assert error < 0.02


@pytest.mark.parametrize("size", [32, 48])
def test_images_of_32_and_of_48_pixels_come_back_in_their_size(size):
    config = ConvolutionalConfig("cae", channels=[2, 3, 4, 5], n_latent=4)
    one = build_network(config, (2, size, size), seed=1)
    assert one.reconstruct(torch.zeros(2, 2, size, size)).shape == (2, 2, size, size)


@pytest.mark.parametrize("size", [25, 50, 200])
def test_the_sparse_autoencoder_takes_images_of_any_side(size):
    config = SparseAutoencoderConfig("sparse_ae", channels=[2, 2, 3, 3], n_latent=128)
    one = build_network(config, (3, size, size), seed=1)
    x = torch.zeros(3, 3, size, size)  # the second event is empty
    x[0, :, 3, size - 1] = x[2, 1, size // 2, :] = 1.0
    assert one.reconstruct(x).shape == x.shape
    assert one.encode(x).shape == (3, 128)


@pytest.mark.parametrize("name", ["cae", "sparse_ae"])
def test_an_image_autoencoder_beats_the_blank_image_by_more_than_a_tenth(name):
    # A network that draws black images has nearly this loss, and a falling one on its way there.
    x = images(128, torch.Generator().manual_seed(1))
    blank = x.square().mean()
    one = fitted(network(name), x, steps=150)
    unseen = images(128, torch.Generator().manual_seed(2))
    assert one.terms(x)["reconstruction"].mean() < 0.9 * blank
    assert one.terms(unseen)["reconstruction"].mean() < 0.9 * unseen.square().mean()


@pytest.mark.parametrize(("fraction", "masks"), [(0.5, 2), (0.25, 4), (0.75, 2), (0.99, 2)])
def test_every_patch_is_reconstructed_without_being_seen(fraction, masks):
    config = VisionConfig("vit", patch=2, width=8, depth=1, heads=2, mask_fraction=fraction)
    one = build_network(config, (1, 4, 4), seed=1)
    x = torch.rand(1, 1, 4, 4)
    assert len(one.masks) == masks
    jacobian = torch.autograd.functional.jacobian(lambda v: one._reconstruct(v)[0, 0], x)[
        :, :, 0, 0
    ]
    itself = jacobian.unflatten(3, (2, 2)).unflatten(2, (2, 2)).unflatten(1, (2, 2))
    itself = itself.unflatten(0, (2, 2)).permute(0, 2, 4, 6, 1, 3, 5, 7)
    for row in range(2):
        for column in range(2):
            assert (itself[row, column, row, column] == 0).all()
    assert (jacobian != 0).any()


def test_the_transformer_is_trained_on_as_many_patches_as_are_hidden_and_on_no_other():
    one, x = network("vit"), inputs("vit", 5)
    x = (x + 0.1).requires_grad_()
    with torch.no_grad():
        one.last.weight.zero_()  # all patches are predicted as the bias: only targets are left
    one.loss(x, torch.zeros(5, 1)).sum().backward()
    moved = x.grad.unflatten(3, (4, 4)).unflatten(2, (4, 4)).abs().sum((1, 3, 5)) > 0
    assert one.n_hidden == 10
    assert moved.sum((1, 2)).tolist() == [10] * 5
    assert len(moved.unique(dim=0)) > 1  # each event hides its own


def test_the_latent_vector_of_the_transformer_sees_every_patch():
    one = network("vit")
    x = inputs("vit", 1).requires_grad_()
    one._encode(x).square().sum().backward()
    patches = x.grad.unflatten(3, (4, 4)).unflatten(2, (4, 4)).abs().sum((0, 1, 3, 5))
    assert (patches > 0).all()


def test_the_connections_of_the_u_net_carry_the_image_past_its_bottleneck():
    one, x = network("unet"), inputs("unet", 6)
    with torch.no_grad():
        for enlarge in one.enlarge:
            enlarge.weight.zero_()  # nothing comes up from below
    found = one.reconstruct(x)
    assert (found - found[:1]).abs().max() > 1e-3


def test_the_latent_vector_of_the_u_net_is_the_mean_of_its_deepest_level():
    one, x = network("unet"), inputs("unet", 6)
    deepest = []
    one.down[-1].register_forward_hook(lambda module, given, found: deepest.append(found))
    latent = one.encode(x)
    assert deepest[0].shape == (6, one.n_latent, 4, 4)
    assert torch.allclose(latent, deepest[0].flatten(2).mean(2), atol=1e-6)
