"""Matrix products by the library that is fastest on this machine.

torch gives float32 products on a CPU to MKL, which outside Intel's own processors computes with
half-width vectors. oneDNN, which torch ships too, generates code for the processor at hand: on an
AVX-512 EPYC it does (128, 128) x (128, 256) in 46 us where MKL needs 77, the ReLU included.
Everywhere else (float64, GPU, older processors) these are plain ``torch.mm``.

The choice depends on type, device and processor alone, never on a measurement, so that the same
command gives the same numbers on the same machine.
"""

from typing import Protocol

import torch
from torch import Tensor

LARGE = 2**20  # multiplications from which oneDNN wins in spite of its start
ROWS = 2048  # of a block: the same number of rows always takes the same code
NARROWEST = 8  # rows, columns and terms below which it has no advantage
_HAS_ONEDNN = (
    torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
)


def whole_blocks(rows: Tensor, block: int = ROWS) -> Tensor:
    """(N, ...) filled up to a multiple of ``block`` with copies of the last row.

    Code for vectors treats the last few rows in another way than the others, and so rounds them
    otherwise; in whole blocks the result for a row does not depend on its place.

    Example:
        >>> whole_blocks(torch.zeros(3, 4)).shape, whole_blocks(torch.zeros(0, 4)).shape
        (torch.Size([2048, 4]), torch.Size([0, 4]))
    """
    n_more = -len(rows) % block
    return torch.cat([rows, rows[-1:].expand(n_more, *rows.shape[1:])])


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b^T, (..., M, K) times (..., N, K) transposed.

    ``b`` should be contiguous, or the transpose of a contiguous matrix: oneDNN has no fast code
    for other strides.
    """
    return _onednn(a, b, "none") if _fits_onednn(a) else a @ b.mT


def product_relu(a: Tensor, b: Tensor) -> Tensor:
    """max(0, a b^T), (..., M, N), of the arguments of ``product``."""
    return _onednn(a, b, "relu") if _fits_onednn(a) else (a @ b.mT).relu_()


class Multiply(Protocol):
    """A function with the arguments of ``multiply``."""

    def __call__(
        self, a: Tensor, b: Tensor, *, out: Tensor, add: Tensor | None = None
    ) -> Tensor: ...


def multiply(a: Tensor, b: Tensor, *, out: Tensor, add: Tensor | None = None) -> Tensor:
    """out = add + a b^T, (M, K) times (N, K) transposed; ``add`` is (M, N), or a column (M, 1)."""
    rows, terms = a.shape
    return multiply_for(rows, terms, len(b), like=a)(a, b, out=out, add=add)


def multiply_for(rows: int, terms: int, columns: int, *, like: Tensor) -> Multiply:
    """The fastest ``multiply`` for (rows, terms) times (columns, terms) transposed.

    oneDNN takes 10 us to begin: it is chosen for products large enough to win them back.

    Args:
        rows, terms, columns: sizes of the factors.
        like: tensor of the type and device of the factors.
    """
    large = rows * terms * columns >= LARGE and min(rows, terms, columns) >= NARROWEST
    return _multiply_onednn if large and _fits_onednn(like) else _multiply_torch


def _multiply_onednn(a: Tensor, b: Tensor, *, out: Tensor, add: Tensor | None = None) -> Tensor:
    result = _onednn(a, b, "none")
    return out.copy_(result) if add is None else torch.add(result, add, out=out)


def _multiply_torch(a: Tensor, b: Tensor, *, out: Tensor, add: Tensor | None = None) -> Tensor:
    if add is None:
        return torch.mm(a, b.t(), out=out)
    return torch.addmm(add, a, b.t(), out=out)


def _fits_onednn(a: Tensor) -> bool:
    return _HAS_ONEDNN and a.dtype == torch.float32 and a.device.type == "cpu"


def _onednn(a: Tensor, b: Tensor, activation: str) -> Tensor:
    if a.ndim == 3:  # torch's batched product runs at half the speed
        return torch.stack([_onednn(*pair, activation) for pair in zip(a, b, strict=True)])
    result: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, activation, [], "")
    return result
