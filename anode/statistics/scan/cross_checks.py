"""Checks of the largest excess: a fitted resonance, pyBumpHunter, shapes that cuts change."""

import logging

import numpy as np
import scipy

from anode.errors import DataError, MissingPackageError
from anode.statistics.fits.bump_hunter import BumpHunt, bump_hunter
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.dijet_function import merged_deviance
from anode.statistics.fits.loglinear import exponential, maximise, orthonormal, project
from anode.statistics.fits.resonance_fit import fit_resonance
from anode.statistics.scan.mass_sculpting import mass_sculpting_of_counts
from anode.statistics.scan.search_result import FittedResonance, SculptingTest
from anode.statistics.scan.window_result import LargestExcess
from anode.statistics.scan.window_spectra import Spectra

log = logging.getLogger(__name__)


def resonance_at(spectra: Spectra, best: LargestExcess) -> FittedResonance | None:
    """A Gaussian fitted to the spectrum of the largest excess, within its window.

    Args:
        spectra: mass spectra of the scan.
        best: largest excess.

    Returns:
        None if no di-jet function describes the spectrum beside the window, the fit fails or its
        mass runs to the window's edge.
    """
    if best.fit is None:
        return None
    window, cut = _position(spectra, best)
    everywhere = np.ones(len(spectra.edges) - 1, dtype=bool)
    try:
        fitted = fit_resonance(
            Spectrum(spectra.counts[window, cut], spectra.edges),
            everywhere,
            low=best.low,
            high=best.high,
            n_parameters=best.fit.n_parameters,
        )
    except DataError:
        return None
    if not fitted.valid:
        return None
    return FittedResonance(
        mass=float(fitted.mass),
        mass_error=float(fitted.mass_error),
        width=float(fitted.width),
        width_error=float(fitted.width_error),
        n_signal=float(fitted.n_signal),
        n_signal_error=float(fitted.n_signal_error),
        p_value=float(fitted.p_value),
        z=float(fitted.z),
    )


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
