"""``window.json``: the cuts of a window's model, the template that fixed them, and their check."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from anode import io
from anode.errors import DataError
from anode.records import Record
from anode.statistics.counting.pass_rate import FlatnessTest
from anode.statistics.scan.mass_sculpting import Independence
from anode.statistics.scan.search_result import ScoreMassTest
from anode.statistics.scan.window_result import MassWindow


@dataclass(frozen=True)
class WindowTemplate(Record):
    """Background that fixed the cuts of a window.

    Attributes:
        source: source of the background, "sampled" from p_bg or "sidebands".
        n_events: number of events.
        efficiency, efficiency_error: fraction that passes each cut that could be fixed, the
            loosest first, and its error.
        n_pooled: number of folds, for each cut, whose events were too few for a threshold of
            their own; they have that of the whole template.
    """

    source: str
    n_events: int
    efficiency: tuple[float, ...]
    efficiency_error: tuple[float, ...]
    n_pooled: tuple[int, ...] = ()


@dataclass(frozen=True)
class WindowIndependence(Record):
    """Whether the score knows the mass within a window.

    Attributes:
        n_events: number of events of the window.
        pearson, pearson_error, pearson_p_value: linear correlation of score and mass.
        rates: fraction of events that a cut keeps ("0.1") -> test of a flat pass rate.
    """

    n_events: int
    pearson: float
    pearson_error: float
    pearson_p_value: float
    rates: dict[str, FlatnessTest]

    @classmethod
    def of(cls, test: Independence) -> Self:
        """The test in plain numbers."""
        return cls(
            n_events=test.n_events,
            pearson=test.pearson,
            pearson_error=test.pearson_error,
            pearson_p_value=test.pearson_p_value,
            rates={share: rate.flatness for share, rate in test.rates.items()},
        )


@dataclass(frozen=True)
class WindowFile(MassWindow):
    """The content of ``window.json``.

    Attributes:
        low, high: edges of the window [GeV].
        strip: width beside the window that is left out of the fit of the spectrum [GeV].
        thresholds: background efficiency, as text -> score of its cut over the whole template,
            the loosest first; those that the template could not fix are left out.
        thresholds_by_fold: the same efficiencies -> scores, one for each fold of the fits, which
            decide; empty in files of former versions, whose folds share ``thresholds``.
        template: background that fixed them.
        n_total: number of events of the window.
        independence: score against mass in the window; None where all events have one score.
    """

    strip: float
    thresholds: dict[str, float]
    template: WindowTemplate
    n_total: int
    independence: WindowIndependence | None
    thresholds_by_fold: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def by_fold(self, n_folds: int) -> np.ndarray:
        """(E, F) thresholds of the cuts, in the order of ``thresholds``, for each of F folds.

        Raises:
            DataError: ``thresholds_by_fold`` has other cuts, or another number of folds.
        """
        if not self.thresholds_by_fold:
            pooled = np.array([*self.thresholds.values()], dtype=float)
            return np.repeat(pooled[:, None], n_folds, axis=1)
        scores = [self.thresholds_by_fold.get(name, ()) for name in self.thresholds]
        if any(len(of_cut) != n_folds for of_cut in scores):
            raise DataError(
                f"window.json of {self.low:g} to {self.high:g} GeV: thresholds_by_fold must have "
                f"{n_folds} scores for each of the cuts {', '.join(self.thresholds)}, got "
                f"{self.thresholds_by_fold}"
            )
        return np.array(scores)

    def score_mass_test(self) -> ScoreMassTest | None:
        """Score against mass as ``search.json`` has it: correlation, and flatness at a 10% cut."""
        if self.independence is None:
            return None
        flat = self.independence.rates["0.1"]
        return ScoreMassTest(
            low=self.low,
            high=self.high,
            pearson=self.independence.pearson,
            pearson_error=self.independence.pearson_error,
            pass_rate_chi2=flat.chi2,
            ndf=flat.ndf,
            p_value=flat.p_value,
        )


def read_window_file(path: Path) -> WindowFile:
    """The content of a ``window.json``.

    Raises:
        DataError: there is none, it is not JSON, or a key is missing or of the wrong kind.
    """
    return WindowFile.from_json(io.read_json(path), path)
