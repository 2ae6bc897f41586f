"""What do independent looks say: a fitted resonance, pyBumpHunter, the shapes that cuts change?"""

import logging
from typing import Any

import numpy as np
import scipy

from anode.errors import DataError, MissingPackageError
from anode.statistics.fits.bump_hunter import bump_hunter
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.fits.dijet_function import merged_deviance
from anode.statistics.fits.loglinear import exponential, maximise, orthonormal, project
from anode.statistics.fits.resonance_fit import fit_resonance
from anode.statistics.scan.mass_sculpting import mass_sculpting_of_counts
from anode.statistics.scan.window_spectra import Spectra

log = logging.getLogger(__name__)


def resonance_at(spectra: Spectra, best: dict[str, Any]) -> dict[str, float] | None:
    """A Gaussian fitted to the spectrum of the largest excess, within its window; None if the fit
    fails or its mass runs to the window's edge."""
    window, cut = _place(spectra, best)
    everywhere = np.ones(len(spectra.edges) - 1, dtype=bool)
    try:
        found = fit_resonance(
            Spectrum(spectra.counts[window, cut], spectra.edges),
            everywhere,
            low=best["low"],
            high=best["high"],
            n_parameters=best["fit"]["n_parameters"],
        )
    except DataError:
        return None
    names = ("mass", "mass_error", "width", "width_error", "n_signal", "n_signal_error")
    if not found.valid:
        return None
    return {name: float(getattr(found, name)) for name in (*names, "p_value", "z")}


def second_opinion(
    spectra: Spectra, expected: np.ndarray, best: dict[str, Any] | None, *, seed: int, n_toys: int
) -> dict[str, dict[str, float | None]]:
    """pyBumpHunter on the spectrum of the largest excess, without and with its cut, against the
    background that the fit outside the window expects. Edges are None where no bin has an excess;
    nothing is said where pyBumpHunter is not installed.

    Args:
        spectra: of the scan.
        expected: (W, C, B) background.
        best: the largest excess, or None.
        seed: root seed.
        n_toys: of pyBumpHunter.
    """
    if best is None:
        return {}
    window, selected = _place(spectra, best)
    found = {}
    for name, cut in (("inclusive", 0), ("selected", selected)):
        spectrum = Spectrum(spectra.counts[window, cut], spectra.edges)
        if np.isfinite(expected[window, cut]).all():
            try:
                hunt = bump_hunter(spectrum, expected[window, cut], seed=seed, n_toys=n_toys)
            except MissingPackageError as error:
                log.warning("left out: %s", error)
                return {}
            # Without an excess anywhere the bump has no edges.
            found[name] = {k: None if np.isnan(v) else v for k, v in hunt._asdict().items()}
    return found


def sculpting_of(spectra: Spectra, *, seed: int) -> list[dict[str, Any]]:
    """How each window's cuts change the shape of the spectrum outside it."""
    found = []
    for window, (low, high) in enumerate(zip(spectra.low, spectra.high, strict=True)):
        used = spectra.used[window]
        edges = spectra.edges
        for cut in range(1, len(spectra.efficiency)):
            before, after = ((spectra.counts[window, c] * used).astype(int) for c in (0, cut))
            if not after.sum():  # nothing passes, or the cut could not be fixed
                continue
            result = mass_sculpting_of_counts(before, after, edges, seed=seed)
            found.append(
                {
                    "low": float(low),
                    "high": float(high),
                    "efficiency": float(spectra.efficiency[cut]),
                    "chi2": float(result.rate.chi2),
                    "ndf": int(result.rate.ndf),
                    "p_value": float(result.rate.p_value),
                    "smooth_p_value": smooth_p_value(before, after, edges),
                    "jensen_shannon": result.jensen_shannon,
                    "rate_low": float(result.rate.lowest),
                    "rate_high": float(result.rate.highest),
                }
            )
    return found


def smooth_p_value(before: np.ndarray, after: np.ndarray, edges: np.ndarray) -> float:
    """Does a smooth function of the mass describe the share that passes?

    ln(rate) = a + b ln m + c ln^2 m, fitted by the Poisson likelihood of ``after``; the p-value is
    of its deviance, neighbouring bins merged until each expects five events. A slope passes this
    test and fails that of one rate; a bump fails both.

    Args:
        before: (B,) events.
        after: (B,) those of them that pass.
        edges: (B+1,) [GeV].
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


def _place(spectra: Spectra, best: dict[str, Any]) -> tuple[int, int]:
    window = int(np.flatnonzero(spectra.low == best["low"])[0])
    cut = int(np.flatnonzero(np.isclose(spectra.efficiency, best["efficiency"]))[0])
    return window, cut
