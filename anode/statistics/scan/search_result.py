"""``search.json``: what a search has found, window by window and over the whole scan."""

from dataclasses import dataclass, field

import numpy as np

from anode.provenance import DataDescription
from anode.records import LEFT_OUT_IF_NONE, Record, key
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.fits.bump_hunter import BumpHunt
from anode.statistics.scan.spectrum_config import Conclusion
from anode.statistics.scan.trust import Trust
from anode.statistics.scan.window_result import (
    CombinedTest,
    CutWindow,
    LargestExcess,
    MassWindow,
    WindowTest,
)


@dataclass(frozen=True)
class ScanRange(Record):
    """Windows [start + i step, start + i step + width) up to ``stop``.

    Attributes:
        start, stop, width, step: range, width and distance of the windows [GeV].
    """

    start: float
    stop: float
    width: float
    step: float


@dataclass(frozen=True)
class ScanToys(Record):
    """Toys of the whole scan without signal, and what they say.

    Attributes:
        n_toys: number of toys.
        n_tests: number of windows at cuts that compete for the largest excess.
        levels: global significance in standard deviations (1, 2, 3) -> local Z that it needs;
            those beyond the reach of the toys are left out.
    """

    n_toys: int
    n_tests: int
    levels: dict[int, float]


@dataclass(frozen=True)
class FittedResonance(Record):
    """A resonance of free mass fitted to the spectrum of the largest excess, within its window.

    Attributes:
        mass, mass_error: mass of the resonance [GeV].
        n_signal: signal events that pass the cut, at any mass.
        error_low, error_high: distances to the ends of the 68% interval [events].
        p_value, z: local significance, at a mass that the fit chose.
        p_value_background, p_value_with_signal: goodness of fit without and with signal; None
            where too few bins are left to judge.
        scale_pull, width_pull: pulls of energy scale and resolution, in standard deviations.
    """

    mass: float
    mass_error: float
    n_signal: float
    error_low: float
    error_high: float
    p_value: float
    z: float
    p_value_background: float | None
    p_value_with_signal: float | None
    scale_pull: float
    width_pull: float


@dataclass(frozen=True)
class CutNotFixed(CutWindow):
    """A cut that too few events of a window's template would pass; no event passes it.

    Attributes:
        low, high: edges of the window [GeV].
        efficiency: nominal fraction of background that passes the cut.
        n_template: number of events of the template.
    """

    n_template: int


@dataclass(frozen=True)
class ScoreMassTest(MassWindow):
    """Whether the score knows the mass within a window.

    Attributes:
        low, high: edges of the window [GeV].
        pearson, pearson_error: linear correlation of score and mass; its error if there is none.
        pass_rate_chi2, ndf, p_value: test of one pass rate at all masses, at a cut that keeps
            10%.
    """

    pearson: float
    pearson_error: float
    pass_rate_chi2: float
    ndf: int
    p_value: float


@dataclass(frozen=True)
class SculptingTest(CutWindow):
    """How one cut of a window's model changes the shape of the spectrum outside the window.

    Attributes:
        low, high: edges of the window [GeV].
        efficiency: nominal fraction of background that passes the cut.
        chi2, ndf, p_value: test of one pass rate at all masses.
        smooth_p_value: test of a pass rate that is smooth in the mass: a slope passes, a bump
            fails.
        jensen_shannon: distance of the normalised spectra before and after the cut.
        rate_low, rate_high: lowest and highest pass rate, in merged bins.
    """

    chi2: float
    ndf: int
    p_value: float
    smooth_p_value: float
    jensen_shannon: float
    rate_low: float
    rate_high: float


@dataclass(frozen=True)
class SkippedWindow(MassWindow):
    """A window that is not searched.

    Attributes:
        low, high: edges of the window [GeV].
        reason: reason why it is not searched.
    """

    reason: str


@dataclass(frozen=True)
class SearchResult(Record):
    """What a search has found; the content of ``search.json``.

    Attributes:
        method: name of the method, as ``method=`` has it.
        title: name of the method in figures.
        seed: root seed.
        data: description of the events that were searched.
        n_events: number of events searched, at all masses.
        n_dropped: number of events of the file that could not be used.
        n_copies: number of events searched with the mass and features of an earlier one; None in
            files that do not say.
        scan: range, width and distance of the windows.
        fit_range: first and last mass of the fitted spectra [GeV].
        bin_width: width of a bin of the fitted spectra [GeV].
        efficiencies: nominal fractions of background at the cuts, descending.
        template_source: source of the background that fixes the cuts, "sampled" or "sidebands".
        sideband_folds: fits of which each left out one fold of the sidebands.
        windows: tests of every window at every cut that something predicts.
        combined: test of every window with all its score categories.
        overdispersion: spread of counts beyond Poisson's, measured for these settings; None where
            it was not measured.
        best: largest excess of all windows at cuts; None if none could be tested.
        best_inclusive: largest excess without a cut; None if none could be tested.
        best_other: largest excess by the other kind of tests, cuts or categories, beside it.
        trust: tests of the fit at ``best``; None where they were not asked for.
        resonance: resonance fitted at ``best``; None where that failed or was not asked for.
        toys: toys of the whole scan, key ``global``.
        bump_hunter: results of pyBumpHunter on the spectrum of ``best`` without ("inclusive") and
            with its cut ("selected").
        cuts_not_fixed: cuts that no event passes.
        independence: test of score against mass in each window.
        sculpting: test of the mass spectrum for each window and cut.
        skipped: windows with too few events.
        conclusion: settings of the tests and toys; None in files that do not say.
        seconds, cpu_seconds: time of the search, and CPU time of all its processes [s].
        file_sha256: hashes of ``spectra.h5``, ``top_events.json`` and ``workspace.json``; None in
            files of earlier versions.

    Example:
        Of a finished search in ``DIR``::

            result = SearchResult.from_json(io.read_json("DIR/search.json"), "DIR/search.json")
            result.best.mass, result.best.z_global  # centre of the window [GeV], global Z
            [(row.mass, row.p_local) for row in result.at(0.01)]  # the scan at one cut
    """

    method: str
    title: str
    seed: int
    data: DataDescription
    n_events: int
    n_dropped: int
    n_copies: int | None = field(default=None, kw_only=True, metadata=LEFT_OUT_IF_NONE)
    scan: ScanRange
    fit_range: tuple[float, float]
    bin_width: float
    efficiencies: tuple[float, ...]
    template_source: str = field(default="", kw_only=True)
    sideband_folds: int = field(default=1, kw_only=True)
    windows: tuple[WindowTest, ...] = field(repr=False)
    combined: tuple[CombinedTest, ...] = field(default=(), kw_only=True, repr=False)
    overdispersion: Overdispersion | None = field(
        default=None, kw_only=True, metadata=LEFT_OUT_IF_NONE, repr=False
    )
    best: LargestExcess | None
    best_inclusive: LargestExcess | None
    best_other: LargestExcess | None = field(default=None, kw_only=True, metadata=LEFT_OUT_IF_NONE)
    trust: Trust | None = field(default=None, kw_only=True, metadata=LEFT_OUT_IF_NONE, repr=False)
    resonance: FittedResonance | None
    toys: ScanToys = field(metadata=key("global"))
    bump_hunter: dict[str, BumpHunt] = field(default_factory=dict, kw_only=True)
    cuts_not_fixed: tuple[CutNotFixed, ...] = field(default=(), kw_only=True)
    independence: tuple[ScoreMassTest, ...] = field(default=(), kw_only=True, repr=False)
    sculpting: tuple[SculptingTest, ...] = field(repr=False)
    skipped: tuple[SkippedWindow, ...]
    conclusion: Conclusion | None = field(default=None, kw_only=True)
    seconds: float
    cpu_seconds: float
    file_sha256: dict[str, str] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    def at(self, efficiency: float) -> list[WindowTest]:
        """The windows at one cut, by mass; 1 is no cut."""
        rows = [row for row in self.windows if np.isclose(row.efficiency, efficiency)]
        return sorted(rows, key=lambda row: (row.low, row.high))

    def independence_in(self, window: MassWindow) -> ScoreMassTest | None:
        """The test of score against mass in a window; None if it was not made."""
        return next((test for test in self.independence if test.same_window(window)), None)

    def pulls(self) -> np.ndarray:
        """(N,) pulls of fit against template, of all windows and cuts that have both."""
        every = [row.pull for row in self.windows]
        return np.array([one for one in every if one is not None])
