"""State of running fits: weights, optimisers and losses, from which an interrupted one resumes."""

import logging
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from anode.density.base import Trainable
from anode.errors import RunDirectoryError
from anode.training import checkpoints
from anode.training.checkpoints import Checkpoint, FitResult
from anode.training.optimiser import Adam
from anode.training.recipe import TrainerConfig

log = logging.getLogger(__name__)

SAVE_EVERY = 5.0  # seconds; the state is written at the end of the epoch in which they pass


class Sample(NamedTuple):
    """Preprocessed events.

    Attributes:
        features: (N, D) float32.
        context: (N, C) float32.
    """

    features: Tensor
    context: Tensor

    def take(self, rows: Tensor) -> "Sample":
        """The events of these rows (n,)."""
        return Sample(self.features.index_select(0, rows), self.context.index_select(0, rows))

    def to(self, device: str) -> "Sample":
        """The same events on "cpu" or "cuda"."""
        return Sample(self.features.to(device), self.context.to(device))


class Fit(NamedTuple):
    """One density, or another module with a loss, to fit.

    Attributes:
        module: module with its first weights; after the fit it has those of the last epoch.
        train: events to fit.
        validation: events whose loss picks the "best" epochs and stops early.
        seed: root of this fit's random streams.
        directory: folder for ``epoch_NNNN.pt``, ``state.pt`` and ``fit.json``.
    """

    module: Trainable
    train: Sample
    validation: Sample
    seed: int
    directory: Path

    def to(self, device: str) -> "Fit":
        """The same fit on "cpu" or "cuda"."""
        return self._replace(
            module=self.module.to(device),
            train=self.train.to(device),
            validation=self.validation.to(device),
        )


class Losses(NamedTuple):
    """Mean losses of an epoch: of training events as weights moved, of validation events after."""

    train: float
    validation: float


@dataclass
class State:
    """State from which interrupted fits resume, written to ``state.pt`` at the end of some epochs.

    Attributes:
        fits: fits with common steps.
        config: settings of the training.
        optimisers: one optimiser for each fit.
        results: losses and checkpoints of each fit so far.
        waiting: file -> weights of an epoch that is not written yet.
        saved: time of the last writing, by ``time.monotonic`` [s].
    """

    fits: list[Fit]
    config: TrainerConfig
    optimisers: list[Adam]
    results: list[FitResult]
    waiting: dict[Path, dict[str, Tensor]] = field(default_factory=dict)
    saved: float = field(default_factory=lambda: time.monotonic())

    @classmethod
    def start(cls, fits: list[Fit], config: TrainerConfig) -> "State":
        """The state in the first fit's directory, or a fresh one.

        Raises:
            RunDirectoryError: the directory holds fits of other settings.
        """
        decay, clip = config.weight_decay, config.gradient_clip
        optimisers = [
            Adam(one.module.parameters(), weight_decay=decay, gradient_clip=clip) for one in fits
        ]
        state = cls(fits, config, optimisers, [FitResult() for _ in fits])
        if state._path.is_file():
            content = checkpoints.load_tensors(state._path)
            state._check(content)
            if state._is_whole(content):
                state._load(content)
        return state

    @property
    def epochs_done(self) -> int:
        """Number of epochs finished."""
        return len(self.results[0].validation_loss)

    @property
    def _path(self) -> Path:
        return self.fits[0].directory / "state.pt"

    def finish_epoch(self, losses: list[Losses], seconds: float) -> None:
        """Record the epoch's weights and losses; write them every ``SAVE_EVERY`` seconds.

        Args:
            losses: mean losses of the epoch, one for each fit.
            seconds: wall-clock time of the epoch for each fit.
        """
        epoch = self.epochs_done + 1
        for i, (one, loss) in enumerate(zip(self.fits, losses, strict=True)):
            checkpoint = Checkpoint(epoch, loss.validation, f"epoch_{epoch:04d}.pt")
            self.waiting[one.directory / checkpoint.path] = {
                name: value.detach().cpu().clone()
                for name, value in one.module.state_dict().items()
            }
            self.results[i] = self._extended(self.results[i], loss, checkpoint, seconds)
        kept = {
            one.directory / checkpoint.path
            for one, result in zip(self.fits, self.results, strict=True)
            for checkpoint in result.checkpoints
        }
        self.waiting = {path: state for path, state in self.waiting.items() if path in kept}
        if self.results[0].finished or time.monotonic() - self.saved >= SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        """Write epochs' weights, then the state that names them, then delete surplus files."""
        for path, state in self.waiting.items():
            checkpoints.save_tensors(path, state)
        checkpoints.save_tensors(self._path, self._content())
        self._publish()
        self.waiting, self.saved = {}, time.monotonic()

    def _extended(
        self, before: FitResult, losses: Losses, checkpoint: Checkpoint, seconds: float
    ) -> FitResult:
        """The result of a fit after one more epoch."""
        epoch, patience = checkpoint.epoch, self.config.patience
        validation = (*before.validation_loss, losses.validation)
        since_best = epoch - 1 - min(range(epoch), key=validation.__getitem__)
        result = replace(
            before,
            train_loss=(*before.train_loss, losses.train),
            validation_loss=validation,
            checkpoints=(*before.checkpoints, checkpoint),
            finished=epoch == self.config.epochs
            or (patience is not None and since_best >= patience),
            seconds=before.seconds + seconds,
        )
        keep = self.config.keep
        kept = set(result.select("last", keep)) | set(result.select("best", keep))
        return replace(result, checkpoints=tuple(sorted(kept, key=lambda c: c.epoch)))

    def _publish(self) -> None:
        for one, result in zip(self.fits, self.results, strict=True):
            checkpoints.write_result(one.directory, result)
            checkpoints.prune(one.directory, result.checkpoints)

    def _identity(self) -> dict[str, Any]:
        return {"fits": [one.directory.name for one in self.fits], "recipe": asdict(self.config)}

    def _check(self, content: dict[str, Any]) -> None:
        """Refuse the state of other fits, or of other settings."""
        ours, theirs = self._identity(), content.get("identity")
        if theirs != ours:
            raise RunDirectoryError(
                f"{self._path} must hold the state of {ours}, got {theirs}; delete the folders of "
                "these fits, or choose another run directory"
            )

    def _is_whole(self, content: dict[str, Any]) -> bool:
        """True if no weights that the state names were deleted; else the fits begin anew."""
        for one, result in zip(self.fits, content["results"], strict=True):
            for checkpoint in result["checkpoints"]:
                if not (one.directory / checkpoint["path"]).is_file():
                    log.warning("%s lacks %s: fitted again", one.directory, checkpoint["path"])
                    return False
        return True

    def _content(self) -> dict[str, Any]:
        return {
            "identity": self._identity(),
            "densities": [one.module.state_dict() for one in self.fits],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "results": [asdict(result) for result in self.results],
        }

    def _load(self, content: dict[str, Any]) -> None:
        for one, state in zip(self.fits, content["densities"], strict=True):
            one.module.load_state_dict(state)
        for optimiser, state in zip(self.optimisers, content["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.results = [checkpoints.as_result(result) for result in content["results"]]
        self._publish()
