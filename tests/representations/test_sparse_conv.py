"""Sparse convolutions against dense ones: outputs, gradients, sites, images without a pixel."""

import pytest
import torch
from torch import nn

from anode.errors import ConfigError
from anode.representations.networks.sparse_conv import (
    SparseConvolution,
    rulebook,
    to_dense,
    to_sparse,
)

N_IN, N_OUT = 3, 4


def images(size: int, *, fraction: float = 0.15, dtype=torch.float64):
    """(4, N_IN, size, size) with few active pixels, corners among them; the second is empty."""
    generator = torch.Generator().manual_seed(size)
    active = torch.rand(4, 1, size, size, generator=generator) < fraction
    active[0, :, 0, 0] = active[0, :, -1, -1] = active[2, :, 0, -1] = True
    active[1] = False
    values = torch.randn(4, N_IN, size, size, generator=generator, dtype=torch.float64)
    return (values * active).to(dtype)


def layers(kernel: int, stride: int, dtype=torch.float64):
    """A sparse layer and the dense one of the same weights."""
    torch.manual_seed(kernel)
    dense = nn.Conv2d(N_IN, N_OUT, kernel, stride=stride, padding=kernel // 2).to(dtype)
    sparse = SparseConvolution(N_IN, N_OUT, kernel=kernel).to(dtype)
    with torch.no_grad():
        sparse.weight.copy_(dense.weight.permute(2, 3, 1, 0).flatten(0, 1))
        sparse.bias.copy_(dense.bias)
    return sparse, dense


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("size", [8, 11])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_submanifold_sparse_convolution_equals_the_dense_one_times_the_mask(
    kernel, size, dtype, atol
):
    x = images(size, dtype=dtype)
    sparse, dense = layers(kernel, 1, dtype)
    found = to_dense(sparse(to_sparse(x), rulebook(to_sparse(x), kernel=kernel)))
    assert torch.allclose(found, dense(x) * (x != 0).any(1, keepdim=True), rtol=0, atol=atol)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("size", [8, 11])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_strided_sparse_convolution_equals_the_dense_one_but_for_the_bias_of_empty_sites(
    kernel, stride, size, dtype, atol
):
    x = images(size, dtype=dtype)
    sparse, dense = layers(kernel, stride, dtype)
    found = to_dense(sparse(to_sparse(x), rulebook(to_sparse(x), kernel=kernel, stride=stride)))
    active = (x != 0).any(1, keepdim=True).to(dtype)
    reached = nn.functional.max_pool2d(active, kernel, stride, padding=kernel // 2)
    bias = dense.bias.view(1, -1, 1, 1)
    # Without its bias the dense layer is zero at the empty sites by itself: no mask is needed.
    assert torch.allclose(found, dense(x) - bias + bias * reached, rtol=0, atol=atol)


@pytest.mark.parametrize("size", [8, 11])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_of_a_sparse_convolution_are_those_of_the_dense_one(kernel, stride, size):
    x = images(size)
    sparse, dense = layers(kernel, stride)
    of_sparse, of_dense = (x.clone().requires_grad_() for _ in range(2))
    sites = to_sparse(of_sparse)
    found = to_dense(sparse(sites, rulebook(sites, kernel=kernel, stride=stride)))
    mask = (found != 0).any(1, keepdim=True)  # biases are not zero: the active sites
    pull = torch.randn(found.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    (found * pull).sum().backward()
    (dense(of_dense) * mask * pull).sum().backward()
    weight = sparse.weight.grad.view(kernel, kernel, N_IN, N_OUT).permute(3, 2, 0, 1)
    active = (x != 0).any(1, keepdim=True)
    assert torch.allclose(weight, dense.weight.grad, rtol=0, atol=1e-10)
    assert torch.allclose(sparse.bias.grad, dense.bias.grad, rtol=0, atol=1e-10)
    assert torch.allclose(of_sparse.grad, of_dense.grad * active, rtol=0, atol=1e-10)


def test_layers_of_the_same_sites_share_a_rulebook():
    x = to_sparse(images(8))
    first, second = layers(3, 1)[0], SparseConvolution(N_OUT, 2, kernel=3).double()
    book = rulebook(x, kernel=3)
    middle = first(x, book)
    shared, own = second(middle, book), second(middle, rulebook(middle, kernel=3))
    assert torch.equal(shared.features, own.features)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_batch_without_any_pixel_has_no_sites_and_zero_gradients(stride):
    x = to_sparse(torch.zeros(2, N_IN, 8, 8))
    layer = SparseConvolution(N_IN, N_OUT, kernel=3)
    found = to_dense(layer(x, rulebook(x, kernel=3, stride=stride)))
    found.sum().backward()
    assert torch.equal(found, torch.zeros(2, N_OUT, 8 // stride, 8 // stride))
    assert torch.equal(layer.weight.grad, torch.zeros_like(layer.weight))


def test_the_work_is_that_of_the_active_pairs():
    x = images(32, fraction=0.03)
    active = (x != 0).any(1, keepdim=True).double()
    neighbours = nn.functional.conv2d(
        active, torch.ones(1, 1, 3, 3, dtype=torch.float64), padding=1
    )
    book = rulebook(to_sparse(x), kernel=3)
    assert sum(book.counts) == len(book.sources) == int((neighbours * active).sum())


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (3, 0)])
def test_an_even_kernel_or_no_stride_is_refused(kernel, stride):
    with pytest.raises(ConfigError, match="odd kernel and a stride of at least 1"):
        rulebook(to_sparse(images(8)), kernel=kernel, stride=stride)
