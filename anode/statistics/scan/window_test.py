"""Test of one window: at every cut, and of all its score categories together.

The expectation is the di-jet function fitted beside the window; the significance is that of a
resonance at the window's centre in the whole spectrum of events that pass (``fits.signal_toys``).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anode.statistics.counting.ordered_test import ordered_z
from anode.statistics.counting.significance import local_significance, p_of_z
from anode.statistics.fits.dijet_fit import Prediction, Spectrum, SpectrumFit
from anode.statistics.fits.spectrum_test import (
    BesideFit,
    ResonanceTest,
    SpectrumBins,
    find_resonance,
    fit_beside,
    window_error,
)
from anode.statistics.scan.window_result import (
    CategoryTest,
    CombinedTest,
    EventLimit,
    FitQuality,
    TemplateExpectation,
    WindowTest,
)
from anode.statistics.scan.window_spectra import Spectra, WindowCuts, no_fit_reason
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_fit import SignalFit, Strength, fit_signal
from anode.statistics.signal.signal_limits import Exposure, cross_section_limit, signal_limit
from anode.statistics.signal.signal_model import Systematics


class Dispersion(NamedTuple):
    """Standard deviations of counts of cross-fitted events over those of Poisson counts.

    Attributes:
        cuts: (E,) of events that pass each cut.
        categories: (E,) of events between a cut and the next tighter one.
    """

    cuts: np.ndarray
    categories: np.ndarray


class Cell(NamedTuple):
    """The spectrum of events between two cuts, and its test.

    Attributes:
        levels: cuts (first, last) between which its events lie; last is None for the tightest.
        found: test of a resonance in it.
    """

    levels: tuple[int, int | None]
    found: ResonanceTest


class WindowTests(NamedTuple):
    """Everything that the tests of one window give.

    Attributes:
        rows: tests without a cut and at each cut.
        combined: test of all categories.
        cuts: cell of each row; None where no fit was possible.
        categories: cells of the categories, scores rising.
        expected: (C, B) background in all bins, of the fit beside the window; NaN without one.
    """

    rows: list[WindowTest]
    combined: CombinedTest
    cuts: list[Cell | None]
    categories: list[Cell]
    expected: np.ndarray


class WindowTester:
    """Tests of one window of a scan.

    Args:
        spectra: mass spectra of the scan.
        window: number of the window.
        model: cuts of the window.
        shapes: (E + 1,) distributions of m / M of a resonance, without a cut and after each; the
            tests take the first, strengths and limits that of their cut.
        dispersion: spread of counts over that of Poisson counts.
        min_bins: bins of the fit needed on either side of the window.
        rng: random stream of the toys that calibrate roots of few events.
        limits: True to set upper limits.
        exposures: (E,) what turns limits at each cut into cross-sections; None for none.
        efficiency_error: relative error of their efficiencies.
    """

    def __init__(
        self,
        spectra: Spectra,
        window: int,
        model: WindowCuts,
        *,
        shapes: Sequence[SignalShape],
        dispersion: Dispersion,
        min_bins: int,
        rng: np.random.Generator,
        limits: bool = False,
        exposures: Sequence[Exposure] | None = None,
        efficiency_error: float = 0.0,
    ) -> None:
        self.limits, self.exposures = limits, exposures
        self.efficiency_error = efficiency_error
        self.spectra, self.window, self.model = spectra, window, model
        self.dispersion, self.rng = dispersion, rng
        self.low, self.high = float(spectra.low[window]), float(spectra.high[window])
        used, inside = spectra.used[window], spectra.inside[window]
        self.shapes, self.mass = shapes, (self.low + self.high) / 2
        at_centre = shapes[0].fractions(spectra.edges, self.mass)
        self.bins = SpectrumBins(spectra.edges, used, inside, at_centre)
        self.reason = no_fit_reason(spectra, window, min_bins=min_bins)
        self._done: dict[tuple[int, int | None], tuple[BesideFit | str, Cell | None]] = {}

    def test(self) -> WindowTests:
        """All tests of the window."""
        n_cuts = len(self.spectra.efficiency)
        rows, cuts, expected = [], [], []
        for cut in range(n_cuts):
            row, cell, background = self._row(cut)
            rows.append(row)
            cuts.append(cell)
            expected.append(background)
        categories, combined = self._categories()
        return WindowTests(rows, combined, cuts, categories, np.array(expected))

    def _row(self, cut: int) -> tuple[WindowTest, Cell | None, np.ndarray]:
        spectra, window = self.spectra, self.window
        n_observed, n_total = (int(spectra.n_inside[window, c]) for c in (cut, 0))
        fixed = cut > 0 and bool(np.isfinite(self.model.thresholds[cut - 1]))
        template = None
        if fixed:
            share = float(self.model.efficiency[cut - 1])
            error = float(self.model.efficiency_error[cut - 1])
            template = TemplateExpectation.of(n_observed, n_total, share, error)
        beside, cell = self._between((cut, None))
        quality = None if isinstance(beside, str) else _quality(beside.fit, None)
        limit = cross_section = None
        if isinstance(beside, str) or cell is None:
            predicted = _without_fit(template, n_total)
            local = local_significance(n_observed, *predicted)
            z, source = float(local.z_local), local.source
            strength = Strength(n_observed - predicted.n_expected, *[_spread(predicted)] * 2)
        else:
            found, predicted = cell.found, beside.predicted
            z, source = found.z, found.source
            fitted, limit, cross_section = self._fitted(cut, predicted)
            strength = fitted.strength
            quality = _quality(beside.fit, fitted)
        row = WindowTest(
            low=self.low,
            high=self.high,
            efficiency=float(spectra.efficiency[cut]),
            n_observed=n_observed,
            n_expected=predicted.n_expected,
            n_expected_error=predicted.n_expected_error,
            p_local=float(p_of_z(z)),
            z_local=z,
            n_total=n_total,
            threshold=float(self.model.thresholds[cut - 1]) if fixed else None,
            expected_from="fit" if cell is not None else "template" if fixed else "observed",
            tested=cell is not None,
            reason=_reason(beside, cell),
            significance_from=source,
            fit=quality,
            template=template,
            strength=strength,
            limit=limit,
            cross_section=cross_section,
        )
        nothing = np.full(len(spectra.edges) - 1, np.nan)
        return row, cell, nothing if isinstance(beside, str) else beside.fit.expected

    def _fitted(
        self, cut: int, predicted: Prediction
    ) -> tuple[SignalFit, EventLimit | None, EventLimit | None]:
        """Signal of the centre's mass; and its limits, of events and of the cross-section."""
        bins = self.bins
        spread = window_error(self._factor((cut, None)), predicted.n_expected)
        spectrum = Spectrum(self.spectra.counts[self.window, cut], bins.edges)
        where = (spectrum, bins.used | bins.inside, bins.inside)
        systematics, shape = Systematics(window_error=spread), self.shapes[cut]
        fit = fit_signal(*where, mass=self.mass, shape=shape, systematics=systematics)
        if not self.limits:
            return fit, None, None
        limit = signal_limit(*where, mass=self.mass, shape=shape, systematics=systematics)
        if self.exposures is None or cut == 0:
            return fit, EventLimit(*limit), None
        uncertain = systematics._replace(efficiency_error=self.efficiency_error)
        wider = signal_limit(*where, mass=self.mass, shape=shape, systematics=uncertain)
        cross_section = cross_section_limit(wider, self.exposures[cut - 1])
        return fit, EventLimit(*limit), EventLimit(*cross_section)

    def _categories(self) -> tuple[list[Cell], CombinedTest]:
        """Exclusive categories, scores rising; those that cannot be tested join the next."""
        last, cells, tests, reason = None, [], [], self.reason or "no cut could be fixed"
        for first in range(len(self.model.thresholds), 0, -1):
            if not np.isfinite(self.model.thresholds[first - 1]):
                continue
            levels = (first, last)
            beside, cell = self._between(levels)
            if isinstance(beside, str) or cell is None:
                reason = _reason(beside, cell) or reason
                continue
            cells.append(cell)
            tests.append(self._category(levels, beside.predicted, cell.found))
            last = first
        z = _combined_z(cells[::-1])
        p = None if z is None else float(p_of_z(z))
        why = reason if z is None else None
        return cells[::-1], CombinedTest(self.low, self.high, tuple(tests[::-1]), p, z, why)

    def _between(self, levels: tuple[int, int | None]) -> tuple[BesideFit | str, Cell | None]:
        """The fit beside the window of events between two cuts, and their test; made once."""
        if levels not in self._done:
            self._done[levels] = self._test_between(levels)
        return self._done[levels]

    def _test_between(self, levels: tuple[int, int | None]) -> tuple[BesideFit | str, Cell | None]:
        if self.reason is not None:
            return self.reason, None
        first, last = levels
        counts = self.spectra.counts[self.window]
        chosen = counts[first] - (0 if last is None else counts[last])
        beside = fit_beside(chosen, self.bins)
        if isinstance(beside, str):
            return beside, None
        error = window_error(self._factor(levels), beside.predicted.n_expected)
        found = find_resonance(chosen, self.bins, error, self.rng)
        return beside, None if found is None else Cell(levels, found)

    def _factor(self, levels: tuple[int, int | None]) -> float:
        first, last = levels
        if first == 0:
            return 1.0
        values = self.dispersion.categories if last == first + 1 else self.dispersion.cuts
        return float(values[first - 1])

    def _category(
        self, levels: tuple[int, int | None], predicted: Prediction, found: ResonanceTest
    ) -> CategoryTest:
        first, last = levels
        inside = self.spectra.n_inside[self.window]
        return CategoryTest(
            loosest=float(self.spectra.efficiency[first]),
            tightest=0.0 if last is None else float(self.spectra.efficiency[last]),
            n_observed=int(inside[first] - (0 if last is None else inside[last])),
            n_expected=predicted.n_expected,
            n_expected_error=predicted.n_expected_error,
            overdispersion=self._factor(levels),
            strength=found.strength,
            z_local=found.z,
            significance_from=found.source,
        )


def _combined_z(cells: list[Cell]) -> float | None:
    if not cells:
        return None
    roots = np.array([[cell.found.z for cell in cells]])
    return float(ordered_z(roots, np.array([cell.found.weight for cell in cells]))[0])


def _reason(beside: BesideFit | str, cell: Cell | None) -> str | None:
    if isinstance(beside, str):
        return beside
    return None if cell is not None else "the fit of all bins did not converge"


def _without_fit(template: TemplateExpectation | None, n_total: int) -> Prediction:
    if template is not None:
        return Prediction(template.n_expected, template.n_expected_error)
    # Nothing predicts the whole spectrum: no excess is claimed.
    return Prediction(float(n_total), float(np.sqrt(max(n_total, 1))))


def _spread(predicted: Prediction) -> float:
    return float(np.hypot(np.sqrt(max(predicted.n_expected, 1.0)), predicted.n_expected_error))


def _quality(fit: SpectrumFit, with_signal: SignalFit | None) -> FitQuality:
    p_value = np.nan if with_signal is None else with_signal.both.p_value
    return FitQuality(
        n_parameters=int(fit.n_parameters),
        deviance=float(fit.deviance),
        ndf=int(fit.ndf),
        p_value=None if np.isnan(fit.p_value) else float(fit.p_value),
        p_value_with_signal=None if np.isnan(p_value) else float(p_value),
    )
