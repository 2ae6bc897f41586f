"""ANODE as a scikit-learn outlier detector; the mass is column 0 of X."""

from typing import Any

from numpy.typing import ArrayLike, NDArray


class AnodeDetector:
    """``fit(X)``, ``anomaly_score(X)``, ``score_samples(X)``, ``decision_function(X)``,
    ``predict(X)``, ``offset_``."""

    def __init__(
        self,
        signal: tuple[float, float] | None = None,
        *,
        contamination: float = 0.01,
        method: str = "anode",
        folds: int = 5,
        settings: dict[str, Any] | None = None,
        n_jobs: int = 1,
        random_state: Any = None,
    ) -> None: ...

    def fit(self, X: ArrayLike, y: Any = None) -> "AnodeDetector": ...

    def anomaly_score(self, X: ArrayLike) -> NDArray: ...
