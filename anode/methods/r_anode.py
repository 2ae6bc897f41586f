"""R-ANODE: density of the signal itself, fitted as what the background leaves unexplained.

    p_data(x|m) = w p_sig(x|m) + (1 - w) p_bg(x|m),      score = log p_sig(x|m) - log p_bg(x|m)

p_bg is fitted on the sidebands and kept; p_sig is fitted on the signal region, and so is w if
asked. Das, Kasieczka, Shih 2312.11629, eqs. (5) to (7), with p_sig conditional on m, so that the
score does not know where in the signal region the resonance sits.

Every fold has several fits of p_sig, each with other validation events, and all are averaged.
Validation events decide on w: their likelihood is not fooled by a p_sig that describes noise. The
amount of signal is estimated from events that no fit has seen, as the w that maximises

    sum over events of log(w p_sig + (1 - w) p_bg),      p_sig of the event's own fold.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import progress
from anode.density.base import DensityConfig
from anode.density.physical import PhysicalDensity
from anode.density.residual import LARGEST_FRACTION, likeliest_fraction
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import (
    AnomalyMethod,
    ExtraMetrics,
    FitSettings,
    MethodConfig,
    RegionEvents,
    Scores,
)
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.regions.crossfit import combine
from anode.regions.splits import uniform_of
from anode.training import checkpoints
from anode.training.evaluate import EvaluateJob, evaluate_all
from anode.training.recipe import TrainerConfig
from anode.training.residual import (
    KnownBackground,
    ResidualJob,
    fit_residuals,
    fitted_fraction,
)

SIGNAL = "signal"
MODES = ("fixed", "scanned", "learned")


@dataclass(frozen=True)
class RAnodeConfig(MethodConfig):
    """Settings of R-ANODE.

    Attributes:
        fraction: treatment of w: "fixed"; "scanned", the value of highest likelihood of validation
            events for each fold; or "learned", from validation events after every epoch.
        fractions: values of w: the fixed one, those scanned, or the first when learned.
        fits: number of fits of p_sig for each fold.
        density: settings of p_sig.
        trainer: settings of its training.
    """

    fraction: str
    fractions: list[float]
    fits: int
    density: DensityConfig
    trainer: TrainerConfig

    def __post_init__(self) -> None:
        if self.fraction not in MODES:
            raise ConfigError(
                f"method.fraction must be one of {', '.join(MODES)}, got {self.fraction!r}"
            )
        if not self.fractions or not all(0 < w < 1 for w in self.fractions):
            raise ConfigError(f"method.fractions must lie in (0, 1), got {self.fractions}")
        if self.fraction != "scanned" and len(self.fractions) > 1:
            raise ConfigError(
                f"method.fraction={self.fraction} takes one of method.fractions, got "
                f"{self.fractions}"
            )
        if self.fits < 1:
            raise ConfigError(f"method.fits must be at least 1, got {self.fits}")
        if self.fraction == "learned" and self.fractions[0] > LARGEST_FRACTION:
            raise ConfigError(
                f"method.fractions must be at most {LARGEST_FRACTION} where method.fraction="
                f"learned, got {self.fractions}"
            )
        if self.fits > 1 and self.trainer.patience is not None:
            raise ConfigError(
                "the fits of a fold end together: method.trainer.patience must be null where "
                f"method.fits is above 1, got {self.trainer.patience} and {self.fits}"
            )


class RAnode(AnomalyMethod):
    """R-ANODE; ``AnomalyMethod`` documents its methods."""

    title = "R-ANODE"
    meaning = "log p_sig(x|m) - log p_bg(x|m)"
    interpolates = True

    def __init__(self, directory: Path, settings: FitSettings, config: RAnodeConfig) -> None:
        super().__init__(directory, settings)
        self.config = config
        self.fits = DensityFits(directory, settings)

    def score(self, events: EventTable, fitted: np.ndarray) -> Scores:
        """log p_sig - log p_bg, with the two terms as parts."""
        rows = self.cross_fit.scored(events, fitted)
        jobs = [self.fits.evaluate_job(BACKGROUND, events)]
        for name, index in zip(self.cross_fit.names(SIGNAL), rows, strict=True):
            folders = self._folders(name, self._chosen(name))
            seen = events[index]
            jobs.append(EvaluateJob(folders, self.settings.ensemble, seen.features, seen.mass))
        background, *signal = evaluate_all(
            jobs, n_jobs=self.settings.n_jobs, threads=self.settings.threads
        )
        log_p_signal = combine(len(events), rows, [evaluation.log_p for evaluation in signal])
        return Scores(
            events.event_id,
            events.mass,
            log_p_signal - background.log_p,
            {"log_p_signal": log_p_signal, "log_p_background": background.log_p},
            background.was_clipped,
        )

    def background_density(self) -> PhysicalDensity:
        """p_bg(x|m), averaged over epochs."""
        return self.fits.load(BACKGROUND)

    @property
    def background_fits(self) -> dict[str, Path]:
        """Folders of the fits of p_bg, by their names."""
        return self.fits.background

    def extra_metrics(self, parts: dict[str, np.ndarray], in_data: np.ndarray) -> ExtraMetrics:
        """How much signal there is, and how much the data like the model.

        ``signal_fraction`` is the likeliest w of data events that no fit has seen. To its
        statistical error comes, in quadrature, that of p_sig: the jackknife's that leaves out a
        fold at a time, of the w that each fold's fits learned from the events of all others,

            error^2 = statistical^2 + (K - 1) / K sum_k (w_k - mean w)^2.

        ``likelihood_gain`` is the mean over these events of log p_data - log p_bg at that w.
        """
        log_ratio = parts["log_p_signal"][in_data] - parts["log_p_background"][in_data]
        fraction, statistical = likeliest_fraction(log_ratio)
        gain = np.logaddexp(np.log(fraction) + log_ratio, np.log1p(-fraction))
        names = self.cross_fit.names(SIGNAL)
        learned = np.array([self._learned(name) for name in names])
        spread = np.sqrt((self.settings.split.folds - 1) * np.var(learned))
        return ExtraMetrics(
            signal_fraction=fraction,
            signal_fraction_error=float(np.hypot(statistical, spread)),
            signal_fraction_by_fold=tuple(learned.tolist()),
            likelihood_gain=float(np.mean(gain)),
        )

    def _learned(self, name: str) -> float:
        """The mean w of a fold's fits."""
        folders = self._folders(name, self._chosen(name))
        return float(np.mean([fitted_fraction(folder, *self._ensemble) for folder in folders]))

    def _fit(self, events: RegionEvents) -> None:
        with progress.task("p_bg", share=0.4):
            self.fits.fit_background(events.sidebands)
        region = events.signal_region
        (background,) = evaluate_all(
            [self.fits.evaluate_job(BACKGROUND, region)],
            n_jobs=self.settings.n_jobs,
            threads=self.settings.threads,
        )
        log_p = dict(zip(region.event_id.tolist(), background.log_p, strict=True))
        groups = []
        for name, seen in zip(
            self.cross_fit.names(SIGNAL), self.cross_fit.fitted(region), strict=True
        ):
            known = KnownBackground(seen, np.array([log_p[i] for i in seen.event_id.tolist()]))
            groups += [self._jobs(name, known, fraction) for fraction in self.config.fractions]
        with progress.task("p_sig", share=0.6):
            fit_residuals(groups, n_jobs=self.settings.n_jobs, threads=self.settings.threads)

    def _jobs(self, name: str, known: KnownBackground, fraction: float) -> list[ResidualJob]:
        """The fits of one fold at one w, each with its own validation events."""
        jobs = []
        for number, folder in enumerate(self._folders(name, fraction)):
            validation = self._is_validation(known.events, number)
            jobs.append(
                ResidualJob(
                    directory=folder,
                    train=known[~validation],
                    validation=known[validation],
                    background=self.fits.folders(BACKGROUND)[0],
                    density=self.config.density,
                    trainer=self.config.trainer,
                    fraction=fraction,
                    learned=self.config.fraction == "learned",
                    seed=self.settings.seed,
                    tracker=self.settings.tracker,
                    device=self.settings.device,
                )
            )
        return jobs

    def _is_validation(self, events: EventTable, number: int) -> np.ndarray:
        """(N,) True for validation events of fit ``number``: those of different fits are
        disjoint, until all events have been used."""
        n_parts = max(2, round(1 / self.settings.split.validation))
        uniform = uniform_of(events.identity, self.settings.seed, "split", "shares of fits")
        return np.floor(uniform * n_parts) == number % n_parts

    def _folders(self, name: str, fraction: float) -> list[Path]:
        """Folders of the fits of a fold."""
        scanned = f"_w{fraction:g}" if len(self.config.fractions) > 1 else ""
        return [self.directory / f"{name}_fit{i}{scanned}" for i in range(self.config.fits)]

    def _chosen(self, name: str) -> float:
        """The w of a fold, of those scanned, with the highest likelihood of validation events."""

        def loss(fraction: float) -> float:
            results = map(checkpoints.read_result, self._folders(name, fraction))
            last = [r.select(*self._ensemble) for r in results]
            return float(np.mean([c.validation_loss for chosen in last for c in chosen]))

        return min(self.config.fractions, key=loss)

    @property
    def _ensemble(self) -> tuple[str, int]:
        return self.settings.ensemble.mode, self.settings.ensemble.size
