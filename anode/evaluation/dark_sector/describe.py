"""Description of a folder of dark-sector jets: what each file holds, and moments of all jets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError
from anode.evaluation.dark_sector.slices import (
    ANGLES,
    SLICED,
    Jets,
    Slice,
    all_with_value,
    joined,
    one_parameter,
    slice_results,
)
from anode.evaluation.dark_sector.summary_table import SliceResult
from anode.events.dark_sector.jets_file import KINEMATICS, DarkJets, DatasetShape
from anode.events.dark_sector.names import PARAMETERS, SignalPoint

PARTICLE_FEATURES = ("pT", "eta", "phi")

SAMPLE_JETS = 2000
"""First jets of a file of which the public exploration has the share of filled slots."""

SIGNAL, STANDARD_MODEL = "signal", "SM"


class Moments(NamedTuple):
    """Moments of N numbers; the standard deviation divides by N."""

    n: int
    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class FileSummary:
    """One file.

    Attributes:
        name: name of the file.
        point: parameters of the signal; None for the Standard Model.
        n_bytes: size [bytes].
        n_jets, n_dark: jets, and dark ones.
        filled: share of the slots for particles that hold one.
        filled_first: the same of the first ``SAMPLE_JETS`` jets.
        n_events: number of collisions; None where the file does not say.
    """

    name: str
    point: SignalPoint | None
    n_bytes: int
    n_jets: int
    n_dark: int
    filled: float
    filled_first: float
    n_events: int | None

    @property
    def dark_fraction(self) -> float:
        """Share of the jets that are dark."""
        return self.n_dark / self.n_jets


class Direction(NamedTuple):
    """N azimuths as angles.

    Attributes:
        length: length of the mean unit vector, 0 if no direction is preferred.
        mean: direction of the mean unit vector.
        p_value: probability of a longer one if all directions are as likely (Rayleigh).
    """

    length: float
    mean: float
    p_value: float


@dataclass(frozen=True)
class DarkSectorDescription:
    """Everything that the exploration says.

    Attributes:
        files: files, the Standard Model last.
        structure: datasets of the representative file.
        representative: which of the files that is.
        particles: sample -> feature -> moments of its particles.
        jets: sample -> feature -> moments of its jets.
        directions: sample -> azimuths of its jets.
        slices: parameter -> rows of the public tables.
        one_parameter: parameter -> rows of the slices in which nothing else varies.
        n_trials: number of tests whose smallest p-value counts.
        clustered: True if errors take the jets of an event together.
    """

    files: tuple[FileSummary, ...]
    structure: tuple[DatasetShape, ...]
    representative: str
    particles: dict[str, dict[str, Moments]]
    jets: dict[str, dict[str, Moments]]
    directions: dict[str, Direction]
    slices: dict[str, list[SliceResult]]
    one_parameter: dict[str, list[SliceResult]]
    n_trials: int
    clustered: bool


class Compared(NamedTuple):
    """Jets and particles of both sides, for statistics and figures.

    Attributes:
        dark: dark jets of each signal.
        standard_model: all jets of the Standard Model.
        particles: sample -> (K, 3) particles of its jets: pT, eta, phi.
    """

    dark: dict[SignalPoint, Jets]
    standard_model: Jets
    particles: dict[str, NDArray[np.float64]]

    def signal(self) -> Jets:
        """Dark jets of all signals."""
        return joined(list(self.dark.values()))


def moments(values: NDArray[np.float64]) -> Moments:
    """Moments of numbers (N,).

    Example:
        >>> moments(np.array([1.0, 3.0]))
        Moments(n=2, mean=2.0, std=1.0, low=1.0, high=3.0)
    """
    low, high = float(values.min()), float(values.max())
    return Moments(len(values), float(values.mean()), float(values.std()), low, high)


def direction(phi: NDArray[np.float64]) -> Direction:
    """Mean direction of azimuths (N,); p = exp(-N length^2), for a large N.

    Example:
        >>> direction(np.array([0.0, np.pi])).length < 1e-15
        True
    """
    x, y = float(np.cos(phi).mean()), float(np.sin(phi).mean())
    length = math.hypot(x, y)
    return Direction(length, math.atan2(y, x), math.exp(-len(phi) * length**2))


def summarise_file(jets: DarkJets, n_bytes: int) -> FileSummary:
    """What one file holds."""
    mask = jets.mask
    events = None if jets.event_id is None else len(np.unique(jets.event_id))
    return FileSummary(
        jets.source.rpartition("/")[2],
        jets.point,
        n_bytes,
        jets.n_jets,
        int(jets.is_dark.sum()),
        float(mask.mean()),
        float(mask[:SAMPLE_JETS].mean()),
        events,
    )


def compared(files: Sequence[DarkJets]) -> Compared:
    """Dark jets of the signals, all jets of the Standard Model, and the particles of both.

    Raises:
        DataError: there is no signal, no Standard Model, or a signal without a dark jet.
    """
    signals = {jets.point: jets.where(jets.is_dark) for jets in files if jets.point is not None}
    standard_model = [jets for jets in files if jets.point is None]
    if not signals or not standard_model:
        missing = "NominalSM.h5" if signals else "a signal, AutomatedCMS_*.h5"
        raise DataError(
            f"data.path must be a folder with signals and NominalSM.h5; {missing} lacks"
        )
    for jets in signals.values():
        if not jets.n_jets:
            raise DataError(f"{jets.source}: expected dark jets, but jet_is_dark is False for all")
    particles = {
        SIGNAL: np.concatenate([jets.particles[jets.mask] for jets in signals.values()]),
        STANDARD_MODEL: standard_model[0].particles[standard_model[0].mask],
    }
    dark = {point: _jets(jets) for point, jets in signals.items()}
    return Compared(dark, _jets(standard_model[0]), particles)


def describe_jets(
    files: Sequence[FileSummary],
    structure: Sequence[DatasetShape],
    representative: str,
    samples: Compared,
) -> DarkSectorDescription:
    """All numbers of an exploration.

    Args:
        files: what each file holds.
        structure: datasets of the representative file.
        representative: name of that file.
        samples: jets and particles of both sides.
    """
    points = sorted(samples.dark)
    sliced = {param: all_with_value(points, param) for param in SLICED}
    single = {param: one_parameter(points, param) for param in PARAMETERS}
    plans = [*sliced.values(), *single.values()]
    n_trials = len(KINEMATICS) * sum(len(plan) for plan in plans)

    def results(plan: Sequence[Slice]) -> list[SliceResult]:
        return [
            result
            for chosen in plan
            for result in slice_results(chosen, samples.dark, samples.standard_model, n_trials)
        ]

    both = {SIGNAL: samples.signal(), STANDARD_MODEL: samples.standard_model}
    return DarkSectorDescription(
        tuple(files),
        tuple(structure),
        representative,
        {
            name: {f: moments(values[:, i]) for i, f in enumerate(PARTICLE_FEATURES)}
            for name, values in samples.particles.items()
        },
        {
            name: {feature: moments(jets.columns[feature]) for feature in KINEMATICS}
            for name, jets in both.items()
        },
        {name: direction(jets.columns[ANGLES[0]]) for name, jets in both.items()},
        {param: results(plan) for param, plan in sliced.items()},
        {param: results(plan) for param, plan in single.items() if plan},
        n_trials,
        all(jets.event is not None for jets in (*samples.dark.values(), samples.standard_model)),
    )


def _jets(jets: DarkJets) -> Jets:
    columns = {name: jets.columns[name] for name in KINEMATICS}
    if jets.event_id is None:
        return Jets(columns, None)
    return Jets(columns, np.unique(jets.event_id, return_inverse=True)[1])
