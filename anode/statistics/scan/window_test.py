"""Test of one window at one cut: whether, and by how much, more events pass than expected."""

from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.statistics.counting.limits import Limit, Strength, signal_strength, upper_limit
from anode.statistics.counting.significance import local_significance
from anode.statistics.fits.dijet_fit import (
    ChosenFit,
    Spectrum,
    SpectrumFit,
    choose_fit,
    predict_chosen,
)
from anode.statistics.scan.window_result import (
    EventLimit,
    FitQuality,
    TemplateExpectation,
    WindowTest,
)
from anode.statistics.scan.window_spectra import Spectra, WindowCuts

PARAMETERS = (3, 4, 5)
MIN_BESIDE = 10  # events of the fit on either side of a window
MIN_FITTED = 100  # events; fits of fewer have heavy tails: with 30, a median error of 43%


class Expected(NamedTuple):
    """Background in all bins, (B,) each; NaN without a fit.

    Attributes:
        chosen: background of the function that the F-test chooses.
        flexible: background of the function with the most parameters, the mean of toys: so they
            hold what the chosen one leaves out.
    """

    chosen: np.ndarray
    flexible: np.ndarray


def no_fit_reason(spectra: Spectra, window: int, *, min_bins: int) -> str | None:
    """Why the spectrum outside a window cannot predict what is inside; None where it can."""
    edges, used = spectra.edges, spectra.used[window]
    low, high = spectra.low[window], spectra.high[window]
    if low < edges[0]:
        return f"begins in the trigger turn-on, below {edges[0]:g} GeV"
    for side, bins in (
        ("lower", used & (edges[1:] <= low)),
        ("upper", used & (edges[:-1] >= high)),
    ):
        if bins.sum() < min_bins:
            return f"{side} sideband has {bins.sum()} bins of the fit, needs {min_bins}"
    return None


def test_window(
    spectra: Spectra,
    window: int,
    cut: int,
    model: WindowCuts,
    *,
    min_bins: int,
    alpha: float,
    limits: bool,
) -> tuple[WindowTest, Expected]:
    """Test one window at one cut; also the background expected in all bins.

    Args:
        spectra: mass spectra of the scan.
        window, cut: number of the window, and of its cut.
        model: cuts of the window.
        min_bins: bins of the fit needed on either side of the window.
        alpha: level of the F-test.
        limits: True to set upper limits, which take most of the time.
    """
    low, high = float(spectra.low[window]), float(spectra.high[window])
    n_observed, n_total = (int(spectra.n_inside[window, c]) for c in (cut, 0))
    fixed = cut > 0 and bool(np.isfinite(model.thresholds[cut - 1]))
    template = _template(n_observed, n_total, model, cut - 1) if fixed else None
    chosen, reason = _fit(spectra, window, cut, min_bins=min_bins, alpha=alpha)
    expected = Expected(*np.full((2, len(spectra.edges) - 1), np.nan))
    if chosen is not None:
        predicted = tuple(predict_chosen(chosen, spectra.edges, spectra.inside[window]))
        expected = Expected(chosen.fit.expected, _most_flexible(chosen).expected)
    elif template is not None:
        predicted = (template.n_expected, template.n_expected_error)
    else:  # nothing predicts the whole spectrum: no excess is claimed
        predicted = (float(n_total), float(np.sqrt(max(n_total, 1))))
    local = local_significance(n_observed, *predicted)
    strength = signal_strength(n_observed, *predicted)
    wanted = limits and (fixed or cut == 0)
    limit = upper_limit(n_observed, *predicted) if wanted else None
    test = WindowTest(
        low=low,
        high=high,
        efficiency=float(spectra.efficiency[cut]),
        n_observed=n_observed,
        n_expected=float(predicted[0]),
        n_expected_error=float(predicted[1]),
        p_local=float(local.p_local),
        z_local=float(local.z_local),
        n_total=n_total,
        threshold=float(model.thresholds[cut - 1]) if fixed else None,
        expected_from="fit" if chosen is not None else "template" if fixed else "observed",
        tested=chosen is not None,
        reason=reason,
        significance_from=local.source,
        fit=None if chosen is None else _quality(chosen),
        template=template,
        strength=Strength(*map(float, strength)),
        limit=None if limit is None else _plain_limit(limit),
    )
    return test, expected


def _fit(
    spectra: Spectra, window: int, cut: int, *, min_bins: int, alpha: float
) -> tuple[ChosenFit | None, str | None]:
    """The fit outside the window, or why there is none."""
    reason = no_fit_reason(spectra, window, min_bins=min_bins)
    if reason is not None:
        return None, reason
    spectrum = Spectrum(spectra.counts[window, cut], spectra.edges)
    reason = _too_few(spectrum, spectra.used[window], spectra.low[window], spectra.high[window])
    if reason is not None:
        return None, reason
    try:
        chosen = choose_fit(spectrum, spectra.used[window], parameters=PARAMETERS, alpha=alpha)
    except DataError as error:
        return None, str(error)
    return (chosen, None) if chosen.fit.valid else (None, "the fit did not converge")


def _too_few(spectrum: Spectrum, used: np.ndarray, low: float, high: float) -> str | None:
    """Why so few events beside a window predict nothing; None if they are enough."""
    lower, upper = spectrum.edges[:-1], spectrum.edges[1:]
    places = (
        ("outside", used, MIN_FITTED),
        ("below", used & (upper <= low), MIN_BESIDE),
        ("above", used & (lower >= high), MIN_BESIDE),
    )
    for place, bins, least in places:
        n_events = int(spectrum.counts[bins].sum())
        if n_events < least:
            return f"{n_events} events {place} the window pass, a fit needs {least}"
    return None


def _most_flexible(chosen: ChosenFit) -> SpectrumFit:
    fits = [fit for fit in chosen.fits.values() if fit.valid]
    return max(fits, key=lambda fit: fit.n_parameters)


def _template(n_observed: int, n_total: int, model: WindowCuts, cut: int) -> TemplateExpectation:
    """The template's prediction: its efficiency times the events of the window."""
    efficiency, error = float(model.efficiency[cut]), float(model.efficiency_error[cut])
    n_expected = efficiency * n_total
    # n_total contains the passing events and fluctuates with them, so only the binomial error
    # remains; that of one event at least.
    n_error = error * max(n_total, 1)
    local = local_significance(n_observed, n_expected, n_error)
    return TemplateExpectation(
        efficiency, error, n_expected, n_error, float(local.p_local), float(local.z_local)
    )


def _plain_limit(limit: Limit) -> EventLimit:
    low2, low1, median, high1, high2 = map(float, limit.expected)
    return EventLimit(float(limit.observed), (low2, low1, median, high1, high2))


def _quality(chosen: ChosenFit) -> FitQuality:
    fit = chosen.fit
    return FitQuality(
        n_parameters=int(fit.n_parameters),
        deviance=float(fit.deviance),
        ndf=int(fit.ndf),
        p_value=None if np.isnan(fit.p_value) else float(fit.p_value),
        f_tests={name: float(p) for name, p in chosen.f_tests.items()},
    )
