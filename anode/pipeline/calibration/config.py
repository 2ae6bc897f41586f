"""Configuration of a calibration."""

from dataclasses import dataclass

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.pipeline.calibration.pseudo_events import Shift
from anode.regions.windows import Window

SOURCES = ("pseudo", "file")


@dataclass(frozen=True)
class CalibrateConfig:
    """Keys of ``configs/calibrate.yaml``.

    Attributes:
        runs: folder of the searches, RUNS/KEY/signal=N/seed=K, and of the truth of pseudo-events.
        output: folder of the result.
        source: source of the samples: "pseudo", independent pseudo-experiments of the di-jet
            function and the density that are fitted to the file; "file", draws from its events.
        truth: settings that differ from ``configs/search.yaml`` in the fit of the density that
            pseudo-events are drawn from.
        n_events: number of background events of a sample, of pseudo-experiments its mean; None
            for as many as the file has, of pseudo-experiments above the turn-on.
        n_experiments: number of searches of each injection, seeds 1 to n.
        injections: numbers of signal events put into a sample, at any mass.
        shift_signal: masses [from, to] that move the injected signal [GeV]: m_jj times to / from;
            None leaves it.
        random_score: f of a score that knows nothing, in place of the method: the standard
            deviation of its counts in a window is f times that of Poisson counts; None for the
            method.
        window: bounds [low, high) of the window that the injected signal is looked for in [GeV].
        overrides: settings that differ from ``configs/search.yaml``.
        n_jobs: number of processes, a search each.
    """

    runs: str
    output: str
    source: str
    truth: list[str]
    n_events: int | None
    n_experiments: int
    injections: list[int]
    shift_signal: list[float] | None
    random_score: float | None
    window: list[float]
    overrides: list[str]
    n_jobs: int

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigError(f"source must be one of {', '.join(SOURCES)}, got {self.source!r}")
        if self.n_events is not None and self.n_events < 1:
            raise ConfigError(f"n_events must be at least 1 or null, got {self.n_events}")
        if self.n_experiments < 2:
            raise ConfigError(f"n_experiments must be at least 2, got {self.n_experiments}")
        if not self.injections or min(self.injections) < 0:
            raise ConfigError(f"injections must not be negative, got {self.injections}")
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")
        if self.random_score is not None and not 1 <= self.random_score < 3:
            raise ConfigError(
                f"random_score must lie in 1 to 3 or be null, got {self.random_score}"
            )
        self._check_shift()
        Window(*self.window)

    def _check_shift(self) -> None:
        shift = self.shift_signal
        if shift is None:
            return
        if self.source != "pseudo":
            raise ConfigError("shift_signal moves the signal of source=pseudo alone, got file")
        if len(shift) != 2 or min(shift) <= 0:
            raise ConfigError(f"shift_signal must be two masses [from, to] in GeV, got {shift}")

    @property
    def shift(self) -> Shift | None:
        """Scaling of the masses of the injected signal."""
        return None if self.shift_signal is None else Shift(*self.shift_signal)


def parse_calibrate(raw: DictConfig) -> CalibrateConfig:
    """Check Hydra's configuration of a calibration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(CalibrateConfig, resolve(raw))
