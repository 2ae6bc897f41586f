"""Fitted densities that stay in memory: who scores event after event reads each of them once.

Inside ``keeping`` the methods' evaluations find theirs here. The numbers are those of
``PhysicalDensity.evaluate``, bit for bit, by the quickest of the ways that agree with it.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from anode.density.ensemble import EnsembleConfig
from anode.density.fused.stack import SMALL
from anode.density.matmul import ROWS
from anode.density.physical import PhysicalDensity
from anode.density.physical_stack import Asked, PhysicalStack, small_blocks_agree
from anode.training.densities import load_density

FEW = 4 * SMALL
"""Events up to which small blocks of a single density are quicker than a whole one."""

_ALONE = threading.RLock()
"""Memory of passes (``fused.memory.SCORING``) and the number of threads are the process's."""


class EvaluateJob(NamedTuple):
    """Events to evaluate under a fitted density.

    Attributes:
        directories: folders of the fits that are averaged.
        ensemble: choice of their epochs.
        features: (N, D) physical features.
        mass: (N,) resonant mass [GeV].
    """

    directories: list[Path]
    ensemble: EnsembleConfig
    features: np.ndarray
    mass: np.ndarray


_Key = tuple[tuple[Path, ...], EnsembleConfig]


class KeptDensities:
    """Densities by their folders, read when they are first asked for and never again.

    Any number of threads may ask; they are answered one after the other.
    """

    def __init__(self) -> None:
        self._densities: dict[_Key, PhysicalDensity] = {}
        self._groups: dict[tuple[_Key, ...], _Group] = {}

    def density(self, job: EvaluateJob) -> PhysicalDensity:
        """The density that a job names, as ``load_density`` has it."""
        key = _key(job)
        with _ALONE:
            if key not in self._densities:
                self._densities[key] = load_density(job.directories, job.ensemble)
            return self._densities[key]

    def evaluate(self, jobs: Sequence[EvaluateJob]) -> list[np.ndarray]:
        """log p (N,) per unit of the physical features, of each job's events."""
        key = tuple(_key(job) for job in jobs)
        with _ALONE, _one_thread():
            if key not in self._groups:
                self._groups[key] = _Group([self.density(job) for job in jobs])
            return self._groups[key].evaluate([Asked(job.features, job.mass) for job in jobs])


_KEPT: ContextVar[KeptDensities | None] = ContextVar("kept", default=None)


def kept_densities() -> KeptDensities | None:
    """Where evaluations of this thread find their densities; None if they read them by
    themselves."""
    return _KEPT.get()


@contextlib.contextmanager
def keeping(densities: KeptDensities) -> Iterator[None]:
    """Inside, evaluations of this thread are by these densities, in this process."""
    token = _KEPT.set(densities)
    try:
        yield
    finally:
        _KEPT.reset(token)


class _Group:
    """Densities that are asked together, and the quickest way to their numbers."""

    def __init__(self, densities: list[PhysicalDensity]) -> None:
        self._densities = densities
        self._stack = PhysicalStack.of(densities)
        self._few = 0
        if self._stack is None and all(map(small_blocks_agree, densities)):
            self._few = FEW

    def evaluate(self, asked: list[Asked]) -> list[np.ndarray]:
        if self._stack is not None:
            return self._stack.evaluate(asked)
        return [
            density.evaluate(*each, block=SMALL if len(each.mass) <= self._few else ROWS)
            for density, each in zip(self._densities, asked, strict=True)
        ]


def _key(job: EvaluateJob) -> _Key:
    return tuple(job.directories), job.ensemble


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """torch with one thread, as many as scores are made with unless asked otherwise."""
    n_threads = torch.get_num_threads()
    if n_threads != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if n_threads != 1:
            torch.set_num_threads(n_threads)
