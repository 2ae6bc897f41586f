"""From finished windows to ``search.json``: spectra, tests, the largest excess, its global p."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.build import METHODS
from anode.parallel import stream_jobs
from anode.pipeline.artifacts import RunDirectory
from anode.pipeline.prepare import Prepared
from anode.pipeline.search_config import SearchConfig
from anode.search.cross_checks import resonance_at, sculpting_of, second_opinion
from anode.search.fit_range import find_fit_range
from anode.search.global_p import (
    Cells,
    correlation_roots,
    global_p,
    largest_excess_of_toys,
    local_z_for,
)
from anode.search.scan import Expected, Spectra, WindowCuts, WindowTest, count, test_window
from anode.search.significance import z_values
from anode.search.spectrum import make_spectrum
from anode.seeding import stream

LEVELS = (1, 2, 3)
BUMP_TOYS = 1000  # of pyBumpHunter


class FinishedWindow(NamedTuple):
    """What a window's process left.

    Attributes:
        cuts: for the spectra.
        event_id, score: (S,) of the events that pass the loosest cut, as ``cuts`` has them.
        described: the content of ``window.json``.
    """

    cuts: WindowCuts
    event_id: np.ndarray
    score: np.ndarray
    described: dict[str, Any]


def read_window(directory: Path) -> FinishedWindow:
    """The result of one window.

    Raises:
        DataError: a file is missing or broken.
    """
    described = io.read_json(directory / "window.json")
    with io.open_hdf5(directory / "selected.h5") as file:
        event_id, mass, score = (file[name][:] for name in ("event_id", "mass", "score"))
    thresholds = np.array(list(described["thresholds"].values()))
    cuts = WindowCuts(
        described["low"],
        described["high"],
        described["strip"],
        thresholds,
        np.array(described["template"]["efficiency"]),
        np.array(described["template"]["efficiency_error"]),
        mass,
        (score[:, None] > thresholds).sum(axis=1),
    )
    return FinishedWindow(cuts, event_id, score, described)


def conclude(
    config: SearchConfig,
    directory: RunDirectory,
    prepared: Prepared,
    finished: list[FinishedWindow],
) -> dict[str, Any]:
    """The content of ``search.json``; writes ``spectra.h5``."""
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
    best, toys = _largest(
        config, tests, _selected(config, spectra, tests, flexible, finished, data)
    )
    inclusive, _ = _largest(config, tests, _inclusive(config, spectra, tests, flexible))
    looked_at = best if config.extras else None
    return {
        "method": config.run.method.name,
        "title": METHODS[config.run.method.name].method.title,
        "seed": config.run.seed,
        "data": _described(directory),
        "n_events": len(data),
        "n_dropped": prepared.n_dropped,
        "scan": {k: getattr(config.scan, k) for k in ("start", "stop", "width", "step")},
        "fit_range": [float(edges[0]), float(edges[-1])],
        "bin_width": config.spectrum.bin_width,
        "efficiencies": config.efficiencies,
        "template_source": finished[0].described["template"]["source"],
        "sideband_folds": config.run.split.sideband_folds,
        # Without a cut or a fit nothing predicts, and nothing is said.
        "windows": [
            dataclasses.asdict(test)
            for row in tests
            for test in row
            if test.expected_from != "observed"
        ],
        "best": best,
        "best_inclusive": inclusive,
        "resonance": None if looked_at is None else resonance_at(spectra, looked_at),
        "global": toys,
        "bump_hunter": second_opinion(
            spectra, expected, looked_at, seed=config.run.seed, n_toys=BUMP_TOYS
        ),
        "independence": [_independence(w) for w in finished],
        "sculpting": sculpting_of(spectra, seed=config.run.seed),
    }


def _described(directory: RunDirectory) -> dict[str, Any]:
    """The data, by name and hash: a result may go where their path says nothing."""
    described: dict[str, Any] = directory.read_manifest()["data"]
    return {**described, "source": Path(described["source"]).name}


def _independence(window: FinishedWindow) -> dict[str, Any]:
    """Score against mass within a window: correlation, and flatness at a 10% cut."""
    found = window.described["independence"]
    flat = found["rates"]["0.1"]
    return {
        "low": window.cuts.low,
        "high": window.cuts.high,
        "pearson": found["pearson"],
        "pearson_error": found["pearson_error"],
        "pass_rate_chi2": flat["chi2"],
        "ndf": flat["ndf"],
        "p_value": flat["p_value"],
    }


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
        found = find_fit_range(spectrum, width=config.scan.width)
    except DataError as error:
        raise DataError(f"{error}; here it is spectrum.low") from None
    return float(spectrum.edges[found.start])


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
    found = []
    with tqdm(total=len(jobs), desc="tests", unit=" windows", disable=None) as bar:
        for result in stream_jobs(_test, jobs, n_jobs=config.run.n_jobs, threads=1):
            found.append(result)
            bar.update()
    tests = [[test for test, _ in row] for row in found]
    expected = np.array([[expected for _, expected in row] for row in found])
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


class _Competitors(NamedTuple):
    """Windows and cuts that compete, what their toys need, and a name for random streams."""

    places: list[tuple[int, int]]
    cells: Cells
    name: str


def _selected(
    config: SearchConfig,
    spectra: Spectra,
    tests: list[list[WindowTest]],
    truth: np.ndarray,
    finished: list[FinishedWindow],
    data: EventTable,
) -> _Competitors:
    """Windows at cuts; the events they share say how their counts move together."""
    n_cuts = len(spectra.efficiency)
    places = [(w, c) for w in range(len(tests)) for c in range(1, n_cuts) if tests[w][c].tested]
    order = np.argsort(data.event_id)
    rows = [
        order[np.searchsorted(data.event_id, window.event_id, sorter=order)] for window in finished
    ]
    passing = [rows[w][finished[w].cuts.level >= c] for w, c in places]
    bins = np.searchsorted(spectra.edges, data.mass, side="right") - 1
    bins[bins >= len(spectra.edges) - 1] = -1
    n_bins = len(spectra.edges) - 1
    roots = correlation_roots(bins, passing, n_bins) if places else np.empty((n_bins, 0, 0))
    return _Competitors(places, _cells(config, spectra, truth, places, roots), "selected")


def _inclusive(
    config: SearchConfig, spectra: Spectra, tests: list[list[WindowTest]], truth: np.ndarray
) -> _Competitors:
    """Windows without a cut, which count the same events."""
    places = [(w, 0) for w in range(len(tests)) if tests[w][0].tested]
    roots = np.ones((len(spectra.edges) - 1, len(places), 1))
    return _Competitors(places, _cells(config, spectra, truth, places, roots), "inclusive")


def _cells(
    config: SearchConfig,
    spectra: Spectra,
    truth: np.ndarray,
    places: list[tuple[int, int]],
    roots: np.ndarray,
) -> Cells:
    windows, cuts = [w for w, _ in places], [c for _, c in places]
    return Cells(
        spectra.edges,
        spectra.used[windows],
        spectra.inside[windows],
        truth[windows, cuts],
        roots,
        config.spectrum.alpha,
    )


def _largest(
    config: SearchConfig, tests: list[list[WindowTest]], competitors: _Competitors
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The largest excess with its global p-value, and what the toys say; None without tests."""
    if not competitors.places:
        return None, {"n_toys": 0, "n_tests": 0, "levels": {}}
    rows = [tests[w][c] for w, c in competitors.places]
    z = z_values(
        np.array([row.n_observed for row in rows], dtype=float),
        np.array([row.n_expected for row in rows]),
        np.array([row.n_expected_error for row in rows]),
    )
    place = int(np.argmax(z))
    toys = largest_excess_of_toys(
        competitors.cells,
        n_toys=config.n_toys,
        rng=stream(config.run.seed, "global toys", competitors.name),
    )
    found = global_p(float(z[place]), toys)
    best = dataclasses.asdict(rows[place])
    best |= {
        "p_global": found.p_global,
        "p_global_error": found.p_global_error,
        "z_global": found.z_global,
        "z_global_error": found.z_global_error,
        "p_global_from": found.source,
    }
    levels = {str(level): local_z_for(level, toys) for level in LEVELS}
    return best, {"n_toys": found.n_toys, "n_tests": len(rows), "levels": levels}
