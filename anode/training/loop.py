"""Training loop: a fit killed at any moment and restarted ends with the same weights.

Everything random in epoch e comes from the stream (seed, "shuffle", e), and the state after an
epoch (weights, optimiser, losses) is one file renamed into place, every few seconds or, if epochs
take longer, every epoch. A restarted fit repeats what came after the last state and ends with the
weights of an uninterrupted one, bit for bit.
"""

import math
import time
from collections.abc import Iterator, Sequence

import torch

from anode import progress
from anode.density.base import Trainable
from anode.density.batched_loss import end_epoch, mean_losses
from anode.errors import TrainingError
from anode.seeding import torch_stream
from anode.training import watch
from anode.training.checkpoints import FitResult
from anode.training.recipe import PEAK_AT, TrainerConfig
from anode.training.state import Fit, Losses, Sample, State
from anode.training.trackers import build_tracker

VALIDATION_CHUNK = 8192
SHUFFLED_AT_ONCE = 2**26
"""Bytes of features that an epoch may copy: images stay where they are, in a file perhaps."""


def fit(
    fits: Sequence[Fit],
    *,
    config: TrainerConfig,
    tracker: str = "none",
    device: str = "cpu",
) -> list[FitResult]:
    """Minimise the mean loss of training events; resume a fit that the directories hold.

    Args:
        fits: modules to fit. Several, such as ``density.batched_loss`` takes, are fitted in common
            steps, as many as the largest needs; the first one's directory holds their state.
        config: settings of the training.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda".

    Raises:
        TrainingError: fewer than two events in a sample or batch, or a loss that is not finite.
        RunDirectoryError: the directories hold fits of other settings.
    """
    n_batches = max(config.n_batches(len(one.train.features)) for one in fits)
    for one in fits:
        _check_size(one, n_batches)
    state = State.start([one.to(device) for one in fits], config)
    records = [build_tracker(tracker, one.directory, state.epochs_done) for one in fits]
    progress.count(state.epochs_done * n_batches)
    started = time.perf_counter()
    try:
        while not state.results[0].finished:
            epoch = state.epochs_done + 1
            train_losses = _train_epoch(state, epoch, n_batches)
            if epoch > PEAK_AT * config.epochs:
                validation = [one.validation for one in state.fits]
                end_epoch(
                    [one.module for one in state.fits],
                    [sample.features for sample in validation],
                    [sample.context for sample in validation],
                )
            losses = [
                Losses(loss, mean_loss(one.module, one.validation))
                for one, loss in zip(state.fits, train_losses, strict=True)
            ]
            for one, loss in zip(fits, losses, strict=True):
                _check_finite(one, epoch, loss)
            # Writing the state of an epoch counts for the next one.
            seconds, started = time.perf_counter() - started, time.perf_counter()
            state.finish_epoch(losses, seconds / len(fits))
            for one, record, loss in zip(fits, records, losses, strict=True):
                record.log(
                    {"epoch": epoch, "train_loss": loss.train, "validation_loss": loss.validation}
                )
                watch.tell(one.directory.name, epoch, loss.validation)
    finally:
        for record in records:
            record.close()
    return state.results


def mean_loss(module: Trainable, sample: Sample) -> float:
    """Mean loss (of a density: -log p) of a sample, in evaluation mode, in chunks."""
    module.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(sample.features), VALIDATION_CHUNK):
            rows = slice(start, start + VALIDATION_CHUNK)
            losses = module.loss(sample.features[rows], sample.context[rows])
            total += losses.double().sum().item()
    return total / len(sample.features)


def _check_size(one: Fit, n_batches: int) -> None:
    for name, sample in (("train", one.train), ("validation", one.validation)):
        if len(sample.features) < 2:
            raise TrainingError(
                f"{one.directory.name}: a fit needs at least 2 {name} events, "
                f"got {len(sample.features)}; widen the region or change the split"
            )
    n_train = len(one.train.features)
    if n_train // n_batches < 2:
        raise TrainingError(
            f"{one.directory.name}: a batch needs at least 2 events, got {n_train} in {n_batches} "
            "batches; raise trainer.batch_size"
        )


def _check_finite(one: Fit, epoch: int, losses: Losses) -> None:
    if not math.isfinite(sum(losses)):
        raise TrainingError(
            f"{one.directory.name}: the loss of epoch {epoch} is not finite (train "
            f"{losses.train}, validation {losses.validation}); lower trainer.learning_rate "
            "or set trainer.gradient_clip"
        )


def _train_epoch(state: State, epoch: int, n_batches: int) -> list[float]:
    """Mean losses of one pass over the training events, read from the device once at the end."""
    modules = [one.module for one in state.fits]
    for module in modules:
        module.train()
    orders = [_order(one, epoch).tensor_split(n_batches) for one in state.fits]
    batches = [_batches(one.train, order) for one, order in zip(state.fits, orders, strict=True)]
    n_steps = state.config.epochs * n_batches
    losses, ones = [], torch.ones(len(modules), device=state.fits[0].train.features.device)
    for step, batch in enumerate(zip(*batches, strict=True), start=(epoch - 1) * n_batches):
        each = mean_losses(modules, [b.features for b in batch], [b.context for b in batch])
        each.backward(ones)
        pace = state.config.pace(step, n_steps)
        for optimiser in state.optimisers:
            optimiser.step(pace)
        losses.append(each.detach())
        progress.count()
    sizes = torch.tensor([[len(rows) for rows in order] for order in orders])
    weighted = torch.stack(losses).double().cpu() * sizes.t()
    return (weighted.sum(0) / sizes.sum(1)).tolist()


def _order(one: Fit, epoch: int) -> torch.Tensor:
    """(N,) the training events of an epoch, shuffled."""
    generator = torch_stream(one.seed, "shuffle", epoch)
    order = torch.randperm(len(one.train.features), generator=generator)
    return order.to(one.train.features.device)


def _batches(sample: Sample, rows: Sequence[torch.Tensor]) -> Iterator[Sample]:
    """The events of each batch's rows: slices of all, shuffled at once, unless these are large."""
    if sample.features.nbytes > SHUFFLED_AT_ONCE:
        return (sample.take(batch) for batch in rows)
    sizes = [len(batch) for batch in rows]
    split = (t.split(sizes) for t in sample.take(torch.cat(list(rows))))
    return (Sample(*batch) for batch in zip(*split, strict=True))
