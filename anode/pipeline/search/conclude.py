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
from anode.pipeline.search.largest_excess import inclusive, largest, selected
from anode.pipeline.search.window import FinishedWindow
from anode.provenance import DataDescription
from anode.statistics.fits.dijet_fit import make_spectrum
from anode.statistics.fits.fit_range import find_start
from anode.statistics.scan.cross_checks import resonance_at, sculpting_of, second_opinion
from anode.statistics.scan.search_result import CutNotFixed, ScanRange, SearchResult
from anode.statistics.scan.window_result import WindowTest
from anode.statistics.scan.window_spectra import Spectra, WindowCuts, count
from anode.statistics.scan.window_test import Expected, test_window

BUMP_TOYS = 1000  # of pyBumpHunter


def conclude(
    config: SearchConfig,
    directory: RunDirectory,
    prepared: Prepared,
    finished: list[FinishedWindow],
) -> SearchResult:
    """What a search has found, its times and skipped windows apart; writes ``spectra.h5``."""
    data = prepared.data
    edges = fit_edges(config, data.mass)
    spectra = count(data.mass, [w.cuts for w in finished], config.efficiencies, edges)
    tests, expected, flexible = _test_all(config, spectra, finished)
    io.write_hdf5(
        directory.path / "spectra.h5",
        {
            **spectra._asdict(),
            "inclusive": spectra.counts[0, 0],
            "expected": expected,
        },
        {"mass_unit": "GeV", "counts": "window, cut (the first is none), bin"},
    )
    best, toys = largest(config, tests, selected(config, spectra, tests, flexible, finished, data))
    best_inclusive, _ = largest(config, tests, inclusive(config, spectra, tests, flexible))
    looked_at = best if config.extras else None
    score_mass = [window.file.score_mass_test() for window in finished]
    return SearchResult(
        method=config.run.method.name,
        title=METHODS[config.run.method.name].method.title,
        seed=config.run.seed,
        data=_described(directory),
        n_events=len(data),
        n_dropped=prepared.n_dropped,
        scan=ScanRange(config.scan.start, config.scan.stop, config.scan.width, config.scan.step),
        fit_range=(float(edges[0]), float(edges[-1])),
        bin_width=config.spectrum.bin_width,
        efficiencies=tuple(config.efficiencies),
        template_source=finished[0].file.template.source,
        sideband_folds=config.run.split.sideband_folds,
        # Without a fit, and a cut that could be fixed, nothing predicts and nothing is said.
        windows=tuple(test for row in tests for test in row if test.expected_from != "observed"),
        best=best,
        best_inclusive=best_inclusive,
        resonance=None if looked_at is None else resonance_at(spectra, looked_at),
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


class _TestJob(NamedTuple):
    """All cuts of one window."""

    spectra: Spectra
    window: int
    model: WindowCuts
    min_bins: int
    alpha: float
    limits: bool


def _test_all(
    config: SearchConfig, spectra: Spectra, finished: list[FinishedWindow]
) -> tuple[list[list[WindowTest]], np.ndarray, np.ndarray]:
    """Every window at every cut; and (W, C, B) the background expected in all bins, of the chosen
    and of the most flexible function."""
    wanted = config.spectrum
    jobs = [
        _TestJob(spectra, w, window.cuts, wanted.min_bins, wanted.alpha, config.extras)
        for w, window in enumerate(finished)
    ]
    results = []
    with progress.task("tests", share=0.7, total=len(jobs), unit="windows") as bar:
        for result in stream_jobs(_test, jobs, n_jobs=config.run.n_jobs, threads=1):
            results.append(result)
            bar.update()
    tests = [[test for test, _ in row] for row in results]
    expected = np.array([[expected for _, expected in row] for row in results])
    return tests, expected[:, :, 0], expected[:, :, 1]


def _test(job: _TestJob) -> list[tuple[WindowTest, Expected]]:
    return [
        test_window(
            job.spectra,
            job.window,
            cut,
            job.model,
            min_bins=job.min_bins,
            alpha=job.alpha,
            limits=job.limits,
        )
        for cut in range(len(job.spectra.efficiency))
    ]
