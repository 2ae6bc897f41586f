"""A method as an object: settings, ``fit`` and ``score`` of arrays, ``save`` and ``load``."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

from anode.api.densities import FittedDensity
from anode.api.events import Events
from anode.api.fitted import FittedRun, fit_run
from anode.api.saving import load_saved, save_run
from anode.api.scores import EventScores
from anode.api.settings import KEYS, content_of
from anode.errors import ConfigError, RunDirectoryError
from anode.pipeline.runs.config import from_mapping

Settings = Mapping[str, Any]
Group = str | Settings
"""Several settings: the name of a file of ``configs/density`` (and so on), or ``{"name": that,
key: value}``, in which the name may be left out."""
Bounds = tuple[float | None, float | None]


_OF_A_FOLDER = ("run_dir", "data", "injection", "distortion", "tracker", "figures")


class Model:
    """What every method does; use a subclass, such as ``Anode``, or name the method.

    A setting that is left out has the value of ``configs/``, as for the commands; ``settings``
    shows them all. A model is fitted in memory: copies and pickles carry the fit along, and
    ``save`` writes an ordinary run directory. Progress is a bar on a terminal, elsewhere lines of
    the logger ``anode``, which ``logging.basicConfig(level="INFO")`` shows.

    Args:
        method: name of a file of ``configs/method``; for this base class alone.
        signal: signal region [low, high) in m_jj [GeV].
        sidebands: one or more intervals [low, high) [GeV], None for no limit; default all masses
            beside the signal region.
        features: names of the features to use; default all that the events have.
        folds: number of folds; every event of the signal region is scored by fits that have not
            seen its fold.
        seed: root seed of everything random; a seed gives the same numbers on the same machine.
        density: p(x|m): a name such as ``"maf"``, or ``{"name": "maf", "n_transforms": 4}``.
        trainer: settings of its fit, likewise.
        epochs: number of epochs, ``trainer.epochs``.
        batch_size: number of events a step, ``trainer.batch_size``.
        learning_rate: learning rate, ``trainer.learning_rate``.
        ensemble: number of epochs averaged, or ``{"size": 10, "mode": "best", "seeds": 2}``.
        logit: True to stretch features by a logit after they are scaled to their range: right for
            hard edges, such as those of masses and ratios; False for features with tails on both
            sides, such as Gaussian ones, where the logit works, but less well.
        preprocessing: settings ``{"logit": ..., "standardise": ...}``.
        split: kind of split: ``"kfold"``, ``"holdout"`` (a test share is scored, by one fit), or a
            mapping.
        classifier: settings of the classifier: ``"hgb"``, ``"mlp"`` or a mapping, for methods that
            are classifiers.
        evaluation: settings ``{"n_bootstrap": ..., "n_closure": ...}`` of the metrics of ``save``.
        n_jobs: number of processes; above 1 a script needs ``if __name__ == "__main__":``.
        threads: number of threads of each process; the caller's own are as before when a call
            returns.
        device: device "cpu", "cuda" or "auto", for fits of densities and networks.
        store: folder of finished sideband densities, shared by fits of equal content; None for
            none.
        **own: settings of the method, see its class; ``method_density`` and ``method_trainer`` are
            those of R-ANODE's p_sig.

    Attributes:
        method: name of the method, as ``method=`` of the commands.
        given: settings that were given, by keyword.

    Raises:
        ConfigError: a setting is unknown or has an impossible value; the message names the key,
            and the nearest known name.

    Example:
        >>> Model(method="cwola", signal=(3400, 3600), strip=150.0)
        Model(method='cwola', signal=(3400, 3600), folds=5, seed=1)
    """

    method: str = ""

    def __init__(
        self,
        *,
        method: str | None = None,
        signal: tuple[float, float] | None = None,
        sidebands: Sequence[Bounds] | None = None,
        features: Sequence[str] | None = None,
        folds: int | None = None,
        seed: int | None = None,
        density: Group | None = None,
        trainer: Group | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        ensemble: int | Settings | None = None,
        logit: bool | None = None,
        preprocessing: Settings | None = None,
        split: Group | None = None,
        classifier: Group | None = None,
        evaluation: Settings | None = None,
        n_jobs: int = 1,
        threads: int | None = None,
        device: str | None = None,
        store: Path | str | None = None,
        **own: Any,
    ) -> None:
        given = {k: v for k, v in locals().items() if k in KEYS and v is not None}
        if (method is None) == (self.method == ""):
            raise ConfigError(
                "method=NAME is for Model itself, of whom a subclass such as Anode is one method; "
                f"got {type(self).__name__}(method={method!r})"
            )
        self.method = method or self.method
        self.given: dict[str, Any] = {**given, **own}
        self._config = from_mapping(content_of("run", self.method, self.given))
        self._run: FittedRun | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, nested as in ``config.yaml`` of a run, but for files and folders."""
        content = dataclasses.asdict(self._config)
        return {key: value for key, value in content.items() if key not in _OF_A_FOLDER}

    def fit(self, events: Events, *, simulation: Events | None = None) -> Self:
        """Fit the method; what an earlier call has fitted is dropped.

        Args:
            events: N events, inside the signal region and beside it. Labels are not looked at.
            simulation: labelled events that are not among them, for ``Iad`` and ``Supervised``.

        Returns:
            The model itself.

        Raises:
            DataError: a feature is missing, the signal region or a sideband has no events,
                simulation is missing or repeats events of the data.
            TrainingError: too few events, or a loss that is not finite.
        """
        features = self.given.get("features", events.names)
        config = dataclasses.replace(self._config, features=list(features))
        self._run = None
        self._run = fit_run(
            config,
            events.with_features(features),
            None if simulation is None else simulation.with_features(features),
        )
        self._config = self._run.config
        return self

    @classmethod
    def load(cls, path: Path | str, *, n_jobs: int = 1) -> Self:
        """The model of a run directory that a command or ``save`` has made.

        Args:
            path: path of the run.
            n_jobs: number of processes.

        Returns:
            A model of the class of its method.

        Raises:
            ConfigError: it is no run directory, or a run of another method.
            RunDirectoryError: a fit is missing or unfinished; when events are scored.
        """
        config = dataclasses.replace(load_saved(Path(path)), n_jobs=n_jobs)
        name = config.method.name
        if cls.method not in ("", name):
            raise ConfigError(f"{path} holds a run of method={name}, not of {cls.__name__}")
        classes = {known.method: known for known in Model.__subclasses__()}
        loaded: Self = cls.__new__(cls if cls.method else cast(type[Self], classes.get(name, cls)))
        loaded.method, loaded._config = name, config
        loaded.given = {"features": config.features}
        loaded._run = FittedRun(config, Path(path))
        return loaded

    def score(self, events: Events, *, any_mass: bool = False) -> EventScores:
        """Scores of any events, in their order.

        An event whose mass and features are, in single precision, those of an event the model was
        fitted on is scored by the fits that have not seen it; every other by the average over
        folds. Events outside the signal region get NaN: there is no p_data there.

        Args:
            events: N events, in any order, with the features of the fit and perhaps others.
            any_mass: True to score events outside the signal region too, all events at the mass of
                its centre, as a search does to predict a count from the sidebands. Events of the
                sidebands that the model was fitted on need ``split={"sideband_folds": 2}``:
                otherwise every fit has seen them.

        Raises:
            RunDirectoryError: the model is not fitted.
            DataError: a feature is missing, or every fit has seen an event.
        """
        run = self._fitted
        return run.score(events.with_features(run.config.read_features), any_mass=any_mass)

    def save(self, path: Path | str, *, figures: bool = False) -> None:
        """Write an ordinary run directory: configuration, fits, scores, metrics, and the events.

        Commands take it as any other: ``run_dir=PATH`` of ``score`` scores files by it,
        ``runs=[PATH]`` of ``compare`` compares it. Labels, if the events have any, serve the
        metrics.

        Args:
            path: path of a folder that is new or empty.
            figures: True to draw figures, too.

        Raises:
            RunDirectoryError: something is there, or the model is not fitted.
            DataError: a score is not finite.
        """
        save_run(self._fitted, Path(path), figures=figures)

    @property
    def background(self) -> FittedDensity:
        """p_bg(x|m), interpolated from the sidebands and averaged over epochs.

        Raises:
            ConfigError: the method has none.
        """
        density = self._fitted.method.background_density()
        if density is None:
            raise ConfigError(f"{self!r} fits no density of the background; Anode and Cathode do")
        return FittedDensity(density)

    @property
    def _fitted(self) -> FittedRun:
        if self._run is None:
            raise RunDirectoryError(f"{self!r} is not fitted; call fit(events) first")
        return self._run

    def __repr__(self) -> str:
        config = self._config
        low, high = config.regions.signal
        name = "" if type(self).method else f"method={self.method!r}, "
        fitted = "" if self._run is None else ", fitted"
        return (
            f"{type(self).__name__}({name}signal=({low:g}, {high:g}), "
            f"folds={config.split.folds}, seed={config.seed}{fitted})"
        )
