"""Named features of two jets: formula, unit and the columns of a file that each needs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from anode.errors import ConfigError, nearest
from anode.events.substructure_columns import GROUPS, JetQuantity, of_one_jet

MOMENTUM_COLUMNS = ("px", "py", "pz", "m")


RAW_COLUMNS = tuple(
    f"{quantity}j{jet}"
    for jet in (1, 2)
    for quantity in (*MOMENTUM_COLUMNS, "tau1", "tau2", "tau3")
)
"""The 14 columns of the LHC Olympics feature files: px, py, pz, m [GeV] and tau_N of two jets."""


MASS_ROUNDING = 1e-6
"""Masses from -1e-6 pT to 0 are rounded zeros: m^2 = E^2 - p^2 in double precision has an error of
a few 1e-16 E^2, so abs(m) up to a few 1e-8 E. Published files reach -2e-8 pT."""


TAU_ROUNDING = 1e-9
"""tau_N within 1e-9 of zero are zero: N axes lie on every particle of the jet."""


class Jet(NamedTuple):
    """One jet in each of N events: (N,) arrays, GeV; ``tau[n]`` is the n-subjettiness tau_n, and
    ``more`` has further quantities by their names in files, such as ``tau5_b05``."""

    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    m: np.ndarray
    tau: Mapping[int, np.ndarray]
    more: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def pt(self) -> np.ndarray:
        """Transverse momentum [GeV]."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> np.ndarray:
        """Pseudorapidity, arsinh(pz / pT)."""
        return np.arcsinh(self.pz / self.pt)

    @property
    def phi(self) -> np.ndarray:
        """Azimuth in (-pi, pi]."""
        return np.arctan2(self.py, self.px)

    def tau_ratio(self, n: int, k: int) -> np.ndarray:
        """(N,) tau_n / tau_k, and 0 where tau_k is zero: k particles need no n-th axis.

        The public CATHODE code has tau_n / (tau_k + 1e-5), which agrees at tau_k = 0.
        """
        return ratio(self.tau[n], self.tau[k])


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(N,) quotient of two subjettinesses, and 0 where the lower one is zero.

    Example:
        >>> ratio(np.array([0.1, 0.0]), np.array([0.4, 1e-12])).tolist()
        [0.25, 0.0]
    """
    return np.divide(above, below, out=np.zeros_like(above), where=below > TAU_ROUNDING)


class Feature(NamedTuple):
    """How one named feature is made: ``compute(lighter, heavier) -> (N,)``.

    Attributes:
        compute: function of the two jets.
        unit: "GeV" or "" for a pure number.
        taus: numbers N of the tau_N that it reads.
        more: further quantities of either jet that it reads.
    """

    compute: Callable[[Jet, Jet], np.ndarray]
    unit: str = ""
    taus: tuple[int, ...] = ()
    more: tuple[str, ...] = ()


def invariant_mass(first: Jet, second: Jet) -> np.ndarray:
    """(N,) m_jj [GeV] of two jets.

        m_jj^2 = m1^2 + m2^2 + 2 (E1 E2 - p1.p2)
        E1 E2 - p1.p2 = (E1 E2 - |p1||p2|) + (|p1||p2| - p1.p2)
        E1 E2 - |p1||p2| = (m1^2 |p2|^2 + m2^2 |p1|^2 + m1^2 m2^2) / (E1 E2 + |p1||p2|)
        |p1||p2| - p1.p2 = |p1 x p2|^2 / (|p1||p2| + p1.p2)       where p1.p2 > 0

    The bracketed terms have no cancellation, so that even light collinear jets are exact.
    """
    a = np.stack([first.px, first.py, first.pz])
    b = np.stack([second.px, second.py, second.pz])
    a2, b2 = (a * a).sum(axis=0), (b * b).sum(axis=0)
    m1, m2 = first.m**2, second.m**2
    energies, momenta = np.sqrt((a2 + m1) * (b2 + m2)), np.sqrt(a2 * b2)
    dot = (a * b).sum(axis=0)
    cross = np.cross(a, b, axis=0)
    opening = np.where(
        dot > 0, (cross * cross).sum(axis=0) / (momenta + np.abs(dot)), momenta - dot
    )
    slowness = (m1 * b2 + m2 * a2 + m1 * m2) / (energies + momenta)
    return np.sqrt(m1 + m2 + 2 * (slowness + opening))


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi).

    Example:
        >>> wrapped(np.array([3.5, -3.5, 0.25])).round(3).tolist()
        [-2.783, 2.783, 0.25]
    """
    return (angle + np.pi) % (2 * np.pi) - np.pi


def delta_phi(first: Jet, second: Jet) -> np.ndarray:
    """(N,) angle between the jets in the transverse plane, in [0, pi]."""
    return np.abs(wrapped(first.phi - second.phi))


def delta_eta(first: Jet, second: Jet) -> np.ndarray:
    """(N,) absolute difference of pseudorapidities."""
    return np.abs(first.eta - second.eta)


def delta_r(first: Jet, second: Jet) -> np.ndarray:
    """(N,) sqrt(delta_eta^2 + delta_phi^2)."""
    return np.hypot(delta_eta(first, second), delta_phi(first, second))


def _of_one_jet(index: int) -> dict[str, Feature]:
    """Features of the lighter (1) or heavier (2) jet."""

    def jet(*pair: Jet) -> Jet:
        return pair[index - 1]

    return {
        f"mj{index}": Feature(lambda *jets: jet(*jets).m, "GeV"),
        f"pt_{index}": Feature(lambda *jets: jet(*jets).pt, "GeV"),
        f"eta_{index}": Feature(lambda *jets: jet(*jets).eta),
        f"phi_{index}": Feature(lambda *jets: jet(*jets).phi),
        f"tau21_{index}": Feature(lambda *jets: jet(*jets).tau_ratio(2, 1), taus=(1, 2)),
        f"tau32_{index}": Feature(lambda *jets: jet(*jets).tau_ratio(3, 2), taus=(2, 3)),
        f"tau1_{index}": Feature(lambda *jets: jet(*jets).tau[1], taus=(1,)),
        f"tau2_{index}": Feature(lambda *jets: jet(*jets).tau[2], taus=(2,)),
        f"tau3_{index}": Feature(lambda *jets: jet(*jets).tau[3], taus=(3,)),
    }


def _substructure(index: int) -> dict[str, Feature]:
    """Features of the substructure of the lighter (1) or heavier (2) jet."""

    def feature(made: JetQuantity) -> Feature:
        def compute(*pair: Jet) -> np.ndarray:
            return made.compute(*(pair[index - 1].more[name] for name in made.quantities))

        return Feature(compute, made.unit, more=made.quantities)

    return {f"{name}_{index}": feature(made) for name, made in of_one_jet(ratio).items()}


FEATURES: dict[str, Feature] = {
    **_of_one_jet(1),
    **_of_one_jet(2),
    "delta_mj": Feature(lambda lighter, heavier: heavier.m - lighter.m, "GeV"),
    "delta_eta": Feature(delta_eta),
    "delta_phi": Feature(delta_phi),
    "delta_r": Feature(delta_r),
    "mjj": Feature(invariant_mass, "GeV"),
    **_substructure(1),
    **_substructure(2),
}
"""Every feature that ``features=[...]`` may name."""

QUANTITIES = tuple(dict.fromkeys(name for each in FEATURES.values() for name in each.more))
"""Quantities of a jet beside those of ``RAW_COLUMNS`` that features are made of."""

_MOST_LISTED = 30
"""Largest number of known names that a message lists."""


def check_features(names: Sequence[str], known: Sequence[str] = tuple(FEATURES)) -> None:
    """Refuse names of features that are unknown or repeated, and an empty list.

    Raises:
        ConfigError: the names are refused.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"features: unknown {', '.join(map(repr, unknown))}; known are "
            f"{', '.join(known[:_MOST_LISTED])}{_others(unknown[0], known)}"
        )
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"features must name at least one feature, each once, got {list(names)}")


def _others(unknown: str, known: Sequence[str]) -> str:
    n = len(known) - _MOST_LISTED
    return f" and {n} more{nearest(unknown, known)}" if n > 0 else ""


_MASSES = ("mj1", "delta_mj")
_FOUR = (*_MASSES, "tau21_1", "tau21_2")


def _of_both_jets(quantities: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{jet}" for name in quantities for jet in (1, 2))


FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "four": _FOUR,
    "eight": (*_FOUR, *_of_both_jets(("tau32", "n_constituents"))),
    "subjettiness": (*_MASSES, *_of_both_jets(GROUPS["subjettiness"])),
    "efp": (*_MASSES, *_of_both_jets(GROUPS["efp"])),
    # The usual four come first, so that classifier.features_always=4 means them.
    "kitchen_sink": tuple(
        dict.fromkeys((*_MASSES, *_of_both_jets(("tau21_b1", *of_one_jet(ratio)))))
    ),
}
"""Name of a set, as in ``features=eight``, -> its features."""


def resolved_features(given: str | Sequence[str], own: Iterable[str] = ()) -> list[str]:
    """Names of features, with sets replaced by what is in them.

    A feature that is in several sets, or in a set and named, stands where it comes first.

    Args:
        given: name of a set, or a list of names of features and sets.
        own: names of the data themselves, which stand for no set.

    Raises:
        ConfigError: a text is no set, or a list has a name twice.

    Example:
        >>> resolved_features(["pt_1", "four"])
        ['pt_1', 'mj1', 'delta_mj', 'tau21_1', 'tau21_2']
        >>> [len(resolved_features(name)) for name in FEATURE_SETS]
        [4, 8, 56, 108, 224]
    """
    sets = {name: members for name, members in FEATURE_SETS.items() if name not in own}
    if isinstance(given, str):
        if given not in sets:
            raise ConfigError(
                f"features must be a list of names or one of the sets {', '.join(sets)}, got "
                f"{given!r}{nearest(given, sets)}"
            )
        given = [given]
    if not any(name in sets for name in given):
        return list(given)
    if len(set(given)) < len(given):
        raise ConfigError(f"features must name each feature and set once, got {list(given)}")
    return list(dict.fromkeys(each for name in given for each in sets.get(name, (name,))))


def units_of(names: Sequence[str]) -> tuple[str, ...]:
    """The unit of every named feature."""
    return tuple(FEATURES[name].unit for name in names)


def columns_needed(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of a file that m_jj and the named features need, in file order."""
    taus = sorted({tau for name in names for tau in FEATURES[name].taus})
    asked = {quantity for name in names for quantity in FEATURES[name].more}
    more = [name for name in QUANTITIES if name in asked]
    quantities = (*MOMENTUM_COLUMNS, *(f"tau{tau}" for tau in taus), *more)
    return tuple(f"{quantity}j{jet}" for jet in (1, 2) for quantity in quantities)
