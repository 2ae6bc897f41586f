"""``card.json`` of a zoo of signals: content of each file, how it was made, how it looks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anode.events.table import EventTable
from anode.records import Record

ZOO_FEATURES = (
    "mj1", "mj2", "delta_mj", "pt_1", "pt_2", "tau21_1", "tau21_2", "tau32_1", "tau32_2",
)  # fmt: skip
"""Features described beside m_jj; 1 is the lighter jet, 2 the heavier."""

MJJ_HALF_WIDTH = 200.0
"""Half width [GeV] of the window around the resonance whose share of events is stated: that of the
bundled signal region."""


@dataclass(frozen=True)
class Spread(Record):
    """Where the middle of a distribution lies, in the unit of its feature.

    Attributes:
        low: 16% quantile.
        median: 50% quantile.
        high: 84% quantile.
    """

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class ZooSignal(Record):
    """Events of one signal.

    Attributes:
        file: name of the file.
        sha256: hash of the file.
        bytes: size of the file [bytes].
        decay: decay chain in one line.
        prongs: quarks and gluons that the lighter and the heavier jet come from.
        masses_gev: masses of what the two jets come from [GeV]; 0 for a quark or a dark shower.
        resonance_mass: mass of the resonance [GeV].
        resonance_width: width of the resonance [GeV].
        seed: root seed of the events.
        chunk_size: number of events generated in one piece.
        trigger_pt: transverse momentum that the leading jet needs [GeV].
        n_events: number of events in the file.
        first_event_id: id of the first; the others follow.
        n_generated: number of events generated for them.
        trigger_efficiency: fraction of the generated events that the trigger accepts.
        trigger_efficiency_error: its binomial error.
        mjj_share: fraction of the events with m_jj within ``MJJ_HALF_WIDTH`` of the resonance.
        features: spread of m_jj and of each of ``ZOO_FEATURES``.
        settings: lines for Pythia.
    """

    file: str
    sha256: str
    bytes: int
    decay: str
    prongs: tuple[int, int]
    masses_gev: tuple[float, float]
    resonance_mass: float
    resonance_width: float
    seed: int
    chunk_size: int
    trigger_pt: float
    n_events: int
    first_event_id: int
    n_generated: int
    trigger_efficiency: float
    trigger_efficiency_error: float
    mjj_share: float
    features: dict[str, Spread]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class SignalZoo(Record):
    """The content of ``card.json`` beside the files of a zoo.

    Attributes:
        packages: name -> version, of those that determine the events.
        mjj_half_width: half width of the window of ``mjj_share`` [GeV].
        signals: signals by name.
    """

    packages: dict[str, str]
    mjj_half_width: float
    signals: dict[str, ZooSignal]


def mjj_share(mass: np.ndarray, resonance: float) -> float:
    """Fraction of the masses (N,) within ``MJJ_HALF_WIDTH`` of a resonance [GeV].

    Example:
        >>> mjj_share(np.array([3000.0, 3400.0, 3600.0, 3699.0]), 3500.0)
        0.75
    """
    return round(float(np.mean(np.abs(mass - resonance) < MJJ_HALF_WIDTH)), 4)


def binomial_error(n_accepted: int, n_generated: int) -> float:
    """sqrt(p (1 - p) / n) of an efficiency p = n_accepted / n_generated.

    Example:
        >>> binomial_error(50, 100)
        0.05
    """
    p = n_accepted / n_generated
    return round(float(np.sqrt(p * (1 - p) / n_generated)), 5)


def spreads(values: Mapping[str, np.ndarray]) -> dict[str, Spread]:
    """Quantiles of each feature.

    Args:
        values: feature -> (N,) values, at least one.
    """
    return {
        name: Spread(*(float(f"{q:.4g}") for q in np.quantile(column, (0.16, 0.5, 0.84))))
        for name, column in values.items()
    }


def zoo_values(table: EventTable) -> dict[str, np.ndarray]:
    """m_jj [GeV] and the ``ZOO_FEATURES`` of a table that has them, by name."""
    return {"mjj": table.mass, **{name: table.column(name) for name in ZOO_FEATURES}}
