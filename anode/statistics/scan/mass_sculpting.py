"""Mass sculpting by a cut, and dependence of the score on the mass.

A mass spectrum that a cut has sculpted has bumps and dips that no smooth function describes. The
tests need background alone, or a template: in data a signal changes the shape too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from scipy.spatial.distance import jensenshannon

from anode.errors import ConfigError, DataError
from anode.seeding import stream
from anode.statistics.counting.pass_rate import PassRate, pass_rate, pass_rate_of_counts

N_TOYS = 1000


class MassSculpting(NamedTuple):
    """The mass spectrum before and after a cut.

    Attributes:
        rate: pass rate in each bin with its error; chi2, ndf and p-value against one rate for all
            bins; lowest and highest rate, neighbours merged until five events are expected.
        jensen_shannon: distance of the two normalised spectra, within [0, sqrt(ln 2) = 0.83]; 0
            if no event passes.
        expected_jensen_shannon: mean distance without sculpting, positive for finite counts.
        largest_jensen_shannon: 95% quantile of the distance without sculpting.
        jensen_shannon_p_value: fraction of distances without sculpting that are as large,
            (1 + n_larger) / (1 + n_toys).
    """

    rate: PassRate
    jensen_shannon: float
    expected_jensen_shannon: float
    largest_jensen_shannon: float
    jensen_shannon_p_value: float


class Independence(NamedTuple):
    """Tests of independence of score and mass in a window.

    Attributes:
        n_events: number of events in the window.
        pearson: linear correlation of score and mass.
        pearson_error: standard deviation 1/sqrt(n - 1) of it for independent variables.
        pearson_p_value: two-sided p-value of it.
        rates: pass rates over the window of the cuts that keep the given fractions ("0.1", ...)
            of its events. They also see a dependence without linear correlation, such as on
            (m - centre)^2.
    """

    n_events: int
    pearson: float
    pearson_error: float
    pearson_p_value: float
    rates: dict[str, PassRate]


def mass_sculpting(
    mass: np.ndarray,
    passed: np.ndarray,
    edges: np.ndarray,
    *,
    seed: int,
    n_toys: int = N_TOYS,
) -> MassSculpting:
    """Compare the mass spectrum before a cut with that after it.

    Args:
        mass: (N,) masses [GeV]; events outside the bins do not count.
        passed: (N,) True for events that pass the cut.
        edges: (B + 1,) edges of the bins [GeV].
        seed: seed of the toys.
        n_toys: number of spectra drawn without sculpting.

    Raises:
        DataError: shapes differ, a mass is NaN, or no event lies in the bins.
        ConfigError: the edges do not rise, or there are no toys.
    """
    return _sculpting(pass_rate(mass, passed, edges), seed, n_toys)


def mass_sculpting_of_counts(
    before: np.ndarray,
    after: np.ndarray,
    edges: np.ndarray,
    *,
    seed: int,
    n_toys: int = N_TOYS,
) -> MassSculpting:
    """As ``mass_sculpting``, from counts of events.

    Args:
        before: (B,) events before the cut.
        after: (B,) events after it.
        edges: (B + 1,) edges of the bins [GeV].
        seed: seed of the toys.
        n_toys: number of spectra drawn without sculpting.

    Raises:
        DataError: counts are not whole, shapes differ, more events pass than there are, or none
            lies in the bins.
        ConfigError: the edges do not rise, or there are no toys.
    """
    return _sculpting(pass_rate_of_counts(before, after, edges), seed, n_toys)


def independence(
    mass: np.ndarray,
    score: np.ndarray,
    window: tuple[float, float],
    *,
    efficiencies: Sequence[float] = (0.1, 0.01),
    n_bins: int = 10,
) -> Independence:
    """Test whether the score is independent of the mass within a window.

    Args:
        mass: (N,) masses [GeV]; events outside the window do not count.
        score: (N,) scores.
        window: bounds [low, high) [GeV].
        efficiencies: fractions of the window's events that the cuts keep.
        n_bins: number of bins of equal width, for the pass rates.

    Raises:
        DataError: shapes differ, a value is not finite, or the window has fewer than three events
            or only one mass or score.
        ConfigError: the window is empty, there is no bin, or an efficiency is not within (0, 1).
    """
    mass, score = np.asarray(mass, dtype=float), np.asarray(score, dtype=float)
    if mass.ndim != 1 or mass.shape != score.shape:
        raise DataError(f"mass and score must be equally long, got {mass.shape}, {score.shape}")
    for name, values in (("mass", mass), ("score", score)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DataError(f"{name} must be finite, got {values[bad[0]]} in event {bad[0]}")
    for efficiency in efficiencies:
        if not 0 < efficiency < 1:
            raise ConfigError(f"a background efficiency must lie in (0, 1), got {efficiency}")
    if n_bins < 1 or not window[0] < window[1]:
        raise ConfigError(f"need a window [low, high) and a bin, got {window} and {n_bins} bins")
    inside = (mass >= window[0]) & (mass < window[1])
    mass, score = mass[inside], score[inside]
    if len(mass) < 3 or np.ptp(mass) == 0 or np.ptp(score) == 0:
        raise DataError(
            f"independence needs three events of different mass and score in [{window[0]:g}, "
            f"{window[1]:g}) GeV, got {len(mass)} events"
        )
    correlation = scipy.stats.pearsonr(mass, score)
    edges = np.linspace(*window, n_bins + 1)
    return Independence(
        len(mass),
        float(correlation.statistic),
        1 / np.sqrt(len(mass) - 1),
        float(correlation.pvalue),
        {
            f"{kept:g}": pass_rate(mass, score > np.quantile(score, 1 - kept), edges)
            for kept in efficiencies
        },
    )


def _sculpting(rate: PassRate, seed: int, n_toys: int) -> MassSculpting:
    """Toys draw the events that pass from all events with equal probability (multivariate
    hypergeometric), as a cut that is independent of the mass does."""
    if n_toys < 1:
        raise ConfigError(f"the expected distance needs a toy at least, got n_toys={n_toys}")
    before, after = rate.n_total, rate.n_passed
    if not before.sum():
        raise DataError("no event lies in the mass bins; check the unit of mass and edges")
    if not after.sum():
        return MassSculpting(rate, 0.0, 0.0, 0.0, 1.0)
    rng = stream(seed, "sculpting")
    toys = rng.multivariate_hypergeometric(before, after.sum(), n_toys, method="marginals")
    observed, *distances = jensenshannon(before[None], np.vstack([after, toys]), axis=1)
    return MassSculpting(
        rate,
        float(observed),
        float(np.mean(distances)),
        float(np.quantile(distances, 0.95)),
        float((1 + np.sum(np.array(distances) >= observed)) / (1 + n_toys)),
    )
