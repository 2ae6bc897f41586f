"""A method as an object: settings, ``fit`` and ``score`` on arrays, ``save`` and ``load``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from anode.api.events import Events
from anode.api.scores import EventScores

Settings = Mapping[str, Any]
Choice = str | Settings | None
"""A group of settings: the name of a choice of ``configs/``, or ``{"name": choice, key: value}``."""


class Model:
    """What every method can do; use one of its subclasses, such as ``Anode``."""

    method: ClassVar[str] = ""

    def __init__(
        self,
        *,
        signal: tuple[float, float] | None = None,
        sidebands: Sequence[tuple[float | None, float | None]] | None = None,
        features: Sequence[str] | None = None,
        folds: int | None = None,
        seed: int | None = None,
        density: Choice = None,
        trainer: Choice = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        ensemble: int | Settings | None = None,
        logit: bool | None = None,
        preprocessing: Settings | None = None,
        split: Choice = None,
        classifier: Choice = None,
        n_jobs: int = 1,
        threads: int | None = None,
        device: str | None = None,
        store: Path | str | None = None,
        **method_settings: Any,
    ) -> None: ...

    @classmethod
    def load(cls, path: Path | str) -> Self: ...

    def fit(self, events: Events, *, simulation: Events | None = None) -> Self: ...

    def score(self, events: Events, *, any_mass: bool = False) -> EventScores: ...

    def save(self, path: Path | str, *, figures: bool = False) -> Path: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def background(self) -> Any: ...
