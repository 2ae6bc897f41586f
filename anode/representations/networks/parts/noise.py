"""Random numbers of a training step that a resumed fit draws again: batch -> generator."""

import torch
from torch import Tensor

from anode.seeding import torch_stream


def batch_stream(inputs: Tensor) -> torch.Generator:
    """Generator, on the CPU, whose seed is a hash of the bits of a batch (B, ...).

    A fit that was killed and restarted must end with the weights of an uninterrupted one, bit for
    bit, and neither a counter of steps nor torch's global random state is part of the state that
    it resumes from. The batches are, through their seeded shuffle: the same events in the same
    order draw the same noise, and another shuffle draws other noise. Whole numbers modulo 2^64 are
    added up, so that the sum has no rounding that a device or its number of threads could change.

    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> same = torch.equal(
    ...     torch.rand(3, generator=batch_stream(x)), torch.rand(3, generator=batch_stream(x))
    ... )
    >>> reversed_order = torch.rand(3, generator=batch_stream(x.flip(0)))
    >>> same, torch.equal(torch.rand(3, generator=batch_stream(x)), reversed_order)
    (True, False)
    """
    bits = inputs.detach().float().contiguous().view(torch.int32).flatten(1)
    odd = 2 * torch.arange(len(bits), device=bits.device) + 1
    return torch_stream(int((bits.sum(1, dtype=torch.int64) * odd).sum()), "batch")
