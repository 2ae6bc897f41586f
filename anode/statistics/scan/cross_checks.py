"""Checks of the largest excess: a fitted resonance, pyBumpHunter, shapes that cuts change."""

import logging

import numpy as np
import scipy

from anode.errors import DataError, MissingPackageError
from anode.statistics.counting.significance import p_of_z
from anode.statistics.fits.bump_hunter import BumpHunt, bump_hunter
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.dijet_function import merged_deviance
from anode.statistics.fits.loglinear import exponential, maximise, orthonormal, project
from anode.statistics.scan.mass_sculpting import mass_sculpting_of_counts
from anode.statistics.scan.search_result import FittedResonance, SculptingTest
from anode.statistics.scan.window_result import LargestExcess
from anode.statistics.scan.window_spectra import Spectra
from anode.statistics.signal.histfactory import workspace
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_fit import fit_mass
from anode.statistics.signal.signal_model import Systematics

log = logging.getLogger(__name__)


def resonance_at(
    spectra: Spectra, best: LargestExcess, *, shape: SignalShape, window_error: float = 0.0
) -> FittedResonance | None:
    """A resonance fitted to the spectrum of the largest excess, its mass within the window.

    Args:
        spectra: mass spectra of the scan.
        best: largest excess.
        shape: distribution of m / M.
        window_error: relative spread of the window's counts beyond Poisson's.

    Returns:
        None if no di-jet function describes the spectrum beside the window, the fit fails or its
        mass runs to the window's edge.
    """
    if best.fit is None:
        return None
    window, cut = _position(spectra, best)
    used, inside = spectra.used[window], spectra.inside[window]
    try:
        found = fit_mass(
            Spectrum(spectra.counts[window, cut], spectra.edges),
            used | inside,
            inside,
            low=best.low,
            high=best.high,
            shape=shape,
            systematics=Systematics(window_error=window_error),
        )
    except DataError:
        return None
    fit = found.fit
    if not (fit.valid and found.inside):
        return None
    return FittedResonance(
        mass=found.mass,
        mass_error=found.mass_error,
        n_signal=fit.strength.n_signal,
        error_low=fit.strength.error_low,
        error_high=fit.strength.error_high,
        p_value=float(p_of_z(fit.z)),
        z=fit.z,
        p_value_background=_known(fit.background.p_value),
        p_value_with_signal=_known(fit.both.p_value),
        scale_pull=fit.pulls.scale,
        width_pull=fit.pulls.width,
    )


def workspace_at(
    spectra: Spectra, best: LargestExcess, *, shape: SignalShape, window_error: float = 0.0
) -> dict[str, object]:
    """The likelihood of the largest excess, for pyhf: its spectrum, the mass at the centre.

    Arguments as ``resonance_at``.
    """
    window, cut = _position(spectra, best)
    used, inside = spectra.used[window], spectra.inside[window]
    return workspace(
        Spectrum(spectra.counts[window, cut], spectra.edges),
        used | inside,
        inside,
        mass=best.mass,
        shape=shape,
        systematics=Systematics(window_error=window_error),
    )


def _known(p_value: float) -> float | None:
    return None if np.isnan(p_value) else float(p_value)


def second_opinion(
    spectra: Spectra, expected: np.ndarray, best: LargestExcess | None, *, seed: int, n_toys: int
) -> dict[str, BumpHunt]:
    """pyBumpHunter on the spectrum of the largest excess, without ("inclusive") and with its cut
    ("selected"), against the background that the fit outside the window expects; nothing is said
    where pyBumpHunter is not installed.

    Args:
        spectra: mass spectra of the scan.
        expected: (W, C, B) background events.
        best: largest excess, or None.
        seed: root seed.
        n_toys: number of toys of pyBumpHunter.
    """
    if best is None:
        return {}
    window, selected = _position(spectra, best)
    hunts = {}
    for name, cut in (("inclusive", 0), ("selected", selected)):
        spectrum = Spectrum(spectra.counts[window, cut], spectra.edges)
        if np.isfinite(expected[window, cut]).all():
            try:
                hunts[name] = bump_hunter(
                    spectrum, expected[window, cut], seed=seed, n_toys=n_toys
                )
            except MissingPackageError as error:
                log.warning("left out: %s", error)
                return {}
    return hunts


def sculpting_of(spectra: Spectra, *, seed: int) -> tuple[SculptingTest, ...]:
    """How each window's cuts change the shape of the spectrum outside it."""
    tests = []
    for window, (low, high) in enumerate(zip(spectra.low, spectra.high, strict=True)):
        used = spectra.used[window]
        edges = spectra.edges
        for cut in range(1, len(spectra.efficiency)):
            before, after = ((spectra.counts[window, c] * used).astype(int) for c in (0, cut))
            if not after.sum():  # nothing passes, or the cut could not be fixed
                continue
            result = mass_sculpting_of_counts(before, after, edges, seed=seed)
            tests.append(
                SculptingTest(
                    low=float(low),
                    high=float(high),
                    efficiency=float(spectra.efficiency[cut]),
                    chi2=float(result.rate.chi2),
                    ndf=int(result.rate.ndf),
                    p_value=float(result.rate.p_value),
                    smooth_p_value=smooth_p_value(before, after, edges),
                    jensen_shannon=result.jensen_shannon,
                    rate_low=float(result.rate.lowest),
                    rate_high=float(result.rate.highest),
                )
            )
    return tuple(tests)


def smooth_p_value(before: np.ndarray, after: np.ndarray, edges: np.ndarray) -> float:
    """Does a smooth function of the mass describe the share that passes?

    ln(rate) = a + b ln m + c ln^2 m, fitted by the Poisson likelihood of ``after``; the p-value is
    of its deviance, neighbouring bins merged until each expects five events. A slope passes this
    test and fails that of one rate; a bump fails both.

    Args:
        before: (B,) events before the cut.
        after: (B,) events of these that pass.
        edges: (B+1,) edges of the bins [GeV].
    """
    some = before > 0
    log_mass = np.log((edges[1:] + edges[:-1]) / 2)[some]
    every = np.stack([np.ones_like(log_mass), log_mass, log_mass**2], axis=1)
    counts, offset = after[some].astype(float), np.log(before[some].astype(float))
    if np.count_nonzero(counts) <= every.shape[1]:
        return 1.0  # nothing to be seen
    weight = np.exp(offset) * counts.sum() / np.exp(offset).sum()
    basis = every @ orthonormal(every, weight)
    start = project(np.log(weight) - offset, basis, weight)[None]
    theta = maximise(counts[None], basis, offset, start)
    if not np.isfinite(theta).all():
        return 1.0
    expected = exponential(theta @ basis.T + offset)
    deviance, n_merged = merged_deviance(counts[None], expected)
    ndf = int(n_merged[0]) - every.shape[1]
    return float(scipy.stats.chi2.sf(deviance[0], ndf)) if ndf > 0 else 1.0


def _position(spectra: Spectra, best: LargestExcess) -> tuple[int, int]:
    """Number of the window of the largest excess, and of its cut."""
    window = int(np.flatnonzero(spectra.low == best.low)[0])
    cut = int(np.flatnonzero(np.isclose(spectra.efficiency, best.efficiency))[0])
    return window, cut
