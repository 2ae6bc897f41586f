"""Rule book of events: what no event and no sample of events can be, whatever its source.

Rules of one event are checked where it is read, block by block: readers add them to their own.
Rules of a sample need all of its events, and are checked once these are together.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events.feature_definitions import TAU_ROUNDING
from anode.events.table import EventTable, Violation

logger = logging.getLogger(__name__)

MASS_MARGIN = 1e-3
"""Two jets weigh at least so much less than their system, as a share of m_jj. Real ones stay below
0.7 m_jj; jets in GeV of momenta taken for TeV reach 0.9999, as m_jj is made of both."""

LARGEST_RATIO = 1.5
"""tau_N / tau_(N-1) of jets: below 1 with the best axes, up to 1.3 with others."""

ODD_SHARE = 1e-3
"""Share of events that may exceed it: jets of few particles do (2 of 20,000 in the R&D file)."""

SPIKE_SHARE, SPIKE_EVENTS = 0.01, 10
"""A value that more than this share of the events has, and more than so many, is a spike."""

GLANCE = 20_000
"""Events of which a spike has 7 standard deviations more than half of ``SPIKE_SHARE``."""

SMALLEST_SAMPLE = 20
"""Of fewer events any feature may happen to be 0 or 1 alone."""

_RATIOS = ("tau21_1", "tau21_2", "tau32_1", "tau32_2")
_WEIGHTS = {"weight", "weights", "eventweight", "mcweight", "genweight", "sampleweight", "wgt"}
_LABELS = {
    "label", "labels", "issignal", "isbackground", "truth", "truthlabel", "target", "signal",
    "background", "issig", "isbkg",
}  # fmt: skip


def heavy_jets(column: str, jets: np.ndarray, mass: np.ndarray) -> Violation:
    """Where two jets weigh as much as their system, which none does: m_jj >= mJ1 + mJ2, with
    equality only at relative rest.

    Args:
        column: column that is named.
        jets: (N,) mJ1 + mJ2, or a part of it that is known.
        mass: (N,) m_jj, in the unit of ``jets``.
    """
    rule = "must obey mJ1 + mJ2 < m_jj (is each mass in its column, and are all in one unit?)"
    return Violation(column, (mass > 0) & (jets > (1 - MASS_MARGIN) * mass), rule)


def large_ratio(column: str, bad: np.ndarray, rule: str) -> Iterator[Violation]:
    """Where a ratio of subjettinesses is too large, if that is more than a few odd jets.

    Args:
        column: column that is named.
        bad: (N,) True where it exceeds ``LARGEST_RATIO``.
        rule: words that follow the name in messages, "must ...".
    """
    if bad.sum() > max(1, ODD_SHARE * len(bad)):
        yield Violation(column, bad, f"{rule} (is each column what its name says?)")


def of_features(mass: np.ndarray, features: Mapping[str, np.ndarray]) -> Iterator[Violation]:
    """The rules for features that are known by name, those of ``FEATURES``, in any case.

    Args:
        mass: (N,) m_jj.
        features: name -> (N,) values; masses in the unit of ``mass``.
    """
    names = {name.casefold(): name for name in features}
    found = {known: features[name] for known, name in names.items()}
    # Jet 1 is the lighter: with delta_mj its mass counts twice.
    sums = {"mj2": ("mj1", "mj2"), "delta_mj": ("mj1", "mj1", "delta_mj")}
    known = next((parts for parts in sums.values() if set(parts) <= found.keys()), None)
    for parts in [known] if known else [(n,) for n in ("mj1", "mj2", "delta_mj") if n in found]:
        jets = np.sum([found[name] for name in parts], axis=0)
        yield heavy_jets(names[parts[0]], jets, mass)
    for known_name in _RATIOS:
        if known_name in found:
            values, column = found[known_name], names[known_name]
            rule = f"must lie in 0 to {LARGEST_RATIO:g}, as a ratio of subjettinesses does"
            exchanged = f"{rule} (is it another quantity? give it another name)"
            yield Violation(column, values < -TAU_ROUNDING, exchanged)
            yield from large_ratio(column, values > LARGEST_RATIO, rule)


class CommonValues(NamedTuple):
    """Values that many events share, ascending, and the share of the events that each has."""

    values: np.ndarray
    shares: np.ndarray


def common_values(column: np.ndarray) -> CommonValues:
    """The spikes of a feature (N,): values that more than ``SPIKE_SHARE`` of the events have."""
    few = column[:: max(1, len(column) // GLANCE)]  # without as many here there are none: quick
    if np.unique(few, return_counts=True)[1].max(initial=0) <= SPIKE_SHARE / 2 * len(few):
        return CommonValues(np.empty(0), np.empty(0))
    values, counts = np.unique(column, return_counts=True)
    common = counts > max(SPIKE_SHARE * len(column), SPIKE_EVENTS)
    return CommonValues(values[common], counts[common] / len(column))


def refuse_binary(events: EventTable) -> None:
    """Refuse a feature that has the values 0 and 1 alone, as labels have.

    Raises:
        DataError: there is one, in more than a few events.
    """
    for name, values in zip(events.names, events.features.T, strict=True):
        if len(events) >= SMALLEST_SAMPLE and np.ptp(values) and np.isin(values, (0, 1)).all():
            raise DataError(
                f"{events.source}: feature '{name}' has only the values 0 and 1, as a label has; "
                "leave it out of features, or set preprocessing.binary_features=true if it is none"
            )


def check_sample(events: EventTable, *, binary: bool, spikes_matter: bool) -> None:
    """Check what only a whole sample shows: constant features, labels among them, and spikes.

    Args:
        events: data sample.
        binary: True if features may have the values 0 and 1 alone.
        spikes_matter: True if a density is fitted, and values that many events share are not
            spread before: it says which those are.

    Raises:
        DataError: a feature is constant, or looks like a label.
    """
    for name, values in zip(events.names, events.features.T, strict=True):
        if len(events) > 1 and not np.ptp(values):
            raise DataError(
                f"{events.source}: column '{name}' is constant ({values[0]:g}) and cannot be "
                "scaled; leave it out of features"
            )
    if not binary:
        refuse_binary(events)
    if odd := telling(events.names):
        logger.warning(
            "%s: %s: used as a feature, though its name is that of a weight or a label",
            events.source,
            ", ".join(odd),
        )
    if not spikes_matter:
        return
    for name, values in zip(events.names, events.features.T, strict=True):
        common = common_values(values)
        if len(common.values):
            logger.warning("%s: %s", events.source, _spikes(name, common))


def _spikes(name: str, common: CommonValues) -> str:
    top = np.argmax(common.shares)
    more = f", and {len(common.values) - 1} more values over 1%" if len(common.values) > 1 else ""
    return (
        f"{common.shares[top]:.1%} of the events have the value {common.values[top]:g} of feature "
        f"'{name}'{more}; a density cannot describe a value that many share, and scores suffer: "
        "set preprocessing.dequantise=true, or leave the feature out"
    )


def telling(names: Iterable[str]) -> list[str]:
    """Those that are names of an event weight or a label, ``group/is_signal`` included.

    >>> telling(["m_jj", "EventWeight", "truth/is_signal"])
    ['EventWeight', 'truth/is_signal']
    """
    found = []
    for name in names:
        plain = "".join(filter(str.isalnum, name.rpartition("/")[2].casefold()))
        if plain in _WEIGHTS | _LABELS:
            found.append(name)
    return found


def say_unread(source: str, columns: Iterable[str]) -> None:
    """Say which columns are not read though their names promise a weight or the truth.

    Args:
        source: name of the file.
        columns: names of its columns that are not read.
    """
    if found := telling(columns):
        logger.warning(
            "%s: not read: %s; events have no weights here, and truth is read only from the "
            "column that the format or data.columns.label names",
            source,
            ", ".join(found),
        )
