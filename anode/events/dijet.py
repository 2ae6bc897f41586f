"""Features of two jets, made from the columns of a file.

Convention: jet 1 is the LIGHTER jet in mass and jet 2 the heavier, in every feature name. In the
raw columns, j1 is the jet of larger pT. On equal masses j1 is jet 1.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from anode.events import rules
from anode.events.feature_definitions import (
    FEATURES,
    MASS_ROUNDING,
    MOMENTUM_COLUMNS,
    QUANTITIES,
    TAU_ROUNDING,
    Jet,
    check_features,
    columns_needed,
    invariant_mass,
)
from anode.events.table import Violation, refuse_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DijetReport:
    """Numbers of values repaired or defined while making features; they add up over blocks.

    Attributes:
        n_events: events read.
        n_mass_clipped: jets with a mass that was negative within ``MASS_ROUNDING``, now 0.
        n_tau_clipped: tau values that were negative within ``TAU_ROUNDING``, now 0.
        n_tau_zero: tau values that are zero; a ratio with such a denominator is defined as 0.
    """

    n_events: int = 0
    n_mass_clipped: int = 0
    n_tau_clipped: int = 0
    n_tau_zero: int = 0

    def __add__(self, other: "DijetReport") -> "DijetReport":
        return DijetReport(
            self.n_events + other.n_events,
            self.n_mass_clipped + other.n_mass_clipped,
            self.n_tau_clipped + other.n_tau_clipped,
            self.n_tau_zero + other.n_tau_zero,
        )

    def log(self, source: str) -> None:
        """Log a warning with these numbers, if any value was repaired."""
        if self.n_mass_clipped or self.n_tau_clipped or self.n_tau_zero:
            logger.warning(
                "%s: %d events; %d jet masses and %d tau values were negative within rounding and "
                "are now 0; %d tau values are 0, and ratios over them are defined as 0",
                source,
                self.n_events,
                self.n_mass_clipped,
                self.n_tau_clipped,
                self.n_tau_zero,
            )


class Derived(NamedTuple):
    """Features of one block.

    Attributes:
        mass: (N,) m_jj [GeV].
        features: (N, D) features.
        report: numbers of repaired values.
    """

    mass: np.ndarray
    features: np.ndarray
    report: DijetReport


def derive(
    columns: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    source: str = "events",
    first_row: int = 0,
) -> Derived:
    """Make named features from raw columns.

    Args:
        columns: (N,) values of each of ``columns_needed(names)``.
        names: D feature names.
        source: file that error messages name.
        first_row: row in the file of the block's first event, for error messages.

    Raises:
        ConfigError: a feature is unknown.
        DataError: a value is not finite, a pT is zero, a mass or tau is negative by more than
            rounding explains, or jets are none by ``rules``; the message names source, row and
            column.
    """
    check_features(names)
    columns = {name: np.asarray(columns[name], dtype=np.float64) for name in columns_needed(names)}
    for name, bad, rule in violations(columns):
        refuse_rows(source, name, columns[name], bad, rule, first_row=first_row)
    derived = derive_sound(columns, names)
    name, bad, rule = heavy_jets(columns, derived.mass)
    refuse_rows(source, name, columns[name], bad, rule, first_row=first_row)
    return derived


def derive_sound(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> Derived:
    """The same of rows that break no rule of ``violations``."""
    j1, j2 = (_jet(columns, index) for index in (1, 2))
    lighter, heavier = _by_mass(j1, j2)
    features = np.stack([FEATURES[name].compute(lighter, heavier) for name in names], axis=1)
    return Derived(invariant_mass(lighter, heavier), features, _report(columns))


def heavy_jets(columns: Mapping[str, np.ndarray], mass: np.ndarray) -> Violation:
    """Where the jets of raw columns weigh as much as their m_jj (N,)."""
    jets = np.maximum(columns["mj1"], 0) + np.maximum(columns["mj2"], 0)
    return rules.heavy_jets("mj1", jets, mass)


def violations(columns: Mapping[str, np.ndarray]) -> Iterator[Violation]:
    """All rules for raw columns but that of ``heavy_jets``, with the values that break each;
    usually none does.

    Args:
        columns: (N,) float64 values of ``MOMENTUM_COLUMNS`` of both jets, and of any tau_N and
            ``QUANTITIES``.
    """
    for name, values in columns.items():
        yield Violation(name, ~np.isfinite(values), "must be finite")
    negative = "must not be negative by more than rounding"
    for jet in (1, 2):
        pt = np.hypot(columns[f"pxj{jet}"], columns[f"pyj{jet}"])
        yield Violation(f"pxj{jet}", pt == 0, "and py must not both be zero")
        lightest = -MASS_ROUNDING * pt
        rule = f"{negative} ({MASS_ROUNDING:g} pT)"
        yield Violation(f"mj{jet}", columns[f"mj{jet}"] < lightest, rule)
        for name in (f"{quantity}j{jet}" for quantity in ("tau1", "tau2", "tau3", *QUANTITIES)):
            if name in columns:
                rule = f"{negative} ({TAU_ROUNDING:g})"
                yield Violation(name, columns[name] < -TAU_ROUNDING, rule)
        for above, below in ((f"tau{n + 1}j{jet}", f"tau{n}j{jet}") for n in (1, 2)):
            if above in columns and below in columns:
                tau = np.maximum(columns[below], TAU_ROUNDING)
                rule = f"must not exceed {rules.LARGEST_RATIO:g} {below}"
                yield from rules.large_ratio(
                    above, columns[above] > rules.LARGEST_RATIO * tau, rule
                )


def _jet(columns: Mapping[str, np.ndarray], index: int) -> Jet:
    """Jet j1 or j2 with rounding removed."""
    px, py, pz, m = (columns[f"{quantity}j{index}"] for quantity in MOMENTUM_COLUMNS)
    taus = {
        n: np.maximum(columns[f"tau{n}j{index}"], 0.0)
        for n in (1, 2, 3)
        if f"tau{n}j{index}" in columns
    }
    more = {
        name: np.maximum(columns[f"{name}j{index}"], 0.0)
        for name in QUANTITIES
        if f"{name}j{index}" in columns
    }
    return Jet(px, py, pz, np.maximum(m, 0.0), taus, more)


def _report(columns: Mapping[str, np.ndarray]) -> DijetReport:
    """Counts for columns that have passed the checks."""
    masses = [columns["mj1"], columns["mj2"]]
    taus = [values for name, values in columns.items() if name.startswith("tau")]
    return DijetReport(
        len(masses[0]),
        sum(int((values < 0).sum()) for values in masses),
        sum(int((values < 0).sum()) for values in taus),
        sum(int((values <= TAU_ROUNDING).sum()) for values in taus),
    )


def _by_mass(j1: Jet, j2: Jet) -> tuple[Jet, Jet]:
    """(lighter, heavier)."""
    swap = j2.m < j1.m

    def pick(first: Jet, second: Jet) -> Jet:
        return Jet(
            px=np.where(swap, second.px, first.px),
            py=np.where(swap, second.py, first.py),
            pz=np.where(swap, second.pz, first.pz),
            m=np.where(swap, second.m, first.m),
            tau={n: np.where(swap, second.tau[n], first.tau[n]) for n in first.tau},
            more={
                name: np.where(swap, second.more[name], first.more[name]) for name in first.more
            },
        )

    return pick(j1, j2), pick(j2, j1)
