"""Densities in the folder of a method: their names, fits, evaluation and loading."""

from pathlib import Path

from anode.density.physical import PhysicalDensity
from anode.events.table import EventTable
from anode.methods.base import FitSettings
from anode.regions.crossfit import CrossFit
from anode.training.densities import FitJob, fit_all, load_density
from anode.training.evaluate import EvaluateJob
from anode.training.store import fit_stored

BACKGROUND = "background"


class DensityFits:
    """The densities in the folder of a method: each has ``ensemble.seeds`` fits, averaged.

    Args:
        directory: folder of the method.
        settings: settings of the fits.
    """

    def __init__(self, directory: Path, settings: FitSettings) -> None:
        self.directory = directory
        self.settings = settings
        self.cross_fit = CrossFit(settings.split, settings.seed)

    def folders(self, name: str) -> list[Path]:
        """Folders of the fits of one density: ``name``, ``name_seed1``, ..."""
        more = range(1, self.settings.ensemble.seeds)
        return [self.directory / name, *(self.directory / f"{name}_seed{s}" for s in more)]

    @property
    def background(self) -> dict[str, Path]:
        """Folders of the fits of p_bg, by their names."""
        return {folder.name: folder for folder in self.folders(BACKGROUND)}

    def jobs(
        self, name: str, fitted: EventTable, *, start_from: str | None = None
    ) -> list[FitJob]:
        """The fits of one density.

        Args:
            name: name of the density.
            fitted: events to train and validate on.
            start_from: name of a density whose fits, seed by seed, give the first weights.
        """
        folders = self.folders(name)
        starts = [None] * len(folders) if start_from is None else self.folders(start_from)
        return [self._job(f, fitted, s) for f, s in zip(folders, starts, strict=True)]

    def fit(self, jobs: list[FitJob]) -> None:
        """Run these fits, skipping finished ones."""
        fit_all(jobs, n_jobs=self.settings.n_jobs, threads=self.settings.threads)

    def fit_background(self, sidebands: EventTable) -> None:
        """Fit p_bg(x|m), or take it from the store of finished fits."""
        fit_stored(
            self.jobs(BACKGROUND, sidebands),
            store=self.settings.store,
            n_jobs=self.settings.n_jobs,
            threads=self.settings.threads,
        )

    def evaluate_job(self, name: str, events: EventTable) -> EvaluateJob:
        """Job for ``evaluate_all``: log p of events under one density."""
        return EvaluateJob(
            self.folders(name), self.settings.ensemble, events.features, events.mass
        )

    def load(self, name: str) -> PhysicalDensity:
        """One density, averaged over seeds and epochs."""
        return load_density(self.folders(name), self.settings.ensemble)

    def _job(self, directory: Path, fitted: EventTable, start_from: Path | None) -> FitJob:
        validation = self.cross_fit.is_validation(fitted)
        return FitJob(
            directory=directory,
            train=fitted[~validation],
            validation=fitted[validation],
            density=self.settings.density,
            preprocessing=self.settings.preprocessing,
            trainer=self.settings.trainer,
            seed=self.settings.seed,
            start_from=start_from,
            tracker=self.settings.tracker,
            device=self.settings.device,
        )
