"""Facts of searches: what tools return, read from the files that ``anode search`` leaves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anode import io
from anode.pipeline.search.config import load_search, settings_key
from anode.pipeline.search.report import read_search
from anode.pipeline.search.search_directory import SearchDirectory
from anode.reporting.search.result_table import verdict, verdict_level
from anode.reporting.search.warnings import SearchWarning, warnings
from anode.statistics.calibration.result import Calibration
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import LargestExcess


@dataclass(frozen=True)
class Excess:
    """An excess over a whole scan; masses in GeV.

    Attributes:
        low, high: edges of the window [GeV].
        efficiency: background efficiency of the cut that counts below are of; 1 is none.
        n_observed, n_expected, n_expected_error: events that pass, and what a fit beside expects.
        z_local, p_local: local significance of the events at this cut alone.
        z_test, p_test: that of the test that competes: of all score categories together, unless
            the search was told otherwise.
        z_global, p_global: significance over the scan; bounds where ``is_bound``.
        is_bound: True if no toy is as large: z_global is a lower, p_global an upper limit at 95%.
        spurious: signal that another background shape makes, over its statistical error.
        z_template: local significance against the template of background; None without.
        closure_pull: (fit - template) / error of the expected events; None without.
    """

    low: float
    high: float
    efficiency: float
    n_observed: int
    n_expected: float
    n_expected_error: float
    z_local: float
    p_local: float
    z_test: float
    p_test: float
    z_global: float
    p_global: float
    is_bound: bool
    spurious: float
    z_template: float | None
    closure_pull: float | None

    @classmethod
    def of(cls, best: LargestExcess) -> "Excess":
        """The numbers of ``search.json``."""
        template = best.template
        return cls(
            best.low, best.high, best.efficiency, best.n_observed, best.n_expected,
            best.n_expected_error, best.z_local, best.p_local, best.z_of_test, best.p_of_test,
            best.z_global, best.p_global,
            best.p_global_from == "above toys", best.spurious,
            None if template is None else template.z_local, best.pull,
        )  # fmt: skip


@dataclass(frozen=True)
class Resonance:
    """A resonance of free mass, fitted in the window of the largest excess.

    Attributes:
        mass, mass_error: mass [GeV].
        n_signal: signal events that pass the cut, at any mass.
        z_local: local significance at a mass that the fit chose.
    """

    mass: float
    mass_error: float
    n_signal: float
    z_local: float


@dataclass(frozen=True)
class WindowZ:
    """One window of a scan: edges [GeV] and local significance, None where it was not tested."""

    low: float
    high: float
    z_local: float | None


@dataclass(frozen=True)
class Objection:
    """A warning of the report: its kind and its sentence."""

    kind: str
    text: str


@dataclass(frozen=True)
class SearchFacts:
    """What a search has found.

    Attributes:
        folder: folder of the search.
        method: name of the method.
        n_events, n_dropped, n_copies: events searched, unusable, and repeated.
        scan: start, stop, width and step of the windows [GeV].
        fit_range: ends of the fitted spectrum [GeV].
        n_toys: toys of the scan.
        n_tests: windows that compete.
        n_skipped: windows with too few events.
        level: "none", "watch", "evidence", "excess", "beyond", "unexplained", "incomplete" or
            "untested", by the global significance and what else was seen.
        verdict: verdict of the report, a sentence.
        best: largest excess; None if no window was tested.
        inclusive: largest excess without a cut on the score.
        resonance: resonance fitted there; None without.
        sculpting_p: smallest p-value that the pass rate outside the best window is smooth.
        score_mass_p: p-value that the pass rate inside it does not depend on the mass.
        expected_limit: median expected 95% limit on signal events that pass the tightest cut,
            averaged over windows; None without limits.
        overdispersion_measured: whether the spread of counts beyond Poisson's was measured.
        calibrated: whether a calibration of these settings lies beside the search.
        windows: local significance of every window.
        warnings: objections of the report.
        files: files with more, below the root.
    """

    folder: str
    method: str
    n_events: int
    n_dropped: int
    n_copies: int
    scan: list[float]
    fit_range: list[float]
    n_toys: int
    n_tests: int
    n_skipped: int
    level: str
    verdict: str
    best: Excess | None
    inclusive: Excess | None
    resonance: Resonance | None
    sculpting_p: float | None
    score_mass_p: float | None
    expected_limit: float | None
    overdispersion_measured: bool
    calibrated: bool
    windows: list[WindowZ]
    warnings: list[Objection]
    files: list[str]


def search_facts(path: Path, shown: str) -> SearchFacts:
    """Facts of a finished search.

    Args:
        path: folder of the search.
        shown: its name for callers.

    Raises:
        RunDirectoryError, DataError: it is not finished, or damaged.
    """
    found = read_search(path)
    raised, calibrated = _warnings(path, found)
    best, fitted = found.best, found.resonance
    smooth = [] if best is None else [t for t in found.sculpting if t.same_window(best)]
    independence = None if best is None else found.independence_in(best)
    scan = found.scan
    files = ["search.json", "report.html", "report.md", "figures/scan.png"]
    return SearchFacts(
        folder=shown,
        method=found.method,
        n_events=found.n_events,
        n_dropped=found.n_dropped,
        n_copies=found.n_copies or 0,
        scan=[scan.start, scan.stop, scan.width, scan.step],
        fit_range=list(found.fit_range),
        n_toys=found.toys.n_toys,
        n_tests=found.toys.n_tests,
        n_skipped=len(found.skipped),
        level=verdict_level(found),
        verdict=verdict(found, raised),
        best=None if best is None else Excess.of(best),
        inclusive=None if found.best_inclusive is None else Excess.of(found.best_inclusive),
        resonance=None
        if fitted is None
        else Resonance(fitted.mass, fitted.mass_error, fitted.n_signal, fitted.z),
        sculpting_p=min((test.smooth_p_value for test in smooth), default=None),
        score_mass_p=None if independence is None else independence.p_value,
        expected_limit=_expected_limit(found),
        overdispersion_measured=found.overdispersion is not None,
        calibrated=calibrated,
        windows=[WindowZ(t.low, t.high, t.z_local) for t in found.combined],
        warnings=[Objection(warning.kind, warning.text) for warning in raised],
        files=[f"{shown}/{name}" for name in files if (path / name).is_file()],
    )


def _warnings(path: Path, found: SearchResult) -> tuple[list[SearchWarning], bool]:
    """Warnings as the report has them; whether a calibration of these settings is there."""
    directory, own = SearchDirectory(path), path / "calibration.json"
    calibration = Calibration.from_json(io.read_json(own), own) if own.is_file() else None
    settings = settings_key(load_search(directory.config)) if directory.config.is_file() else None
    same = calibration is not None and calibration.settings in (None, settings)
    return warnings(found, calibration, settings=settings), same


def _expected_limit(found: SearchResult) -> float | None:
    rows = found.at(min(found.efficiencies))
    limits = [row.limit.expected[2] for row in rows if row.limit is not None and row.tested]
    return float(np.mean(limits)) if limits else None
