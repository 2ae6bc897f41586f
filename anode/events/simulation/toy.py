"""Toy events with densities, likelihood ratio and ROC curve in closed form."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, log_ndtr, logsumexp, ndtr, ndtri

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable

NAMES = ("x1", "x2", "x3", "x4")


@dataclass(frozen=True)
class Toy:
    r"""A falling background and a narrow resonance with four correlated Gaussian features.

        background  m ~ exp(-m / decay) on [low, high)
                    x | m ~ N(mu(m), C),   mu(m) = drift (m - resonance) / (1000 GeV)
        signal      m ~ N(resonance, width^2) on [low, high)
                    x | m ~ N(mu(m) + shift, C)

    C has unit variances and one correlation. Because both share C, the log ratio of signal to
    background is linear in x,

        l(x, m) = shift^T C^-1 (x - mu(m)) - d^2/2,     d^2 = shift^T C^-1 shift,

    normal with variance d^2 and means -d^2/2 (background) and +d^2/2 (signal) at every mass.
    Masses in GeV; features are pure numbers.

    Attributes:
        low, high: ends of the mass range [GeV].
        decay: decay length of the background spectrum [GeV].
        resonance: mass of the signal [GeV].
        width: Gaussian width of the signal [GeV].
        drift: (4,) change of the mean of every feature per TeV.
        shift: (4,) signal mean minus background mean.
        correlation: correlation of every pair of features.

    Raises:
        ConfigError: a range, width or correlation is impossible.

    Example:
        >>> toy = Toy()
        >>> events = toy.sample(1000, 50, np.random.default_rng(0))
        >>> len(events), events.names, round(toy.separation, 3)
        (1050, ('x1', 'x2', 'x3', 'x4'), 2.003)
    """

    low: float = 3000.0
    high: float = 4200.0
    decay: float = 600.0
    resonance: float = 3500.0
    width: float = 80.0
    drift: tuple[float, ...] = (0.5, -0.3, 0.4, 0.2)
    shift: tuple[float, ...] = (1.2, 1.0, -0.8, 0.6)
    correlation: float = 0.3

    def __post_init__(self) -> None:
        if not self.low < self.resonance < self.high:
            raise ConfigError(
                f"toy: the resonance must lie in [low, high), got {self.resonance} and "
                f"[{self.low}, {self.high})"
            )
        if min(self.decay, self.width) <= 0:
            raise ConfigError(
                f"toy: decay and width must be positive, got {self.decay} and {self.width}"
            )
        if not len(self.drift) == len(self.shift) == len(NAMES):
            raise ConfigError(f"toy: drift and shift must have {len(NAMES)} entries each")
        if not -1 / (len(NAMES) - 1) < self.correlation < 1:
            raise ConfigError(
                f"toy: the correlation of {len(NAMES)} features must lie in "
                f"(-{1 / (len(NAMES) - 1):.3f}, 1), got {self.correlation}"
            )

    def sample(
        self, n_background: int, n_signal: int, rng: np.random.Generator, *, id_offset: int = 0
    ) -> EventTable:
        """Draw labelled events, background and signal mixed, ids counted from ``id_offset``.

        Raises:
            ConfigError: a number of events is negative.
        """
        if min(n_background, n_signal) < 0:
            raise ConfigError(f"toy: counts must be >= 0, got {n_background} and {n_signal}")
        n = n_background + n_signal
        label = np.zeros(n, dtype=np.int8)
        label[rng.permutation(n)[:n_signal]] = 1
        # Inverse cumulative distributions of the two truncated spectra.
        u = rng.uniform(size=n)
        background = self.low - self.decay * np.log1p(u * np.expm1(-self._range / self.decay))
        a, b = ndtr((np.array([self.low, self.high]) - self.resonance) / self.width)
        signal = self.resonance + self.width * ndtri(a + u * (b - a))
        mass = np.where(label == 1, signal, background)
        mass = np.clip(mass, self.low, np.nextafter(self.high, self.low))
        noise = rng.standard_normal((n, len(NAMES))) @ np.linalg.cholesky(self.covariance).T
        features = self.mean(mass) + label[:, None] * np.array(self.shift) + noise
        ids = np.arange(id_offset, id_offset + n)
        units = ("",) * len(NAMES)
        return EventTable(ids, mass, features, NAMES, units, label, "toy")

    @cached_property
    def covariance(self) -> np.ndarray:
        """(4, 4) covariance C of the features at one mass."""
        return (1 - self.correlation) * np.eye(len(NAMES)) + self.correlation

    @cached_property
    def separation(self) -> float:
        """d, the distance of signal and background in standard deviations."""
        return float(np.sqrt(self.shift @ np.linalg.solve(self.covariance, self.shift)))

    def mean(self, mass: np.ndarray) -> np.ndarray:
        """mu(m): (N,) masses [GeV] -> (N, 4) background means."""
        return (np.asarray(mass)[:, None] - self.resonance) / 1000.0 * np.array(self.drift)

    def log_mass_background(self, mass: np.ndarray) -> np.ndarray:
        """log p_bg(m) [1/GeV]: (N,) masses [GeV] -> (N,)."""
        mass = self._checked(mass)
        norm = np.log(self.decay) + np.log(-np.expm1(-self._range / self.decay))
        return -(mass - self.low) / self.decay - norm

    def log_mass_signal(self, mass: np.ndarray) -> np.ndarray:
        """log p_sig(m) [1/GeV]: (N,) masses [GeV] -> (N,)."""
        z = (self._checked(mass) - self.resonance) / self.width
        ends = (np.array([self.low, self.high]) - self.resonance) / self.width
        # log(1 - both tails), each from its own small side.
        norm = np.log1p(-np.exp(logsumexp([log_ndtr(ends[0]), log_ndtr(-ends[1])])))
        return -0.5 * z**2 - np.log(self.width * np.sqrt(2 * np.pi)) - norm

    def log_p_background(self, features: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """log p_bg(x|m): (N, 4), (N,) -> (N,)."""
        return self._log_normal(np.asarray(features) - self.mean(self._checked(mass)))

    def log_p_signal(self, features: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """log p_sig(x|m): (N, 4), (N,) -> (N,)."""
        centred = np.asarray(features) - self.mean(self._checked(mass)) - np.array(self.shift)
        return self._log_normal(centred)

    def log_signal_ratio(self, features: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """l(x, m) = log [p_sig(x|m) / p_bg(x|m)]: (N, 4), (N,) -> (N,)."""
        centred = np.asarray(features) - self.mean(self._checked(mass))
        weights = np.linalg.solve(self.covariance, self.shift)
        return centred @ weights - 0.5 * self.separation**2

    def log_odds(self, mass: np.ndarray, n_signal: float, n_background: float) -> np.ndarray:
        """log [f(m) / (1 - f(m))] = log [S p_sig(m) / (B p_bg(m))]; -inf without signal.

        S and B are the numbers in the whole mass range; masses (N,) [GeV] -> (N,).
        """
        with np.errstate(divide="ignore"):
            odds = np.log(np.float64(n_signal)) - np.log(np.float64(n_background))
        return odds + self.log_mass_signal(mass) - self.log_mass_background(mass)

    def signal_fraction(
        self, mass: np.ndarray, n_signal: float, n_background: float
    ) -> np.ndarray:
        """f(m), the fraction of signal among the events at mass m: (N,) -> (N,)."""
        return expit(self.log_odds(mass, n_signal, n_background))

    def log_ratio(
        self, features: np.ndarray, mass: np.ndarray, n_signal: float, n_background: float
    ) -> np.ndarray:
        """log R = log [p_data(x|m) / p_bg(x|m)] = log [1 - f(m) + f(m) exp l(x, m)].

        The limit of ANODE's score (arXiv:2001.04990).

        Args:
            features: (N, 4) features.
            mass: (N,) masses [GeV].
            n_signal: S, signal events of the data in the whole mass range.
            n_background: B, background events of the data in the whole mass range.

        Returns:
            (N,) log R.

        Raises:
            DataError: a mass is outside [low, high).
        """
        odds = self.log_odds(mass, n_signal, n_background)
        ratio = self.log_signal_ratio(features, mass)
        return np.logaddexp(0.0, odds + ratio) - np.logaddexp(0.0, odds)

    def log_p_data(
        self, features: np.ndarray, mass: np.ndarray, n_signal: float, n_background: float
    ) -> np.ndarray:
        """log p_data(x|m) = log p_bg(x|m) + log R: (N, 4), (N,) -> (N,)."""
        ratio = self.log_ratio(features, mass, n_signal, n_background)
        return self.log_p_background(features, mass) + ratio

    def optimal_tpr(self, fpr: np.ndarray) -> np.ndarray:
        """Phi(Phi^-1(FPR) + d): the best TPR that a score of x given m can have.

        l(x, m) has it at every mass. R(x|m) orders the events of one mass as l does, but those of
        different masses also by f(m), which contains the mass of the resonance: in a wide signal
        region its curve, ``ratio_curve``, lies above this one.
        """
        return ndtr(ndtri(np.asarray(fpr, dtype=np.float64)) + self.separation)

    def optimal_sic(self, fpr: np.ndarray) -> np.ndarray:
        """TPR / sqrt(FPR) of ``optimal_tpr``: (K,) -> (K,)."""
        return self.optimal_tpr(fpr) / np.sqrt(fpr)

    def ratio_curve(
        self,
        log_thresholds: np.ndarray,
        n_signal: float,
        n_background: float,
        window: tuple[float, float],
    ) -> tuple[np.ndarray, np.ndarray]:
        """TPR and FPR of the cuts log R > t in a mass window: the curve of a perfect ANODE.

        At mass m the cut is l > log(1 + (e^t - 1) / f(m)), whose probabilities are normal; they
        are averaged over the two mass spectra of the window (midpoint rule, 4000 points).

        Args:
            log_thresholds: (K,) cuts t.
            n_signal: S, as in ``log_ratio``.
            n_background: B, as in ``log_ratio``.
            window: bounds (low, high) of the signal region [GeV], inside the toy's range.

        Returns:
            (K,) TPR and (K,) FPR.
        """
        edges = np.linspace(*window, 4001)
        mass = (edges[1:] + edges[:-1]) / 2
        # Where there is no signal R is 1, so the cut is +inf or -inf (0 at t = 0), never 0/0.
        f = np.maximum(self.signal_fraction(mass, n_signal, n_background), 1e-300)
        with np.errstate(divide="ignore", over="ignore"):
            inside = 1 + np.expm1(np.asarray(log_thresholds))[:, None] / f
            cut = np.log(np.maximum(inside, 0.0))
        d = self.separation
        tpr, fpr = ndtr(d / 2 - cut / d), ndtr(-d / 2 - cut / d)
        signal, background = self.log_mass_signal(mass), self.log_mass_background(mass)
        return _average(tpr, signal), _average(fpr, background)

    @property
    def _range(self) -> float:
        return self.high - self.low

    def _log_normal(self, centred: np.ndarray) -> np.ndarray:
        quadratic = np.einsum("ni,ni->n", centred @ np.linalg.inv(self.covariance), centred)
        _, log_det = np.linalg.slogdet(2 * np.pi * self.covariance)
        return -0.5 * (quadratic + log_det)

    def _checked(self, mass: np.ndarray) -> np.ndarray:
        mass = np.asarray(mass, dtype=np.float64)
        bad = np.flatnonzero(~((mass >= self.low) & (mass < self.high)))
        if bad.size:
            raise DataError(
                f"toy: masses must lie in [{self.low}, {self.high}) GeV, but row {bad[0]} has "
                f"{mass[bad[0]]}"
            )
        return mass


def _average(values: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """Mean of (K, M) values with weights exp(log_weights) (M,): (K,)."""
    weights = np.exp(log_weights - log_weights.max())
    return values @ (weights / weights.sum())
