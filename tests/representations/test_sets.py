"""Sets of constituents: order, padding, weights, augmentations, contrastive loss, pooling."""

import math
from dataclasses import replace

import pytest
import torch

from anode.representations.networks.build import build_network
from anode.representations.networks.parts.augmentations import (
    LARGEST_SMEAR,
    Strengths,
    augmented,
    rotated,
    shifted,
    smeared,
    split,
)
from anode.representations.networks.parts.sets import UNITS
from anode.representations.networks.parts.views import nt_xent
from anode.representations.networks.set_autoencoder import SetAutoencoderConfig, weighted_error
from anode.training.optimiser import Adam
from anode.training.recipe import Pace
from helpers.toy_networks import CONFIGS, POOLED, constituents, inputs, network

SETS = ["set_ae", "contrastive", "pooled"]


def generator(seed: int = 1):
    return torch.Generator().manual_seed(seed)


def jets(n: int = 200):
    """(2n, 8, 4)."""
    return constituents(n, generator()).flatten(0, 1)


@pytest.mark.parametrize("name", SETS)
def test_the_latent_vector_depends_neither_on_the_order_nor_on_what_padding_holds(name):
    one, x = network(name), inputs(name, 12)
    shuffled = x[:, :, torch.randperm(8, generator=generator())]
    rubbish = torch.where(x[..., 3:] > 0, x, torch.tensor([7.0, -8.0, 9.0, 0.0]))
    for other in (shuffled, rubbish):
        assert torch.allclose(one.encode(x), one.encode(other), atol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_an_event_without_constituents_has_a_finite_loss_and_latent_vector(name):
    one, x = network(name), inputs(name, 4)
    x[0] = 0.0
    x[1, 1] = 0.0
    assert torch.isfinite(one.encode(x)).all()
    loss = one.loss(x, torch.zeros(4, 1))
    loss.mean().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(p.grad).all() for p in one.parameters())


def test_an_error_counts_in_proportion_to_the_pt_of_its_constituent():
    x = inputs("set_ae", 5)
    hard, soft = x.clone(), x.clone()
    hard[:, 0, 0, 1] += 0.3
    soft[:, 0, 2, 1] += 0.3
    ratio = weighted_error(hard, x) / weighted_error(soft, x)
    assert torch.allclose(ratio, x[:, 0, 0, 0] / x[:, 0, 2, 0], rtol=1e-4)
    expected = x[:, 0, 0, 0] / x[..., 0].sum((1, 2)) * (0.3 / UNITS[1]) ** 2 / 3
    assert torch.allclose(weighted_error(hard, x), expected, rtol=1e-4)


def test_a_reconstructed_set_has_the_padding_of_its_input():
    x = inputs("set_ae", 12)
    found = network("set_ae").reconstruct(x)
    assert torch.equal(found[..., 3], x[..., 3])
    assert (found[x[..., 3] == 0] == 0).all()


def test_a_rotation_keeps_pt_and_all_distances_and_turns_every_jet_by_its_own_angle():
    x = jets()
    found = rotated(x, generator())
    assert torch.equal(found[..., [0, 3]], x[..., [0, 3]])
    for before, after in ((x, found), (x - x[:, :1], found - found[:, :1])):
        assert torch.allclose(before[..., 1:3].norm(dim=2), after[..., 1:3].norm(dim=2), atol=1e-6)
    first = [torch.atan2(v[:, 0, 2], v[:, 0, 1]) for v in (x, found)]
    angle = (first[1] - first[0]) % (2 * math.pi)
    assert angle.min() < 0.3
    assert angle.max() > 2 * math.pi - 0.3
    handed = [v[:, 0, 1] * v[:, 1, 2] - v[:, 0, 2] * v[:, 1, 1] for v in (x, found)]
    assert torch.allclose(*handed, atol=1e-5)  # a rotation and no reflection


def test_a_shift_moves_the_constituents_of_a_jet_together_and_no_further_than_allowed():
    x = jets()
    move = (shifted(x, 0.2, generator()) - x)[..., 1:3]
    member = x[..., 3] > 0
    assert (move[~member] == 0).all()
    assert torch.allclose(move[member], move[:, :1].expand_as(move)[member], atol=1e-6)
    assert move.abs().max() <= 0.2 + 1e-6
    assert move.min() < -0.19
    assert move.max() > 0.19


def test_smearing_moves_soft_constituents_by_the_width_over_their_pt():
    x = torch.tensor([[[0.5, 0.0, 0.0, 1.0], [0.01, 0.0, 0.0, 1.0], [1e-6, 0.0, 0.0, 1.0]]])
    found = smeared(x.expand(20_000, -1, -1), 1e-4, generator())
    width = found[..., 1:3].std(0)
    for got, expected in zip(width, (2e-4, 1e-2, LARGEST_SMEAR), strict=True):
        assert got.tolist() == pytest.approx([expected] * 2, rel=0.03)
    assert torch.equal(found[..., 0], x[..., 0].expand(20_000, -1))


def test_a_splitting_keeps_the_pt_of_every_direction_and_fills_free_places():
    x = jets()
    found = split(x, 1.0, generator())
    n_before, n_after = x[..., 3].sum(1), found[..., 3].sum(1)
    assert torch.equal(n_after, torch.minimum(2 * n_before, torch.tensor(8.0)))
    assert (found[..., 0] >= 0).all()
    for before, after in zip(x, found, strict=True):
        for one in before[before[:, 3] > 0]:
            same = (after[:, 1:3] == one[1:3]).all(1) & (after[:, 3] > 0)
            assert 1 <= same.sum() <= 2
            assert after[same, 0].sum().item() == pytest.approx(one[0].item(), rel=1e-5)


def test_without_strength_nothing_but_the_rotation_is_left():
    x = jets()
    assert torch.equal(split(x, 0.0, generator()), x)
    assert torch.equal(smeared(x, 0.0, generator()), x)
    assert torch.equal(shifted(x, 0.0, generator()), x)


def test_two_views_of_a_jet_differ_and_padding_stays_empty():
    x, one = jets(), generator()
    strengths = Strengths(0.1, 1e-4, 0.5)
    first, second = augmented(x, strengths, one), augmented(x, strengths, one)
    assert not torch.allclose(first, second)
    for view in (first, second):
        assert (view[view[..., 3] == 0] == 0).all()
        assert torch.allclose(view[..., 0].sum(1), x[..., 0].sum(1), atol=1e-5)


def test_the_contrastive_loss_is_its_formula_view_by_view():
    first, second = (
        torch.randn(5, 3, dtype=torch.float64, generator=generator(s)) for s in (1, 2)
    )
    z = [v / v.norm() for v in (*first, *second)]

    def of_view(i, partner):
        others = sum(math.exp(z[i] @ z[j] / 0.3) for j in range(10) if j != i)
        return -math.log(math.exp(z[i] @ z[partner] / 0.3) / others)

    expected = [(of_view(i, i + 5) + of_view(i + 5, i)) / 2 for i in range(5)]
    assert nt_xent(first, second, 0.3).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_jet_is_three_means_of_its_constituents_under_the_contrastive_loss():
    """pT-weighted mean, plain mean and maximum of f, each constituent by itself."""
    one, x = network("contrastive"), inputs("contrastive", 6)
    latent = one.encode(x)
    assert latent.shape == (6, 2 * 3 * 12)
    for row, jet in zip(latent.view(12, 36), x.flatten(0, 1), strict=True):
        members = jet[jet[:, 3] > 0]
        share = members[:, :1]
        seen = torch.cat([members[:, :3] / torch.tensor(UNITS), (share.log() + 4) / 2], dim=1)
        each = one.each(seen)
        weighted = (share * each).sum(0) / share.sum()
        expected = torch.cat([weighted, each.mean(0), each.amax(0)])
        assert torch.allclose(row, expected, atol=1e-5)


def test_the_pooled_representation_has_134_numbers_by_default_width():
    one = build_network(replace(POOLED, width=64), (2, 8, 4), seed=1)
    assert one.encode(inputs("pooled", 3)).shape == (3, 134)


@pytest.mark.parametrize("name", ["contrastive", "pooled"])
def test_no_latent_number_is_constant(name):
    """As those of a unit that is never on would be, which no density can be fitted to."""
    for seed in range(5):
        assert (network(name, seed).encode(inputs(name, 40)).std(0) > 0).all()


def test_the_pooled_kinematics_are_mean_and_maximum_over_both_jets():
    x = inputs("pooled", 12)
    latent = network("pooled").encode(x)
    for row, event in zip(latent, x, strict=True):
        rows = event[event[..., 3] > 0][:, :3]
        mean = (rows * rows[:, :1]).sum(0) / rows[:, 0].sum()
        assert torch.allclose(row[:3], mean, atol=1e-6)
        assert torch.allclose(row[11:14], rows.amax(0), atol=1e-6)


def test_a_constituent_is_represented_by_the_features_of_its_own_pixel():
    one, x = network("pooled"), inputs("pooled", 12)
    latent = one.encode(x)[:, 3:11]
    for row, event in zip(latent, x, strict=True):
        pixels, site = one._pixels(event)
        features = one._features(pixels)
        member = event[..., 3] > 0
        place = ((event[member][:, 1:3] / 0.8 + 1) / 2 * 12).floor().long().clamp(0, 11)
        assert torch.equal(pixels.coordinates[site[member], 1:], place)
        weight = event[member][:, 0] / event[member][:, 0].sum()
        assert torch.allclose(row, weight @ features[site[member]], atol=1e-6)


def test_constituents_of_a_pixel_add_their_pt_and_read_the_same_features():
    config = replace(POOLED, pixels=4, radius=1.0)
    one = build_network(config, (1, 4, 4), seed=1)
    jet = torch.tensor(
        [[[0.09, -0.9, 0.1, 1], [0.07, -0.6, 0.4, 1], [0.25, 5.0, -5.0, 1], [0.0, 0, 0, 0]]]
    )
    x, site = one._pixels(jet)
    assert x.coordinates.tolist() == [[0, 0, 2], [0, 3, 0]]
    assert x.features[:, 0].tolist() == pytest.approx([0.4, 0.5])
    assert site.tolist() == [[0, 0, 1, -1]]


@pytest.mark.parametrize("name", ["contrastive", "pooled"])
def test_the_untrained_control_keeps_its_weights_and_represents_events(name):
    one = build_network(replace(CONFIGS[name], trained=False), (2, 8, 4), seed=1)
    trained = network(name)
    x = inputs(name, 6)
    before = {key: value.clone() for key, value in one.state_dict().items()}
    optimiser = Adam(one.parameters(), weight_decay=0.1, gradient_clip=1.0)
    for _ in range(3):
        loss = one.loss(x, torch.zeros(6, 1))
        loss.mean().backward()
        optimiser.step(Pace(0.1, 0.9))
    assert torch.equal(loss, torch.zeros(6))
    assert [key for key, p in one.named_parameters() if p.requires_grad] == ["nothing"]
    for key, value in one.state_dict().items():
        assert torch.equal(value, before[key]), key
    # Of the same seed it is the other one before its first step.
    assert torch.equal(one.encode(x), trained.encode(x))


def test_a_kernel_of_three_cannot_see_across_a_gap_of_two_pixels():
    # Why ``kernels`` is a setting.
    def features(kernel, pt):
        config = replace(POOLED, kernels=[kernel], width=4, pixels=8, radius=1.0)
        one = build_network(config, (1, 2, 4), seed=1)
        jet = torch.tensor([[[pt, -0.9, -0.9, 1.0], [0.5, -0.4, -0.9, 1.0]]])
        x = one._pixels(jet).jets
        assert x.coordinates[:, 1].tolist() == [0, 2]
        return one._features(x)[1]

    assert torch.equal(features(3, 0.2), features(3, 0.4))
    assert not torch.allclose(features(5, 0.2), features(5, 0.4))


def test_a_blank_prediction_is_judged_in_the_units_of_the_reconstruction():
    """Zeros for all constituents: the weighted mean of the squares in fixed units, by hand."""
    network = build_network(
        SetAutoencoderConfig("set_ae", hidden=[8], n_latent=2, activation="silu"),
        (1, 2, 4),
        seed=1,
    )
    jets = torch.tensor([[[[0.8, 0.2, 0.0, 1.0], [0.2, 0.0, -0.4, 1.0]]]])
    hard, soft = (64 + 1 + 0) / 3, (4 + 0 + 4) / 3  # units of 0.1, 0.2 and 0.2
    expected = 0.8 * hard + 0.2 * soft
    assert network.blank_error(jets).item() == pytest.approx(expected, rel=1e-6)
