"""Slices of the parameters: dark jets of signal files with one value, beside all jets of the
Standard Model.

A slice of the public exploration takes every file with the value, so that rinv = 0.3 mixes two
dark masses and three couplings. A slice that varies one parameter keeps all others equal.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.evaluation.dark_sector.matching import match_pt
from anode.evaluation.dark_sector.summary_table import Significance, SliceResult, SliceRow
from anode.evaluation.dark_sector.two_samples import (
    Distance,
    Sample,
    ks_distance,
    kuiper_distance,
    log10_of_any,
)
from anode.events.dark_sector.jets_file import KINEMATICS
from anode.events.dark_sector.names import PARAMETERS, SignalPoint, number_text

SLICED = ("rinv", "alpha")
"""Parameters whose slices the public exploration has, in its order."""

ANGLES = ("jet_phi",)
"""Features whose values are angles."""

MATCHED = "jet_pt"


class Jets(NamedTuple):
    """N jets that are compared.

    Attributes:
        columns: name -> (N,) values of ``KINEMATICS``.
        event: (N,) which jets are of one event, 0 and up; None where it is not known.
    """

    columns: Mapping[str, NDArray[np.float64]]
    event: NDArray[np.int64] | None

    def sample(self, feature: str, weights: NDArray[np.float64] | None = None) -> Sample:
        """One feature."""
        return Sample(self.columns[feature], weights, self.event)

    def where(self, chosen: NDArray[np.bool_]) -> "Jets":
        """Some of the jets."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Jets(columns, None if self.event is None else self.event[chosen])


class Slice(NamedTuple):
    """Signals that share the value of a parameter.

    Attributes:
        param: parameter, one of ``PARAMETERS``.
        value: value of it.
        points: signals, whose dark jets are taken together.
    """

    param: str
    value: float | str
    points: tuple[SignalPoint, ...]


def all_with_value(points: Sequence[SignalPoint], param: str) -> list[Slice]:
    """A slice for each value of a parameter, with every signal that has it."""
    return [
        Slice(param, value, tuple(p for p in points if p.value(param) == value))
        for value in sorted({p.value(param) for p in points}, key=str)
    ]


def one_parameter(points: Sequence[SignalPoint], param: str) -> list[Slice]:
    """The largest set of signals that differ in one parameter alone, a slice each.

    No slice where no two signals do.
    """
    families: dict[tuple[float | str, ...], list[SignalPoint]] = {}
    for point in sorted(points):
        others = tuple(point.value(name) for name in PARAMETERS if name != param)
        families.setdefault(others, []).append(point)
    largest = max(families.values(), key=len, default=[])
    if len(largest) < 2:
        return []
    return [Slice(param, p.value(param), (p,)) for p in largest]


def benchmark(points: Sequence[SignalPoint]) -> SignalPoint:
    """The signal from which most others differ in one parameter alone, the first of several."""

    def n_neighbours(point: SignalPoint) -> int:
        differing = [sum(p.value(n) != point.value(n) for n in PARAMETERS) for p in points]
        return differing.count(1)

    return max(sorted(points), key=n_neighbours)


def joined(jets: Sequence[Jets]) -> Jets:
    """Jets of several files together; events of different files stay apart."""
    columns = {name: np.concatenate([part.columns[name] for part in jets]) for name in KINEMATICS}
    known = [part.event for part in jets if part.event is not None]
    if len(known) < len(jets):
        return Jets(columns, None)
    first = np.cumsum([0, *(int(event.max(initial=-1)) + 1 for event in known)])
    event = np.concatenate([e + start for e, start in zip(known, first, strict=False)])
    return Jets(columns, event)


def slice_results(
    chosen: Slice, jets: Mapping[SignalPoint, Jets], standard_model: Jets, n_trials: int
) -> list[SliceResult]:
    """One row for each of ``KINEMATICS``.

    Args:
        chosen: signals of the slice.
        jets: dark jets of each signal.
        standard_model: jets of the Standard Model.
        n_trials: number of tests that are made in all.
    """
    signal = joined([jets[point] for point in chosen.points])
    matching = match_pt(signal.columns[MATCHED], standard_model.columns[MATCHED])
    matched = signal.where(matching.matched)
    results = []
    for feature in KINEMATICS:
        own, other = signal.sample(feature), standard_model.sample(feature)
        ks = ks_distance(own, other)
        after = ks_distance(
            matched.sample(feature), standard_model.sample(feature, matching.weights)
        )
        row = SliceRow(
            chosen.param,
            number_text(chosen.value),
            feature,
            len(own.values),
            len(other.values),
            mean := float(own.values.mean()),
            mean_sm := float(other.values.mean()),
            mean - mean_sm,
            ks.value,
        )
        kuiper = kuiper_distance(own, other) if feature in ANGLES else None
        error = float(np.hypot(own.mean_error(), other.mean_error()))
        results.append(SliceResult(row, _significance(error, ks, kuiper, after, n_trials)))
    return results


def _significance(
    error: float, ks: Distance, kuiper: Distance | None, after: Distance, n_trials: int
) -> Significance:
    tested = ks if kuiper is None else kuiper
    return Significance(
        error,
        ks.error,
        tested.log10_p,
        log10_of_any(tested.log10_p, n_trials),
        None if kuiper is None else kuiper.value,
        after.value,
        after.error,
        log10_of_any(after.log10_p, n_trials),
    )
