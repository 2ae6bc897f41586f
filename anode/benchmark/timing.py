"""Timing of several contenders on a machine that others share.

They take turns, round after round, and each gets the median of its rounds: other load slows all of
them alike, and only ratios within one run are quoted.
"""

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from anode.density.matmul import product

Work = Callable[[], object]
WARM_UP = 2


def interleaved(
    contenders: Mapping[str, Work], *, rounds: int, seconds: float
) -> dict[str, float]:
    """Median time of a call of every contender [s].

    Args:
        contenders: name -> function whose calls all do the same amount of work.
        rounds: number of turns of each contender.
        seconds: approximate length of a turn [s], at least one call.
    """
    repeats = {}
    for name, work in contenders.items():
        for _ in range(WARM_UP):
            work()
        repeats[name] = max(1, round(seconds / _elapsed(work, 1)))
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    for _ in range(rounds):
        for name, work in contenders.items():
            turns[name].append(_elapsed(work, repeats[name]) / repeats[name])
    return {name: float(np.median(values)) for name, values in turns.items()}


def product_rate(hidden: int, batch: int, *, seconds: float = 0.2) -> dict[str, float]:
    """FLOP/s of the product in the middle of a MADE, (hidden, hidden) x (hidden, batch).

    "torch.mm" is torch's own product, "fastest" the one that ``density/matmul.py`` picks. A
    training step cannot be faster than its products at these rates.
    """
    a, b = torch.randn(hidden, hidden), torch.randn(hidden, batch)
    b_t = b.t()
    work: dict[str, Work] = {
        "torch.mm": lambda: torch.mm(a, b),
        "fastest": lambda: product(a, b_t),
    }
    times = interleaved(work, rounds=5, seconds=seconds)
    return {name: 2 * hidden * hidden * batch / value for name, value in times.items()}


def maf_flop(n_features: int, n_context: int, n_transforms: int, hidden: int) -> float:
    """Floating-point operations of the matrix products of one event's training step in an affine
    MAF, forward and twice that backward, zero blocks included."""
    weights = hidden * (hidden + 3 * n_features + n_context + 2)
    return 3.0 * 2.0 * n_transforms * weights


def _elapsed(work: Work, repeats: int) -> float:
    _synchronise()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    _synchronise()
    return time.perf_counter() - started


def _synchronise() -> None:
    """Wait for a GPU, which computes asynchronously, before reading the clock."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
