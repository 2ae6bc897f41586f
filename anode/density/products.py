"""Which library multiplies matrices fastest on this machine?

torch gives float32 products on a CPU to MKL, which outside Intel's own processors computes with
half-width vectors. oneDNN, which torch ships too, generates code for the processor at hand: on an
AVX-512 EPYC it does (128, 128) x (128, 256) in 46 us where MKL needs 77, the ReLU included.
Everywhere else (float64, GPU, older processors) these are plain ``torch.mm``.

The choice depends on type, device and processor alone, never on a measurement, so that the same
command gives the same numbers on the same machine.
"""

import torch
from torch import Tensor

LARGE = 32
_HAS_ONEDNN = (
    torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b^T, (M, K) times (N, K) transposed.

    ``b`` should be contiguous, or the transpose of a contiguous matrix: oneDNN has no fast code
    for other strides.
    """
    return _onednn(a, b, "none") if _fits_onednn(a) else torch.mm(a, b.t())


def product_relu(a: Tensor, b: Tensor) -> Tensor:
    """max(0, a b^T), as ``product``."""
    return _onednn(a, b, "relu") if _fits_onednn(a) else torch.mm(a, b.t()).relu_()


def multiply(a: Tensor, b: Tensor, *, out: Tensor, add: Tensor | None = None) -> Tensor:
    """out = add + a b^T; a column ``add`` is added to every column.

    oneDNN takes 10 us to begin: it serves products of at least ``LARGE`` rows, columns and terms.
    """
    if min(*a.shape, len(b)) >= LARGE and _fits_onednn(a):
        result = _onednn(a, b, "none")
        return out.copy_(result) if add is None else torch.add(result, add, out=out)
    if add is None:
        return torch.mm(a, b.t(), out=out)
    return torch.addmm(add, a, b.t(), out=out)


def _fits_onednn(a: Tensor) -> bool:
    return _HAS_ONEDNN and a.dtype == torch.float32 and a.device.type == "cpu"


def _onednn(a: Tensor, b: Tensor, activation: str) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, None, activation, [], "")
    return result
