"""The same fits with another epoch ensemble: a run directory of its own, nothing fitted."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from anode.density.ensemble import EnsembleConfig
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.fitted_events import fitted_events, keep_fitted
from anode.pipeline.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class OtherEnsemble:
    """As ``EnsembleConfig``; null is as the run has it."""

    mode: str | None
    size: int | None

    def of(self, own: EnsembleConfig) -> EnsembleConfig:
        """The ensemble of a run, with what was asked for in place of its own settings."""
        return dataclasses.replace(own, mode=self.mode or own.mode, size=self.size or own.size)


def score_ensemble(config: RunConfig, directory: RunDirectory, output: Path) -> None:
    """A run directory with another ensemble of the same fits, scored and judged.

    Its checkpoints are a link to those of the run; nothing is fitted.
    """
    output.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(config, run_dir=str(output))
    other = RunDirectory(output)
    other.claim(config)
    keep_fitted(output, fitted_events(directory.path), fits=other.checkpoints)
    if not other.checkpoints.exists():
        target = os.path.relpath(directory.checkpoints.resolve(), output.resolve())
        other.checkpoints.symlink_to(target, target_is_directory=True)
    stages.score(config)
    stages.evaluate(config)
