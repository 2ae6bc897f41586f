"""How is a density fitted, so that a kill at any moment changes nothing but the clock?

Everything random in epoch e comes from the stream (seed, "shuffle", e), and the state after every
epoch (weights, optimiser, schedule, losses) is one file renamed into place. A restarted fit
repeats at most one epoch and ends with the weights of an uninterrupted one, bit for bit.
"""

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from anode.density.base import ConditionalDensity
from anode.errors import ConfigError, TrainingError
from anode.seeding import torch_stream
from anode.training import checkpoints
from anode.training.checkpoints import Checkpoint, FitResult
from anode.training.trackers import build_tracker

VALIDATION_CHUNK = 8192


@dataclass(frozen=True)
class TrainerConfig:
    """A training recipe.

    Attributes:
        epochs: passes over the training events.
        batch_size: events a step; batches are made equal, so the last is never a stub.
        learning_rate: Adam's, or the peak of the one-cycle schedule.
        schedule: "one_cycle" (Smith 1708.07120) or "constant".
        final_learning_rate: where a one-cycle schedule ends, as a fraction of its peak.
        weight_decay: L2 penalty in Adam's gradient.
        gradient_clip: largest norm of the gradient; null for none.
        patience: stop after this many epochs without a better validation loss; null for never.
        keep: how many last epochs, and how many best ones, stay on disk.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    final_learning_rate: float
    weight_decay: float
    gradient_clip: float | None
    patience: int | None
    keep: int

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size", "keep", "learning_rate", "final_learning_rate"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"trainer.{key} must be above 0, got {getattr(self, key)}")
        if self.weight_decay < 0:
            raise ConfigError(
                f"trainer.weight_decay must not be negative, got {self.weight_decay}"
            )
        if self.schedule not in ("one_cycle", "constant"):
            raise ConfigError(
                f"trainer.schedule must be 'one_cycle' or 'constant', got {self.schedule!r}"
            )


class Sample(NamedTuple):
    """Preprocessed events.

    Attributes:
        features: (N, D) float32.
        context: (N, C) float32.
    """

    features: Tensor
    context: Tensor

    def to(self, device: str) -> "Sample":
        return Sample(self.features.to(device), self.context.to(device))


def fit(
    density: ConditionalDensity,
    train: Sample,
    validation: Sample,
    *,
    config: TrainerConfig,
    seed: int,
    directory: Path,
    tracker: str = "none",
    device: str = "cpu",
    position: int = 0,
) -> FitResult:
    """Maximise the likelihood of ``train``; resume if ``directory`` holds an unfinished fit.

    Args:
        density: starts from the weights it has; is left with those of the last epoch.
        train: events to fit.
        validation: events whose loss picks the "best" epochs and stops early.
        config: the recipe.
        seed: root of this fit's random streams.
        directory: receives ``epoch_NNNN.pt``, ``state.pt`` and ``fit.json``.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda".
        position: line of the progress bar, where several fits run at once.

    Raises:
        TrainingError: fewer than two events in a sample, or a loss that is not finite.
    """
    for name, sample in (("train", train), ("validation", validation)):
        if len(sample.features) < 2:
            raise TrainingError(
                f"{directory.name}: a fit needs at least 2 {name} events, "
                f"got {len(sample.features)}; widen the region or change the split"
            )
    density.to(device)
    train, validation = train.to(device), validation.to(device)
    n_batches = max(1, round(len(train.features) / config.batch_size))
    state = _State.start(density, config, n_batches, directory)
    record = build_tracker(tracker, directory, len(state.result.validation_loss))
    bar = tqdm(
        total=config.epochs * n_batches,
        initial=len(state.result.validation_loss) * n_batches,
        desc=directory.name,
        unit="batch",
        position=position,
        leave=False,
        disable=None,
    )
    started = time.perf_counter()
    try:
        while not state.result.finished:
            epoch = len(state.result.validation_loss) + 1
            order = torch.randperm(
                len(train.features), generator=torch_stream(seed, "shuffle", epoch)
            )
            train_loss = _train_epoch(state, train, order.to(device), n_batches, config, bar)
            validation_loss = mean_loss(density, validation)
            if not math.isfinite(train_loss + validation_loss):
                raise TrainingError(
                    f"{directory.name}: the loss of epoch {epoch} is not finite (train "
                    f"{train_loss}, validation {validation_loss}); lower trainer.learning_rate "
                    "or set trainer.gradient_clip"
                )
            # Writing the state of an epoch counts for the next one.
            seconds, started = time.perf_counter() - started, time.perf_counter()
            state.finish_epoch(config, train_loss, validation_loss, seconds)
            record.log(
                {"epoch": epoch, "train_loss": train_loss, "validation_loss": validation_loss}
            )
    finally:
        bar.close()
        record.close()
    return state.result


def mean_loss(density: ConditionalDensity, sample: Sample) -> float:
    """Mean negative log-likelihood in evaluation mode, in chunks."""
    density.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(sample.features), VALIDATION_CHUNK):
            rows = slice(start, start + VALIDATION_CHUNK)
            total += (
                density.loss(sample.features[rows], sample.context[rows]).double().sum().item()
            )
    return total / len(sample.features)


def _train_epoch(
    state: "_State",
    train: Sample,
    order: Tensor,
    n_batches: int,
    config: TrainerConfig,
    bar: tqdm,
) -> float:
    """One pass over the training events; the mean loss, read once at the end."""
    density = state.density
    density.train()
    # Shuffled at once, so that a batch is a slice.
    batches = zip(
        train.features[order].tensor_split(n_batches),
        train.context[order].tensor_split(n_batches),
        strict=True,
    )
    losses = []
    for features, context in batches:
        density.zero_grad(set_to_none=True)
        loss = density.loss(features, context).mean()
        loss.backward()
        if config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(density.parameters(), config.gradient_clip)
        state.optimiser.step()
        if state.schedule is not None:
            state.schedule.step()
        losses.append(loss.detach())
        bar.update()
    sizes = [len(batch) for batch in order.tensor_split(n_batches)]
    return float(np.average(torch.stack(losses).tolist(), weights=sizes))


@dataclass
class _State:
    """What an interrupted fit needs to go on: mirrored in ``state.pt`` after every epoch."""

    density: ConditionalDensity
    optimiser: torch.optim.Adam
    schedule: torch.optim.lr_scheduler.OneCycleLR | None
    directory: Path
    result: FitResult

    @classmethod
    def start(
        cls, density: ConditionalDensity, config: TrainerConfig, n_batches: int, directory: Path
    ) -> "_State":
        optimiser = torch.optim.Adam(
            density.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        state = cls(density, optimiser, None, directory, FitResult())
        if config.schedule == "one_cycle":
            state.schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser,
                max_lr=config.learning_rate,
                total_steps=config.epochs * n_batches,
                # OneCycleLR counts its end from its start, which is a 25th of the peak.
                final_div_factor=1 / (25 * config.final_learning_rate),
            )
        if (directory / "state.pt").is_file():
            state._load(checkpoints.load_tensors(directory / "state.pt"))
        return state

    def finish_epoch(
        self, config: TrainerConfig, train_loss: float, validation_loss: float, seconds: float
    ) -> None:
        """Write the epoch's weights, then the state that knows them, then drop what is surplus."""
        epoch = len(self.result.validation_loss) + 1
        checkpoint = Checkpoint(epoch, validation_loss, f"epoch_{epoch:04d}.pt")
        checkpoints.save_tensors(self.directory / checkpoint.path, self.density.state_dict())
        losses = (*self.result.validation_loss, validation_loss)
        since_best = epoch - 1 - min(range(epoch), key=losses.__getitem__)
        result = replace(
            self.result,
            train_loss=(*self.result.train_loss, train_loss),
            validation_loss=losses,
            checkpoints=(*self.result.checkpoints, checkpoint),
            finished=epoch == config.epochs
            or (config.patience is not None and since_best >= config.patience),
            seconds=self.result.seconds + seconds,
        )
        kept = set(result.select("last", config.keep)) | set(result.select("best", config.keep))
        ordered = tuple(sorted(kept, key=lambda c: c.epoch))
        self.result = replace(result, checkpoints=ordered)
        checkpoints.save_tensors(self.directory / "state.pt", self._content())
        checkpoints.write_result(self.directory, self.result)
        checkpoints.prune(self.directory, self.result.checkpoints)

    def _content(self) -> dict[str, Any]:
        return {
            "density": self.density.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "result": asdict(self.result),
        }

    def _load(self, content: dict[str, Any]) -> None:
        self.density.load_state_dict(content["density"])
        self.optimiser.load_state_dict(content["optimiser"])
        if self.schedule is not None:
            self.schedule.load_state_dict(content["schedule"])
        self.result = checkpoints.as_result(content["result"])
        checkpoints.write_result(self.directory, self.result)
        checkpoints.prune(self.directory, self.result.checkpoints)
