"""Dependence of features on the mass: signal region against sidebands, and within these."""

from dataclasses import dataclass

import numpy as np
import scipy


@dataclass(frozen=True)
class FeatureSample:
    """Features of events drawn at random from one region.

    Attributes:
        mass: (N,) masses [GeV].
        features: (N, D) features.
        label: (N,) class, 1 signal, 0 background, or None where the truth is unknown.
    """

    mass: np.ndarray
    features: np.ndarray
    label: np.ndarray | None

    def background(self) -> "FeatureSample":
        """The background events alone; everything where the truth is unknown."""
        return self if self.label is None else self._where(self.label == 0)

    def signal(self) -> "FeatureSample":
        """The signal events alone; nothing where the truth is unknown."""
        chosen = np.zeros(len(self.mass), bool) if self.label is None else self.label == 1
        return self._where(chosen)

    def _where(self, chosen: np.ndarray) -> "FeatureSample":
        label = None if self.label is None else self.label[chosen]
        return FeatureSample(self.mass[chosen], self.features[chosen], label)


@dataclass(frozen=True)
class Distance:
    """Kolmogorov-Smirnov distance of two samples.

    Attributes:
        n_signal_region, n_sidebands: sizes of the samples.
        ks: largest difference of the cumulative distributions.
        p_value: probability of a larger one if both samples have one distribution.
        noise: 68% quantile of the distance then, 0.96 sqrt(1/n + 1/m) (Kolmogorov).
    """

    n_signal_region: int
    n_sidebands: int
    ks: float
    p_value: float
    noise: float


@dataclass(frozen=True)
class Correlation:
    """Correlation of a feature with m_jj.

    Attributes:
        n: number of events.
        pearson: correlation of the values.
        spearman: correlation of their ranks.
        error: standard deviation 1 / sqrt(n - 1) of either for independent variables.
    """

    n: int
    pearson: float
    spearman: float
    error: float


@dataclass(frozen=True)
class FeatureComparison:
    """One feature and the mass.

    Attributes:
        name: name of the feature.
        unit: unit "GeV" or "".
        all_events: distance of signal region and sidebands; None if one is empty.
        background: distance for background events alone; None without truth.
        correlation: correlation with m_jj within the sidebands, of background if the truth is
            known; None for a constant feature or fewer than three events.
    """

    name: str
    unit: str
    all_events: Distance | None
    background: Distance | None
    correlation: Correlation | None


def compare_regions(
    signal_region: FeatureSample, sidebands: FeatureSample, names: list[str], units: list[str]
) -> list[FeatureComparison]:
    """Distance between the regions, and correlation with m_jj within the sidebands.

    Args:
        signal_region: events of the signal region.
        sidebands: events of the sidebands.
        names: names of the D features.
        units: units of the D features.
    """
    inside, outside = signal_region.background(), sidebands.background()
    labelled = signal_region.label is not None and sidebands.label is not None
    return [
        FeatureComparison(
            name,
            units[d],
            _distance(signal_region.features[:, d], sidebands.features[:, d]),
            _distance(inside.features[:, d], outside.features[:, d]) if labelled else None,
            _correlation(outside.mass, outside.features[:, d]),
        )
        for d, name in enumerate(names)
    ]


def _distance(inside: np.ndarray, outside: np.ndarray) -> Distance | None:
    n, m = len(inside), len(outside)
    if not (n and m):
        return None
    result = scipy.stats.ks_2samp(inside, outside, method="asymp")
    noise = 0.96 * float(np.sqrt(1 / n + 1 / m))
    return Distance(n, m, float(result.statistic), float(result.pvalue), noise)


def _correlation(mass: np.ndarray, values: np.ndarray) -> Correlation | None:
    n = len(mass)
    if n < 3 or np.ptp(values) == 0 or np.ptp(mass) == 0:
        return None
    pearson = scipy.stats.pearsonr(mass, values).statistic
    spearman = scipy.stats.spearmanr(mass, values).statistic
    return Correlation(n, float(pearson), float(spearman), float(1 / np.sqrt(n - 1)))
