"""Files of a fit: weights of epochs, losses and state, read back without running pickles."""

import io as streams
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from anode import integrity, io
from anode.errors import RunDirectoryError


@dataclass(frozen=True)
class Checkpoint:
    """Weights after one epoch.

    Attributes:
        epoch: number of the epoch, from 1, the first pass over the data.
        validation_loss: mean negative log-likelihood of the validation events.
        path: file name inside the directory of the fit.
    """

    epoch: int
    validation_loss: float
    path: str


@dataclass(frozen=True)
class FitResult:
    """A finished or interrupted fit.

    Attributes:
        train_loss: mean loss of every epoch, in training mode, averaged while weights moved.
        validation_loss: mean loss of every epoch, in evaluation mode, after the epoch.
        checkpoints: checkpoints on disk, by epoch.
        finished: True if the last epoch, or early stopping, was reached.
        seconds: wall-clock time [s] of all sessions until the last epoch was done, writing it
            excluded; an equal part of it for each of several fits with common steps.
    """

    train_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    finished: bool = False
    seconds: float = 0.0

    def select(self, mode: str, size: int) -> tuple[Checkpoint, ...]:
        """The ``size`` checkpoints of the "last" epochs or of "best" validation loss, by epoch;
        fewer if the fit was shorter."""
        if mode == "last":
            chosen = sorted(self.checkpoints, key=lambda c: c.epoch)[-size:]
        else:
            chosen = sorted(self.checkpoints, key=lambda c: (c.validation_loss, c.epoch))[:size]
        return tuple(sorted(chosen, key=lambda c: c.epoch))


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Save tensors and plain numbers atomically and sealed; ``load_tensors`` reads them back."""
    buffer = streams.BytesIO()
    torch.save(content, buffer)
    with io.atomic_path(path) as temporary:
        temporary.write_bytes(integrity.seal(buffer.getvalue()))


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what ``save_tensors`` wrote, onto the CPU, refusing any pickled object.

    Raises:
        RunDirectoryError: the file is missing or damaged.
    """
    remedy = fit_again(path.parent)
    try:
        buffer = streams.BytesIO(integrity.read(path, remedy=remedy))
    except FileNotFoundError:
        raise RunDirectoryError(f"there is no checkpoint {path}; train first") from None
    try:
        content: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RunDirectoryError(
            f"cannot read the checkpoint {path}: it is truncated or of another kind "
            f"({type(error).__name__}); {remedy}"
        ) from None
    return content


def fit_again(directory: Path) -> str:
    """What to do about a damaged file in the folder of a fit."""
    return f"delete the folder {directory} and train again"


def write_result(directory: Path, result: FitResult) -> None:
    """Write ``fit.json``: losses and checkpoints of a fit, for people and for loading."""
    io.write_json(directory / "fit.json", asdict(result), sealed=True)


def read_result(directory: Path) -> FitResult:
    """Read ``fit.json`` back.

    Raises:
        DataError, RunDirectoryError: the fit never finished an epoch, or the file is damaged.
    """
    path = directory / "fit.json"
    if not path.is_file():
        raise RunDirectoryError(f"there is no {path}: this density was not trained; train first")
    return as_result(io.read_json(path, remedy=fit_again(directory)))


def prune(directory: Path, keep: Iterable[Checkpoint]) -> None:
    """Delete the epoch files that no ensemble asks for."""
    kept = {checkpoint.path for checkpoint in keep}
    for path in directory.glob("epoch_*.pt"):
        if path.name not in kept:
            path.unlink()


def as_result(content: dict[str, Any]) -> FitResult:
    """A ``FitResult`` from the dictionary it was saved as."""
    return FitResult(
        train_loss=tuple(content["train_loss"]),
        validation_loss=tuple(content["validation_loss"]),
        checkpoints=tuple(Checkpoint(**entry) for entry in content["checkpoints"]),
        finished=content["finished"],
        seconds=content["seconds"],
    )
