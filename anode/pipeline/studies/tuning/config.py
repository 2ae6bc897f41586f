"""Configuration of a tuning: which keys may vary, between what, and what is optimised."""

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.pipeline.runs.config import RunConfig, compose_run

OBJECTIVES: dict[str, Literal["minimize", "maximize"]] = {
    "validation_loss": "minimize",
    "likelihood_gain": "maximize",
    "argos": "maximize",
}
"""Name -> direction."""


@dataclass(frozen=True)
class Range:
    """Values that a key may have: between two numbers, or one of some choices.

    Attributes:
        low, high: smallest and largest value; None with choices.
        log: True to draw the logarithm uniformly.
        integer: True for whole numbers.
        choices: values as they stand behind ``KEY=``; None for numbers.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    choices: list[str] | None = None

    def __post_init__(self) -> None:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ConfigError(
                "space: a key needs low and high, or choices, got "
                f"low={self.low}, high={self.high}, choices={self.choices}"
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ConfigError(f"space: low must be below high, got {self.low} and {self.high}")
        if self.log and self.low is not None and self.low <= 0:
            raise ConfigError(f"space: low must be above 0 with log, got {self.low}")


@dataclass(frozen=True)
class TuneConfig:
    """Keys of ``configs/tune.yaml``.

    Attributes:
        output: folder of the trials, the journal and what is found.
        overrides: of ``configs/run.yaml``, of every trial.
        space: key of ``configs/run.yaml`` -> its values.
        objective: one of ``OBJECTIVES``.
        n_trials: number of trials, pruned ones included.
        n_startup: number of random trials before the sampler learns, and before any is pruned.
        prune: True to stop trials whose validation loss is above the median of the others'.
        seed: root seed of the trials and of the sampler.
        n_jobs: number of processes, a trial each.
    """

    output: str
    overrides: list[str]
    space: dict[str, Range]
    objective: str
    n_trials: int
    n_startup: int
    prune: bool
    seed: int
    n_jobs: int

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ConfigError(
                f"objective must be one of {', '.join(OBJECTIVES)}, got {self.objective!r}"
            )
        if not self.space:
            raise ConfigError("space must name a key that may vary, got none; choose space=vae")
        for key in ("n_trials", "n_startup", "n_jobs"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} must be at least 1, got {getattr(self, key)}")

    @property
    def identity(self) -> dict[str, object]:
        """What all trials of a folder must share."""
        return {
            "overrides": self.overrides,
            "space": {key: vars(value) for key, value in self.space.items()},
            "objective": self.objective,
            "seed": self.seed,
        }

    def run(self, values: list[str], run_dir: str) -> RunConfig:
        """The run of a trial with these overrides."""
        own = ["figures=false", "n_jobs=1", "threads=1", "tracker=none", f"seed={self.seed}"]
        return compose_run([*self.overrides, *values, *own], run_dir)


def parse_tune(raw: DictConfig) -> TuneConfig:
    """Check Hydra's configuration of a tuning.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    return build(TuneConfig, {"space": {}, **resolve(raw)})
