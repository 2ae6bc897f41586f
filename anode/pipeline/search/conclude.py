"""``search.json`` from finished windows: spectra, tests, the largest excess, its global p."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io, progress
from anode.errors import DataError, RunDirectoryError
from anode.methods.build import METHODS
from anode.parallel import stream_jobs
from anode.pipeline.runs.prepare import Prepared
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.largest_excess import (
    LargestOf,
    by_category,
    by_cut,
    largest,
    selected_events,
    with_systematics,
    without_cut,
)
from anode.pipeline.search.overdispersion import overdispersion_of
from anode.pipeline.search.search_directory import SearchDirectory
from anode.pipeline.search.signal_shape import read_shape, read_shapes
from anode.pipeline.search.window import FinishedWindow
from anode.provenance import DataDescription
from anode.regions.windows import Window
from anode.seeding import stream
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.fits.dijet_fit import make_spectrum
from anode.statistics.fits.fit_range import find_start
from anode.statistics.fits.spectrum_test import window_error
from anode.statistics.scan.cross_checks import (
    resonance_at,
    sculpting_of,
    second_opinion,
    workspace_at,
)
from anode.statistics.scan.search_result import (
    CutNotFixed,
    FittedResonance,
    ScanRange,
    SearchResult,
)
from anode.statistics.scan.spectrum_config import SpectrumConfig
from anode.statistics.scan.trust import Trust, trust_in
from anode.statistics.scan.window_result import LargestExcess
from anode.statistics.scan.window_spectra import Spectra, WindowCuts, count
from anode.statistics.scan.window_test import Dispersion, WindowTester, WindowTests
from anode.statistics.signal.resonance_shape import SignalShape
from anode.statistics.signal.signal_limits import Exposure

BUMP_TOYS = 1000  # of pyBumpHunter


def conclude(
    config: SearchConfig,
    directory: SearchDirectory,
    prepared: Prepared,
    finished: list[FinishedWindow],
) -> SearchResult:
    """What a search has found, its times and skipped windows apart; writes ``spectra.h5``."""
    data = prepared.data
    edges = fit_edges(config, data.mass)
    spectra = count(data.mass, [w.cuts for w in finished], config.efficiencies, edges)
    windows = [Window(w.cuts.low, w.cuts.high) for w in finished]
    measured = overdispersion_of(config, directory, data, windows)
    dispersion = _dispersion(config, measured)
    tested = _test_all(config, spectra, finished, dispersion)
    expected = np.array([window.expected for window in tested])
    io.write_hdf5(
        directory.path / "spectra.h5",
        {
            **spectra._asdict(),
            "inclusive": spectra.counts[0, 0],
            "expected": expected,
        },
        {"mass_unit": "GeV", "counts": "window, cut (the first is none), bin"},
    )
    events = selected_events(spectra, finished, data)
    competitors = {"categories": by_category, "cuts": by_cut, "no cut": without_cut}
    shape = read_shape(config.spectrum.signal_shape)

    def largest_by(test: str) -> LargestOf:
        entered = with_systematics(competitors[test](tested), spectra, shape)
        return largest(config, entered, events, test=test)

    best, toys = largest_by(config.spectrum.test)
    best_inclusive, _ = largest_by("no cut")
    best_other, _ = largest_by("cuts" if config.spectrum.test == "categories" else "categories")
    looked_at = best if config.extras else None
    closer = _closer_look(config, directory, spectra, best, dispersion)
    score_mass = [window.file.score_mass_test() for window in finished]
    return SearchResult(
        method=config.run.method.name,
        title=METHODS[config.run.method.name].method.title,
        seed=config.run.seed,
        data=_described(directory),
        n_events=len(data),
        n_dropped=prepared.n_dropped,
        n_copies=prepared.n_copies,
        scan=_scan_range(config),
        fit_range=(float(edges[0]), float(edges[-1])),
        bin_width=config.spectrum.bin_width,
        efficiencies=tuple(config.efficiencies),
        template_source=finished[0].file.template.source,
        sideband_folds=config.run.split.sideband_folds,
        # Without a fit, and a cut that could be fixed, nothing predicts and nothing is said.
        windows=tuple(
            row for window in tested for row in window.rows if row.expected_from != "observed"
        ),
        combined=tuple(window.combined for window in tested),
        overdispersion=measured,
        best=best,
        best_inclusive=best_inclusive,
        best_other=best_other,
        resonance=closer.resonance,
        trust=closer.trust,
        toys=toys,
        bump_hunter=second_opinion(
            spectra, expected, looked_at, seed=config.run.seed, n_toys=BUMP_TOYS
        ),
        cuts_not_fixed=tuple(cut for window in finished for cut in _not_fixed(config, window)),
        independence=tuple(test for test in score_mass if test is not None),
        sculpting=sculpting_of(spectra, seed=config.run.seed),
        skipped=(),
        conclusion=config.conclusion,
        seconds=0.0,
        cpu_seconds=0.0,
    )


def _scan_range(config: SearchConfig) -> ScanRange:
    """The range of a scan whose first window is known."""
    scan = config.scan
    return ScanRange(scan.windows[0].low, scan.stop, scan.width, scan.step)


def _described(directory: RunDirectory) -> DataDescription:
    """The data, by name and hash: a result may go where their path says nothing."""
    data = directory.read_manifest().data
    if data is None:
        raise RunDirectoryError(
            f"{directory.manifest} must say which data are searched, but has no data; search in "
            "another run_dir"
        )
    return dataclasses.replace(data, source=Path(data.source).name)


def _not_fixed(config: SearchConfig, window: FinishedWindow) -> list[CutNotFixed]:
    n_events = window.file.template.n_events
    return [
        CutNotFixed(window.cuts.low, window.cuts.high, efficiency, n_events)
        for efficiency, threshold in zip(config.efficiencies, window.cuts.thresholds, strict=True)
        if np.isinf(threshold)
    ]


def fit_edges(config: SearchConfig, mass: np.ndarray) -> np.ndarray:
    """(B+1,) edges of the bins of the fit [GeV], on the grid of the windows.

    Raises:
        DataError: the range is empty, or no smooth part of the spectrum is found.
    """
    wanted, width = config.spectrum, config.spectrum.bin_width
    low = wanted.low if wanted.low is not None else _smooth_from(config, mass)
    high = wanted.high if wanted.high is not None else float(mass.max())
    first, last = np.ceil(low / width), np.floor(high / width) + (wanted.high is None)
    if not last > first:
        raise DataError(
            f"a spectrum needs spectrum.low below spectrum.high, got {low:g} and {high:g} GeV"
        )
    edges: np.ndarray = width * np.arange(first, last + 1)
    return edges


def _smooth_from(config: SearchConfig, mass: np.ndarray) -> float:
    """Where the trigger turn-on ends [GeV]."""
    width = config.spectrum.bin_width
    first, last = np.floor(mass.min() / width), np.floor(mass.max() / width) + 1
    spectrum = make_spectrum(mass, width * np.arange(max(first, 1), last + 1))
    try:
        return float(spectrum.edges[find_start(spectrum)])
    except DataError as error:
        raise DataError(f"{error}, or give spectrum.low") from None


def _dispersion(config: SearchConfig, measured: Overdispersion | None) -> Dispersion:
    """Factors of counts over Poisson's, never below 1: what was measured has an error."""
    if measured is None:
        ones = np.ones(len(config.efficiencies))
        return Dispersion(ones, ones)
    return Dispersion(np.maximum(measured.f_inclusive, 1.0), np.maximum(measured.f, 1.0))


class _CloserLook(NamedTuple):
    """A resonance fitted at the largest excess, and tests of the fit."""

    resonance: FittedResonance | None = None
    trust: Trust | None = None


def _closer_look(
    config: SearchConfig,
    directory: SearchDirectory,
    spectra: Spectra,
    best: LargestExcess | None,
    dispersion: Dispersion,
) -> _CloserLook:
    """What the spectrum of the largest excess says; its likelihood goes into workspace.json."""
    directory.workspace.unlink(missing_ok=True)
    if best is None or best.fit is None:
        return _CloserLook()
    cut = config.efficiencies.index(best.efficiency)
    shape = read_shapes(config.spectrum.signal_shape, config.efficiencies)[cut + 1]
    factor = dispersion.cuts[cut]
    spread = window_error(factor, best.n_expected)
    content = workspace_at(spectra, best, shape=shape, window_error=spread)
    io.write_json(directory.workspace, content)
    if not config.extras:
        return _CloserLook()
    return _CloserLook(
        resonance_at(spectra, best, shape=shape, window_error=spread),
        trust_in(spectra, best, shape=shape, window_error=spread, seed=config.run.seed),
    )


class _TestJob(NamedTuple):
    """All tests of one window."""

    spectra: Spectra
    window: int
    model: WindowCuts
    shapes: list[SignalShape]
    dispersion: Dispersion
    wanted: SpectrumConfig
    seed: int
    limits: bool


def _test_all(
    config: SearchConfig,
    spectra: Spectra,
    finished: list[FinishedWindow],
    dispersion: Dispersion,
) -> list[WindowTests]:
    """Every window at every cut, and of all its categories."""
    shapes = read_shapes(config.spectrum.signal_shape, config.efficiencies)
    jobs = [
        _TestJob(
            spectra,
            w,
            window.cuts,
            shapes,
            dispersion,
            config.spectrum,
            config.run.seed,
            config.extras,
        )
        for w, window in enumerate(finished)
    ]
    results = []
    with progress.task("tests", share=0.7, total=len(jobs), unit="windows") as bar:
        for result in stream_jobs(_test, jobs, n_jobs=config.run.n_jobs, threads=1):
            results.append(result)
            bar.update()
    return results


def _exposures(wanted: SpectrumConfig) -> list[Exposure] | None:
    if wanted.luminosity is None or wanted.efficiency is None:
        return None
    return [Exposure(efficiency, wanted.luminosity) for efficiency in wanted.efficiency]


def _test(job: _TestJob) -> WindowTests:
    window = job.model
    return WindowTester(
        job.spectra,
        job.window,
        window,
        shapes=job.shapes,
        dispersion=job.dispersion,
        min_bins=job.wanted.min_bins,
        rng=stream(job.seed, "local toys", f"{window.low:g}"),
        limits=job.limits,
        exposures=_exposures(job.wanted),
        efficiency_error=job.wanted.efficiency_error,
    ).test()
