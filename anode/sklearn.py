"""ANODE as an outlier detector of scikit-learn; column 0 of X is the mass."""

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from anode.api.few_events import GaussianAnode
from anode.api.fitted import FittedRun, fit_run
from anode.api.settings import content_of
from anode.events.table import EventTable
from anode.pipeline.search.config import SearchConfig, search_from_mapping

CENTRAL = (0.25, 0.75)  # quantiles of the mass between which the signal region lies by default


class FewEventsWarning(UserWarning):
    """A flow was asked for, and a Gaussian fitted, for want of events."""


class AnodeDetector(OutlierMixin, BaseEstimator):
    """Anomalies of a mass window: events whose features are more frequent there than the events
    beside it predict.

        anomaly_score(x) = log p_data(x|m_c) - log p_bg(x|m_c)

    with p_data fitted to the window, p_bg to all other masses, and m_c the centre of the window:
    every event is scored as if it had that mass, as a search does, so that events beside the
    window can be compared with those inside. No event of the fit is scored by a density that has
    seen it; other events are scored by the average over folds.

    scikit-learn's sign is the other one: ``score_samples`` and ``decision_function`` are low for
    anomalies, and ``predict`` is -1.

    A flow needs events. With fewer than ``scan.min_events`` of ``configs/search.yaml`` (500) in
    the window, or a tenth of it outside, both densities are Gaussians whose mean is linear in the
    mass, in closed form, and a ``FewEventsWarning`` says so.

    Args:
        signal: window (low, high) of column 0, in its unit; None for the central half of the
            events of the fit.
        method: "anode", or another that uses no truth: "r_anode", "cathode", "lacathode", "cwola",
            "isolation_forest", "combination". For few events it is always ANODE.
        contamination: share of the events of the fit that ``predict`` calls outliers, in
            (0, 0.5].
        folds: of the cross-fit.
        settings: further keywords of ``anode.Model``, such as ``{"density": "maf"}``.
        n_jobs: processes.
        random_state: an integer; of everything random.

    Attributes:
        signal_: (low, high) that was used.
        model_: the fit: of flows, or of Gaussians.
        offset_: ``decision_function`` is ``score_samples - offset_``.
        n_features_in_: columns of X, the mass included.

    Example:
        >>> from anode import Events
        >>> events = Events.toy(500, 40)
        >>> X = np.column_stack([events.mass, events.features])
        >>> quick = {"epochs": 2, "ensemble": 2, "logit": False}
        >>> detector = AnodeDetector(signal=(3400, 3600), folds=2, settings=quick)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", FewEventsWarning)
        ...     _ = detector.fit(X)
        >>> detector.anomaly_score(X).shape, int((detector.predict(X) == -1).sum())
        ((540,), 6)
    """

    def __init__(
        self,
        signal: tuple[float, float] | None = None,
        *,
        method: str = "anode",
        contamination: float = 0.01,
        folds: int = 5,
        settings: Mapping[str, Any] | None = None,
        n_jobs: int = 1,
        random_state: int = 1,
    ) -> None:
        self.signal = signal
        self.method = method
        self.contamination = contamination
        self.folds = folds
        self.settings = settings
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit both densities.

        Args:
            X: (N, 1 + D), mass and features.
            y: not looked at.

        Raises:
            ValueError: X is not finite or has one column, or the window or its outside has fewer
                than two events.
        """
        values = self._validated(X, ensure_min_features=2, ensure_min_samples=4)
        if not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination must lie in (0, 0.5], got {self.contamination}")
        events = _table(values)
        self.signal_ = self._window(events.mass)
        low, high = self.signal_
        inside = (events.mass >= low) & (events.mass < high)
        for where, there in (("in", inside), ("outside", ~inside)):
            if (n := len(np.unique(events.identity[there]))) < 2:
                raise ValueError(
                    f"at least 2 different events must lie {where} the window [{low:g}, {high:g}) "
                    f"of column 0, got {n} of {len(values)}; choose signal=(low, high)"
                )
        self.model_ = self._fitted(events, inside)
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        return self

    def anomaly_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) log p_data - log p_bg, or the score of the ``method``: high is anomalous.

        Args:
            X: (N, 1 + D), mass and features.
        """
        check_is_fitted(self)
        events = _table(self._validated(X, reset=False))
        if isinstance(self.model_, FittedRun):
            return self.model_.score(events, any_mass=True).score
        return self.model_.score(events)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) the opposite of ``anomaly_score``: low is anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) ``score_samples`` shifted so that outliers are below 0."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """(N,) -1 for outliers, 1 for the others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _validated(self, X: ArrayLike, **options: Any) -> NDArray[np.float64]:
        """X as scikit-learn checks it."""
        values: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, **options)
        return values

    def _window(self, mass: NDArray[np.float64]) -> tuple[float, float]:
        if self.signal is None:
            low, high = np.quantile(mass, CENTRAL)
        else:
            low, high = self.signal
        return float(low), float(high)

    def _fitted(self, events: EventTable, inside: NDArray[np.bool_]) -> FittedRun | GaussianAnode:
        n_inside, n_outside = int(inside.sum()), int((~inside).sum())
        config = self._configuration(events)
        least = config.scan.min_events
        if n_inside < least or n_outside < least // 10:
            warnings.warn(
                f"{n_inside} events in the window and {n_outside} outside are too few to fit "
                f"method={self.method!r} (it needs {least} and {least // 10}): Gaussian densities "
                "take its place",
                FewEventsWarning,
                stacklevel=3,
            )
            return GaussianAnode(
                events, inside, self.signal_, folds=self.folds, seed=self.random_state
            )
        return fit_run(config.run, events, None)

    def _configuration(self, events: EventTable) -> SearchConfig:
        """As of a search, in which events beside a window are new to the fit, too."""
        given = {
            "signal": self.signal_,
            "features": events.names,
            "folds": self.folds,
            "seed": self.random_state,
            "n_jobs": self.n_jobs,
            **(self.settings or {}),
        }
        return search_from_mapping(content_of("search", self.method, given))


def _table(X: NDArray[np.float64]) -> EventTable:
    names = tuple(f"column {i}" for i in range(1, X.shape[1]))
    return EventTable(np.arange(len(X)), X[:, 0], X[:, 1:], names, ("",) * len(names), None, "X")
